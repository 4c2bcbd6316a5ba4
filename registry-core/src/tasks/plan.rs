//! What a verb would do: the dry run.

use super::protection::Refusal;
use super::report::LEFT_OUT;
use super::verb::{Step, Verb};
use crate::error::Error;
use crate::kind::{EXIT_CONFIG, EXIT_OK, EXIT_UNAVAILABLE};
use serde_json::{Value, json};
use std::fmt;

/// What a verb would do. `Display` is a text for people, [`to_json`](Self::to_json) for programs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The verb.
    pub verb: Verb,
    /// One row for each connection that the verb is for.
    pub connections: Vec<PlannedRow>,
    /// The connections that were left out because they have `tasks = false`, though all were meant, or their backend.
    pub excluded: Vec<String>,
}

/// What a verb would do to one connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedRow {
    /// `mysql.main`
    pub connection: String,
    /// Where it leads: `db1:3306/shop`.
    pub target: String,
    /// The steps, in order, up to the one that something stands in the way of.
    pub steps: Vec<PlannedStep>,
    /// What stands in the way.
    pub obstacle: Option<Obstacle>,
}

/// One step that would be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedStep {
    /// The step.
    pub step: Step,
    /// Its parts, in order: ``apply 3 orders``. A file of fixtures that was filled before is one of them, `leave
    /// 10-users.toml: filled …`, though nothing is done with it.
    pub details: Vec<String>,
}

/// What stands in the way of a verb.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Obstacle {
    /// The connection is protected. With it, the verb does nothing to any connection.
    Refused(Refusal),
    /// The run would end with this: its server or its files cannot be used, a migration or a fixture was changed, or a
    /// `fill` finds everything filled, on this connection and the others. But for the last, the others are not affected.
    Failed(Error),
}

impl Plan {
    /// Whether nothing stands in the way of any connection.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.connections.iter().all(|row| row.obstacle.is_none())
    }

    /// The exit code of a dry run, by the rules of [`TasksReport::exit_code`](super::TasksReport::exit_code).
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        let codes = self.connections.iter().filter_map(|row| match &row.obstacle {
            Some(Obstacle::Refused(_)) => Some(EXIT_CONFIG),
            Some(Obstacle::Failed(error)) => Some(error.exit_code()),
            None => None,
        });
        let codes: Vec<i32> = codes.collect();
        match codes.first() {
            None => EXIT_OK,
            Some(_) if codes.contains(&EXIT_CONFIG) => EXIT_CONFIG,
            Some(_) => EXIT_UNAVAILABLE,
        }
    }

    /// The plan for programs. Keys may be added in later versions.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let rows: Vec<Value> = self.connections.iter().map(PlannedRow::to_json).collect();
        json!({
            "verb": self.verb.name(),
            "clear": self.is_clear(),
            "exit_code": self.exit_code(),
            "connections": rows,
            "excluded": self.excluded,
        })
    }
}

impl PlannedRow {
    fn to_json(&self) -> Value {
        let step = |step: &PlannedStep| json!({ "step": step.step.name(), "details": step.details });
        let steps: Vec<Value> = self.steps.iter().map(step).collect();
        let obstacle = self.obstacle.as_ref().map(|obstacle| match obstacle {
            Obstacle::Refused(refusal) => json!({
                "outcome": "refused",
                "message": refusal.to_string(),
                "needs": refusal.needs,
            }),
            Obstacle::Failed(error) => json!({
                "outcome": "failed",
                "message": error.message(),
                "kind": error.kind().name(),
                "next_step": error.next_step(),
            }),
        });
        json!({
            "connection": self.connection,
            "target": self.target,
            "steps": steps,
            "obstacle": obstacle,
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.connections.len();
        let plural = if all == 1 { "" } else { "s" };
        write!(
            f,
            "dbreg: {} of {all} connection{plural} would do this",
            self.verb
        )?;
        for row in &self.connections {
            write!(f, "\n  {}  {}", row.connection, row.target)?;
            match &row.obstacle {
                Some(Obstacle::Refused(refusal)) => write!(f, "\n    REFUSED  {refusal}")?,
                Some(Obstacle::Failed(error)) => {
                    write!(f, "\n    FAIL     {}", error.message())?;
                    if let Some(help) = error.next_step() {
                        write!(f, "; {help}")?;
                    }
                }
                None => {}
            }
            for step in &row.steps {
                let details = match step.details.is_empty() {
                    true => "nothing to do".to_owned(),
                    false => step.details.join(", "),
                };
                write!(f, "\n    {:<7}  {details}", step.step.name())?;
            }
        }
        for label in &self.excluded {
            write!(f, "\n  {label}  {LEFT_OUT}")?;
        }
        Ok(())
    }
}
