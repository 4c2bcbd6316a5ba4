//! What every connection has, whatever its backend: names, deadline, gate, error log, counters, state.

use crate::error::Error;
use crate::error_log::{ErrorLog, Errors};
#[cfg(feature = "memcached")]
use crate::gate::Visit;
use crate::gate::{Gate, Pass};
use crate::generations::Generations;
use crate::health::{Condition, Health};
use crate::kind::ErrorKind;
use crate::status::{Sessions, State, Status};
use crate::turns::{Turn, Turns};
use futures_util::future::BoxFuture;
use registry_config::{ConnectionShape, Settings};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tracing::Instrument as _;

/// A call that took this long may wait for a server that is gone.
const SLOW: Duration = Duration::from_millis(250);

/// How long `close` waits for work in hand, and then again for the driver to end its sessions.
pub const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// When a connection is opened, and whether it may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartPolicy {
    /// At start; without it there is no start. The default.
    Required,
    /// At start; the application starts without it.
    Optional,
    /// At its first use.
    Lazy,
}

/// The part of a connection that is the same for every backend.
#[derive(Debug)]
pub struct Base {
    backend: &'static str,
    name: String,
    /// `mysql.main`
    label: String,
    policy: StartPolicy,
    timeout: Duration,
    connect_timeout: Duration,
    gate: Arc<Gate>,
    log: ErrorLog,
    pub(crate) health: Health,
    was_open: AtomicBool,
    detail: Mutex<String>,
    born: Instant,
    turns: OnceLock<Turns>,
    pub(crate) generations: Arc<Generations>,
}

impl Base {
    pub(crate) fn new(shape: &ConnectionShape, settings: &Settings) -> Arc<Self> {
        let policy = match settings.text("start") {
            _ if shape.optional => StartPolicy::Optional,
            Some("lazy") => StartPolicy::Lazy,
            _ => StartPolicy::Required,
        };
        Self::with_policy(shape, settings, policy)
    }

    /// Opened when this says so, whatever the file says.
    pub(crate) fn with_policy(
        shape: &ConnectionShape,
        settings: &Settings,
        policy: StartPolicy,
    ) -> Arc<Self> {
        Arc::new(Self {
            backend: shape.backend,
            name: shape.name.to_string(),
            label: format!("{}.{}", shape.backend, shape.name),
            policy,
            // Every backend's row has both; these are for a row that forgot.
            timeout: settings.duration("timeout").unwrap_or(Duration::from_secs(30)),
            connect_timeout: settings
                .duration("connect_timeout")
                .unwrap_or(Duration::from_secs(5)),
            gate: Arc::default(),
            log: ErrorLog::default(),
            health: Health::new(policy),
            was_open: AtomicBool::new(false),
            detail: Mutex::default(),
            born: Instant::now(),
            turns: OnceLock::new(),
            generations: Arc::new(Generations::new()),
        })
    }

    pub(crate) fn backend(&self) -> &'static str {
        self.backend
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn policy(&self) -> StartPolicy {
        self.policy
    }

    #[cfg(any(
        feature = "memcached",
        feature = "mysql",
        feature = "sqlite",
        feature = "postgres"
    ))]
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    pub(crate) fn errors(&self) -> Errors {
        self.log.snapshot()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.health.is(State::Ready)
    }

    /// Its calls are so short that what they count is a part of their cost.
    #[cfg(feature = "memcached")]
    pub(crate) fn expect_short_calls(&self) {
        self.gate.widen();
    }

    /// How many calls are at work.
    #[cfg(feature = "memcached")]
    pub(crate) fn inside(&self) -> usize {
        self.gate.inside()
    }

    /// Marks it as open: after its proof.
    pub(crate) fn set_open(&self, detail: &str) {
        detail.clone_into(&mut self.lock_detail());
        self.was_open.store(true, Ordering::Release);
        self.health.set(&self.label, State::Ready, None);
    }

    /// Opens in turn with the others of its registry from now on.
    pub(crate) fn take_turns(&self, turns: &Turns) {
        // A connection belongs to one registry: set once.
        let _ = self.turns.set(turns.clone());
    }

    /// Waits until it may open; without a registry, at once.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        match self.turns.get() {
            Some(turns) => Some(turns.take().await),
            None => None,
        }
    }

    /// How long it has existed.
    pub(crate) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// What its server said of itself when it was opened last.
    pub(crate) fn detail(&self) -> String {
        self.lock_detail().clone()
    }

    fn lock_detail(&self) -> MutexGuard<'_, String> {
        self.detail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was open before.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn has_been_open(&self) -> bool {
        self.was_open.load(Ordering::Acquire)
    }

    /// An optional connection that this process has not seen yet: nobody waits for it.
    pub(crate) fn was_never_there(&self) -> bool {
        self.policy == StartPolicy::Optional && !self.was_open.load(Ordering::Acquire)
    }

    pub(crate) fn status(&self, sessions: Option<Sessions>) -> Status {
        let errors = self.errors();
        let Condition { state, cause, since } = self.health.condition();
        Status {
            state,
            since,
            cause,
            calls: self.gate.entered(),
            errors: errors.total,
            in_flight: self.gate.inside() as u64,
            sessions,
            last_error: errors.latest.last().cloned(),
        }
    }

    /// Lets a call in, or answers `Closed`.
    pub(crate) fn enter(&self, operation: &'static str) -> Result<Pass, Error> {
        self.gate
            .enter()
            .ok_or_else(|| self.record(self.closed_error(), operation))
    }

    pub(crate) fn closed_error(&self) -> Error {
        Error::new(ErrorKind::Closed, "the connection was closed by this application")
            .connection_named(self.label.clone())
    }

    /// Returns when the connection can be used: at once when it is ready or known to be away; after the one attempt that
    /// all callers share when it is being opened.
    pub(crate) async fn usable(&self) -> Result<(), Error> {
        if self.health.is(State::Ready) {
            return Ok(());
        }
        self.settled().await
    }

    /// In a box: every call is moved with what it may hold.
    fn settled(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            if self.health.is(State::Waiting) {
                self.health.set(&self.label, State::Connecting, None);
                self.health.keep();
            } else if self.health.is(State::Degraded)
                || (self.policy == StartPolicy::Lazy && self.health.is(State::Connecting))
            {
                // The keeper may have ended with the runtime that it was started in.
                self.health.keep();
            }
            let condition = self.health.settled().await;
            match (condition.state, condition.cause) {
                (State::Ready, _) => Ok(()),
                (State::Degraded, Some(cause)) => Err(cause.again()),
                _ => Err(self.closed_error()),
            }
        })
    }

    /// A call failed or waits in a way that the loss of its server could explain.
    pub(crate) fn suspect(&self) {
        if self.health.is(State::Ready) {
            self.health.look();
        }
    }

    /// The error of an attempt to open, with its place.
    pub(crate) fn error_of_opening(&self, error: Error) -> Error {
        error.connection_named(self.label.clone()).during("connect")
    }

    /// The cause of the outage in place of an error that only follows from it.
    pub(crate) fn explained(&self, error: Error) -> Error {
        if !matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout) {
            return error;
        }
        let condition = self.health.condition();
        match condition.cause {
            Some(cause) if condition.state == State::Degraded => cause.again(),
            _ => error,
        }
    }

    /// The result of work, or the cause of an outage that begins while it waits.
    pub(crate) async fn unless_away<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            result = work => result,
            condition = self.health.until(|state| state == State::Degraded) => {
                Err(condition.cause.map_or_else(|| self.closed_error(), Error::again))
            }
        }
    }

    /// Waits for work under the connection's deadline; when it takes long, has a look whether its server is still there.
    pub(crate) async fn bounded<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        self.bounded_with(work, || self.suspect()).await
    }

    /// Waits for work under the connection's deadline; calls `slow` when it takes long.
    pub(crate) async fn bounded_with<T>(
        &self,
        work: impl Future<Output = T>,
        slow: impl FnOnce(),
    ) -> Result<T, Error> {
        let deadline = tokio::time::Instant::now() + self.timeout;
        self.patient_with(deadline, pin!(work), slow)
            .await
            .ok_or_else(|| self.deadline_error())
    }

    /// As [`bounded`](Self::bounded), under a deadline of its own; nothing when that has passed.
    #[cfg(any(
        feature = "memcached",
        feature = "mysql",
        feature = "sqlite",
        feature = "postgres"
    ))]
    pub(crate) async fn patient<T>(
        &self,
        deadline: tokio::time::Instant,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        self.patient_with(deadline, work, || self.suspect()).await
    }

    /// Waits for work under a deadline of its own; nothing when that has passed. Calls `slow` when it takes long.
    pub(crate) async fn patient_with<T>(
        &self,
        deadline: tokio::time::Instant,
        work: impl Future<Output = T>,
        slow: impl FnOnce(),
    ) -> Option<T> {
        let mut work = pin!(work);
        let late = tokio::time::Instant::now() + SLOW;
        if late < deadline {
            if let Ok(result) = tokio::time::timeout_at(late, work.as_mut()).await {
                return Some(result);
            }
            slow();
        }
        tokio::time::timeout_at(deadline, work).await.ok()
    }

    /// Runs one operation to its end, its deadline or the caller's: the gate, the span, the count, the record.
    pub(crate) async fn run<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let _pass = self.enter(operation)?;
        // Pinned here, and lent to what waits for it: handed on by value, a future doubles in size with every step.
        let work = pin!(work.instrument(self.span(operation)));
        let result = self.bounded(work).await.flatten();
        result.map_err(|error| self.record(self.explained(error), operation))
    }

    /// Begins an operation that bounds every wait of its own; [`end`](Self::end) ends it. Two halves and not one that takes
    /// the work, for calls that are shorter than the moves of a future.
    #[cfg(feature = "memcached")]
    pub(crate) fn begin(&self, operation: &'static str) -> Result<Visit<'_>, Error> {
        self.gate
            .visit()
            .ok_or_else(|| self.record(self.closed_error(), operation))
    }

    /// Ends an operation that has left: its error is recorded.
    #[cfg(feature = "memcached")]
    pub(crate) fn end<T>(&self, operation: &'static str, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| self.record(self.explained(error), operation))
    }

    /// A statement that went past us to the driver: it counts, and its failure is noted without a cause.
    #[cfg(all(
        feature = "sea-orm",
        any(feature = "mysql", feature = "sqlite", feature = "postgres")
    ))]
    pub(crate) fn observed(&self, failed: bool) {
        self.gate.passed();
        if failed {
            let message = "a statement of SeaORM's own connection failed; its caller has the cause";
            self.record(Error::new(ErrorKind::Operation, message), "orm");
            self.suspect();
        }
    }

    pub(crate) fn span(&self, operation: &'static str) -> tracing::Span {
        // Asked before it is made: one that nobody wants is looked at all the same, for those who listen to the crate `log`.
        if tracing::Level::DEBUG > tracing::level_filters::LevelFilter::current() {
            return tracing::Span::none();
        }
        tracing::debug_span!("dbreg", connection = %self.label, operation)
    }

    /// The error of an operation that its deadline ended.
    pub(crate) fn deadline_error(&self) -> Error {
        self.generations.deadline_fired();
        let deadline = self.timeout;
        Error::new(ErrorKind::Timeout, format!("no answer within {deadline:?}"))
            .connection_named(self.label.clone())
            .help(format!("the limit is `timeout` under [{}]", self.label))
    }

    /// Names an error and writes it to the log, once: where it leaves dbreg.
    pub(crate) fn record(&self, error: Error, operation: &'static str) -> Error {
        let (error, recorded) = self.write_down(error, operation);
        if recorded {
            match error.kind() {
                ErrorKind::Unreachable => {
                    self.generations.lost();
                    self.suspect();
                }
                ErrorKind::Timeout => self.suspect(),
                _ if error.is_by_read_only_server() => self.suspect(),
                _ => {}
            }
        }
        error
    }

    /// Names an error and writes it to the log, once, without a thought for the server that calls go to: the error is
    /// another's. True when it was not there yet.
    pub(crate) fn write_down(&self, error: Error, operation: &'static str) -> (Error, bool) {
        let (error, recorded) = error
            .connection_named(self.label.clone())
            .during(operation)
            .mark_recorded();
        if !recorded {
            self.log.record(&error);
            tracing::debug!(connection = %self.label, operation, kind = %error.kind(), "{}", error.message());
        }
        (error, !recorded)
    }

    /// Shuts the gate, waits for work in hand up to [`CLOSE_DEADLINE`], then lets the driver end its sessions within
    /// the same limit. A second close waits for nothing and is no error.
    pub(crate) async fn close(&self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        if !self.gate.shut() {
            return Ok(());
        }
        self.health.set(&self.label, State::Closing, None);
        self.health.end_keeper();
        let drained = tokio::time::timeout(CLOSE_DEADLINE, self.gate.emptied())
            .await
            .is_ok();
        let ended = tokio::time::timeout(CLOSE_DEADLINE, shutdown).await.is_ok();
        self.health.set(&self.label, State::Closed, None);
        let left = self.gate.inside();
        let cause = match (drained, ended) {
            (true, true) => return Ok(()),
            (false, _) => format!("{left} calls were still at work after {CLOSE_DEADLINE:?}"),
            (true, false) => format!("sessions were still in use after {CLOSE_DEADLINE:?}"),
        };
        Err(self.record(
            Error::new(ErrorKind::Timeout, format!("closed, but {cause}")),
            "close",
        ))
    }
}
