//! How a plan is made: what the server has of what a verb would do.

use super::Tasks;
use super::fixture::{Content, Fixture, Renamed};
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
use crate::turns::Turns;
use futures_util::future::BoxFuture;
use std::borrow::Cow;

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
        self.planned(verb).await
    }

    fn planned(&self, verb: Verb) -> BoxFuture<'_, Plan> {
        Box::pin(async move {
            let tasks = self.resolved().await;
            let looked = tasks.look(verb, &|_| {}).await;
            let turns = Turns::new(tasks.options.concurrency);
            let rows = looked.iter().map(async |one| {
                let _turn = turns.take().await;
                tasks.plan_one(verb, one).await
            });
            let mut rows = join_all(rows).await;
            // As the run would be.
            let in_vain = |row: &Planned| row.row.obstacle.is_none() && row.is_left_as_it_is();
            if verb == Verb::Fill && rows.iter().all(in_vain) {
                for Planned { row, left } in rows.iter_mut().filter(|row| !row.left.is_empty()) {
                    let error = run::in_vain(left.join(", "));
                    row.obstacle = Some(failed(error, &row.connection, Step::Fill));
                }
            }
            Plan {
                verb,
                connections: rows.into_iter().map(|planned| planned.row).collect(),
                excluded: tasks.excluded(),
            }
        })
    }

    /// The steps up to the one that something stands in the way of: there the run would end, too.
    async fn plan_one(&self, verb: Verb, one: &Looked<'_>) -> Planned {
        let mut planned = Planned {
            row: PlannedRow {
                connection: one.subject.label.clone(),
                target: one.subject.target(),
                steps: Vec::new(),
                obstacle: None,
            },
            left: Vec::new(),
        };
        let works = match &one.steps {
            Ok(works) => works,
            Err(objection) => {
                planned.row.obstacle = Some(match objection {
                    Objection::Refused(refusal) => Obstacle::Refused(refusal.clone()),
                    Objection::Failed(error) => Obstacle::Failed(error.clone()),
                });
                return planned;
            }
        };
        let steps = verb.steps(self.options.to);
        for step in steps {
            let details = self.plan_step(*step, steps, one, &**works, &mut planned.left);
            match details.await {
                Ok(details) => planned.row.steps.push(PlannedStep { step: *step, details }),
                Err(error) => {
                    planned.row.obstacle = Some(failed(error, &planned.row.connection, *step));
                    break;
                }
            }
        }
        planned
    }

    /// The parts of one of these steps.
    async fn plan_step(
        &self,
        step: Step,
        steps: &[Step],
        one: &Looked<'_>,
        works: &dyn Steps,
        left: &mut Vec<String>,
    ) -> Result<Vec<String>, Error> {
        if !works.asks(step, one.fixtures.len()) {
            return Ok(Vec::new());
        }
        let (subject, target) = (one.subject, works.target());
        Ok(match step {
            Step::Create if !steps.contains(&Step::Drop) && is_there(subject, works).await => Vec::new(),
            Step::Create => vec![format!("create {target}")],
            Step::Drop if is_missing(subject, works).await => Vec::new(),
            Step::Drop => vec![format!("drop {target} and all that is in it")],
            Step::Clear => vec![format!("remove all data of {target}")],
            Step::Purge => vec![format!("remove all structure and data of {target}")],
            Step::Fill => self.planned_fixtures(one, works, steps, left).await?,
            Step::Migrate | Step::Revert if works.migration_formats().is_empty() => Vec::new(),
            Step::Migrate | Step::Revert
                if one.migrations.list.is_empty()
                    && (steps.contains(&Step::Drop) || !self.has_migrations(one, works).await?) =>
            {
                Vec::new()
            }
            Step::Migrate | Step::Revert => {
                let status = if steps.contains(&Step::Drop) {
                    all_pending(&one.migrations)
                } else {
                    match self.status_of(one, works).await {
                        Err(error) if is_made_before(steps, &error) => all_pending(&one.migrations),
                        status => status?,
                    }
                };
                let status = without_doubt(status)?;
                can_be_gone_to(&one.migrations, &status, self.options.to)?;
                if step == Step::Revert {
                    can_be_reverted(&one.migrations, &reverted(&status, self.options.to))?;
                }
                planned_migrations(&status, self.options.to)
            }
        })
    }

    /// What `fill` would do with each file, and why it would do nothing with some.
    async fn planned_fixtures(
        &self,
        one: &Looked<'_>,
        works: &dyn Steps,
        steps: &[Step],
        left: &mut Vec<String>,
    ) -> Result<Vec<String>, Error> {
        let empties = |step: &Step| {
            matches!(step, Step::Drop | Step::Clear | Step::Purge) && works.asks(*step, one.fixtures.len())
        };
        let policy = self.options.refill();
        let anew = steps.iter().any(empties);
        let renamed = if anew || one.fixtures.is_empty() {
            Vec::new()
        } else {
            match within(one.subject, works.renamed(&one.fixtures), |error| error).await {
                Err(error) if is_made_before(steps, &error) => Vec::new(),
                renamed => renamed?,
            }
        };
        let mut planned = Vec::with_capacity(one.fixtures.len());
        for fixture in &one.fixtures {
            let before = if anew {
                None
            } else {
                let recorded = as_recorded(fixture, &renamed);
                let asked = works.filled_before(&recorded, policy);
                match within(one.subject, asked, |error| error).await {
                    Err(error) if is_made_before(steps, &error) => None,
                    asked => asked.map_err(|error| error.in_file(&fixture.path))?,
                }
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
                    return Err(run::cannot_replace_script().in_file(&fixture.path));
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

/// The file under the name that it is recorded under.
fn as_recorded<'f>(fixture: &'f Fixture, renamed: &[Renamed]) -> Cow<'f, Fixture> {
    let own = fixture.recorded_as();
    let from = renamed.iter().find(|one| one.to == own);
    let Some((_, file)) = from.and_then(|one| one.from.split_once('/')) else {
        return Cow::Borrowed(fixture);
    };
    let path = fixture.path.with_file_name(file);
    Cow::Owned(Fixture {
        path,
        ..fixture.clone()
    })
}

fn failed(error: Error, connection: &str, step: Step) -> Obstacle {
    Obstacle::Failed(error.connection_named(connection.to_owned()).during(step.name()))
}

/// Whether the database is missing, and one of the steps makes it first.
fn is_made_before(steps: &[Step], error: &Error) -> bool {
    error.kind() == ErrorKind::UnknownDatabase && steps.contains(&Step::Create)
}

/// Whether the database is known to exist.
async fn is_there(subject: &Subject, works: &dyn Steps) -> bool {
    let asked = within(subject, works.mark(), |error| error).await;
    matches!(asked, Ok(Marked::Unmarked | Marked::As(_)))
}

/// Whether the database is known not to exist.
async fn is_missing(subject: &Subject, works: &dyn Steps) -> bool {
    let asked = within(subject, works.mark(), |error| error).await;
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

pub(super) fn all_pending(migrations: &Migrations) -> Vec<MigrationStatus> {
    let pending =
        |m: &migrations::Migration| MigrationStatus::new(m.version, &m.name, MigrationState::Pending);
    migrations.list.iter().map(pending).collect()
}

fn planned_migrations(status: &[MigrationStatus], to: MigrateTo) -> Vec<String> {
    let all = |verb: &str, of: Vec<&MigrationStatus>| {
        let labels = of
            .into_iter()
            .map(|one| format!("{verb} {} {}", one.version, one.name));
        labels.collect()
    };
    let pending = status.iter().filter(|one| one.state == MigrationState::Pending);
    match to {
        MigrateTo::Latest => all("apply", pending.collect()),
        MigrateTo::Version(version) => all("apply", pending.filter(|one| one.version <= version).collect()),
        MigrateTo::RevertOne | MigrateTo::RevertTo(_) => all("revert", reverted(status, to)),
    }
}

/// What would be reverted, in this order.
fn reverted(status: &[MigrationStatus], to: MigrateTo) -> Vec<&MigrationStatus> {
    let applied = status.iter().filter(|one| one.state != MigrationState::Pending);
    match to {
        MigrateTo::RevertOne => applied.max_by_key(|one| one.version).into_iter().collect(),
        MigrateTo::RevertTo(version) => {
            let mut above: Vec<_> = applied.filter(|one| one.version > version).collect();
            above.reverse();
            above
        }
        MigrateTo::Latest | MigrateTo::Version(_) => Vec::new(),
    }
}

/// Refuses, as the verb does, a version that is none, or to which it cannot go.
fn can_be_gone_to(migrations: &Migrations, status: &[MigrationStatus], to: MigrateTo) -> Result<(), Error> {
    let (MigrateTo::Version(version) | MigrateTo::RevertTo(version)) = to else {
        return Ok(());
    };
    let reverts = matches!(to, MigrateTo::RevertTo(_));
    if migrations.get(version).is_none() && !(reverts && version == 0) {
        return Err(migrations.no_such_version(version));
    }
    let applied = status.iter().filter(|one| one.state != MigrationState::Pending);
    match applied.map(|one| one.version).max() {
        Some(last) if last > version && !reverts => Err(Migrations::is_above(last, version)),
        _ => Ok(()),
    }
}

/// Refuses as the verb does.
fn can_be_reverted(migrations: &Migrations, reverted: &[&MigrationStatus]) -> Result<(), Error> {
    let mut found = reverted.iter().filter_map(|one| migrations.get(one.version));
    match found.find(|migration| migration.down.is_none()) {
        None => Ok(()),
        Some(stuck) => Err(stuck.cannot_be_reverted()),
    }
}
