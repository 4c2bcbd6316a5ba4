//! The look before a verb: folders, servers, protection. It changes nothing.

use super::Tasks;
use super::event::{Event, Observer};
use super::fixture::{self, Fixture, Formats};
use super::migrations::{self, Migrations};
use super::planning::all_pending;
use super::protection::{self, Objection};
use super::steps::{MigrationStatus, Steps, refused};
use super::subject::Subject;
use super::verb::{Step, Verb};
use crate::backoff::Backoff;
use crate::error::{Error, TEXT_LIMIT};
use crate::kind::ErrorKind;
use crate::together::join_all;
use crate::turns::Turns;
use futures_util::future::BoxFuture;
use registry_config::Diagnostic;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What an error of the look names as its operation: nothing was begun.
pub(super) const LOOK: &str = "look";

/// With less than this left, nobody is asked again.
const LAST_PAUSE: Duration = Duration::from_millis(50);
/// The pauses between looks at a server that does not answer yet.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What became of the migrations of one connection.
type StatusOf = Result<Vec<MigrationStatus>, Error>;

/// One connection that was looked at.
#[derive(Debug)]
pub(super) struct Looked<'t> {
    pub(super) at: usize,
    pub(super) subject: &'t Subject,
    pub(super) migrations: Migrations,
    pub(super) fixtures: Vec<Fixture>,
    /// What works on it, or what stands in the way.
    pub(super) steps: Result<Arc<dyn Steps>, Objection>,
}

impl Tasks {
    /// What became of each migration of each selected connection; it changes nothing. A connection without migrations
    /// has an empty list.
    ///
    /// # Cancellation
    /// Dropping the future is harmless.
    pub async fn migration_status(&self) -> Vec<(String, Result<Vec<MigrationStatus>, Error>)> {
        self.states().await
    }

    fn states(&self) -> BoxFuture<'_, Vec<(String, StatusOf)>> {
        Box::pin(async move {
            let tasks = self.resolved().await;
            let looked = tasks.look(Verb::Migrate, &|_| {}).await;
            let turns = Turns::new(self.options.concurrency);
            let all = looked.iter().map(async |one| {
                let _turn = turns.take().await;
                let is_the_others = one.migrations.list.is_empty() && tasks.shares_with_migrated(one.subject);
                let status = match &one.steps {
                    Ok(_) if is_the_others => Ok(Vec::new()),
                    Ok(steps) => self.status_of(one, &**steps).await,
                    Err(Objection::Failed(error)) => Err(error.clone()),
                    Err(Objection::Refused(refusal)) => {
                        Err(Error::new(ErrorKind::Config, refusal.to_string()))
                    }
                };
                let status = match status {
                    Err(error) if error.kind() == ErrorKind::UnknownDatabase => {
                        Ok(all_pending(&one.migrations))
                    }
                    status => status,
                };
                (one.subject.label.clone(), status)
            });
            join_all(all).await
        })
    }

    /// Whether what is applied in its database may be another connection's, which has migrations.
    pub(super) fn shares_with_migrated(&self, subject: &Subject) -> bool {
        let others = subject.shares_with.iter().map(|other| &self.subjects[*other]);
        others
            .into_iter()
            .any(|other| self.options.migrations_of(&other.label).is_dir())
    }

    /// Looks at every selected connection at once.
    pub(super) async fn look(&self, verb: Verb, observe: Observer<'_>) -> Vec<Looked<'_>> {
        let steps = verb.steps(self.options.to);
        let turns = Turns::new(self.options.concurrency);
        let selected = (0..self.subjects.len()).filter(|at| self.subjects[*at].selected);
        let looks = selected.map(async |at| {
            let _turn = turns.take().await;
            self.look_at(at, steps, observe).await
        });
        join_all(looks).await
    }

    async fn look_at(&self, at: usize, steps: &[Step], observe: Observer<'_>) -> Looked<'_> {
        let subject = &self.subjects[at];
        let mut looked = Looked {
            at,
            subject,
            migrations: Migrations::default(),
            fixtures: Vec::new(),
            steps: subject.steps.clone().map_err(Objection::Failed),
        };
        let Ok(works) = subject.steps.clone() else {
            return looked;
        };
        let objection = async {
            let destroys = steps.iter().any(|step| step.destroys());
            let known = &self.options.known_to_destroy;
            if destroys && let Some(refusal) = protection::by_settings(&self.subjects, at, known) {
                return Err(Objection::Refused(refusal));
            }
            let limit = self.options.step_deadline;
            let read = tokio::time::timeout(limit, self.read_folders(&mut looked, &*works, steps));
            let read = read.await.unwrap_or_else(|_| {
                let message = format!("the folders were not read within {limit:?}");
                Err(Error::new(ErrorKind::Timeout, message).help(self.options.late))
            });
            read.map_err(Objection::Failed)?;
            let mut objections = steps
                .iter()
                .filter_map(|step| works.objects(*step, self.options.reach()));
            if let Some(error) = objections.next() {
                return Err(Objection::Failed(error));
            }
            let fixtures = looked.fixtures.len();
            if steps.iter().any(|step| works.asks(*step, fixtures)) {
                self.wait_for(subject, &*works, observe)
                    .await
                    .map_err(Objection::Failed)?;
            }
            if destroys {
                let asked = protection::by_mark(subject, &*works, known);
                return within(subject, asked, Objection::Failed).await;
            }
            Ok(())
        };
        if let Err(objection) = objection.await {
            looked.steps = Err(match objection {
                Objection::Failed(error) => Objection::Failed(
                    refused(error)
                        .connection_named(subject.label.clone())
                        .during(LOOK),
                ),
                refused => refused,
            });
        }
        looked
    }

    async fn read_folders(
        &self,
        looked: &mut Looked<'_>,
        works: &dyn Steps,
        steps: &[Step],
    ) -> Result<(), Error> {
        let label = &looked.subject.label;
        let migrates = |step: &Step| matches!(step, Step::Migrate | Step::Revert);
        if steps.iter().any(migrates) {
            let folder = self.options.migrations_of(label);
            let formats = works.migration_formats();
            let read = beside(move || migrations::read_folder(&folder, formats)).await?;
            looked.migrations = read.map_err(|mistakes| in_one(&mistakes))?;
        }
        if steps.contains(&Step::Fill) {
            let folder = self.options.fixtures_of(label);
            let formats = match works.takes_sql_fixtures() {
                true => Formats::RowsAndSql,
                false => Formats::Rows,
            };
            let read = beside(move || read_fixtures(&folder, formats)).await?;
            looked.fixtures = read.map_err(|mistakes| in_one(&mistakes))?;
            let mistakes = works.check_fixtures(&looked.fixtures);
            if !mistakes.is_empty() {
                return Err(in_one(&mistakes));
            }
        }
        Ok(())
    }

    /// Asks the server until it answers, as long as the wait allows.
    async fn wait_for(
        &self,
        subject: &Subject,
        works: &dyn Steps,
        observe: Observer<'_>,
    ) -> Result<(), Error> {
        // None: a wait without an end.
        let deadline = Instant::now().checked_add(self.options.wait);
        let mut backoff = Backoff::new(PAUSE.0, PAUSE.1);
        // Who waits, waits for all of it; who does not may do with a part.
        let ready = || match self.options.wait {
            Duration::ZERO => works.ready(),
            _ => works.all_ready(),
        };
        let mut error = match within(subject, ready(), |error| error).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if !error.is_transient() || left.is_some_and(|left| left < LAST_PAUSE) {
                return Err(error);
            }
            // The last attempts need time, too.
            let pause = backoff.next_pause();
            let pause = left.map_or(pause, |left| pause.min(left / 2));
            observe(Event::Waiting {
                connection: subject.label.clone(),
                cause: error.message().to_owned(),
            });
            tokio::time::sleep(pause).await;
            let again = within(subject, ready(), |error| error);
            // None: an attempt that the wait has cut short knows less than the one before.
            let asked = match deadline {
                None => Some(again.await),
                Some(deadline) => tokio::time::timeout_at(deadline, again).await.ok(),
            };
            match asked {
                Some(Ok(())) => return Ok(()),
                Some(Err(now)) => error = now,
                None => return Err(error),
            }
        }
    }

    pub(super) async fn status_of(
        &self,
        one: &Looked<'_>,
        works: &dyn Steps,
    ) -> Result<Vec<MigrationStatus>, Error> {
        if works.migration_formats().is_empty() {
            return Ok(Vec::new());
        }
        let asked = works.migration_status(&one.migrations);
        let status = within(one.subject, asked, |error| error).await;
        status.map_err(|error| error.connection_named(one.subject.label.clone()))
    }
}

impl Subject {
    pub(super) fn target(&self) -> String {
        match &self.steps {
            Ok(steps) => steps.target(),
            Err(_) => String::new(),
        }
    }
}

/// A look, within the limit of its connection.
pub(super) async fn within<T, E>(
    subject: &Subject,
    look: impl Future<Output = Result<T, E>>,
    as_own: impl Fn(Error) -> E,
) -> Result<T, E> {
    let limit = subject.connect_timeout;
    let looked = tokio::time::timeout(limit, look).await;
    looked.unwrap_or_else(|_| {
        let message = format!("{} gave no answer within {limit:?}", subject.target());
        let error = Error::new(ErrorKind::Timeout, message);
        Err(as_own(error.help("the limit is `connect_timeout`")))
    })
}

/// Several mistakes as one error: as many as its text has room for, and how many there are besides.
fn in_one(mistakes: &[String]) -> Error {
    // Those that are left are counted in the rest.
    const ROOM: usize = TEXT_LIMIT - 100;
    let mut text = String::new();
    for (at, mistake) in mistakes.iter().enumerate() {
        if at > 0 && text.chars().count() + mistake.chars().count() > ROOM {
            let more = mistakes.len() - at;
            text.push_str(&format!("; and {more} more, told when these are mended"));
            break;
        }
        if at > 0 {
            text.push_str("; ");
        }
        text.push_str(mistake);
    }
    Error::new(ErrorKind::Config, text)
}

/// Reads files beside the tasks of the runtime: there may be many, and large ones.
async fn beside<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => Ok(read),
        Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
        Err(_) => Err(Error::new(ErrorKind::Closed, "the runtime ends")),
    }
}

fn read_fixtures(folder: &std::path::Path, formats: Formats) -> Result<Vec<Fixture>, Vec<String>> {
    // An error's text is one line.
    let line = |mistake: &Diagnostic| mistake.render("").replace("\n  help: ", "; ");
    fixture::read_folder(folder, formats).map_err(|mistakes| mistakes.iter().map(line).collect())
}

/// The file's own name: `10-orders.toml`.
pub(super) fn file_name(fixture: &Fixture) -> String {
    let name = fixture.path.file_name().unwrap_or(fixture.path.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::in_one;

    #[test]
    fn of_many_mistakes_none_is_cut_and_the_rest_is_counted() {
        let mistakes: Vec<String> = (0..100).map(|number| format!("mistake {number:090}")).collect();
        let error = in_one(&mistakes);
        let (told, more) = error.message().split_once("; and ").unwrap();
        let told = told.split("; ").count();
        assert_eq!(more, format!("{} more, told when these are mended", 100 - told));
        assert!(told > 15, "{told}");
        let long = "x".repeat(3_000);
        let error = in_one(&[long, "short".to_owned()]);
        assert!(error.message().starts_with("xxx"), "{error}");
        assert_eq!(in_one(&mistakes[..2]).message(), mistakes[..2].join("; "));
    }
}
