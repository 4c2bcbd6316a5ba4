//! The tasks of a host: runners, which speak on a session for those who wait, and the usher, who ends what waits too long.

use super::batch::{Batch, Failure};
use super::error::of_io;
use super::host::Host;
use super::lease::Lease;
use super::queue::Next;
use super::session::Session;
use crate::error::Error;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// After a session could not be opened beside others, none is tried for this long.
const OPEN_AGAIN: Duration = Duration::from_millis(250);

/// Starts a runner, on a session or on one that it opens first. It lives until nobody waits; each of its batches has a
/// deadline, and a host that is closed has nobody waiting.
pub(super) fn start(host: &Arc<Host>, session: Option<Session>) {
    tokio::spawn(run(Arc::clone(host), session));
}

async fn run(host: Arc<Host>, mut session: Option<Session>) {
    let mut batch = Batch::default();
    loop {
        let current = match session.take() {
            // Once more after every batch: bytes that nobody asked for may have come meanwhile.
            Some(current) if current.is_sound(host.terms(), Instant::now()) => current,
            _ => {
                if host.queue().is_done() {
                    return;
                }
                match Session::connect(host.terms(), host.address()).await {
                    Ok(current) => current,
                    Err(error) => return not_opened(&host, &error),
                }
            }
        };
        let next = {
            let mut queue = host.queue();
            let before = queue.waiting.len();
            let next = queue.next(host.typical(), &mut batch);
            // Whoever waits for a place in the queue may have one of those that are free now.
            for _ in 0..queue.crowd.min(before - queue.waiting.len()) {
                host.room().notify_one();
            }
            match next {
                Next::Rest if queue.closed => queue.one_ended(),
                Next::Rest => queue.rest(current, host.terms()),
                _ => session = Some(current),
            }
            next
        };
        let Some(current) = session.take() else { return };
        match next {
            Next::Batch => {}
            Next::Lease(reply) => {
                // Who has left gives it back by dropping it.
                drop(reply.send(Ok(Lease::new(&host, current))));
                return;
            }
            Next::Rest => return,
        }
        session = speak(&host, &mut batch, current).await;
        if session.is_none() {
            return host.session_ended();
        }
        // Those who were answered ask again: without this, the next batch would be the first of them alone.
        tokio::task::yield_now().await;
    }
}

/// Speaks a batch; gives the session back when it is of further use.
async fn speak(host: &Arc<Host>, batch: &mut Batch, mut session: Session) -> Option<Session> {
    let base = &host.terms().base;
    let deadline = batch.deadline(base.timeout());
    let before = session.stream.received();
    let spoken = base
        .patient(deadline, batch.speak(&mut session), || base.suspect())
        .await;
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
    let again = batch.fail(host, &mut session, &failure);
    if again.is_empty() {
        host.failed(&match failure {
            Failure::Io(cause) => of_io(host.address(), &cause),
            Failure::Late => base.deadline_error(),
        });
    }
    let mut queue = host.queue();
    for waiting in again.into_iter().rev() {
        queue.waiting.push_front(waiting);
    }
    None
}

/// No session was to be had. Where there are others, what waits is theirs; without any, it fails.
fn not_opened(host: &Arc<Host>, error: &Error) {
    host.failed(error);
    {
        let mut queue = host.queue();
        queue.one_ended();
        queue.not_before = Some(Instant::now() + OPEN_AGAIN);
        if queue.open > 0 {
            return host.set_to_work(&mut queue);
        }
    }
    host.fail_waiting(error);
}

/// Starts the usher. He lives while something waits, and ends with the host.
pub(super) fn usher(host: &Arc<Host>) -> AbortHandle {
    let patience = host.terms().acquire_timeout;
    tokio::spawn(usher_out(Arc::downgrade(host), patience)).abort_handle()
}

async fn usher_out(host: Weak<Host>, patience: Duration) {
    loop {
        let first = {
            let Some(host) = host.upgrade() else { return };
            let mut queue = host.queue();
            let Some(first) = queue.waiting.front() else {
                queue.usher = None;
                return;
            };
            first.since
        };
        tokio::time::sleep_until(first + patience).await;
        let Some(host) = host.upgrade() else { return };
        let Some(moment) = Instant::now().checked_sub(patience) else {
            continue;
        };
        let expired = host.queue().take_expired(moment);
        host.fail(expired, &host.no_session());
    }
}
