//! The verbs on SQL backends: what is the same for all of them. A backend gives a [`Dialect`] and a [`Session`].

mod dialect;
mod fill;
mod mark;
mod migrate;
mod record;
mod rows;
mod session;
mod time;
mod values;

#[cfg(feature = "postgres")]
pub(crate) use dialect::Own;
#[cfg(any(feature = "mysql", feature = "sqlite"))]
pub(crate) use dialect::only_mark;
pub(crate) use dialect::{Column, Dialect, KEPT_BY_CLEAR};
#[cfg(any(feature = "mysql", feature = "sqlite"))]
pub(crate) use session::bind_values;
pub(crate) use session::{Ran, Session, sql_session};
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) use time::in_utc;
#[cfg(feature = "postgres")]
pub(crate) use values::json_text;

use crate::error::Error;
use crate::tasks::{
    Before, Done, Filled, Fixture, Mark, Marked, MigrateTo, MigrationStatus, Migrations, Reach, Refill,
    Renamed, Steps, Tell,
};
use futures_util::future::BoxFuture;

/// The steps of a backend with this dialect.
#[derive(Debug)]
pub(crate) struct SqlSteps<D>(pub(crate) D);

impl<D: Dialect> Steps for SqlSteps<D> {
    fn target(&self) -> String {
        self.0.target()
    }

    fn places(&self) -> Vec<String> {
        self.0.places()
    }

    fn migration_formats(&self) -> &'static [&'static str] {
        &["sql"]
    }

    fn takes_sql_fixtures(&self) -> bool {
        true
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.0.ready()
    }

    fn create(&self) -> BoxFuture<'_, Result<Done, Error>> {
        self.0.create()
    }

    fn drop_database(&self) -> BoxFuture<'_, Result<Done, Error>> {
        self.0.drop_database()
    }

    fn migrate<'a>(
        &'a self,
        migrations: &'a Migrations,
        to: MigrateTo,
        tell: Tell<'a>,
    ) -> BoxFuture<'a, Result<Done, Error>> {
        Box::pin(migrate::migrate(&self.0, migrations, to, tell))
    }

    fn revert<'a>(
        &'a self,
        migrations: &'a Migrations,
        to: MigrateTo,
        tell: Tell<'a>,
    ) -> BoxFuture<'a, Result<Done, Error>> {
        Box::pin(migrate::revert(&self.0, migrations, to, tell))
    }

    fn migration_status<'a>(
        &'a self,
        migrations: &'a Migrations,
    ) -> BoxFuture<'a, Result<Vec<MigrationStatus>, Error>> {
        Box::pin(migrate::status(&self.0, migrations))
    }

    fn fill<'a>(&'a self, fixture: &'a Fixture, policy: Refill) -> BoxFuture<'a, Result<Filled, Error>> {
        Box::pin(fill::fill(&self.0, fixture, policy))
    }

    fn filled_before<'a>(
        &'a self,
        fixture: &'a Fixture,
        _: Refill,
    ) -> BoxFuture<'a, Result<Option<Before>, Error>> {
        Box::pin(fill::before(&self.0, fixture))
    }

    fn renamed<'a>(&'a self, fixtures: &'a [Fixture]) -> BoxFuture<'a, Result<Vec<Renamed>, Error>> {
        Box::pin(fill::renamed(&self.0, fixtures))
    }

    fn rename<'a>(&'a self, fixtures: &'a [Fixture]) -> BoxFuture<'a, Result<Vec<Renamed>, Error>> {
        Box::pin(fill::rename(&self.0, fixtures))
    }

    fn clear(&self, _: Reach) -> BoxFuture<'_, Result<Done, Error>> {
        self.0.clear()
    }

    fn purge(&self, _: Reach) -> BoxFuture<'_, Result<Done, Error>> {
        self.0.purge()
    }

    fn mark(&self) -> BoxFuture<'_, Result<Marked, Error>> {
        Box::pin(mark::read(&self.0))
    }

    fn set_mark<'a>(&'a self, mark: &'a Mark) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(mark::write(&self.0, mark))
    }
}

/// What `clear` and `purge` tell of so many tables.
pub(crate) fn counted(verb: &str, tables: usize) -> Done {
    match tables {
        0 => Done::nothing("there are no tables"),
        1 => Done::changed(format!("{verb} 1 table")),
        many => Done::changed(format!("{verb} {many} tables")),
    }
}
