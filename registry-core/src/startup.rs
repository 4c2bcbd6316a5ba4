//! Start-up: values -> handles -> one loop that opens them all at once -> the report.

use crate::attempt;
use crate::base::{Base, StartPolicy};
use crate::connection::Connection;
use crate::error::Error;
use crate::health::Condition;
use crate::kind::ErrorKind;
use crate::registry::{Registry, close_all};
use crate::report::{Outcome, Report, ReportRow, StartError};
use crate::status::State;
#[cfg(all(feature = "supervise", unix))]
use crate::supervise::link::{self, Link};
use crate::turns::{STARTUP_CONCURRENCY, Turns};
use crate::values::{self, Given, Values};
use futures_util::future::BoxFuture;
use registry_config::{Settings, Shape};
use std::collections::HashMap;
#[cfg(feature = "tasks")]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a start may take in all, unless the builder says otherwise. Each connection has its own
/// `connect_timeout` within it.
pub const START_DEADLINE: Duration = Duration::from_secs(30);

/// How long a start waits for optional connections when everything required is open sooner.
const OPTIONAL_GRACE: Duration = Duration::from_millis(250);

/// Hands out typed handles and keeps an erased clone of each, for the one loop that opens them.
#[doc(hidden)]
#[derive(Debug)]
pub struct Opening {
    pub(crate) prepared: Vec<Prepared>,
    pub(crate) connections: Vec<Arc<dyn Connection>>,
}

/// The values of one connection, or why there are none.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) base: Arc<Base>,
    pub(crate) settings: Result<Arc<Settings>, Error>,
}

macro_rules! hand_out {
    ($($feature:literal $method:ident $handle:ident;)+) => {
        impl Opening {
            $(
                #[cfg(feature = $feature)]
                #[doc(hidden)]
                pub fn $method(&mut self, index: usize) -> crate::$handle {
                    let prepared = &self.prepared[index];
                    let handle = crate::$handle::prepare(prepared);
                    prepared.base.health().revive_by(handle.revive());
                    self.connections.push(Arc::new(handle.clone()));
                    handle
                }
            )+

            /// The handle of a connection that no derive has seen; false where its backend is not compiled in.
            pub(crate) fn erased(&mut self, index: usize) -> bool {
                match self.prepared[index].base.backend() {
                    $(
                        #[cfg(feature = $feature)]
                        $feature => {
                            self.$method(index);
                            true
                        }
                    )+
                    _ => false,
                }
            }
        }
    };
}

hand_out! {
    "mysql" mysql MySql;
    "mongodb" mongodb MongoDb;
    "memcached" memcached Memcached;
    "sqlite" sqlite Sqlite;
    "postgres" postgres Postgres;
}

/// What a builder was told.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) given: Given,
    pub(crate) deadline: Duration,
    pub(crate) concurrency: Option<usize>,
    #[cfg(feature = "tasks")]
    pub(crate) migrate: bool,
    #[cfg(feature = "tasks")]
    pub(crate) migrations: PathBuf,
    #[cfg(feature = "tasks")]
    pub(crate) migration_deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            given: Given::default(),
            deadline: START_DEADLINE,
            concurrency: None,
            #[cfg(feature = "tasks")]
            migrate: false,
            #[cfg(feature = "tasks")]
            migrations: PathBuf::from(crate::tasks::at_start::FOLDER),
            #[cfg(feature = "tasks")]
            migration_deadline: crate::tasks::STEP_DEADLINE,
        }
    }
}

/// A start whose values are read. The handles are asked of its `opening`; then it is run.
pub(crate) struct Start {
    pub(crate) opening: Opening,
    options: Options,
    values: Values<'static>,
    report: Report,
    began: Instant,
    #[cfg(all(feature = "supervise", unix))]
    link: Option<Link>,
}

impl Start {
    /// Reads the values.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn new(mut options: Options, shape: &'static Shape, prefix: &str) -> Result<Self, StartError> {
        let began = Instant::now();
        #[cfg(all(feature = "supervise", unix))]
        let link = link::link().inspect(Link::watch_master);
        let values = values::read(shape, prefix, std::mem::take(&mut options.given));
        let report = Report {
            connections: Vec::new(),
            problems: values.problems.clone(),
            elapsed: Duration::ZERO,
            values: values.summary.clone(),
        };
        let mut start = Self {
            opening: Opening {
                prepared: Vec::new(),
                connections: Vec::new(),
            },
            options,
            values,
            report,
            began,
            #[cfg(all(feature = "supervise", unix))]
            link,
        };
        if start.report.is_failure() {
            return Err(start.failed());
        }
        let by_variable = start.values.startup_concurrency;
        let at_once = start.options.concurrency.or(by_variable);
        let turns = Turns::new(at_once.unwrap_or(STARTUP_CONCURRENCY));
        start.opening.prepared = prepare(&start.values, &turns);
        Ok(start)
    }

    /// Migrates where that was asked for, and opens every connection that was handed out, all at once.
    ///
    /// In a box, as all that a start waits for: the code of a future that is none is compiled with everyone who waits for
    /// it, and again at each of his edits.
    pub(crate) fn run(mut self) -> BoxFuture<'static, Result<Registry, StartError>> {
        Box::pin(async move {
            let connections = std::mem::take(&mut self.opening.connections);
            let Some(unmigrated) = self.migrate(&connections).await else {
                self.report.elapsed = self.began.elapsed();
                let _ = close_all(&connections).await;
                return Err(self.failed());
            };
            // From here on: migrations have a limit of their own.
            let deadline = tokio::time::Instant::now() + self.options.deadline.min(LONGEST);
            let (prepared, file) = (&self.opening.prepared, &self.values.shape.file);
            self.report.connections = open_all(&connections, prepared, &unmigrated, file, deadline).await;
            self.report.elapsed = self.began.elapsed();
            if self.report.is_failure() {
                // The start's own error is the one to report; what could not be closed in time ends with the process.
                let _ = close_all(&connections).await;
                if tells_report() {
                    tracing::error!("{}", self.report);
                }
                return Err(self.failed());
            }
            tracing::info!("{}", self.report);
            let registry = Registry::new(connections, self.report);
            #[cfg(all(feature = "supervise", unix))]
            if let Some(link) = self.link {
                link.ready(registry.reload_on_signal());
            }
            Ok(registry)
        })
    }

    /// Gives the connections that must not be opened; none when the start is over, with the reason in the report.
    async fn migrate(&mut self, connections: &[Arc<dyn Connection>]) -> Option<Unmigrated> {
        #[cfg(feature = "tasks")]
        if self.options.migrate {
            let (folder, within) = (&self.options.migrations, self.options.migration_deadline);
            let migrated = crate::tasks::at_start::migrate(&self.values, connections, folder, within).await;
            #[cfg(all(feature = "supervise", unix))]
            if let (Some(link), true) = (&self.link, migrated.is_ok()) {
                link.needs(self.options.deadline);
            }
            return migrated.map_err(|problems| self.report.problems = problems).ok();
        }
        let _ = connections;
        Some(Unmigrated::new())
    }

    fn failed(self) -> StartError {
        #[cfg(all(feature = "supervise", unix))]
        if let Some(link) = &self.link {
            let hosts = self.report.unreachable().flat_map(|row| {
                let prepared = &self.opening.prepared;
                addresses(row, prepared.iter().find(|p| p.base.label() == row.connection))
            });
            link.failed(&self.report.causes(), &hosts.collect::<Vec<_>>());
        }
        StartError::new(self.report)
    }
}

/// Whether a failed start is worth its report: a master that tries again and again tells it less and less often.
pub(crate) fn tells_report() -> bool {
    #[cfg(all(feature = "supervise", unix))]
    if let Some(link) = link::link() {
        return link.tells_report();
    }
    true
}

fn prepare(values: &Values<'_>, turns: &Turns) -> Vec<Prepared> {
    let shape = &values.shape;
    let connections = shape.connections.iter();
    connections
        .map(|connection| {
            let settings = values.of(connection, &shape.file);
            let base = match &settings {
                Ok(settings) => Base::new(connection, settings),
                Err(_) => Base::new(connection, &Settings::default()),
            };
            base.take_turns(turns);
            Prepared {
                base,
                settings: settings.map(|settings| Arc::new(settings.without_verbs())),
            }
        })
        .collect()
}

/// The connections that must not be opened, by label: their migrations failed.
type Unmigrated = HashMap<String, Error>;

/// Longer than anybody waits, and short enough for every clock.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Opens everything at once and gives a row for each. Only what is required is waited for; an optional connection gets
/// [`OPTIONAL_GRACE`] at least, so that its row says what became of it where that is known soon.
async fn open_all(
    connections: &[Arc<dyn Connection>],
    prepared: &[Prepared],
    unmigrated: &Unmigrated,
    file: &str,
    deadline: tokio::time::Instant,
) -> Vec<ReportRow> {
    let started = tokio::time::Instant::now();
    let is_optional = |connection: &Arc<dyn Connection>| connection.base().policy() == StartPolicy::Optional;
    for connection in connections.iter().filter(|c| is_optional(c)) {
        connection.base().health().keep();
    }
    let required = connections.iter().map(async |connection| {
        if let Some(error) = unmigrated.get(connection.base().label()) {
            return Some((Err(error.clone()), Duration::ZERO));
        }
        if is_optional(connection) {
            return None;
        }
        Some(open_required(&**connection, deadline).await)
    });
    let required = crate::together::join_all(required).await;
    let patience = deadline.min(tokio::time::Instant::now().max(started + OPTIONAL_GRACE));
    let rows = connections
        .iter()
        .zip(required)
        .map(async |(connection, outcome)| {
            let base = connection.base();
            let (outcome, elapsed) = match outcome {
                Some(opened) => opened,
                None => open_optional(base, patience).await,
            };
            let prepared = prepared.iter().find(|p| Arc::ptr_eq(&p.base, base));
            let settings = prepared.and_then(|p| p.settings.as_deref().ok());
            // A mistake in the values is one of the start, whether the connection may be missing or not: no waiting mends it.
            let may_be_missing =
                prepared.is_none_or(|p| p.settings.is_ok()) && !unmigrated.contains_key(base.label());
            let outcome = outcome.unwrap_or_else(|error| {
                let error = base.record(error, "connect");
                let layer = settings
                    .map(|settings| values::layer_in_question(&error, settings, file))
                    .unwrap_or_default();
                match base.policy() {
                    StartPolicy::Optional if may_be_missing => Outcome::Skipped(error, layer),
                    _ => Outcome::Failed(error, layer),
                }
            });
            ReportRow {
                connection: base.label().to_owned(),
                hosts: connection.hosts(),
                outcome,
                elapsed,
            }
        });
    crate::together::join_all(rows).await
}

/// The hosts of a connection that failed, with their ports, as far as they are known without a lookup: those of references,
/// too, which the report only names.
#[cfg(all(feature = "supervise", unix))]
fn addresses(row: &ReportRow, prepared: Option<&Prepared>) -> Vec<String> {
    let spec = prepared.and_then(|prepared| registry_config::backend(prepared.base.backend()));
    let settings = prepared.and_then(|prepared| prepared.settings.as_deref().ok());
    if let (Some(settings), Some(port)) = (settings, spec.and_then(|spec| spec.default_port))
        && !settings.hosts().is_empty()
    {
        let hosts = crate::secret::hosts(settings.hosts(), port).unwrap_or_default();
        let address = |(host, port): &(String, u16)| match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        return hosts.iter().map(address).collect();
    }
    let has_port = |host: &&str| {
        let port = host.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        matches!(port, Some(Ok(_)))
    };
    row.hosts.split(',').filter(has_port).map(str::to_owned).collect()
}

/// What became of a required connection, and how long it took from its turn on.
async fn open_required(
    connection: &dyn Connection,
    deadline: tokio::time::Instant,
) -> (Result<Outcome, Error>, Duration) {
    let base = connection.base();
    if base.policy() == StartPolicy::Lazy {
        // Its values are resolved all the same: a secret that is missing shows now, not at midnight.
        return (connection.instance().map(|_| Outcome::Lazy), Duration::ZERO);
    }
    let ended = || Error::new(ErrorKind::Closed, "not open when the worker was asked to end");
    let _turn = tokio::select! {
        biased;
        // First: those whose time is up give their turns to the next at this very moment.
        () = tokio::time::sleep_until(deadline) => {
            let late = "its turn to open had not come when the deadline of the whole start passed";
            let help = "allow more at once with `startup_concurrency`, or give those that hang a shorter `connect_timeout`";
            return (Err(Error::new(ErrorKind::Timeout, late).help(help)), Duration::ZERO);
        }
        () = asked_to_end() => return (Err(ended()), Duration::ZERO),
        turn = base.turn() => turn,
    };
    let began = tokio::time::Instant::now();
    let late = "not open when the deadline of the whole start passed";
    let outcome = tokio::select! {
        biased;
        opened = attempt::in_turn(connection) => opened.map(|opened| Outcome::Ready(opened.detail)),
        () = tokio::time::sleep_until(deadline) => Err(Error::new(ErrorKind::Timeout, late)),
        () = asked_to_end() => Err(ended()),
    };
    (outcome, began.elapsed())
}

/// Resolves when this process is a worker whose master ends it: a start that waits for a server would hold it up.
async fn asked_to_end() {
    #[cfg(all(feature = "supervise", unix))]
    link::ending().await;
    #[cfg(not(all(feature = "supervise", unix)))]
    std::future::pending::<()>().await;
}

/// What became of an optional connection so far; its keeper goes on.
async fn open_optional(base: &Base, patience: tokio::time::Instant) -> (Result<Outcome, Error>, Duration) {
    let settled = tokio::time::timeout_at(patience, base.health().settled()).await;
    let outcome = match settled {
        Ok(Condition {
            state: State::Ready, ..
        }) => Ok(Outcome::Ready(base.detail())),
        Ok(Condition {
            cause: Some(cause), ..
        }) => Err(cause),
        _ => Err(Error::new(
            ErrorKind::Timeout,
            "not open when everything required was",
        )),
    };
    (outcome, base.age())
}
