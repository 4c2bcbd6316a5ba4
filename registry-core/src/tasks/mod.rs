//! The verbs that prepare databases: `create`, `drop`, `migrate`, `fill`, `clear`, `purge`, and those made of several,
//! `build`, `rebuild`, `refill`.
//!
//! ```no_run
//! # async fn example(shape: registry_core::tasks::Shape) -> Result<(), registry_core::tasks::TasksError> {
//! use registry_core::tasks::{TasksBuilder, Verb};
//!
//! let tasks = TasksBuilder::new(shape).only("mysql.main").build()?;
//! println!("{}", tasks.plan(Verb::Build).await); // what would happen
//! let report = tasks.run(Verb::Build, |event| println!("{event:?}")).await;
//! std::process::exit(report.exit_code());
//! # }
//! ```
//!
//! 1. `builder` reads the values at start, as an application does it, and `selection` finds the connections.
//! 2. `look` reads the folders, asks each server whether it is there, and the database whether it is protected.
//! 3. One refusal, and nothing is done to any connection. Otherwise `run` takes the steps: concurrently over databases, in
//!    order within one, up to its first failure.
//! 4. `steps` is what a backend does: one implementation each, in `adapters/BACKEND/tasks.rs`.

mod address;
pub(crate) mod at_start;
mod builder;
mod event;
pub mod fixture;
mod hex;
mod look;
mod migrations;
mod plan;
mod planning;
mod protection;
mod report;
mod run;
mod selection;
mod steps;
mod subject;
pub(crate) mod tree;
mod verb;

pub use builder::{STEP_DEADLINE, TasksBuilder, TasksError};
pub use event::Event;
pub use plan::{Obstacle, Plan, PlannedRow, PlannedStep};
pub use protection::Refusal;
pub use registry_config::Shape;
pub use report::{StepOutcome, StepRow, TasksReport, TasksRow};
pub use steps::{MigrationState, MigrationStatus};
pub use verb::{MigrateTo, Step, Verb};

#[cfg(any(
    feature = "mysql",
    feature = "sqlite",
    feature = "postgres",
    feature = "mongodb"
))]
pub(crate) use at_start::may_begin;
#[cfg(any(
    feature = "mysql",
    feature = "sqlite",
    feature = "postgres",
    feature = "mongodb"
))]
pub(crate) use fixture::renamed;
pub(crate) use fixture::{Content, Fixture, Reference, Renamed, Row, Value};
#[cfg(any(feature = "mysql", feature = "sqlite", feature = "postgres"))]
pub(crate) use hex::of_hex;
#[cfg(any(
    feature = "mysql",
    feature = "sqlite",
    feature = "postgres",
    feature = "mongodb"
))]
pub(crate) use hex::to_hex;
pub(crate) use migrations::{Migration, Migrations, Script};
#[cfg(any(
    feature = "mysql",
    feature = "sqlite",
    feature = "postgres",
    feature = "mongodb"
))]
pub(crate) use steps::protects;
pub(crate) use steps::{
    Before, Done, ENVIRONMENT, FIXTURES, Filled, METADATA, Mark, Marked, PROTECTED, Reach, Refill, Steps,
    Tell, refused,
};

#[cfg(any(feature = "mysql", feature = "sqlite", feature = "postgres"))]
pub(crate) use run::cannot_replace_script;
pub(crate) use subject::is_production;
#[cfg(any(
    feature = "mysql",
    feature = "postgres",
    feature = "mongodb",
    feature = "memcached"
))]
pub(crate) use subject::spelled;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "mongodb"))]
pub(crate) use subject::spelled_socket;

use builder::Options;
use subject::Subject;

/// The connections that verbs work on. Made by [`TasksBuilder`]; nothing is open between two verbs.
#[derive(Debug)]
pub struct Tasks {
    subjects: Vec<Subject>,
    options: Options,
    profile: Option<String>,
    values: String,
}

impl Tasks {
    /// The connections that verbs would work on, as `mysql.main`.
    pub fn connections(&self) -> impl Iterator<Item = &str> {
        let selected = self.subjects.iter().filter(|subject| subject.selected);
        selected.map(|subject| subject.label.as_str())
    }

    /// Those that were left out because they have `tasks = false`.
    fn excluded(&self) -> Vec<String> {
        let excluded = self.subjects.iter().filter(|subject| subject.left_out);
        excluded.map(|subject| subject.label.clone()).collect()
    }

    /// Where the values come from: `compiled in, profile production, 2 variables`.
    #[must_use]
    pub fn values(&self) -> &str {
        &self.values
    }
}
