//! One server of a fleet: its sessions, the calls that wait for one, and whether it is there.
//!
//! A call that finds a session at rest uses it itself. If there is none it waits in the queue, and the next session that
//! comes free speaks for many at once (see [`super::runner`]): one packet there, one back.

use super::address::HostAddress;
use super::batch::Batch;
use super::lease::{Lease, Refusal};
use super::place::Place;
use super::queue::{Job, Next, QUEUE_LIMIT, Queue, Waiting};
use super::runner::Start;
use super::session::{Session, Terms};
use super::vitality::Vitality;
use super::{runner, wire};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::status::Sessions;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How many keys one command asks for.
const KEYS_PER_COMMAND: usize = 256;

/// From so many keys on a call has a packet of its own, and gains nothing from company.
const COMPANY: usize = 16;

/// What all processors write, on lines of memory of its own: what they only read stays with each of them.
#[derive(Default)]
#[repr(align(128))]
struct Apart<T>(T);

pub(super) struct Host {
    address: HostAddress,
    terms: Terms,
    vitality: Vitality,
    queue: Apart<Mutex<Queue>>,
    /// Whether a runner found [a crowd](Terms::is_crowded) when it last looked. Calls look here: to count those at work is to fetch what
    /// all processors write.
    crowded: AtomicBool,
    /// Wakes who waits for room in the queue, the first of them first.
    room: Notify,
    /// Wakes who opens a session, when the host is closed.
    closing: Notify,
    /// The size of a value of late.
    typical: AtomicUsize,
}

impl Host {
    pub(super) fn new(address: HostAddress, terms: Terms, failure_limit: Option<u32>) -> Self {
        Self {
            address,
            terms,
            vitality: Vitality::new(failure_limit),
            queue: Apart::default(),
            crowded: AtomicBool::new(false),
            room: Notify::new(),
            closing: Notify::new(),
            typical: AtomicUsize::new(0),
        }
    }

    pub(super) fn address(&self) -> &HostAddress {
        &self.address
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn vitality(&self) -> &Vitality {
        &self.vitality
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn closing(&self) -> &Notify {
        &self.closing
    }

    /// What a session that came free has to do; the session itself, where that is more than to rest.
    pub(super) fn next(&self, session: Box<Session>, batch: &mut Batch) -> (Next, Option<Box<Session>>) {
        let typical = self.typical();
        let crowded = self.terms.is_crowded();
        if crowded != self.is_crowded() {
            self.crowded.store(crowded, Ordering::Relaxed);
        }
        let mut queue = self.queue();
        let before = queue.waiting.len();
        let next = queue.next(typical, self.terms.batch_limit(), batch);
        // Whoever waits for room in the queue may have some of what is free now.
        for _ in 0..queue.crowd.min(before - queue.waiting.len()) {
            self.room.notify_one();
        }
        match next {
            Next::Rest if queue.closed => (next, None),
            Next::Rest => {
                queue.rest(session, &self.terms);
                (next, None)
            }
            _ => (next, Some(session)),
        }
    }

    /// Whether it was crowded when a runner last looked.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    pub(super) fn typical(&self) -> usize {
        self.typical.load(Ordering::Relaxed)
    }

    /// Learns from an answer how large values are: half of what it was, half of what it is.
    pub(super) fn learn(&self, bytes: usize, values: usize) {
        if let Some(mean) = bytes.checked_div(values) {
            let (before, now) = (self.typical(), self.typical().midpoint(mean));
            if now != before {
                self.typical.store(now, Ordering::Relaxed);
            }
        }
    }

    /// The values of these keys, which are all different, in commands of so many keys.
    pub(super) async fn get_multi(
        self: &Arc<Self>,
        keys: &[Cow<'_, str>],
    ) -> Result<HashMap<String, Vec<u8>>, Error> {
        let since = Instant::now();
        let lease = match keys.len() {
            COMPANY..=KEYS_PER_COMMAND => Some(Box::pin(self.lease()).await?),
            0..COMPANY => self.take_idle(since)?,
            _ => None,
        };
        if let Some(lease) = lease {
            let deadline = since + self.terms.base.timeout();
            match lease.get_each(deadline, keys).await {
                Ok(values) => {
                    let mut found = HashMap::with_capacity(keys.len());
                    let values = keys.iter().zip(values);
                    found.extend(values.filter_map(|(key, value)| Some((key.clone().into_owned(), value?))));
                    return Ok(found);
                }
                Err(Refusal { is_stale: true, .. }) => {}
                Err(Refusal { error, .. }) => return Err(error),
            }
        }
        let commands = keys.chunks(KEYS_PER_COMMAND).map(|keys| {
            let keys = keys.iter().map(|key| key.clone().into_owned()).collect();
            async { self.gather(since, |reply| Job::GetMulti { keys, reply })?.await }
        });
        let found = futures_util::future::try_join_all(commands).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// A session for the caller's own use.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, Error> {
        let since = Instant::now();
        match self.take_idle(since)? {
            Some(lease) => Ok(lease),
            None => self.gather(since, |reply| Job::Lease { reply })?.await,
        }
    }

    /// The deadline of a call that begins now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.terms.base.timeout()
    }

    /// The error of a call that this host did not answer in time; of several hosts, it says which.
    pub(super) fn deadline_error(&self) -> Error {
        let error = self.terms.base.deadline_error();
        if self.terms.hosts == 1 {
            return error;
        }
        let timeout = self.terms.base.timeout();
        error.said_otherwise(format!("no answer from {} within {timeout:?}", self.address))
    }

    /// A session at rest for one small call; none where so many are at work that others will come along.
    pub(super) fn take_alone(self: &Arc<Self>, now: Instant) -> Result<Option<Lease>, Error> {
        if self.is_crowded() {
            Ok(None)
        } else {
            self.take_idle(now)
        }
    }

    /// A session at rest, when nobody else waits.
    fn take_idle(self: &Arc<Self>, now: Instant) -> Result<Option<Lease>, Error> {
        loop {
            let session = {
                let mut queue = self.queue();
                if queue.closed {
                    return Err(self.terms.base.closed_error());
                }
                if !queue.waiting.is_empty() {
                    return Ok(None);
                }
                match queue.idle.pop() {
                    Some(session) => session,
                    None => return Ok(None),
                }
            };
            if session.is_sound(&self.terms, now) {
                return Ok(Some(Lease::new(self, session)));
            }
        }
    }

    /// Waits for room in the queue, up to `acquire_timeout`, and takes it.
    pub(super) async fn wait_for_room(self: &Arc<Self>, mut waiting: Waiting) -> Result<(), Error> {
        let until = waiting.until;
        // Before the first look: whoever makes room after it knows that somebody waits.
        let _one_more = Crowd::join(self);
        loop {
            let free = self.room.notified();
            match self.enqueue(waiting)? {
                None => return Ok(()),
                Some(back) => waiting = back,
            }
            if tokio::time::timeout_at(until, free).await.is_err() {
                return Err(self.no_session());
            }
        }
    }

    /// Puts it into the queue, or gives it back when that is full.
    pub(super) fn enqueue(self: &Arc<Self>, waiting: Waiting) -> Result<Option<Waiting>, Error> {
        let mut queue = self.queue();
        if queue.closed {
            return Err(self.terms.base.closed_error());
        }
        if queue.waiting.len() >= QUEUE_LIMIT {
            return Ok(Some(waiting));
        }
        queue.waiting.push_back(waiting);
        self.attend(&mut queue);
        Ok(None)
    }

    /// Puts back what is to be tried again, before all others.
    pub(super) fn put_back(self: &Arc<Self>, again: Vec<Waiting>) {
        let refused = {
            let mut queue = self.queue();
            if queue.closed {
                again
            } else {
                for waiting in again.into_iter().rev() {
                    queue.waiting.push_front(waiting);
                }
                self.attend(&mut queue);
                return;
            }
        };
        self.fail(refused, &self.terms.base.closed_error());
    }

    /// Sees to it that what waits is served, or ends.
    fn attend(self: &Arc<Self>, queue: &mut Queue) {
        self.set_to_work(queue);
        if queue.usher.as_ref().is_none_or(AbortHandle::is_finished) {
            queue.usher = runner::usher(self);
        }
    }

    /// Has what waits served.
    pub(super) fn serve(self: &Arc<Self>) {
        self.set_to_work(&mut self.queue());
    }

    /// Has what waits served: by a session at rest, or by one more.
    pub(super) fn set_to_work(self: &Arc<Self>, queue: &mut Queue) {
        if queue.waiting.is_empty() {
            return;
        }
        if let Some(session) = queue.idle.pop() {
            runner::start(self, Start::With(session));
        } else if let Some(place) = queue.may_open(self.terms.max) {
            runner::start(self, Start::In(place));
        }
    }

    /// Gives back a session that is in step: to those who wait, or to rest.
    pub(super) fn give_back(self: &Arc<Self>, mut session: Box<Session>) {
        let mut queue = self.queue();
        if queue.closed {
            return;
        }
        if queue.waiting.is_empty() {
            return queue.rest(session, &self.terms);
        }
        // From hand to hand, where the next wants it for itself: a runner between them would be one more turn.
        let now = Instant::now();
        session.touch(now);
        let sound = session.is_sound(&self.terms, now);
        let Some(heir) = sound.then(|| queue.take_lease()).flatten() else {
            return runner::start(self, Start::With(session));
        };
        if queue.crowd > 0 {
            self.room.notify_one();
        }
        // Its drop gives the session back, which locks the queue.
        drop(queue);
        drop(heir.send(Ok((Lease::new(self, session), Vec::new()))));
    }

    /// One more failure in a row; too many, and the host is taken for dead.
    pub(super) fn failed(self: &Arc<Self>, error: &Error) {
        let counts = matches!(
            error.kind(),
            ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Protocol
        );
        if counts && self.vitality.failed_too_often() {
            self.mark_dead(error.clone());
        }
    }

    /// Takes the host for dead until a probe says otherwise.
    pub(super) fn mark_dead(self: &Arc<Self>, cause: Error) {
        if self.vitality.die(self, cause.clone()) {
            self.fail_waiting(&cause);
        }
    }

    /// Opens one session and has it name the server's version.
    pub(super) async fn prove(self: &Arc<Self>) -> Result<String, Error> {
        let mut session = Session::connect(&self.terms, &self.address, None).await?;
        let version = wire::version(&mut session.stream).await;
        version.map_err(|cause| super::error::of_io(&self.address, &cause))
    }

    /// The version of the server, on a session as calls use them.
    pub(super) async fn version(self: &Arc<Self>) -> Result<String, Error> {
        let deadline = self.deadline();
        let mut tried = false;
        loop {
            let lease = self.lease().await?;
            let answer = lease.speak(deadline, async |stream| wire::version(stream).await);
            match answer.await {
                Err(Refusal { is_stale: true, .. }) if !tried => tried = true,
                answer => return answer.map_err(|refusal| refusal.error),
            }
        }
    }

    /// Opens as many sessions as are to be kept. What does not come now, or in time, comes with the calls.
    pub(super) async fn fill(self: &Arc<Self>) {
        let missing: Vec<Place> = {
            let queue = self.queue();
            let missing = self.terms.min.saturating_sub(queue.places.taken());
            (0..missing).map(|_| queue.places.take()).collect()
        };
        let opening = missing.into_iter().map(async |place| {
            if let Ok(session) = Session::connect(&self.terms, &self.address, Some(place)).await {
                self.give_back(session);
            }
        });
        crate::together::join_all(opening).await;
    }

    pub(super) fn sessions(&self) -> Sessions {
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let queue = self.queue();
        Sessions {
            open: number(queue.places.taken()),
            idle: number(queue.idle.len()),
            max: number(self.terms.max),
        }
    }

    /// Ends every session at rest and every call that waits; those at work end when they are done.
    pub(super) fn close(&self) {
        self.vitality.end_probe();
        {
            let mut queue = self.queue();
            queue.closed = true;
            queue.idle.clear();
            if let Some(usher) = queue.usher.take() {
                usher.abort();
            }
        }
        self.closing.notify_waiters();
        self.fail_waiting(&self.terms.base.closed_error());
    }

    /// Ends everything that waits.
    pub(super) fn fail_waiting(&self, error: &Error) {
        let waiting = std::mem::take(&mut self.queue().waiting);
        self.fail(waiting, error);
    }

    /// Ends what was taken out of the queue, whose places are free then.
    pub(super) fn fail(&self, waiting: impl IntoIterator<Item = Waiting>, error: &Error) {
        let waiting = waiting.into_iter();
        waiting.for_each(|waiting| waiting.job.fail(error.clone()));
        self.room.notify_waiters();
    }

    /// Waits until the sessions of a host that is closed have ended. The caller bounds the wait.
    pub(super) async fn ended(&self) {
        let places = Arc::clone(&self.queue().places);
        places.emptied().await;
    }

    pub(super) fn no_session(&self) -> Error {
        let Terms {
            acquire_timeout,
            max,
            base,
            ..
        } = &self.terms;
        Error::new(
            ErrorKind::Timeout,
            format!("no session was free within {acquire_timeout:?}: all {max} are in use"),
        )
        .help(format!(
            "the limits are `pool.acquire_timeout` and `pool.max` under [{}]",
            base.label()
        ))
    }
}

/// One of those who wait for a place in the queue.
struct Crowd<'h>(&'h Host);

impl<'h> Crowd<'h> {
    fn join(host: &'h Host) -> Self {
        host.queue().crowd += 1;
        Self(host)
    }
}

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        self.0.queue().crowd -= 1;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.close();
    }
}
