//! The verbs on MongoDB.
//!
//! It has no transactions on a server that stands alone, so that every step is written such that a crash in its middle is
//! seen by the next one, which goes on or says what to do: [`journal`] and [`migrate`] for migrations, [`fill`] for
//! fixtures. What changes a database holds its [`lock`].

mod clear;
mod command;
mod documents;
mod fill;
mod journal;
pub(super) mod lock;
mod migrate;
mod value;

use super::open;
use super::options::{self, Plan};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::secret;
use crate::tasks::{
    Before, Done, ENVIRONMENT, Filled, Fixture, METADATA, Mark, Marked, MigrateTo, MigrationStatus,
    Migrations, PROTECTED, Reach, Refill, Renamed, Step, Steps, Tell, protects, refused,
};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};
use lock::{Held, Lock};
use mongodb::Database;
use mongodb::bson::{Document, doc};
use mongodb::options::{DatabaseOptions, ReadPreference, SelectionCriteria, WriteConcern};
use registry_config::Settings;
use std::fmt;
use std::time::Duration;

/// The record of migrations.
const MIGRATIONS: &str = "_dbreg_migrations";
/// The record of each document that fixtures have written.
const FIXTURE_DOCUMENTS: &str = "_dbreg_fixture_documents";
/// What the names of dbreg's own collections begin with.
const OWN: &str = "_dbreg_";

/// The steps on one database.
pub(crate) struct MongoDbTasks {
    settings: Settings,
    connect_timeout: Duration,
    target: String,
    places: Vec<String>,
    held: Held,
}

/// What no verb touches, whatever the file says: the server's own.
const SYSTEM: [&str; 3] = ["admin", "config", "local"];

/// The steps on the database of these settings.
pub(crate) fn tasks(settings: &Settings) -> Result<MongoDbTasks, Error> {
    let connect_timeout = settings
        .duration("connect_timeout")
        .unwrap_or(Duration::from_secs(5));
    let plan = options::plan(connect_timeout, settings)?;
    let db = plan.db().to_owned();
    if SYSTEM.iter().any(|name| db.eq_ignore_ascii_case(name)) {
        let message = format!("`{db}` is the server's own database: the verbs do not touch it");
        return Err(Error::new(ErrorKind::Config, message));
    }
    // Two databases whose names differ in case alone are none that a server has.
    let place = |address: String| format!("mongodb://{address}/{}", db.to_lowercase());
    Ok(MongoDbTasks {
        target: format!("{}/{db}", secret::shown_hosts(settings, "mongodb")),
        places: plan.addresses().into_iter().map(place).collect(),
        settings: settings.clone(),
        connect_timeout,
        held: Held::default(),
    })
}

/// A client for one step.
struct Session {
    database: Database,
}

impl MongoDbTasks {
    fn plan(&self) -> Result<Plan, Error> {
        options::plan(self.connect_timeout, &self.settings)
    }

    /// Opens a client, and proves it. What it reads is what the primary has, and what it writes is what a majority has.
    async fn session(&self) -> Result<Session, Error> {
        let mut plan = self.plan()?;
        // One for the lock, whatever the others do.
        plan.allow_two_sessions();
        let ready = plan.database()?;
        let (database, _) = open::open(self.connect_timeout, &plan, ready.as_ref()).await?;
        let options = DatabaseOptions::builder()
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .write_concern(WriteConcern::majority())
            .build();
        let database = database.client().database_with_options(database.name(), options);
        Ok(Session { database })
    }
}

impl Session {
    /// Ends the client, and hands the result on.
    async fn close<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        self.database.client().clone().shutdown().immediate(true).await;
        result
    }
}

/// The names of all collections, without the server's own.
async fn collections(database: &Database) -> Result<Vec<String>, Error> {
    let mut names = database.list_collection_names().await?;
    names.retain(|name| !name.starts_with("system."));
    names.sort();
    Ok(names)
}

impl Steps for MongoDbTasks {
    fn target(&self) -> String {
        self.target.clone()
    }

    fn places(&self) -> Vec<String> {
        self.places.clone()
    }

    fn migration_formats(&self) -> &'static [&'static str] {
        &["json", "toml"]
    }

    fn takes_sql_fixtures(&self) -> bool {
        false
    }

    fn asks(&self, step: Step, _fixtures: usize) -> bool {
        step != Step::Create
    }

    fn check_fixtures(&self, fixtures: &[Fixture]) -> Vec<String> {
        fill::mistakes(fixtures)
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        async {
            let session = self.session().await?;
            session.close(Ok(())).await
        }
        .boxed()
    }

    fn create(&self) -> BoxFuture<'_, Result<Done, Error>> {
        async {
            let words = "nothing to create: a database of MongoDB appears with its first collection";
            Ok(Done::nothing(words))
        }
        .boxed()
    }

    fn drop_database(&self) -> BoxFuture<'_, Result<Done, Error>> {
        async {
            let session = self.session().await?;
            let result = drop_database(&self.held, &session.database).await;
            session.close(result).await
        }
        .boxed()
    }

    fn migrate<'a>(
        &'a self,
        migrations: &'a Migrations,
        to: MigrateTo,
        tell: Tell<'a>,
    ) -> BoxFuture<'a, Result<Done, Error>> {
        async move {
            let session = self.session().await?;
            let work = migrate::migrate(&session.database, migrations, to, tell).map_err(refused);
            let result = Lock::hold(&self.held, &session.database, work).await;
            session.close(result).await
        }
        .boxed()
    }

    fn revert<'a>(
        &'a self,
        migrations: &'a Migrations,
        to: MigrateTo,
        tell: Tell<'a>,
    ) -> BoxFuture<'a, Result<Done, Error>> {
        async move {
            let session = self.session().await?;
            let work = migrate::revert(&session.database, migrations, to, tell).map_err(refused);
            let result = Lock::hold(&self.held, &session.database, work).await;
            session.close(result).await
        }
        .boxed()
    }

    fn migration_status<'a>(
        &'a self,
        migrations: &'a Migrations,
    ) -> BoxFuture<'a, Result<Vec<MigrationStatus>, Error>> {
        async move {
            let session = self.session().await?;
            let result = migrate::status(&session.database, migrations).await;
            session.close(result).await
        }
        .boxed()
    }

    fn fill<'a>(&'a self, fixture: &'a Fixture, policy: Refill) -> BoxFuture<'a, Result<Filled, Error>> {
        async move {
            let session = self.session().await?;
            let work = fill::fill(&session.database, fixture, policy).map_err(refused);
            let result = Lock::hold(&self.held, &session.database, work).await;
            session.close(result).await
        }
        .boxed()
    }

    fn filled_before<'a>(
        &'a self,
        fixture: &'a Fixture,
        _: Refill,
    ) -> BoxFuture<'a, Result<Option<Before>, Error>> {
        async move {
            let session = self.session().await?;
            let result = fill::before(&session.database, fixture).await.map_err(refused);
            session.close(result).await
        }
        .boxed()
    }

    fn renamed<'a>(&'a self, fixtures: &'a [Fixture]) -> BoxFuture<'a, Result<Vec<Renamed>, Error>> {
        async move {
            let session = self.session().await?;
            let result = fill::renamed(&session.database, fixtures).await;
            session.close(result).await
        }
        .boxed()
    }

    fn rename<'a>(&'a self, fixtures: &'a [Fixture]) -> BoxFuture<'a, Result<Vec<Renamed>, Error>> {
        async move {
            let session = self.session().await?;
            let work = fill::rename(&session.database, fixtures);
            let result = Lock::hold(&self.held, &session.database, work).await;
            session.close(result).await
        }
        .boxed()
    }

    fn clear(&self, _reach: Reach) -> BoxFuture<'_, Result<Done, Error>> {
        async {
            let session = self.session().await?;
            let result = clear::clear(&self.held, &session.database).await;
            session.close(result).await
        }
        .boxed()
    }

    fn purge(&self, _reach: Reach) -> BoxFuture<'_, Result<Done, Error>> {
        async {
            let session = self.session().await?;
            let result = clear::purge(&self.held, &session.database).await;
            session.close(result).await
        }
        .boxed()
    }

    fn mark(&self) -> BoxFuture<'_, Result<Marked, Error>> {
        async {
            let session = self.session().await?;
            let result = mark(&session.database).await;
            session.close(result).await
        }
        .boxed()
    }

    fn set_mark<'a>(&'a self, mark: &'a Mark) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let session = self.session().await?;
            let result = set_mark(&session.database, mark).await;
            session.close(result).await
        }
        .boxed()
    }

    fn let_go(&self) -> BoxFuture<'_, Result<(), Error>> {
        async {
            if !self.held.is_left() {
                return Ok(());
            }
            let session = self.session().await?;
            let result = self.held.let_go(&session.database).await;
            session.close(result).await
        }
        .boxed()
    }
}

async fn drop_database(held: &Held, database: &Database) -> Result<Done, Error> {
    if collections(database).await?.is_empty() {
        return Ok(Done::nothing("nothing to drop: there is no such database"));
    }
    // Whoever migrates it now would write on into the next one.
    Lock::hold_to_its_end(held, database, async {
        database.drop().await?;
        Ok(Done::changed("dropped the database"))
    })
    .await
}

async fn mark(database: &Database) -> Result<Marked, Error> {
    let metadata = database.collection::<Document>(METADATA);
    let read = async |name: &str| -> Result<Option<String>, Error> {
        let Some(found) = metadata.find_one(doc! { "_id": name }).await? else {
            return Ok(None);
        };
        let unreadable = |_| {
            let message = format!("`{name}` of `{METADATA}` is no text");
            Error::new(ErrorKind::Operation, message)
        };
        found
            .get_str("value")
            .map(|value| Some(value.to_owned()))
            .map_err(unreadable)
    };
    let protected = read(PROTECTED).await?.is_some_and(|value| protects(&value));
    match read(ENVIRONMENT).await? {
        Some(environment) => Ok(Marked::As(Mark {
            environment,
            protected,
        })),
        // Without its other half, which is written after it.
        None if protected => Ok(Marked::As(Mark {
            environment: String::new(),
            protected,
        })),
        None if collections(database).await?.is_empty() => Ok(Marked::NoDatabase),
        None => Ok(Marked::Unmarked),
    }
}

async fn set_mark(database: &Database, mark: &Mark) -> Result<(), Error> {
    let metadata = database.collection::<Document>(METADATA);
    let protected = if mark.protected { "yes" } else { "no" };
    // What does not protect replaces nothing: somebody else may have written his meanwhile.
    let how = if mark.protected { "$set" } else { "$setOnInsert" };
    for (name, value) in [(PROTECTED, protected), (ENVIRONMENT, &mark.environment)] {
        let change = doc! { how: { "value": value } };
        metadata
            .update_one(doc! { "_id": name }, change)
            .upsert(true)
            .await?;
    }
    Ok(())
}

impl fmt::Debug for MongoDbTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDbTasks")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{MongoDbTasks, tasks};
    use crate::error::Error;
    use crate::tasks::{Mark, Marked, Steps as _};

    fn steps(keys: &str) -> Result<MongoDbTasks, Error> {
        let loaded = registry_config::load(&format!("[mongodb.x]\n{keys}"), "databases.toml");
        let settings = registry_config::resolve(&loaded.shape.connections[0], None, &[]).unwrap();
        tasks(&settings)
    }

    #[test]
    fn the_servers_own_databases_are_left_alone() {
        for name in ["admin", "Config", "local"] {
            let error = steps(&format!("host = \"db1\"\ndb = \"{name}\"\n")).unwrap_err();
            assert!(error.message().contains("server's own"), "{error}");
        }
    }

    /// Whatever the one who writes the other has seen before.
    #[tokio::test]
    async fn a_mark_that_protects_is_replaced_by_none_that_does_not() {
        let server = registry_dev::mongodb().await.unwrap();
        let port = server.address().port();
        let steps = steps(&format!("host = \"127.0.0.1\"\nport = {port}\ndb = \"shop\"\n")).unwrap();
        let mark = |environment: &str, protected| Mark {
            environment: environment.to_owned(),
            protected,
        };
        for (written, stands) in [
            (mark("default", false), mark("default", false)),
            (mark("live", true), mark("live", true)),
            (mark("default", false), mark("live", true)),
        ] {
            steps.set_mark(&written).await.unwrap();
            assert_eq!(steps.mark().await.unwrap(), Marked::As(stands));
        }
    }
}
