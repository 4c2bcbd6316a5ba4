//! The tasks of a host: runners, which speak on a session for those who wait, and the usher, who ends what waits too long.

use super::batch::{Batch, Failure};
use super::host::Host;
use super::lease::Lease;
use super::place::Place;
use super::queue::Next;
use super::session::Session;
use crate::background;
use crate::error::Error;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// After a session could not be opened beside others, none is tried for this long.
const OPEN_AGAIN: Duration = Duration::from_millis(250);

/// What a runner begins with.
pub(super) enum Start {
    /// A session that is in step.
    With(Box<Session>),
    /// A place, for one that it opens first.
    In(Place),
}

/// Starts a runner. It lives until nobody waits; each of its batches has a deadline, and a host that is closed has nobody
/// waiting. Outside of a runtime nothing can be started, and what it would have begun with is given up.
pub(super) fn start(host: &Arc<Host>, start: Start) {
    if let Ok(runtime) = Handle::try_current() {
        background::spawn(&runtime, run(Arc::clone(host), start));
    }
}

async fn run(host: Arc<Host>, start: Start) {
    let mut batch = Batch::default();
    let mut start = Some(start);
    if host.terms().is_crowded() {
        // Who else is about to call comes along.
        tokio::task::yield_now().await;
    }
    while let Some(begin) = start.take() {
        let session = match begin {
            // Once more after every batch: bytes that nobody asked for may have come meanwhile.
            Start::With(session) if session.is_sound(host.terms(), Instant::now()) => session,
            Start::With(session) => match open(&host, session.into_place()).await {
                Some(session) => session,
                None => return,
            },
            Start::In(place) => match open(&host, Some(place)).await {
                Some(session) => session,
                None => return,
            },
        };
        let (next, session) = host.next(session, &mut batch);
        let Some(session) = session else { return };
        match next {
            Next::Batch => {}
            Next::Lease(reply) => {
                // Who has left gives it back by dropping it. What else waits may have another session.
                drop(reply.send(Ok((Lease::new(&host, session), Vec::new()))));
                return host.serve();
            }
            Next::Rest => return,
        }
        let Some(session) = speak(&host, &mut batch, session).await else {
            return host.serve();
        };
        start = Some(Start::With(session));
        // Those who were answered ask again: without this, the next batch would be the first of them alone.
        tokio::task::yield_now().await;
    }
}

/// A session in this place, for what waits; none when nothing does, and when none is to be had.
async fn open(host: &Arc<Host>, place: Option<Place>) -> Option<Box<Session>> {
    let connecting = async {
        let closed = host.closing().notified();
        {
            let queue = host.queue();
            if queue.closed || queue.waiting.is_empty() {
                return None;
            }
        }
        tokio::select! {
            biased;
            () = closed => None,
            session = Session::connect(host.terms(), host.address(), place) => Some(session),
        }
    };
    match connecting.await? {
        Ok(session) => Some(session),
        Err(error) => {
            not_opened(host, &error);
            None
        }
    }
}

/// Speaks a batch; gives the session back when it is of further use.
async fn speak(host: &Arc<Host>, batch: &mut Batch, mut session: Box<Session>) -> Option<Box<Session>> {
    let base = &host.terms().base;
    let deadline = batch.deadline(base.timeout());
    let before = session.stream.received();
    let spoken = base.patient(deadline, pin!(batch.speak(&mut session))).await;
    let failure = match spoken {
        Some(Ok(())) => {
            host.vitality().succeeded();
            let after = session.stream.received();
            host.learn(after.0 - before.0, after.1 - before.1);
            return Some(session);
        }
        Some(Err(cause)) => Failure::Io(cause),
        None => Failure::Late,
    };
    host.put_back(batch.fail(host, &mut session, &failure));
    None
}

/// No session was to be had. Where there are others, what waits is theirs; without any, it fails.
fn not_opened(host: &Arc<Host>, error: &Error) {
    host.failed(error);
    {
        let mut queue = host.queue();
        queue.not_before = Some(Instant::now() + OPEN_AGAIN);
        if queue.places.taken() > 0 {
            return host.set_to_work(&mut queue);
        }
    }
    host.fail_waiting(error);
}

/// Starts the usher. He lives while something waits, and ends with the host.
pub(super) fn usher(host: &Arc<Host>) -> Option<AbortHandle> {
    let runtime = Handle::try_current().ok()?;
    Some(background::spawn(&runtime, usher_out(Arc::downgrade(host))))
}

async fn usher_out(host: Weak<Host>) {
    loop {
        let first = {
            let Some(host) = host.upgrade() else { return };
            let mut queue = host.queue();
            let Some(first) = queue.first_end() else {
                queue.usher = None;
                return;
            };
            first
        };
        tokio::time::sleep_until(first).await;
        let Some(host) = host.upgrade() else { return };
        let expired = host.queue().take_expired(Instant::now());
        host.fail(expired, &host.no_session());
    }
}
