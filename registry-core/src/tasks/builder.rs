//! What the verbs are to work on: the shape, the values at start, the folders, the selection, the permissions.

use super::steps::{Reach, Refill};
use super::subject::{self, Subject};
use super::verb::MigrateTo;
use super::{Tasks, selection};
use crate::builder::Root;
use crate::kind::EXIT_CONFIG;
use crate::turns::STARTUP_CONCURRENCY;
use crate::values::{self, Given};
use registry_config::Shape;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How long one step on one connection may take, unless [`TasksBuilder::step_deadline`] says otherwise.
pub const STEP_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Says on what [`Tasks`] work, and what they may do. Nothing is opened before a verb runs.
#[derive(Clone)]
#[must_use = "nothing happens until a verb runs"]
pub struct TasksBuilder {
    shape: Shape,
    prefix: String,
    given: Given,
    names: Vec<String>,
    options: Options,
}

/// What the verbs may do, and how.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) root: PathBuf,
    pub(crate) migrations: Option<PathBuf>,
    pub(crate) to: MigrateTo,
    pub(crate) replace: bool,
    pub(crate) all_keys: bool,
    pub(crate) known_to_destroy: Vec<String>,
    pub(crate) wait: Duration,
    pub(crate) step_deadline: Duration,
    /// What is to be done about a step that took too long.
    pub(crate) late: &'static str,
    pub(crate) concurrency: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root: PathBuf::from("."),
            migrations: None,
            to: MigrateTo::default(),
            replace: false,
            all_keys: false,
            known_to_destroy: Vec::new(),
            wait: Duration::ZERO,
            step_deadline: STEP_DEADLINE,
            late: "a step may take as long as `--step-deadline` says, or `step_deadline` of the builder",
            concurrency: STARTUP_CONCURRENCY,
        }
    }
}

impl Options {
    /// What to do with a file of fixtures that was filled before.
    pub(crate) fn refill(&self) -> Refill {
        if self.replace {
            Refill::Replace
        } else {
            Refill::Never
        }
    }

    /// The folder of migrations of a connection: `migrations/mysql.main`.
    pub(crate) fn migrations_of(&self, label: &str) -> PathBuf {
        let [migrations, _] = self.folders();
        migrations.join(label)
    }

    /// The folders with a folder for each connection.
    fn folders(&self) -> [PathBuf; 2] {
        let migrations = self.migrations.clone();
        let migrations = migrations.unwrap_or_else(|| self.root.join("migrations"));
        [migrations, self.root.join("fixtures")]
    }

    /// How far a step that removes data may go.
    pub(crate) fn reach(&self) -> Reach {
        if self.all_keys { Reach::AllKeys } else { Reach::Own }
    }

    /// The folder of fixtures of a connection: `fixtures/mysql.main`.
    pub(crate) fn fixtures_of(&self, label: &str) -> PathBuf {
        let [_, fixtures] = self.folders();
        fixtures.join(label)
    }
}

impl fmt::Debug for TasksBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The names of variables alone: a value may be a password.
        let variables: Vec<_> = self.given.variables.iter().map(|(name, _)| name).collect();
        f.debug_struct("TasksBuilder")
            .field("file", &self.shape.file)
            .field("profile", &self.given.profile)
            .field("config_file", &self.given.config_file)
            .field("variables", &variables)
            .field("names", &self.names)
            .field("options", &self.options)
            .finish()
    }
}

impl TasksBuilder {
    /// For the connections of a file that was loaded at run time, as the command line does it.
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            prefix: "DBREG".to_owned(),
            given: Given::default(),
            names: Vec::new(),
            options: Options::default(),
        }
    }

    /// For the connections of an application: `TasksBuilder::of::<AppRegistry>()`.
    pub fn of<R: Root>() -> Self {
        Self {
            prefix: R::ENV.to_owned(),
            ..Self::new(R::shape().clone())
        }
    }

    /// The prefix of variables, when it is not `DBREG`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The profile to lay over the base. Default: the variable `DBREG_PROFILE`, else none.
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.given.profile = Some(name.into());
        self
    }

    /// A file of values, as [`Builder::config_file`](crate::Builder::config_file).
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.given.config_file = Some(path.into());
        self
    }

    /// A variable as if the environment had it; it wins over the environment.
    pub fn variable(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.given.variables.push((name.into(), value.to_string()));
        self
    }

    /// Only this connection, `mysql.main`, or all of this backend, `mysql`; each call adds to the selection. Default:
    /// every connection that does not have `tasks = false`.
    pub fn only(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// The folder with `migrations/` and `fixtures/`. Default: the working directory.
    pub fn root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.root = folder.into();
        self
    }

    /// The folder of migrations, when it is not `migrations/` of the root.
    pub fn migrations(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.migrations = Some(folder.into());
        self
    }

    /// Which way `migrate` goes, and how far. Default: [`MigrateTo::Latest`]. Of the other verbs, those that migrate go
    /// as far up as this says.
    pub fn migrate_to(mut self, to: MigrateTo) -> Self {
        self.options.to = to;
        self
    }

    /// Fixtures that were filled before are written again, with the same result as if they had been written once.
    /// Without it they are an error.
    pub fn replace(mut self, replace: bool) -> Self {
        self.options.replace = replace;
        self
    }

    /// `clear` and `purge` of memcached may flush a server whose keys have no prefix: the keys of others go with them.
    pub fn all_keys(mut self, all_keys: bool) -> Self {
        self.options.all_keys = all_keys;
        self
    }

    /// Lets verbs that destroy data go on for this connection although it is protected. The exact name, `mysql.main`;
    /// each call adds one.
    pub fn i_know_this_destroys(mut self, connection: impl Into<String>) -> Self {
        self.options.known_to_destroy.push(connection.into());
        self
    }

    /// How long to wait for servers that do not answer yet, each of them. Default: one attempt.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = wait;
        self
    }

    /// How long one step on one connection may take. Default: [`STEP_DEADLINE`], 1 h, because migrations of large tables
    /// take their time.
    pub fn step_deadline(mut self, deadline: Duration) -> Self {
        self.options.step_deadline = deadline;
        self
    }

    /// How many connections are worked on at the same time, 1 at least. Default:
    /// [`STARTUP_CONCURRENCY`](crate::STARTUP_CONCURRENCY), 64.
    pub fn concurrency(mut self, at_once: usize) -> Self {
        self.options.concurrency = at_once;
        self
    }

    /// Reads the values at start, and finds the connections. No I/O but files of values and of secrets.
    ///
    /// # Errors
    /// Every name that does not exist, with the nearest that does; a connection that is asked for by its name and has
    /// `tasks = false`; a folder of migrations or fixtures that belongs to none; whatever stops a start: an unknown profile, an unknown variable. What is wrong with one
    /// connection alone, such as a secret that is missing, is told when a verb comes to it.
    pub fn build(self) -> Result<Tasks, TasksError> {
        let read = values::read(&self.shape, &self.prefix, self.given);
        let mut problems = read.problems.clone();
        let subjects = subject::all(&read);
        problems.extend(selection::mistakes(
            &subjects,
            &self.names,
            &self.options.known_to_destroy,
        ));
        for folder in self.options.folders() {
            problems.extend(selection::stray_folders(&subjects, &read.shape, &folder));
        }
        if !problems.is_empty() {
            return Err(TasksError(problems));
        }
        let subjects: Vec<Subject> = selection::select(subjects, &self.names);
        Ok(Tasks {
            subjects,
            options: self.options,
            profile: read.profile().map(str::to_owned),
            values: read.summary.clone(),
        })
    }
}

/// Why there is nothing to run a verb on. `Display` and `Debug` are one problem in a line.
#[derive(Clone, PartialEq, Eq)]
pub struct TasksError(Vec<String>);

impl TasksError {
    /// Every problem, a text each.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// [`EXIT_CONFIG`]: it does not pass without a person.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        EXIT_CONFIG
    }
}

impl fmt::Display for TasksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl fmt::Debug for TasksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for TasksError {}
