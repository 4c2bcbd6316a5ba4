//! How an application starts, as it says so.

use crate::registry::Registry;
use crate::report::StartError;
use crate::startup::{Opening, Options, Start, tells_report};
use registry_config::Shape;
use std::fmt;
use std::io::Write as _;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

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

/// How an application starts: `App::builder().profile("production").connect().await?`.
#[derive(Clone)]
#[must_use = "nothing happens until `connect`"]
pub struct Builder<R> {
    options: Options,
    root: PhantomData<fn() -> R>,
}

impl<R> fmt::Debug for Builder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options {
            given,
            deadline,
            concurrency,
            ..
        } = &self.options;
        // The names alone: a value may be a password.
        let variables: Vec<_> = given.variables.iter().map(|(name, _)| name).collect();
        f.debug_struct("Builder")
            .field("profile", &given.profile)
            .field("config_file", &given.config_file)
            .field("variables", &variables)
            .field("deadline", deadline)
            .field("startup_concurrency", concurrency)
            .finish_non_exhaustive()
    }
}

impl<R> Default for Builder<R> {
    fn default() -> Self {
        Self {
            options: Options::default(),
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
        self.options.given.profile = Some(name.into());
        self
    }

    /// A file with `[backend.connection]` tables, whose values are laid over those that are compiled in and those of the
    /// profile; variables win over it. It changes values of connections that exist: another table, an unknown connection
    /// or key, and `start = "optional"` stop the start, each with its place. It is read once, here; 4 MiB at most, and
    /// relative to the working directory. Default: the file that the variable `DBREG_CONFIG` names, else none.
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.given.config_file = Some(path.into());
        self
    }

    /// A variable as if the environment had it; it wins over the environment. For tests, whose servers have ports of
    /// their own: `App::builder().variable("DBREG_MYSQL__MAIN__PORT", port)`.
    pub fn variable(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.options
            .given
            .variables
            .push((name.into(), value.to_string()));
        self
    }

    /// How long the start may take in all, but for its migrations. Default: [`START_DEADLINE`](crate::START_DEADLINE),
    /// 30 s. Each connection has its own `connect_timeout` within it.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = deadline;
        self
    }

    /// How many connections open at the same time, 1 at least: for files with more of them than a server, or the limit
    /// of open files, takes at once. Those beyond it wait for their turn, in the order of the report; the
    /// `connect_timeout` of each begins with its turn, and the deadline of the whole start holds. Connections that come
    /// back after an outage take turns too. Default: the variable `DBREG_STARTUP_CONCURRENCY`, else
    /// [`STARTUP_CONCURRENCY`](crate::STARTUP_CONCURRENCY), 64.
    pub fn startup_concurrency(mut self, at_once: usize) -> Self {
        self.options.concurrency = Some(at_once);
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
        self.options.migrate = migrate;
        self
    }

    /// How long the migrations of one connection may take, waiting for another process that migrates included. Default:
    /// 1 h, as for the verb. The deadline of the start begins when they are done; a master waits as long.
    #[cfg(feature = "tasks")]
    pub fn migration_deadline(mut self, deadline: Duration) -> Self {
        self.options.migration_deadline = deadline;
        self
    }

    /// The folder of migrations, relative to the working directory. Default: `migrations`. That it is missing stops a
    /// start that migrates.
    #[cfg(feature = "tasks")]
    pub fn migrations(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.migrations = folder.into();
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
        // What does not depend on the registry's type is compiled with dbreg, not with the application.
        let mut start = Start::new(self.options, R::shape(), R::ENV)?;
        let fields = R::build(&mut start.opening);
        let registry = start.run().await?;
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
