//! Running a verb: concurrently over databases, in order within one, up to its first failure.

use super::event::{Event, Observer};
use super::look::{Looked, file_name};
use super::protection::{self, Objection};
use super::report::{StepOutcome, StepRow, TasksReport, TasksRow};
use super::steps::refused;
use super::steps::{Before, Done, Filled, Mark, Marked, Steps, Tell};
use super::subject::Subject;
use super::verb::{MigrateTo, Step, Verb};
use super::{Tasks, fixture::Renamed};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::turns::Turns;
use futures_util::future::BoxFuture;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the mark of a database says when there is no profile.
const NO_PROFILE: &str = "default";

impl Tasks {
    /// Runs a verb, and tells `observe` what happens. It must not block: it is called from the task that runs the verb.
    ///
    /// When a connection refuses, nothing is done to any. Otherwise databases are worked on concurrently; within one, the
    /// steps are taken in order, up to the first failure. What failed can be run again: what is done stays done.
    ///
    /// # Cancellation
    /// Dropping the future ends the sessions; [`let_go`](Self::let_go) gives back a lock that it held. The migration or the file of fixtures that was under way is rolled back
    /// where the server can do that; on MySQL, which cannot roll back changes of structure, it may be half applied, and
    /// the next `migrate` says what to do.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as the drivers do.
    pub async fn run(&self, verb: Verb, observe: impl Fn(Event) + Send + Sync) -> TasksReport {
        self.observed(verb, &observe).await
    }

    /// After a [`run`](Self::run) that was dropped: gives back what it may have left on the servers, so that the next one
    /// need not wait for it. That is the lock of MongoDB, which ends by itself after 30 s; those of the others end with
    /// their sessions. Each connection has its `connect_timeout` for it, and all are asked at once.
    ///
    /// # Cancellation
    /// Dropping the future is harmless.
    pub async fn let_go(&self) {
        let all = self.subjects.iter().map(let_go);
        crate::together::join_all(all).await;
    }

    fn observed<'a>(&'a self, verb: Verb, observe: Observer<'a>) -> BoxFuture<'a, TasksReport> {
        Box::pin(async move { self.resolved().await.run_observed(verb, observe).await })
    }

    pub(super) async fn run_observed(&self, verb: Verb, observe: Observer<'_>) -> TasksReport {
        let started = Instant::now();
        let looked = self.look(verb, observe).await;
        let refuses = |one: &&Looked<'_>| matches!(one.steps, Err(Objection::Refused(_)));
        let refusing = looked.iter().find(refuses).map(|one| one.subject.label.clone());
        let steps = verb.steps(self.options.to);
        let mut rows: Vec<TasksRow> = Vec::new();
        if let Some(refusing) = refusing {
            let because = format!("`{refusing}` refuses, and then nothing is done to any");
            rows.extend(looked.iter().map(|one| stopped(one, steps, &because)));
        } else {
            let turns = Turns::new(self.options.concurrency);
            let lanes = lanes(&looked);
            let lanes = lanes.iter().map(async |lane| {
                let _turn = turns.take().await;
                self.run_lane(lane, steps, observe).await
            });
            let mut done: Vec<(usize, TasksRow)> = crate::together::join_all(lanes)
                .await
                .into_iter()
                .flatten()
                .collect();
            done.sort_by_key(|(at, _)| *at);
            rows.extend(done.into_iter().map(|(_, row)| row));
            settle(verb, &mut rows, observe);
        }
        TasksReport {
            verb,
            connections: rows,
            excluded: self.excluded(),
            elapsed: started.elapsed(),
        }
    }

    /// Runs the steps on the connections to one database: each step on all of them, then the next.
    async fn run_lane(
        &self,
        lane: &[&Looked<'_>],
        steps: &[Step],
        observe: Observer<'_>,
    ) -> Vec<(usize, TasksRow)> {
        let ill = lane.iter().find(|one| one.steps.is_err());
        if let Some(ill) = ill.filter(|_| lane.len() > 1) {
            // Nothing is destroyed that could not be made anew.
            let because = format!("the look at {} failed before it", ill.subject.label);
            return lane
                .iter()
                .map(|one| (one.at, stopped(one, steps, &because)))
                .collect();
        }
        let mut rows: Vec<(usize, TasksRow)> = lane.iter().map(|one| (one.at, row(one))).collect();
        let mut failed: Option<(String, Step)> = None;
        for step in steps {
            for (one, (_, row)) in lane.iter().zip(&mut rows) {
                let taken = match &failed {
                    None => self.take(one, *step, observe).await,
                    Some((label, earlier)) => {
                        let because = if *label == one.subject.label {
                            format!("`{earlier}` failed before it")
                        } else {
                            format!(
                                "`{earlier}` of {label}, which leads to the same database, failed before it"
                            )
                        };
                        not_begun(*step, because)
                    }
                };
                if failed.is_none() && !taken.outcome.is_success() {
                    failed = Some((one.subject.label.clone(), *step));
                }
                row.steps.push(taken);
            }
        }
        rows
    }

    /// Takes one step on one connection.
    async fn take(&self, one: &Looked<'_>, step: Step, observe: Observer<'_>) -> StepRow {
        let connection = || one.subject.label.clone();
        let steps = match &one.steps {
            Ok(steps) => steps,
            Err(objection) => return objected(step, objection),
        };
        observe(Event::Began {
            connection: connection(),
            step,
        });
        let started = Instant::now();
        let details: Mutex<Vec<String>> = Mutex::default();
        let tell = |words: String| {
            let mut details = details.lock().unwrap_or_else(PoisonError::into_inner);
            details.push(words.clone());
            drop(details);
            observe(Event::Progress {
                connection: connection(),
                step,
                words,
            });
        };
        let limit = self.options.step_deadline;
        let outcome = match tokio::time::timeout(limit, self.perform(one, &**steps, step, &tell)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let_go(one.subject).await;
                let message = format!("not done within {limit:?}");
                let error = Error::new(ErrorKind::Timeout, message);
                Err(Objection::Failed(error.help(self.options.late)))
            }
        };
        let before = matches!(&outcome, Ok(done) if done.before);
        let outcome = match outcome {
            Ok(done) if done.changed => StepOutcome::Done(done.words),
            Ok(done) => StepOutcome::Unchanged(done.words),
            Err(Objection::Refused(refusal)) => StepOutcome::Refused(refusal),
            Err(Objection::Failed(error)) => {
                StepOutcome::Failed(refused(error).connection_named(connection()).during(step.name()))
            }
        };
        let elapsed = started.elapsed();
        let row = StepRow {
            step,
            outcome,
            details: details.into_inner().unwrap_or_else(PoisonError::into_inner),
            elapsed,
            before,
        };
        // What was done before is an error or not by what becomes of the others: it is told when that is known.
        if !before {
            observe(ended(connection(), &row));
        }
        row
    }

    async fn perform(
        &self,
        one: &Looked<'_>,
        steps: &dyn Steps,
        step: Step,
        tell: Tell<'_>,
    ) -> Result<Done, Objection> {
        if step.destroys() {
            // Asked again, because the steps before may have taken long: what is read now is what counts.
            protection::by_mark(one.subject, steps, &self.options.known_to_destroy).await?;
        }
        let reach = self.options.reach();
        let to = self.options.to;
        let has_structure = !steps.migration_formats().is_empty();
        let nothing_to_revert = step == Step::Revert
            && has_structure
            && !self.has_migrations(one, steps).await.map_err(Objection::Failed)?;
        let done = match step {
            Step::Create => steps.create().await,
            Step::Drop => steps.drop_database().await,
            Step::Migrate => self.migrate(one, steps, tell).await,
            Step::Revert if nothing_to_revert => Ok(self.no_migrations(one)),
            Step::Revert => steps.revert(&one.migrations, to, tell).await,
            Step::Fill => self.fill(one, steps, tell).await,
            Step::Clear => steps.clear(reach).await,
            Step::Purge => steps.purge(reach).await,
        };
        done.map_err(Objection::Failed)
    }

    /// Whether there are migrations, in the folder or, applied, in the record: a folder that is lost is no reason to say
    /// that all is well. Those in the record may be another connection's to the same database.
    pub(super) async fn has_migrations(&self, one: &Looked<'_>, steps: &dyn Steps) -> Result<bool, Error> {
        if !one.migrations.list.is_empty() {
            return Ok(true);
        }
        if self.shares_with_migrated(one.subject) {
            return Ok(false);
        }
        match self.status_of(one, steps).await {
            Ok(status) => Ok(!status.is_empty()),
            Err(error) if error.kind() == ErrorKind::UnknownDatabase => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn no_migrations(&self, one: &Looked<'_>) -> Done {
        let folder = self.options.migrations_of(&one.subject.label);
        Done::nothing(format!(
            "nothing to migrate: no migrations in `{}`",
            folder.display()
        ))
    }

    async fn migrate(&self, one: &Looked<'_>, steps: &dyn Steps, tell: Tell<'_>) -> Result<Done, Error> {
        if steps.migration_formats().is_empty() {
            return steps.migrate(&one.migrations, MigrateTo::Latest, tell).await;
        }
        if !self.has_migrations(one, steps).await? {
            let Done { words, .. } = self.no_migrations(one);
            return Ok(Done::nothing(words + &self.marked_all_the_same(one, steps).await));
        }
        // Before the migrations, so that a database that was half migrated has it already.
        self.write_mark(one, steps).await?;
        let to = match self.options.to {
            MigrateTo::Version(version) => MigrateTo::Version(version),
            // Of `build` and `rebuild`, which do not revert.
            _ => MigrateTo::Latest,
        };
        steps.migrate(&one.migrations, to, tell).await
    }

    /// Writes the mark where there is none, or where it says less than is known now; never one that protects less.
    async fn write_mark(&self, one: &Looked<'_>, steps: &dyn Steps) -> Result<(), Error> {
        let mark = Mark {
            environment: self.profile.clone().unwrap_or_else(|| NO_PROFILE.to_owned()),
            protected: !one.subject.reasons.is_empty(),
        };
        match steps.mark().await? {
            Marked::As(old) if old.stands(&mark) => Ok(()),
            _ => steps.set_mark(&mark).await,
        }
    }

    /// What is said of the mark of a connection without migrations. What protects it now protects its database from now on;
    /// who may not write there has nothing to migrate all the same.
    async fn marked_all_the_same(&self, one: &Looked<'_>, steps: &dyn Steps) -> String {
        if one.subject.reasons.is_empty() {
            return String::new();
        }
        match self.write_mark(one, steps).await {
            Ok(()) => String::new(),
            Err(error) if error.kind() == ErrorKind::UnknownDatabase => String::new(),
            Err(error) => format!("; its database is not marked as protected: {}", error.message()),
        }
    }

    async fn fill(&self, one: &Looked<'_>, steps: &dyn Steps, tell: Tell<'_>) -> Result<Done, Error> {
        let policy = self.options.refill();
        if one.fixtures.is_empty() {
            let folder = self.options.fixtures_of(&one.subject.label);
            return Ok(Done::nothing(format!("no fixtures in `{}`", folder.display())));
        }
        if !steps.renamed(&one.fixtures).await?.is_empty() {
            for Renamed { from, to } in steps.rename(&one.fixtures).await? {
                tell(format!("recorded `{from}` as `{to}`: it was renamed"));
            }
        }
        let (mut written, mut already) = (0_usize, Vec::new());
        for fixture in &one.fixtures {
            let name = file_name(fixture);
            let filled = steps.fill(fixture, policy).await;
            let filled = filled.map_err(|error| error.in_file(&fixture.path))?;
            match filled {
                Filled::Written { rows } => tell(format!("filled {name}{}", counted(rows))),
                Filled::Replaced { rows } => tell(format!("replaced {name}{}", counted(rows))),
                Filled::Already(Before { at, changed: true }) => return Err(changed_since(&name, &at)),
                #[cfg(feature = "sqlite")]
                Filled::Nowhere => {
                    return Ok(Done::nothing(
                        "nothing to fill: a database in memory begins empty",
                    ));
                }
                Filled::Already(Before { at, .. }) => {
                    already.push(self::already(&name, &at));
                    continue;
                }
            }
            written += 1;
        }
        if written == 0 && self.options.replace {
            let already = already.join(", ");
            return Ok(Done::nothing(format!("{already}; a script is not run again")));
        }
        if written == 0 {
            return Ok(Done::before(already.join(", ")));
        }
        let files = |count: usize| {
            if count == 1 {
                "1 file".to_owned()
            } else {
                format!("{count} files")
            }
        };
        let mut words = format!("filled {}", files(written));
        if !already.is_empty() {
            words += &format!("; {} filled before", files(already.len()));
        }
        Ok(Done::changed(words))
    }
}

/// What is told of a file that was filled.
pub(super) fn already(name: &str, at: &str) -> String {
    format!("`{name}` was filled {at}")
}

/// The error of a `fill` that finds everything filled.
pub(super) fn in_vain(already: String) -> Error {
    let help = "write `--replace` to fill them again, or `refill` to clear everything first";
    Error::new(ErrorKind::Config, already).help(help)
}

/// The error of a file that was filled, and is another one now.
pub(super) fn changed_since(name: &str, at: &str) -> Error {
    let message = format!("`{name}` was filled {at}, and was changed since");
    let help = "write `--replace` to fill it again, or give the new rows a file of their own";
    Error::new(ErrorKind::Config, message).help(help)
}

/// The error of a script that was filled, and is another one now.
pub(crate) fn cannot_replace_script() -> Error {
    let message =
        "it is a script that was changed since it was filled, and nobody knows which rows were its own";
    Error::new(ErrorKind::Config, message)
        .help("write `refill`, which clears everything first, or `rebuild`, where it changes structure")
}

/// Decides what a `fill` is that found everything filled. Of a `build` it is done, as the steps before it are that were
/// done before. Of the verb `fill` it is an error when it is so on every connection with fixtures: then there was nothing
/// to run it for. Else it goes on where an earlier one stopped.
fn settle(verb: Verb, rows: &mut [TasksRow], observe: Observer<'_>) {
    let in_vain = verb == Verb::Fill
        && rows
            .iter()
            .flat_map(|row| &row.steps)
            .all(|step| matches!(step.outcome, StepOutcome::Unchanged(_)));
    for row in rows {
        for step in row.steps.iter_mut().filter(|step| step.before) {
            if in_vain {
                let error = self::in_vain(step.outcome.words()).connection_named(row.connection.clone());
                step.outcome = StepOutcome::Failed(error.during(step.step.name()));
            }
            observe(ended(row.connection.clone(), step));
        }
    }
}

/// Gives back what work that was dropped has left. What cannot be given back ends by itself, only later.
async fn let_go(subject: &Subject) {
    if let Ok(steps) = &subject.steps {
        let _ = tokio::time::timeout(subject.connect_timeout, steps.let_go()).await;
    }
}

fn ended(connection: String, row: &StepRow) -> Event {
    Event::Ended {
        connection,
        step: row.step,
        outcome: row.outcome.clone(),
        elapsed: row.elapsed,
    }
}

fn counted(rows: Option<u64>) -> String {
    match rows {
        None => String::new(),
        Some(1) => ": 1 row".to_owned(),
        Some(rows) => format!(": {rows} rows"),
    }
}

/// The connections by database: those that lead to the same one are in one lane.
fn lanes<'l, 't>(looked: &'l [Looked<'t>]) -> Vec<Vec<&'l Looked<'t>>> {
    let mut lanes: Vec<Vec<&Looked<'_>>> = Vec::new();
    for one in looked {
        let meets = |lane: &Vec<&Looked<'_>>| {
            lane.iter()
                .any(|other| one.subject.shares_with.contains(&other.at))
        };
        let (mut mine, others): (Vec<_>, Vec<_>) = lanes.into_iter().partition(meets);
        let mut lane: Vec<_> = mine.drain(..).flatten().collect();
        lane.push(one);
        lanes = others;
        lanes.push(lane);
    }
    lanes
}

fn row(one: &Looked<'_>) -> TasksRow {
    TasksRow {
        connection: one.subject.label.clone(),
        target: one.subject.target(),
        steps: Vec::new(),
    }
}

/// The row of a connection of which nothing was begun.
fn stopped(one: &Looked<'_>, steps: &[Step], because: &str) -> TasksRow {
    let mut row = row(one);
    row.steps = steps
        .iter()
        .enumerate()
        .map(|(n, step)| match &one.steps {
            Err(objection) if n == 0 => objected(*step, objection),
            _ => not_begun(*step, because.to_owned()),
        })
        .collect();
    row
}

fn objected(step: Step, objection: &Objection) -> StepRow {
    let outcome = match objection {
        Objection::Refused(refusal) => StepOutcome::Refused(refusal.clone()),
        Objection::Failed(error) => StepOutcome::Failed(error.clone()),
    };
    StepRow {
        step,
        outcome,
        details: Vec::new(),
        elapsed: Duration::ZERO,
        before: false,
    }
}

fn not_begun(step: Step, because: String) -> StepRow {
    StepRow {
        step,
        outcome: StepOutcome::NotBegun(because),
        details: Vec::new(),
        elapsed: Duration::ZERO,
        before: false,
    }
}
