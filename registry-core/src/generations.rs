//! Which sessions of a pool are to be trusted, by their age: those from before a loss are pinged first, those made with
//! credentials that were rotated away are ended.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Moments in the life of a connection, each in milliseconds since `born`, plus one; 0 for never.
pub(crate) struct Generations {
    born: Instant,
    /// When sessions were last lost.
    lost: AtomicU64,
    /// When credentials were last rotated, until a session with the new ones is made; then it moves on to `retired`.
    rotated: AtomicU64,
    retired: AtomicU64,
    /// What sessions were made from before, as long as one that was begun then is still being made from it.
    superseded: Mutex<Superseded>,
    /// Whether some of that is from before the rotation.
    draining: AtomicBool,
    /// When a deadline last ended a call, or its caller gave up what may not be left as it is.
    deadline: AtomicU64,
    /// When a session last came back from its work.
    released: AtomicU64,
    /// Looks for other credentials; where they come from files.
    refresh: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

type Superseded = Vec<Weak<dyn Any + Send + Sync>>;

impl fmt::Debug for Generations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generations").finish_non_exhaustive()
    }
}

impl Generations {
    pub(crate) fn new() -> Self {
        Self {
            born: Instant::now(),
            lost: AtomicU64::new(0),
            rotated: AtomicU64::new(0),
            retired: AtomicU64::new(0),
            superseded: Mutex::default(),
            draining: AtomicBool::new(false),
            deadline: AtomicU64::new(0),
            released: AtomicU64::new(0),
            refresh: OnceLock::new(),
        }
    }

    /// Has this look for other credentials whenever a session takes the place of one that is of no more use.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn set_refresh(&self, refresh: impl Fn() + Send + Sync + 'static) {
        // It is set where the connection is made, once.
        let _ = self.refresh.set(Box::new(refresh));
    }

    /// Whether something looks for other credentials.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn has_refresh(&self) -> bool {
        self.refresh.get().is_some()
    }

    /// A session is of no more use: the one in its place is made with what is current then.
    pub(crate) fn refresh(&self) {
        if let Some(refresh) = self.refresh.get() {
            refresh();
        }
    }

    /// Sessions from before now may be dead.
    pub(crate) fn lost(&self) {
        self.lost.store(self.now(), Ordering::Release);
    }

    /// Whether a session of this age is from before the latest loss.
    pub(crate) fn is_from_before_loss(&self, age: Duration) -> bool {
        self.is_older(age, &self.lost)
    }

    /// Sessions are made from something else from now on. As long as anybody holds `options`, one is still being made
    /// from it.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn superseded(&self, options: Weak<dyn Any + Send + Sync>) {
        let mut superseded = self.lock();
        superseded.retain(is_in_use);
        if is_in_use(&options) {
            superseded.push(options);
        }
    }

    /// The credentials of sessions from now on are others, and what sessions were made from is superseded. Old sessions stay
    /// until one of the new ones worked.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn rotated(&self) {
        let mut superseded = self.lock();
        superseded.retain(is_in_use);
        self.draining.store(!superseded.is_empty(), Ordering::Release);
        self.rotated.store(self.now(), Ordering::Release);
    }

    /// Whether credentials were rotated, and no session was made with the new ones yet.
    pub(crate) fn awaits_proof(&self) -> bool {
        self.rotated.load(Ordering::Acquire) != 0
    }

    /// A session was made: with what is current now, unless one is still being made from what was before.
    pub(crate) fn session_made(&self) {
        if self.awaits_proof() {
            // Held to the end: with another rotation in between, this session would prove that one.
            let mut superseded = self.lock();
            if self.is_drained(&mut superseded) {
                self.prove();
            }
        }
    }

    /// A session with what is current now was made: those from before the rotation are of no more use.
    pub(crate) fn rotation_proven(&self) {
        if self.awaits_proof() {
            let _superseded = self.lock();
            self.prove();
        }
    }

    fn prove(&self) {
        let rotated = self.rotated.swap(0, Ordering::AcqRel);
        // Sessions to a host that is not the one any more may have been retired since.
        self.retired.fetch_max(rotated, Ordering::AcqRel);
    }

    /// Whether no session is being made any more from what was before the rotation. Those that were made until now may be
    /// of that kind: nobody can tell, and they are treated as the older ones are. The one that comes upon it may be among
    /// them, because a moment is a millisecond: that is one login more.
    fn is_drained(&self, superseded: &mut Superseded) -> bool {
        superseded.retain(is_in_use);
        let drained = superseded.is_empty();
        if drained && self.draining.swap(false, Ordering::AcqRel) {
            let moment = if self.awaits_proof() {
                &self.rotated
            } else {
                &self.retired
            };
            moment.fetch_max(self.now(), Ordering::AcqRel);
        }
        drained
    }

    fn lock(&self) -> MutexGuard<'_, Superseded> {
        self.superseded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sessions from before now lead to a host that is not the one any more.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn retire(&self) {
        self.retired.store(self.now(), Ordering::Release);
    }

    /// A session came back from its work.
    pub(crate) fn released(&self) {
        self.released.store(self.now(), Ordering::Release);
    }

    /// Whether a session came back from its work within this time.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn released_within(&self, time: Duration) -> bool {
        let released = self.released.load(Ordering::Acquire);
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2);
        released != 0 && self.now() <= released + time
    }

    /// Whether a session of this age was made with credentials that have been rotated away.
    pub(crate) fn is_retired(&self, age: Duration) -> bool {
        if self.draining.load(Ordering::Acquire) {
            self.is_drained(&mut self.lock());
        }
        self.is_older(age, &self.retired)
    }

    /// A deadline ended a call: its session may hang.
    pub(crate) fn deadline_fired(&self) {
        self.deadline.store(self.now(), Ordering::Release);
    }

    /// Whoever called did not wait for the answer: its session may hang, or be within a transaction.
    #[cfg(any(feature = "mysql", feature = "sqlite", feature = "postgres"))]
    pub(crate) fn given_up(&self) {
        self.deadline_fired();
    }

    /// Whether a deadline ended a call within the last minute.
    pub(crate) fn deadline_fired_lately(&self) -> bool {
        const LATELY: u64 = 60_000;
        let fired = self.deadline.load(Ordering::Acquire);
        fired != 0 && self.now() < fired + LATELY
    }

    fn is_older(&self, age: Duration, moment: &AtomicU64) -> bool {
        let moment = moment.load(Ordering::Acquire);
        moment != 0 && self.born.elapsed().saturating_sub(age) <= Duration::from_millis(moment)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX / 2) + 1
    }
}

fn is_in_use(options: &Weak<dyn Any + Send + Sync>) -> bool {
    options.strong_count() > 0
}

#[cfg(all(test, any(feature = "mysql", feature = "postgres")))]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// A moment that is later than all that was noted, and earlier than all that will be.
    fn moment(generations: &Generations) -> Instant {
        let pass = || {
            let now = generations.now();
            while generations.now() <= now + 1 {
                std::thread::yield_now();
            }
        };
        pass();
        let moment = Instant::now();
        pass();
        moment
    }

    /// Something else takes the place of `before`, from which a session is being made.
    fn supersede(generations: &Generations, before: &Arc<u8>) {
        generations.superseded(Arc::downgrade(before) as Weak<dyn Any + Send + Sync>);
    }

    #[test]
    fn a_session_that_is_being_made_proves_no_rotation_and_is_retired_with_the_older_ones() {
        let generations = Generations::new();
        let being_made = Arc::new(0);
        supersede(&generations, &being_made);
        generations.rotated();
        let made = moment(&generations);
        generations.session_made();
        assert!(generations.awaits_proof(), "it may be that one");
        generations.rotation_proven();
        assert!(!generations.is_retired(made.elapsed()));
        drop(being_made);
        assert!(generations.is_retired(made.elapsed()), "it may be that one");
        let made = moment(&generations);
        assert!(!generations.is_retired(made.elapsed()), "it is another");
    }

    #[test]
    fn sessions_that_were_made_before_the_proof_are_retired_by_it() {
        let generations = Generations::new();
        let being_made = Arc::new(0);
        supersede(&generations, &being_made);
        generations.rotated();
        let made = moment(&generations);
        drop(being_made);
        assert!(!generations.is_retired(made.elapsed()), "nothing is proven");
        generations.session_made();
        assert!(!generations.awaits_proof());
        assert!(generations.is_retired(made.elapsed()), "it may be one of before");
        let made = moment(&generations);
        assert!(!generations.is_retired(made.elapsed()));
    }

    #[test]
    fn where_no_session_is_being_made_the_next_one_is_the_proof() {
        let generations = Generations::new();
        let old = moment(&generations);
        supersede(&generations, &Arc::new(0));
        generations.rotated();
        let made = moment(&generations);
        assert!(!generations.is_retired(old.elapsed()));
        generations.session_made();
        assert!(generations.is_retired(old.elapsed()));
        assert!(!generations.is_retired(made.elapsed()));
    }

    #[test]
    fn a_session_that_was_begun_several_changes_ago_is_waited_for() {
        let generations = Generations::new();
        let begun = [Arc::new(0), Arc::new(1)];
        // A host that was away in between, and then two rotations.
        supersede(&generations, &begun[0]);
        supersede(&generations, &Arc::new(2));
        generations.rotated();
        supersede(&generations, &begun[1]);
        generations.rotated();
        for being_made in begun {
            generations.session_made();
            assert!(generations.awaits_proof());
            drop(being_made);
        }
        let made = moment(&generations);
        generations.session_made();
        assert!(!generations.awaits_proof());
        assert!(generations.is_retired(made.elapsed()));
    }
}
