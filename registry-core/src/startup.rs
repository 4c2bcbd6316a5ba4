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
use crate::turns::{STARTUP_CONCURRENCY, Turns};
use crate::values::{self, Given, Values};
use registry_config::{Settings, Shape};
use std::collections::HashMap;
use std::fmt;
use std::io::Write as _;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a start may take in all, unless the builder says otherwise. Each connection has its own
/// `connect_timeout` within it.
pub const START_DEADLINE: Duration = Duration::from_secs(30);

/// How long a start waits for optional connections when everything required is open sooner.
const OPTIONAL_GRACE: Duration = Duration::from_millis(250);

/// What the derive generates for `AppRegistry`. Implemented by generated code only.
#[doc(hidden)]
pub trait Root: Clone + Sized {
    /// The struct with one field per backend.
    type Fields;
    /// The prefix of variables.
    const ENV: &'static str;
    /// The compiled-in model of the file.
    fn shape() -> &'static Shape;
    /// Builds every handle. No I/O.
    fn build(opening: &mut Opening) -> Self::Fields;
    /// Puts the parts together.
    fn assemble(fields: Self::Fields, registry: Registry) -> Self;
    /// The dynamic side.
    fn registry(&self) -> &Registry;
}

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

/// How an application starts: `App::builder().profile("production").connect().await?`.
#[derive(Clone)]
#[must_use = "nothing happens until `connect`"]
pub struct Builder<R> {
    given: Given,
    deadline: Duration,
    concurrency: Option<usize>,
    #[cfg(feature = "tasks")]
    migrate: bool,
    #[cfg(feature = "tasks")]
    migrations: PathBuf,
    #[cfg(feature = "tasks")]
    migration_deadline: Duration,
    root: PhantomData<fn() -> R>,
}

impl<R> fmt::Debug for Builder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The names alone: a value may be a password.
        let variables: Vec<_> = self.given.variables.iter().map(|(name, _)| name).collect();
        f.debug_struct("Builder")
            .field("profile", &self.given.profile)
            .field("config_file", &self.given.config_file)
            .field("variables", &variables)
            .field("deadline", &self.deadline)
            .field("startup_concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

impl<R> Default for Builder<R> {
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
            root: PhantomData,
        }
    }
}

impl<R: Root> Builder<R> {
    /// A start with the defaults. Called by generated code.
    #[doc(hidden)]
    pub fn new() -> Self {
        Self::default()
    }

    /// The profile to lay over the base. Default: the variable `DBREG_PROFILE`, else none.
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.given.profile = Some(name.into());
        self
    }

    /// A file with `[backend.connection]` tables, whose values are laid over those that are compiled in and those of the
    /// profile; variables win over it. It changes values of connections that exist: another table, an unknown connection
    /// or key, and `start = "optional"` stop the start, each with its place. It is read once, here; 4 MiB at most, and
    /// relative to the working directory. Default: the file that the variable `DBREG_CONFIG` names, else none.
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.given.config_file = Some(path.into());
        self
    }

    /// A variable as if the environment had it; it wins over the environment. For tests, whose servers have ports of
    /// their own: `App::builder().variable("DBREG_MYSQL__MAIN__PORT", port)`.
    pub fn variable(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.given.variables.push((name.into(), value.to_string()));
        self
    }

    /// How long the start may take in all, but for its migrations. Default: [`START_DEADLINE`], 30 s. Each connection has
    /// its own `connect_timeout` within it.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many connections open at the same time, 1 at least: for files with more of them than a server, or the limit
    /// of open files, takes at once. Those beyond it wait for their turn, in the order of the report; the
    /// `connect_timeout` of each begins with its turn, and the deadline of the whole start holds. Connections that come
    /// back after an outage take turns too. Default: the variable `DBREG_STARTUP_CONCURRENCY`, else
    /// [`STARTUP_CONCURRENCY`], 64.
    pub fn startup_concurrency(mut self, at_once: usize) -> Self {
        self.concurrency = Some(at_once);
        self
    }

    /// Whether the start migrates before it opens anything: every connection that has a folder
    /// `migrations/<backend>.<connection>` and not `tasks = false`, all at once. What fails stands in the report, and its
    /// connection is not opened. Default: no.
    ///
    /// Several workers may start at once: one migrates, the others wait for it. The database must exist. A connection that
    /// is optional or lazy, and away, does not stop the start; it is migrated by the next one that finds it.
    #[cfg(feature = "tasks")]
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// How long the migrations of one connection may take, waiting for another process that migrates included. Default:
    /// 1 h, as for the verb. The deadline of the start begins when they are done; a master waits as long.
    #[cfg(feature = "tasks")]
    pub fn migration_deadline(mut self, deadline: Duration) -> Self {
        self.migration_deadline = deadline;
        self
    }

    /// The folder of migrations, relative to the working directory. Default: `migrations`. That it is missing stops a
    /// start that migrates.
    #[cfg(feature = "tasks")]
    pub fn migrations(mut self, folder: impl Into<PathBuf>) -> Self {
        self.migrations = folder.into();
        self
    }

    /// Opens every connection at once. All are tried, whatever becomes of the others; when a required one is not to be
    /// had, those that were opened are closed again.
    ///
    /// # Errors
    /// The report of every connection.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as the drivers do.
    ///
    /// # Cancellation
    /// Dropping the future drops what was opened so far.
    pub async fn connect(self) -> Result<R, StartError> {
        let started = Instant::now();
        #[cfg(all(feature = "supervise", unix))]
        let link = crate::supervise::link::link().inspect(crate::supervise::link::Link::watch_master);
        let shape = R::shape();
        let values = values::read(shape, R::ENV, self.given);
        let mut report = Report {
            connections: Vec::new(),
            problems: values.problems.clone(),
            elapsed: Duration::ZERO,
            values: values.summary.clone(),
        };
        let failed = |report: Report| {
            #[cfg(all(feature = "supervise", unix))]
            if let Some(link) = &link {
                link.failed(&report.causes(), &report.unreachable_hosts());
            }
            Err(StartError::new(report))
        };
        if report.is_failure() {
            return failed(report);
        }
        let by_variable = values.startup_concurrency;
        let turns = Turns::new(self.concurrency.or(by_variable).unwrap_or(STARTUP_CONCURRENCY));
        let mut opening = Opening {
            prepared: prepare(&values, &turns),
            connections: Vec::new(),
        };
        let fields = R::build(&mut opening);
        let Opening {
            prepared,
            connections,
        } = opening;

        #[cfg(not(feature = "tasks"))]
        let unmigrated = Unmigrated::new();
        #[cfg(feature = "tasks")]
        let unmigrated = if self.migrate {
            let within = self.migration_deadline;
            match crate::tasks::at_start::migrate(&values, &connections, &self.migrations, within).await {
                Ok(unmigrated) => unmigrated,
                Err(problems) => {
                    report.problems = problems;
                    report.elapsed = started.elapsed();
                    let _ = close_all(&connections).await;
                    return failed(report);
                }
            }
        } else {
            Unmigrated::new()
        };
        #[cfg(all(feature = "tasks", feature = "supervise", unix))]
        if let Some(link) = link.as_ref().filter(|_| self.migrate) {
            link.needs(self.deadline);
        }
        // From here on: migrations have a limit of their own.
        let deadline = tokio::time::Instant::now() + self.deadline;
        report.connections = open_all(&connections, &prepared, &unmigrated, &shape.file, deadline).await;
        report.elapsed = started.elapsed();

        if report.is_failure() {
            // The start's own error is the one to report; what could not be closed in time ends with the process.
            let _ = close_all(&connections).await;
            if tells_report() {
                tracing::error!("{report}");
            }
            return failed(report);
        }
        tracing::info!("{report}");
        let registry = Registry::new(connections, report);
        #[cfg(all(feature = "supervise", unix))]
        if let Some(link) = link {
            link.ready(registry.reload_on_signal());
        }
        Ok(R::assemble(fields, registry))
    }

    /// [`connect`](Self::connect), for `main` only: when the start fails, prints the report on standard error and ends
    /// the process with [`StartError::exit_code`]. Under a master it is printed at the 1st, 2nd, 4th attempt, and so on.
    pub async fn connect_or_exit(self) -> R {
        match self.connect().await {
            Ok(registry) => registry,
            Err(error) => {
                if tells_report() {
                    // Its exit code must not depend on whether somebody reads it.
                    let _ = writeln!(std::io::stderr(), "{error}");
                }
                std::process::exit(error.exit_code())
            }
        }
    }
}

/// Whether a failed start is worth its report: a master that tries again and again tells it less and less often.
fn tells_report() -> bool {
    #[cfg(all(feature = "supervise", unix))]
    if let Some(link) = crate::supervise::link::link() {
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
    let required = futures_util::future::join_all(required).await;
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
            let outcome = outcome.unwrap_or_else(|error| {
                let error = base.record(error, "connect");
                let settings = prepared.iter().find(|p| Arc::ptr_eq(&p.base, base));
                let settings = settings.and_then(|p| p.settings.as_deref().ok());
                let layer = settings
                    .map(|settings| values::layer_in_question(&error, settings, file))
                    .unwrap_or_default();
                match base.policy() {
                    StartPolicy::Optional if !unmigrated.contains_key(base.label()) => {
                        Outcome::Skipped(error, layer)
                    }
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
    futures_util::future::join_all(rows).await
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
    crate::supervise::link::ending().await;
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
