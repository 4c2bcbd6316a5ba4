//! What happens while a verb runs, for whoever shows it.

use super::report::StepOutcome;
use super::verb::Step;
use std::time::Duration;

/// Something that happened to one connection. Those of several connections come in any order, those of one in theirs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Its server does not answer yet; it is asked again.
    Waiting {
        /// `mysql.main`
        connection: String,
        /// Why it could not be used.
        cause: String,
    },
    /// A step begins.
    Began {
        /// `mysql.main`
        connection: String,
        /// The step.
        step: Step,
    },
    /// A part of a step is done.
    Progress {
        /// `mysql.main`
        connection: String,
        /// The step.
        step: Step,
        /// What is done: `applied 3 orders`.
        words: String,
    },
    /// A step is over.
    Ended {
        /// `mysql.main`
        connection: String,
        /// The step.
        step: Step,
        /// What became of it.
        outcome: StepOutcome,
        /// How long it took.
        elapsed: Duration,
    },
}

impl Event {
    /// The connection that it happened to: `mysql.main`.
    #[must_use]
    pub fn connection(&self) -> &str {
        match self {
            Self::Waiting { connection, .. }
            | Self::Began { connection, .. }
            | Self::Progress { connection, .. }
            | Self::Ended { connection, .. } => connection,
        }
    }
}

/// Whoever shows it. Called from the task that runs the verb: it must not block.
pub(crate) type Observer<'a> = &'a (dyn Fn(Event) + Send + Sync);
