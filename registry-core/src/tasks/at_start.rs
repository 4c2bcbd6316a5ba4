//! `App::builder().migrate(true)`: the migrations of an application that is starting.

#[cfg(any(
    feature = "mysql",
    feature = "sqlite",
    feature = "postgres",
    feature = "mongodb"
))]
use super::Migration;
use super::builder::Options;
use super::look::LOOK;
use super::report::StepOutcome;
use super::subject;
use super::verb::Verb;
use super::{Tasks, selection};
use crate::base::StartPolicy;
use crate::connection::Connection;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::values::Values;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where an application has its migrations, when the builder does not say.
pub(crate) const FOLDER: &str = "migrations";

/// Migrates every connection that has a folder, all at once. Gives the connections that must not be opened, by label,
/// and why.
///
/// # Errors
/// What is wrong with the folder itself, a text each.
pub(crate) async fn migrate(
    values: &Values<'_>,
    connections: &[Arc<dyn Connection>],
    folder: &Path,
    within: Duration,
) -> Result<HashMap<String, Error>, Vec<String>> {
    // A wrong working directory must not pass for an application without migrations.
    if !folder.is_dir() {
        let shown = folder.display();
        return Err(vec![format!(
            "there is no folder `{shown}` to migrate from\nhelp: write `.migrations(\"path\")`, or leave `.migrate(true)` out"
        )]);
    }
    let mut subjects = subject::all(values);
    let mistakes = selection::stray_folders(&subjects, &values.shape, folder);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let options = Options {
        migrations: Some(PathBuf::from(folder)),
        step_deadline: within,
        late: "the limit is `migration_deadline`; `dbreg migrate` before the start has an hour",
        ..Options::default()
    };
    for subject in &mut subjects {
        let has_folder = options.migrations_of(&subject.label).is_dir();
        subject.selected = subject.takes_tasks && has_folder;
        #[cfg(feature = "sqlite")]
        if let Some(steps) = on_pool(&subject.label, connections) {
            subject.steps = Ok(steps);
        }
    }
    let tasks = Tasks {
        subjects,
        options,
        profile: values.profile().map(str::to_owned),
        values: values.summary.clone(),
    };
    // It is asked below which connections lead to one database.
    let tasks = tasks.resolved().await;
    let Some(report) = attended(tasks.run_observed(Verb::Migrate, &|_| {})).await else {
        tasks.let_go().await;
        let selected = tasks.subjects.iter().filter(|subject| subject.selected);
        let cut_off = |subject: &subject::Subject| (subject.label.clone(), not_migrated(&cut_off()));
        return Ok(selected.map(cut_off).collect());
    };
    if report.is_success() {
        tracing::info!("{report}");
    }
    let failures: HashMap<String, Error> = report
        .connections
        .iter()
        .flat_map(|row| row.steps.iter().map(|step| (&row.connection, &step.outcome)))
        .filter_map(|(label, outcome)| match outcome {
            StepOutcome::Failed(error) => Some((label.clone(), error.clone())),
            _ => None,
        })
        .collect();
    let mut failed = HashMap::new();
    for row in report.connections {
        let waits = connections.iter().any(|connection| {
            let base = connection.base();
            base.label() == row.connection && base.policy() != StartPolicy::Required
        });
        for step in row.steps {
            let (error, away) = match step.outcome {
                StepOutcome::Done(_) | StepOutcome::Unchanged(_) => continue,
                StepOutcome::Failed(error) => {
                    let away = is_away(&error);
                    (error, away)
                }
                StepOutcome::Refused(refusal) => (Error::new(ErrorKind::Config, refusal.to_string()), false),
                StepOutcome::NotBegun(because) => {
                    let cause = cause_elsewhere(&tasks.subjects, &row.connection, &failures);
                    (not_begun(because, cause), cause.is_some_and(is_away))
                }
            };
            if waits && away {
                // It is opened when it is there; the next start migrates it.
                tracing::warn!("{}: not migrated: {}", row.connection, error.message());
                continue;
            }
            failed.insert(row.connection.clone(), not_migrated(&error));
        }
    }
    Ok(failed)
}

/// What the migrations come to. A worker tells its master meanwhile that it is at work; nothing when it was asked to end,
/// and they took too long then.
async fn attended<T>(migrations: impl Future<Output = T>) -> Option<T> {
    #[cfg(all(feature = "supervise", unix))]
    if let Some(link) = crate::supervise::link::link() {
        return link.at_work("migrating", migrations).await;
    }
    Some(migrations.await)
}

/// Whether one more migration may be begun.
///
/// # Errors
/// Not by a worker that was asked to end: what is not begun is not left half applied.
#[cfg(any(
    feature = "mysql",
    feature = "sqlite",
    feature = "postgres",
    feature = "mongodb"
))]
pub(crate) fn may_begin(migration: &Migration) -> Result<(), Error> {
    #[cfg(all(feature = "supervise", unix))]
    if crate::supervise::at_work::is_ending() {
        let label = migration.label();
        let message = format!("the migration {label} was not begun: the worker was asked to end");
        return Err(Error::new(ErrorKind::Closed, message).help("the next start goes on with it"));
    }
    #[cfg(not(all(feature = "supervise", unix)))]
    let _ = migration;
    Ok(())
}

fn cut_off() -> Error {
    let message = "not done when half of the time was over that the worker had to end";
    Error::new(ErrorKind::Closed, message)
        .help("the next start goes on with it, or says what is half applied")
}

/// Whether it failed before anything was begun, because the server was away. What broke off in the middle may be half
/// applied, and is no reason to open the connection.
fn is_away(error: &Error) -> bool {
    error.is_transient() && error.operation() == LOOK
}

/// The failure of a connection to the same database, for which this one was not begun: of one that shares it, or shares
/// it with one that does, as lanes are joined.
fn cause_elsewhere<'f>(
    subjects: &[subject::Subject],
    label: &str,
    failures: &'f HashMap<String, Error>,
) -> Option<&'f Error> {
    let mut group = vec![subjects.iter().position(|subject| subject.label == label)?];
    let mut next = 0;
    while let Some(&at) = group.get(next) {
        if let Some(failure) = failures.get(&subjects[at].label) {
            return Some(failure);
        }
        let others = subjects[at].shares_with.iter();
        let new: Vec<usize> = others.filter(|other| !group.contains(other)).copied().collect();
        group.extend(new);
        next += 1;
    }
    None
}

/// It fails as what it waited for has failed: an outage is one for both.
fn not_begun(because: String, cause: Option<&Error>) -> Error {
    let (kind, is_transient) = cause.map_or((ErrorKind::Config, false), |cause| {
        (cause.kind(), cause.is_transient())
    });
    Error::new(kind, because).transient(is_transient)
}

fn not_migrated(error: &Error) -> Error {
    let message = format!("not migrated: {}", error.message());
    let mut told = Error::new(error.kind(), message).transient(error.is_transient());
    if let Some(help) = error.next_step() {
        told = told.help(help);
    }
    told
}

/// The steps on the pool of the application itself: the only way into a database in memory.
#[cfg(feature = "sqlite")]
fn on_pool(label: &str, connections: &[Arc<dyn Connection>]) -> Option<Arc<dyn super::Steps>> {
    let connection = connections
        .iter()
        .find(|connection| connection.base().label() == label)?;
    match connection.instance() {
        Ok(crate::connection::Instance::Sqlite(pool)) => {
            let path = connection.hosts();
            Some(Arc::new(crate::adapters::sqlite::SqliteTasks::on(&path, pool)))
        }
        _ => None,
    }
}
