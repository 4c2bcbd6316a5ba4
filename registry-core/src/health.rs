//! Whether a connection can be used now, who is told when that changes, and the keeper that brings it back.
//!
//! ```text
//! Waiting -> Connecting -> Ready <-> Degraded        -> Closing -> Closed
//! ```
//!
//! A call looks at one atomic number. While a connection is degraded every call fails at once, with the cause; its
//! keeper, one task, tries to open it until it is back. A call that fails or waits in a way that a dead server could
//! explain makes the keeper look once: the state changes only when that look fails.

use crate::attempt;
use crate::background;
use crate::backoff::Backoff;
use crate::base::{Base, StartPolicy};
use crate::connection::Connection;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::status::{State, StateChange};
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;

/// Pauses of the keeper where nobody waits, or where haste does harm: an optional connection that was never there, and
/// a refusal that only a person can mend (an account may be locked for asking too often).
const AWAY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// After a look that found the server well, another one waits for this long.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How long a session that is open has to answer, when no new one came in time.
const ANSWER: Duration = Duration::from_secs(1);

/// Gives the connection while a handle of it lives: the keeper itself keeps nothing alive.
pub(crate) type Revive = Box<dyn Fn() -> Option<Arc<dyn Connection>> + Send + Sync>;

/// The state of a connection.
pub(crate) struct Health {
    /// The state as a number, for the look of every call.
    now: AtomicU8,
    condition: watch::Sender<Condition>,
    changes: OnceLock<broadcast::Sender<StateChange>>,
    revive: OnceLock<Revive>,
    keeper: Mutex<Option<AbortHandle>>,
    /// When the keeper last found the server well.
    looked: Mutex<Option<Instant>>,
}

/// The state with its cause.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) state: State,
    pub(crate) cause: Option<Error>,
    pub(crate) since: SystemTime,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.borrow().fmt(f)
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        self.end_keeper();
    }
}

impl Health {
    pub(crate) fn new(policy: StartPolicy) -> Self {
        let state = match policy {
            StartPolicy::Lazy => State::Waiting,
            _ => State::Connecting,
        };
        let condition = Condition {
            state,
            cause: None,
            since: SystemTime::now(),
        };
        Self {
            now: AtomicU8::new(state as u8),
            condition: watch::Sender::new(condition),
            changes: OnceLock::new(),
            revive: OnceLock::new(),
            keeper: Mutex::new(None),
            looked: Mutex::new(None),
        }
    }

    pub(crate) fn is(&self, state: State) -> bool {
        self.now.load(Ordering::Acquire) == state as u8
    }

    pub(crate) fn condition(&self) -> Condition {
        self.condition.borrow().clone()
    }

    /// Tells every change from now on.
    pub(crate) fn tell(&self, changes: broadcast::Sender<StateChange>) {
        // A connection belongs to one registry: set once.
        let _ = self.changes.set(changes);
    }

    #[cfg_attr(
        not(any(
            feature = "mysql",
            feature = "mongodb",
            feature = "memcached",
            feature = "sqlite",
            feature = "postgres"
        )),
        expect(dead_code, reason = "without a backend there is no handle")
    )]
    pub(crate) fn revive_by(&self, revive: Revive) {
        let _ = self.revive.set(revive);
    }

    /// Changes the state, and tells it. What is closing or closed stays so.
    pub(crate) fn set(&self, label: &str, state: State, cause: Option<Error>) {
        let mut told = None;
        self.condition.send_if_modified(|condition| {
            let ends = matches!(condition.state, State::Closing | State::Closed);
            if ends && state != State::Closed {
                return false;
            }
            let words = |cause: &Option<Error>| cause.as_ref().map(|error| error.message().to_owned());
            if condition.state == state && words(&condition.cause) == words(&cause) {
                return false;
            }
            *condition = Condition {
                state,
                cause,
                since: SystemTime::now(),
            };
            self.now.store(state as u8, Ordering::Release);
            if let Some(changes) = self.changes.get() {
                // Here, in the order of the changes: the last one that is told is the one that holds. Nobody listens:
                // nobody is told.
                let _ = changes.send(StateChange {
                    connection: label.to_owned(),
                    state,
                    cause: condition.cause.clone(),
                    at: condition.since,
                });
            }
            told = Some(condition.clone());
            true
        });
        let Some(Condition { state, cause, .. }) = told else {
            return;
        };
        match &cause {
            Some(cause) => tracing::warn!(connection = label, %state, "{}", cause.message()),
            None => tracing::debug!(connection = label, %state),
        }
    }

    /// Waits until the state is one that a call can act on.
    pub(crate) async fn settled(&self) -> Condition {
        self.until(|state| !matches!(state, State::Waiting | State::Connecting))
            .await
    }

    /// Waits until the state is one of these.
    pub(crate) async fn until(&self, wanted: impl Fn(State) -> bool) -> Condition {
        let mut receiver = self.condition.subscribe();
        match receiver.wait_for(|condition| wanted(condition.state)).await {
            Ok(condition) => condition.clone(),
            // The sender is `self`, which is borrowed here.
            Err(_) => unreachable!("the state outlives those who wait for it"),
        }
    }

    /// Makes the keeper look at the server, unless it is at it, or just was.
    pub(crate) fn look(&self) {
        let lately = |looked: Instant| looked.elapsed() < LOOK_AGAIN;
        if !lock(&self.looked).is_some_and(lately) {
            self.keep();
        }
    }

    fn found_well(&self) {
        *lock(&self.looked) = Some(Instant::now());
    }

    /// Sets the keeper to work, unless it is.
    pub(crate) fn keep(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let mut keeper = lock(&self.keeper);
        if keeper.as_ref().is_some_and(|keeper| !keeper.is_finished()) || self.ends() {
            return;
        }
        if let Some(connection) = self.revive.get().and_then(|revive| revive()) {
            *keeper = Some(background::spawn(&runtime, keep(connection)));
        }
    }

    pub(crate) fn end_keeper(&self) {
        if let Some(keeper) = lock(&self.keeper).take() {
            keeper.abort();
        }
    }

    fn ends(&self) -> bool {
        self.is(State::Closing) || self.is(State::Closed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The keeper: tries to open the connection until it is open, or nobody holds a handle of it any more.
async fn keep(first: Arc<dyn Connection>) {
    let base = Arc::downgrade(first.base());
    let mut connection = Some(first);
    let (mut lost, mut away) = (Backoff::lost(), Backoff::new(AWAY.0, AWAY.1));
    loop {
        let held = match connection.take() {
            Some(first) => first,
            None => {
                let revived = base.upgrade();
                let revived = revived.and_then(|base| base.health().revive.get().and_then(|revive| revive()));
                let Some(revived) = revived else { return };
                revived
            }
        };
        let base = held.base();
        let was_there = base.health().is(State::Ready);
        let attempt = if was_there {
            look(&*held).await
        } else {
            attempt::reopen(&*held).await.map(drop)
        };
        let error = match attempt {
            Ok(()) => {
                base.health().found_well();
                return;
            }
            Err(error) => base.error_of_opening(error),
        };
        if was_there && !is_loss(&error) {
            // No new session is to be had, and those that are open go on: an error of the calls, not of all of it.
            base.health().found_well();
            return;
        }
        let pause = if !error.is_transient() || base.was_never_there() {
            away.next_pause()
        } else {
            lost.next_pause()
        };
        base.degrade(error);
        held.fail_fast();
        drop(held);
        tokio::time::sleep(pause).await;
    }
}

/// A look at a server that was there: by a new session and, where none comes in time, by one that is open. A server that is slow
/// to let anybody in is no outage for those who are in.
async fn look(connection: &dyn Connection) -> Result<(), Error> {
    let mut attempt = std::pin::pin!(attempt::reopen(connection));
    let mut early = std::pin::pin!(answers_early(connection));
    let mut answered = None;
    let error = loop {
        tokio::select! {
            biased;
            attempt = &mut attempt => match attempt {
                Ok(_) => return Ok(()),
                Err(error) => break error,
            },
            answers = &mut early, if answered.is_none() => answered = Some((answers, Instant::now())),
        }
    };
    if error.kind() != ErrorKind::Timeout {
        return Err(error);
    }
    // The attempt may have waited for its turn: then what was found is too old to say anything.
    let goes_on = match answered {
        Some((answered, at)) if at.elapsed() < 2 * ANSWER => answered,
        _ => answers(connection).await,
    };
    if goes_on { Ok(()) } else { Err(error) }
}

/// Asks shortly before a new session would have to be there, so that a loss is known no later for it.
async fn answers_early(connection: &dyn Connection) -> bool {
    let limit = connection.base().connect_timeout();
    tokio::time::sleep(limit.saturating_sub(ANSWER)).await;
    answers(connection).await
}

/// Whether an open session answers.
async fn answers(connection: &dyn Connection) -> bool {
    let patience = ANSWER.min(connection.base().connect_timeout());
    let probe = tokio::time::timeout(patience, connection.probe());
    matches!(probe.await, Ok(Ok(())))
}

/// Whether the server is not there for anyone.
fn is_loss(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout)
}

impl Base {
    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// The connection is not there; its keeper goes on.
    fn degrade(&self, cause: Error) {
        self.generations.lost();
        let known = self.health.condition().cause;
        // Once per cause: an outage of an hour is one record, not thousands.
        let cause = match known {
            Some(known) if known.message() == cause.message() => known,
            _ => self.record(cause, "connect"),
        };
        self.health.set(self.label(), State::Degraded, Some(cause));
    }
}
