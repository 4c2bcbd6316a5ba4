//! A database in memory under the verbs: it begins and ends with its application, so there is nothing to prepare.

use crate::error::Error;
use crate::tasks::{
    Before, Done, Filled, Fixture, Mark, Marked, MigrateTo, MigrationStatus, Migrations, Reach, Refill, Step,
    Steps, Tell,
};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};

/// The steps of `path = ":memory:"`.
#[derive(Debug)]
pub(super) struct InMemory;

fn nothing<'a>() -> BoxFuture<'a, Result<Done, Error>> {
    ready(Ok(Done::nothing(
        "nothing to do: a database in memory begins and ends with its application",
    )))
    .boxed()
}

impl Steps for InMemory {
    fn target(&self) -> String {
        ":memory:".to_owned()
    }

    fn places(&self) -> Vec<String> {
        Vec::new()
    }

    fn migration_formats(&self) -> &'static [&'static str] {
        &[]
    }

    fn takes_sql_fixtures(&self) -> bool {
        true
    }

    fn asks(&self, _: Step, _: usize) -> bool {
        false
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        ready(Ok(())).boxed()
    }

    fn create(&self) -> BoxFuture<'_, Result<Done, Error>> {
        nothing()
    }

    fn drop_database(&self) -> BoxFuture<'_, Result<Done, Error>> {
        nothing()
    }

    fn migrate<'a>(
        &'a self,
        _: &'a Migrations,
        _: MigrateTo,
        _: Tell<'a>,
    ) -> BoxFuture<'a, Result<Done, Error>> {
        nothing()
    }

    fn revert<'a>(
        &'a self,
        _: &'a Migrations,
        _: MigrateTo,
        _: Tell<'a>,
    ) -> BoxFuture<'a, Result<Done, Error>> {
        nothing()
    }

    fn migration_status<'a>(
        &'a self,
        _: &'a Migrations,
    ) -> BoxFuture<'a, Result<Vec<MigrationStatus>, Error>> {
        ready(Ok(Vec::new())).boxed()
    }

    fn fill<'a>(&'a self, _: &'a Fixture, _: Refill) -> BoxFuture<'a, Result<Filled, Error>> {
        ready(Ok(Filled::Nowhere)).boxed()
    }

    fn filled_before<'a>(
        &'a self,
        _: &'a Fixture,
        _: Refill,
    ) -> BoxFuture<'a, Result<Option<Before>, Error>> {
        ready(Ok(None)).boxed()
    }

    fn clear(&self, _: Reach) -> BoxFuture<'_, Result<Done, Error>> {
        nothing()
    }

    fn purge(&self, _: Reach) -> BoxFuture<'_, Result<Done, Error>> {
        nothing()
    }

    fn mark(&self) -> BoxFuture<'_, Result<Marked, Error>> {
        ready(Ok(Marked::NoDatabase)).boxed()
    }

    fn set_mark<'a>(&'a self, _: &'a Mark) -> BoxFuture<'a, Result<(), Error>> {
        ready(Ok(())).boxed()
    }
}
