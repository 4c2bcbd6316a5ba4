//! A session in the hands of one call.

use super::batch::{Failure, is_end};
use super::error::of_io;
use super::frame::Answer;
use super::host::Host;
use super::session::Session;
use super::stream::Stream;
use super::wire;
use super::write::Write;
use crate::background;
use crate::error::Error;
use std::borrow::Cow;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a session whose caller has left waits at most for the answer that it still owes: an answer that takes longer
/// costs more than a new session.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);

/// A session for one call. After a whole, good answer it is given back; after a bad one, or none in time, it is ended.
/// When the caller leaves in between, what is still to come is read away first: an answer that nobody waits for would be
/// taken for that of the next call.
pub(super) struct Lease {
    host: Arc<Host>,
    session: Option<Box<Session>>,
}

/// Why a call on a lease failed.
pub(super) struct Refusal {
    pub(super) error: Error,
    /// The session was one that had rested, and the server has ended it: another may do.
    pub(super) is_stale: bool,
}

impl Lease {
    pub(super) fn new(host: &Arc<Host>, session: Box<Session>) -> Self {
        Self {
            host: Arc::clone(host),
            session: Some(session),
        }
    }

    pub(super) async fn get(self, deadline: Instant, key: &str) -> Result<Option<Vec<u8>>, Refusal> {
        let work = async move |stream: &mut Stream| wire::get(stream, key).await;
        self.speak(deadline, work).await
    }

    /// The values of these keys, which are all different, each at the place of its key.
    pub(super) async fn get_each(
        self,
        deadline: Instant,
        keys: &[Cow<'_, str>],
    ) -> Result<Vec<Option<Vec<u8>>>, Refusal> {
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        let work = async move |stream: &mut Stream| wire::get_each(stream, &keys).await;
        self.speak(deadline, work).await
    }

    pub(super) async fn write(self, deadline: Instant, write: &Write<'_>) -> Result<Answer, Refusal> {
        let work = async move |stream: &mut Stream| wire::write(stream, write).await;
        self.speak(deadline, work).await
    }

    /// Speaks on the session until the deadline, and settles what becomes of it.
    pub(super) async fn speak<T>(
        mut self,
        deadline: Instant,
        work: impl AsyncFnOnce(&mut Stream) -> io::Result<T>,
    ) -> Result<T, Refusal> {
        let session = self
            .session
            .as_mut()
            .expect("a lease holds its session until it is settled");
        let base = &self.host.terms().base;
        let answer = {
            // Lent: each step that takes a future by value is as large as the future once more.
            let work = pin!(work(&mut session.stream));
            base.patient(deadline, work).await
        };
        let answer = match answer {
            Some(Ok(_)) if !session.stream.is_settled() => Err(Failure::Io(super::frame::garbled(
                "the server sent more than one answer to one command",
            ))),
            Some(answer) => answer.map_err(Failure::Io),
            None => Err(Failure::Late),
        };
        let mut session = self.session.take().expect("it was there a moment ago");
        match answer {
            Ok(answer) => {
                // When, is noted where it is given back.
                session.used = true;
                self.host.vitality().succeeded();
                self.host.give_back(session);
                Ok(answer)
            }
            Err(failure) => {
                let is_stale = matches!(&failure, Failure::Io(cause) if session.used && is_end(cause));
                let error = match failure {
                    Failure::Io(cause) => of_io(self.host.address(), &cause),
                    Failure::Late => self.host.deadline_error(),
                };
                drop(session);
                self.host.serve();
                if !is_stale {
                    self.host.failed(&error);
                }
                Err(Refusal { error, is_stale })
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut session) = self.session.take() else {
            return;
        };
        if session.stream.take_back() {
            self.host.give_back(session);
            return;
        }
        let host = Arc::clone(&self.host);
        match tokio::runtime::Handle::try_current() {
            // It ends by itself: within its limit, or with the runtime.
            Ok(runtime) => {
                background::spawn(&runtime, drain(host, session));
            }
            Err(_) => {
                drop(session);
                host.serve();
            }
        }
    }
}

async fn drain(host: Arc<Host>, mut session: Box<Session>) {
    let limit = DRAIN_LIMIT.min(host.terms().base.timeout());
    match tokio::time::timeout(limit, session.stream.drain()).await {
        Ok(Ok(())) => {
            session.used = true;
            host.give_back(session);
        }
        _ => {
            drop(session);
            host.serve();
        }
    }
}
