//! How a plan is made: what the server has of what a verb would do.

use super::Tasks;
use super::fixture::{Content, Fixture};
use super::look::{Looked, file_name, within};
use super::migrations::{self, Migrations};
use super::plan::{Obstacle, Plan, PlannedRow, PlannedStep};
use super::protection::Objection;
use super::run;
use super::steps::{Before, Marked, MigrationState, MigrationStatus, Steps};
use super::subject::Subject;
use super::verb::{MigrateTo, Step, Verb};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::together::join_all;

/// A row of a plan.
struct Planned {
    row: PlannedRow,
    /// Of each file that was filled before, and would be left as it is, when it was.
    left: Vec<String>,
}

impl Planned {
    /// Whether nothing of it would change anything.
    fn is_left_as_it_is(&self) -> bool {
        let details = self.row.steps.iter().map(|step| step.details.len());
        details.sum::<usize>() == self.left.len()
    }
}

impl Tasks {
    /// What `verb` would do, and what stands in its way. It looks at folders, servers and marks, waits for servers as long
    /// as [`wait`](super::TasksBuilder::wait) allows, and changes nothing.
    ///
    /// # Cancellation
    /// Dropping the future is harmless.
    pub async fn plan(&self, verb: Verb) -> Plan {
        let tasks = self.resolved().await;
        let looked = tasks.look(verb, &|_| {}).await;
        let rows = looked.iter().map(|one| tasks.plan_one(verb, one));
        let mut rows = join_all(rows).await;
        // As the run would be.
        let in_vain = |row: &Planned| row.row.obstacle.is_none() && row.is_left_as_it_is();
        if verb == Verb::Fill && rows.iter().all(in_vain) {
            for Planned { row, left } in rows.iter_mut().filter(|row| !row.left.is_empty()) {
                row.obstacle = Some(Obstacle::Failed(run::in_vain(left.join(", "))));
            }
        }
        let excluded = tasks.subjects.iter().filter(|subject| !subject.takes_tasks);
        Plan {
            verb,
            connections: rows.into_iter().map(|planned| planned.row).collect(),
            excluded: excluded.map(|subject| subject.label.clone()).collect(),
        }
    }

    async fn plan_one(&self, verb: Verb, one: &Looked<'_>) -> Planned {
        let subject = one.subject;
        let mut left = Vec::new();
        let mut row = PlannedRow {
            connection: subject.label.clone(),
            target: subject.target(),
            steps: Vec::new(),
            obstacle: None,
        };
        let steps = verb.steps(self.options.to);
        let works = match &one.steps {
            Ok(works) => works,
            Err(Objection::Refused(refusal)) => {
                row.obstacle = Some(Obstacle::Refused(refusal.clone()));
                return Planned { row, left };
            }
            Err(Objection::Failed(error)) => {
                row.obstacle = Some(Obstacle::Failed(error.clone()));
                return Planned { row, left };
            }
        };
        let mut status = None;
        for step in steps {
            if matches!(step, Step::Migrate | Step::Revert) {
                let anew = steps.contains(&Step::Drop);
                let known = if anew {
                    Ok(all_pending(&one.migrations))
                } else {
                    self.status_of(one, &**works).await
                };
                match known.and_then(without_doubt) {
                    Ok(known) => status = Some(known),
                    Err(error) => row.obstacle = Some(Obstacle::Failed(error)),
                }
            }
            let details = match step {
                step if !works.asks(*step, one.fixtures.len()) => Vec::new(),
                Step::Create if !steps.contains(&Step::Drop) && is_there(subject, &**works).await => {
                    Vec::new()
                }
                Step::Create => vec![format!("create {}", row.target)],
                Step::Drop if is_missing(subject, &**works).await => Vec::new(),
                Step::Drop => vec![format!("drop {} and all that is in it", row.target)],
                Step::Clear => vec![format!("remove all data of {}", row.target)],
                Step::Purge => vec![format!("remove all structure and data of {}", row.target)],
                Step::Fill => match self.planned_fixtures(one, &**works, steps, &mut left).await {
                    Ok(details) => details,
                    Err(error) => {
                        row.obstacle = Some(Obstacle::Failed(error));
                        Vec::new()
                    }
                },
                Step::Migrate | Step::Revert => {
                    let status = status.as_deref().unwrap_or_default();
                    planned_migrations(status, self.options.to)
                }
            };
            row.steps.push(PlannedStep { step: *step, details });
        }
        Planned { row, left }
    }

    /// What `fill` would do with each file, and why it would do nothing with some.
    async fn planned_fixtures(
        &self,
        one: &Looked<'_>,
        works: &dyn Steps,
        steps: &[Step],
        left: &mut Vec<String>,
    ) -> Result<Vec<String>, Error> {
        let empties = |step: &Step| matches!(step, Step::Drop | Step::Clear | Step::Purge);
        let anew = steps.iter().any(empties);
        let mut planned = Vec::with_capacity(one.fixtures.len());
        for fixture in &one.fixtures {
            let before = if anew {
                None
            } else {
                let asked = works.filled_before(fixture);
                let asked = within(one.subject.connect_timeout, asked, |error| error).await;
                asked.map_err(|error| run::in_file(&error, fixture))?
            };
            planned.push(self.planned_fixture(fixture, before, left)?);
        }
        Ok(planned)
    }

    fn planned_fixture(
        &self,
        fixture: &Fixture,
        before: Option<Before>,
        left: &mut Vec<String>,
    ) -> Result<String, Error> {
        let name = file_name(fixture);
        let verb = match before {
            None => "fill",
            Some(Before { at, changed }) => match (changed, self.options.replace, &fixture.content) {
                (true, false, _) => return Err(run::changed_since(&name, &at)),
                (true, true, Content::Sql(_)) => {
                    return Err(run::in_file(&run::cannot_replace_script(), fixture));
                }
                // To replace it, and to find that there is nothing to replace, is not in vain.
                (false, true, Content::Sql(_)) => return Ok(format!("leave {name}: filled {at}")),
                (false, false, _) => {
                    left.push(run::already(&name, &at));
                    return Ok(format!("leave {name}: filled {at}"));
                }
                (_, true, Content::Rows(_)) => "replace",
            },
        };
        Ok(match &fixture.content {
            Content::Rows(rows) if rows.len() == 1 => format!("{verb} {name}: 1 row"),
            Content::Rows(rows) => format!("{verb} {name}: {} rows", rows.len()),
            Content::Sql(_) => format!("{verb} {name}"),
        })
    }
}

/// Whether the database is known to exist.
async fn is_there(subject: &Subject, works: &dyn Steps) -> bool {
    let asked = within(subject.connect_timeout, works.mark(), |error| error).await;
    matches!(asked, Ok(Marked::Unmarked | Marked::As(_)))
}

/// Whether the database is known not to exist.
async fn is_missing(subject: &Subject, works: &dyn Steps) -> bool {
    let asked = within(subject.connect_timeout, works.mark(), |error| error).await;
    matches!(asked, Ok(Marked::NoDatabase))
}

/// The state of migrations, unless it is one that `migrate` would stop at.
fn without_doubt(status: Vec<MigrationStatus>) -> Result<Vec<MigrationStatus>, Error> {
    let is_good =
        |one: &&MigrationStatus| matches!(one.state, MigrationState::Pending | MigrationState::Applied(_));
    match status.iter().find(|one| !is_good(one)) {
        None => Ok(status),
        Some(one) => {
            let message = format!("the migration {} {} is {}", one.version, one.name, one.state);
            Err(Error::new(ErrorKind::Config, message).help("`migrate` says what to do about it"))
        }
    }
}

fn all_pending(migrations: &Migrations) -> Vec<MigrationStatus> {
    let pending =
        |m: &migrations::Migration| MigrationStatus::new(m.version, &m.name, MigrationState::Pending);
    migrations.list.iter().map(pending).collect()
}

fn planned_migrations(status: &[MigrationStatus], to: MigrateTo) -> Vec<String> {
    let label = |one: &MigrationStatus| format!("{} {}", one.version, one.name);
    let applied = status.iter().filter(|one| one.state != MigrationState::Pending);
    let pending = status.iter().filter(|one| one.state == MigrationState::Pending);
    match to {
        MigrateTo::Latest => pending.map(|one| format!("apply {}", label(one))).collect(),
        MigrateTo::Version(version) => pending
            .filter(|one| one.version <= version)
            .map(|one| format!("apply {}", label(one)))
            .collect(),
        MigrateTo::RevertOne => {
            let last = applied.max_by_key(|one| one.version);
            last.iter().map(|one| format!("revert {}", label(one))).collect()
        }
        MigrateTo::RevertTo(version) => {
            let mut above: Vec<_> = applied.filter(|one| one.version > version).collect();
            above.reverse();
            above.iter().map(|one| format!("revert {}", label(one))).collect()
        }
    }
}
