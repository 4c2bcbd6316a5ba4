//! What a verb did and what it did not.

use super::protection::Refusal;
use super::verb::{Step, Verb};
use crate::error::Error;
use crate::kind::{EXIT_CONFIG, EXIT_OK, EXIT_UNAVAILABLE};
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// What is said of a connection that has nothing to do with the verbs.
pub(super) const LEFT_OUT: &str = "left out: `tasks = false`";

/// What became of a verb. `Display` is a text for people, [`to_json`](Self::to_json) for programs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TasksReport {
    /// The verb.
    pub verb: Verb,
    /// One row for each connection that the verb was for.
    pub connections: Vec<TasksRow>,
    /// The connections that were left out because they have `tasks = false`, though all were meant, or their backend.
    pub excluded: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// What became of one connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TasksRow {
    /// `mysql.main`
    pub connection: String,
    /// Where it leads: `db1:3306/shop`.
    pub target: String,
    /// Every step of the verb, in order.
    pub steps: Vec<StepRow>,
}

/// What became of one step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepRow {
    /// The step.
    pub step: Step,
    /// What became of it.
    pub outcome: StepOutcome,
    /// Its parts that were done, in order: `applied 3 orders`. There may be some when the step failed.
    pub details: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether all that a `fill` had to write was written before.
    pub(super) before: bool,
}

/// What became of a step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StepOutcome {
    /// It changed something.
    Done(String),
    /// There was nothing to do.
    Unchanged(String),
    /// It failed. What its details name is done all the same.
    Failed(Error),
    /// The connection is protected; nothing was done to it, nor to any other.
    Refused(Refusal),
    /// It was not begun, because of this.
    NotBegun(String),
}

impl StepOutcome {
    /// `done`, `unchanged`, `failed`, `refused`, `not-begun`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Unchanged(_) => "unchanged",
            Self::Failed(_) => "failed",
            Self::Refused(_) => "refused",
            Self::NotBegun(_) => "not-begun",
        }
    }

    /// Whether what the step is for is so now.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Unchanged(_))
    }

    /// The words of it, without the next step.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Done(words) | Self::Unchanged(words) | Self::NotBegun(words) => words.clone(),
            Self::Failed(error) => error.message().to_owned(),
            Self::Refused(refusal) => refusal.to_string(),
        }
    }
}

impl TasksReport {
    fn outcomes(&self) -> impl Iterator<Item = &StepOutcome> {
        let rows = self.connections.iter();
        rows.flat_map(|row| row.steps.iter().map(|step| &step.outcome))
    }

    /// The errors of the steps that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Error> {
        self.outcomes().filter_map(|outcome| match outcome {
            StepOutcome::Failed(error) => Some(error),
            _ => None,
        })
    }

    /// Whether everything that the verb is for is so now.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.outcomes().all(StepOutcome::is_success)
    }

    /// [`EXIT_OK`] when all is done; [`EXIT_CONFIG`] when a person has to do something: a refusal, a failure that does not
    /// pass by itself; else [`EXIT_UNAVAILABLE`].
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        if self.is_success() {
            return EXIT_OK;
        }
        let refused = self
            .outcomes()
            .any(|outcome| matches!(outcome, StepOutcome::Refused(_)));
        if refused || self.failures().any(|error| error.exit_code() == EXIT_CONFIG) {
            EXIT_CONFIG
        } else {
            EXIT_UNAVAILABLE
        }
    }

    /// The report for programs. Keys may be added in later versions.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let rows: Vec<Value> = self.connections.iter().map(TasksRow::to_json).collect();
        json!({
            "verb": self.verb.name(),
            "success": self.is_success(),
            "exit_code": self.exit_code(),
            "elapsed_ms": millis(self.elapsed),
            "connections": rows,
            "excluded": self.excluded,
        })
    }
}

impl TasksRow {
    /// Whether every step is done.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.steps.iter().all(|step| step.outcome.is_success())
    }

    fn to_json(&self) -> Value {
        let steps: Vec<Value> = self.steps.iter().map(StepRow::to_json).collect();
        json!({
            "connection": self.connection,
            "target": self.target,
            "success": self.is_success(),
            "steps": steps,
        })
    }
}

impl StepRow {
    fn to_json(&self) -> Value {
        let mut value = json!({
            "step": self.step.name(),
            "outcome": self.outcome.name(),
            "message": self.outcome.words(),
            "details": self.details,
            "elapsed_ms": millis(self.elapsed),
        });
        match &self.outcome {
            StepOutcome::Failed(error) => {
                value["kind"] = json!(error.kind().name());
                value["next_step"] = json!(error.next_step());
            }
            StepOutcome::Refused(refusal) => value["needs"] = json!(refusal.needs),
            _ => {}
        }
        value
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Display for TasksReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.connections.iter().filter(|row| row.is_success()).count();
        let (all, elapsed) = (self.connections.len(), self.elapsed.as_millis());
        write!(
            f,
            "dbreg: {} of {done} of {all} connections in {elapsed} ms",
            self.verb
        )?;
        let labels = self.connections.iter().map(|row| &row.connection);
        let width = labels
            .chain(&self.excluded)
            .map(|label| label.chars().count())
            .max();
        let width = width.unwrap_or(0);
        for row in &self.connections {
            for (n, step) in row.steps.iter().enumerate() {
                let word = match &step.outcome {
                    StepOutcome::Done(_) | StepOutcome::Unchanged(_) => "ok",
                    StepOutcome::Failed(_) | StepOutcome::Refused(_) => "FAIL",
                    StepOutcome::NotBegun(_) => "-",
                };
                let name = if n == 0 { row.connection.as_str() } else { "" };
                write!(f, "\n  {word:<4}  {name:<width$}  {:<7}  ", step.step.name())?;
                f.write_str(&step.outcome.words())?;
                if let StepOutcome::Failed(error) = &step.outcome {
                    if let Some(help) = error.next_step() {
                        write!(f, "; {help}")?;
                    }
                    if !step.details.is_empty() {
                        write!(f, "; before that: {}", step.details.join(", "))?;
                    }
                }
            }
        }
        for label in &self.excluded {
            write!(f, "\n  {:<4}  {label:<width$}  {LEFT_OUT}", "-")?;
        }
        Ok(())
    }
}
