//! The sessions: a pool of them, and the guard that gives back only what is surely in step.

use super::error::of_io;
use super::stream::Stream;
use crate::base::Base;
use crate::error::Error;
use crate::kind::ErrorKind;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// What makes sessions.
pub(crate) struct Sessions {
    pub(super) base: Arc<Base>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) max_value: usize,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sessions({}:{})", self.host, self.port)
    }
}

impl Sessions {
    /// One bare session.
    pub(super) async fn connect(&self) -> Result<Stream, Error> {
        let deadline = self.base.connect_timeout();
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let Ok(connected) = tokio::time::timeout(deadline, connecting).await else {
            let (host, port) = (&self.host, self.port);
            return Err(Error::new(
                ErrorKind::Timeout,
                format!("no session with {host}:{port} within {deadline:?}"),
            )
            .help(format!(
                "the limit is `connect_timeout` under [{}]",
                self.base.label()
            )));
        };
        connected
            .and_then(|tcp| Stream::new(tcp, self.max_value))
            .map_err(|cause| self.error(&cause))
    }

    pub(super) fn error(&self, cause: &io::Error) -> Error {
        of_io(&self.host, self.port, cause)
    }
}

impl Manager for Sessions {
    type Type = Stream;
    type Error = Error;

    async fn create(&self) -> Result<Stream, Error> {
        self.connect().await
    }

    async fn recycle(&self, stream: &mut Stream, metrics: &Metrics) -> RecycleResult<Error> {
        let old = |limit: Option<Duration>, age: Duration| limit.is_some_and(|limit| age >= limit);
        if old(self.max_lifetime, metrics.age()) || old(self.idle_timeout, metrics.last_used()) {
            return Err(RecycleError::message("past its time"));
        }
        if stream.is_alive() {
            Ok(())
        } else {
            Err(RecycleError::message("closed by the server"))
        }
    }
}

/// A session for one command. Whatever ends without a whole, good answer, a dropped future included, ends the session:
/// its answer would be taken for that of the next command.
pub(super) struct Lease {
    session: Option<Object<Sessions>>,
}

impl Lease {
    pub(super) async fn take(pool: &Pool<Sessions>) -> Result<Self, Error> {
        match pool.get().await {
            Ok(session) => Ok(Self {
                session: Some(session),
            }),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(pool.manager().base.closed_error()),
            Err(_) => {
                let max = pool.status().max_size;
                let wait = pool.timeouts().wait.unwrap_or_default();
                let label = pool.manager().base.label();
                Err(Error::new(
                    ErrorKind::Timeout,
                    format!("no session was free within {wait:?}: all {max} are in use"),
                )
                .help(format!(
                    "the limits are `pool.acquire_timeout` and `pool.max` under [{label}]"
                )))
            }
        }
    }

    pub(super) fn stream(&mut self) -> &mut Stream {
        self.session
            .as_mut()
            .expect("a lease holds its session until it is settled")
    }

    /// Gives the session back after a good answer, and ends it after any other.
    pub(super) fn settle<T>(mut self, sessions: &Sessions, answer: io::Result<T>) -> Result<T, Error> {
        let answer = answer.map_err(|cause| sessions.error(&cause))?;
        if !self.stream().is_settled() {
            return Err(Error::new(
                ErrorKind::Protocol,
                "the server sent more than one answer to one command",
            ));
        }
        self.stream().expect_values(0);
        // Dropping what the pool handed out is what gives it back.
        drop(self.session.take());
        Ok(answer)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            drop(Object::take(session));
        }
    }
}
