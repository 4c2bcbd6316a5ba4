//! What a backend does for the verbs: one implementation each, in `adapters/BACKEND/tasks.rs`.

use super::fixture::{Fixture, Renamed};
use super::migrations::Migrations;
use super::verb::{MigrateTo, Step};
use crate::error::Error;
use crate::kind::ErrorKind;
use futures_util::future::BoxFuture;
use std::fmt;

/// The plain steps on one connection. The caller bounds every future, and drops it when its time is up; what a step was
/// doing then must be such that the same step can be run again.
///
/// A method gives its error without the connection's name: the frame adds it.
pub(crate) trait Steps: fmt::Debug + Send + Sync {
    /// Where it leads, for people: `db1:3306/shop`. Without secrets.
    fn target(&self) -> String;

    /// Every place that this leads to, in one spelling per place, so that two connections to one database are known as
    /// such: `mysql://127.0.0.1:3306/shop`. One that ends in `*` is all that begins like it: the keys with a prefix. May
    /// be empty when it is not known.
    fn places(&self) -> Vec<String>;

    /// The extensions of migrations, without the dot: `sql`. None: there is nothing to migrate.
    fn migration_formats(&self) -> &'static [&'static str];

    /// Whether fixtures may be `.sql` files.
    fn takes_sql_fixtures(&self) -> bool;

    /// Whether a step asks the server at all, with so many files of fixtures. A server that is away stops no step that
    /// has nothing to do there.
    fn asks(&self, _step: Step, _fixtures: usize) -> bool {
        true
    }

    /// Why a step cannot be, as far as that is known without the server.
    fn objects(&self, _step: Step, _reach: Reach) -> Option<Error> {
        None
    }

    /// What is wrong with fixtures that can be read, as far as that is known without the server.
    fn check_fixtures(&self, _fixtures: &[Fixture]) -> Vec<String> {
        Vec::new()
    }

    /// One look at the server, by a login; the database may be missing.
    fn ready(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// The same at every host, where the connection is content with one: what is waited for.
    fn all_ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.ready()
    }

    /// Makes the database; it is no error when it is there.
    fn create(&self) -> BoxFuture<'_, Result<Done, Error>>;

    /// Removes the database; it is no error when it is not there.
    fn drop_database(&self) -> BoxFuture<'_, Result<Done, Error>>;

    /// Applies migrations, and tells each when it is applied. Two at once: one waits, and each is applied once.
    fn migrate<'a>(
        &'a self,
        migrations: &'a Migrations,
        to: MigrateTo,
        tell: Tell<'a>,
    ) -> BoxFuture<'a, Result<Done, Error>>;

    /// Reverts migrations, and tells each when it is reverted.
    fn revert<'a>(
        &'a self,
        migrations: &'a Migrations,
        to: MigrateTo,
        tell: Tell<'a>,
    ) -> BoxFuture<'a, Result<Done, Error>>;

    /// What became of each migration, of the folder and of the database's record. It changes nothing. `UnknownDatabase`
    /// where there is none and none appears by itself.
    fn migration_status<'a>(
        &'a self,
        migrations: &'a Migrations,
    ) -> BoxFuture<'a, Result<Vec<MigrationStatus>, Error>>;

    /// Writes one file of fixtures and its record, both or neither where the server has transactions.
    fn fill<'a>(&'a self, fixture: &'a Fixture, policy: Refill) -> BoxFuture<'a, Result<Filled, Error>>;

    /// Whether a file was filled before, as [`fill`](Self::fill) would find it, or why it could not be filled, as far as
    /// what is there tells. It changes nothing. `UnknownDatabase` as above.
    fn filled_before<'a>(
        &'a self,
        fixture: &'a Fixture,
        policy: Refill,
    ) -> BoxFuture<'a, Result<Option<Before>, Error>>;

    /// Which of all files of a connection were filled under another name. It changes nothing. `UnknownDatabase` as above.
    fn renamed<'a>(&'a self, _fixtures: &'a [Fixture]) -> BoxFuture<'a, Result<Vec<Renamed>, Error>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Records those under the names that they have now, and says which they are.
    fn rename<'a>(&'a self, _fixtures: &'a [Fixture]) -> BoxFuture<'a, Result<Vec<Renamed>, Error>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Removes the data, and the record of fixtures with it.
    fn clear(&self, reach: Reach) -> BoxFuture<'_, Result<Done, Error>>;

    /// Removes the structure, and the records of migrations and fixtures with it. The mark stays.
    fn purge(&self, reach: Reach) -> BoxFuture<'_, Result<Done, Error>>;

    /// Reads the mark. What cannot be read is an error, never `Unmarked`.
    fn mark(&self) -> BoxFuture<'_, Result<Marked, Error>>;

    /// Writes the mark, unless one is there that [stands](Mark::stands): as one step, for somebody else may write his.
    fn set_mark<'a>(&'a self, mark: &'a Mark) -> BoxFuture<'a, Result<(), Error>>;

    /// Gives back what a step that was dropped has left on the server, so that nobody waits for it: a lock that does not
    /// end with its session.
    fn let_go(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Whom a step tells what it has done so far: `applied 3 orders`.
pub(crate) type Tell<'a> = &'a (dyn Fn(String) + Send + Sync);

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// `created the database`, `nothing to migrate`
    pub(crate) words: String,
    /// False when there was nothing to do.
    pub(crate) changed: bool,
    /// Whether that is because all of it was done before, by a run of the same step: `fill` alone remembers it.
    pub(crate) before: bool,
}

impl Done {
    pub(crate) fn changed(words: impl Into<String>) -> Self {
        Self {
            changed: true,
            ..Self::nothing(words)
        }
    }

    pub(crate) fn nothing(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            changed: false,
            before: false,
        }
    }

    pub(crate) fn before(words: impl Into<String>) -> Self {
        Self {
            before: true,
            ..Self::nothing(words)
        }
    }
}

/// What a server refuses of a verb, a person has to mend: no waiting helps.
pub(crate) fn refused(error: Error) -> Error {
    if error.kind() != ErrorKind::Operation || error.is_transient() {
        return error;
    }
    error.taken_for(ErrorKind::Config)
}

/// What to do with a file of fixtures that was filled before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refill {
    /// Leave it, and say so.
    Never,
    /// Write it again, so that the result is as if it had been written once.
    Replace,
}

/// What is known of a file of fixtures that was filled before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Before {
    /// When, as RFC 3339 writes it.
    pub(crate) at: String,
    /// Whether the file was another one then.
    pub(crate) changed: bool,
}

/// What became of one file of fixtures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// Written for the first time.
    Written {
        /// So many rows, documents or entries; nothing where the file is a script.
        rows: Option<u64>,
    },
    /// Written again.
    Replaced {
        /// As above.
        rows: Option<u64>,
    },
    /// It was filled before, and was left alone.
    Already(Before),
    /// There is no place to write it to, and nothing to be sorry for: a database in memory.
    #[cfg(feature = "sqlite")]
    Nowhere,
}

/// How far `clear` and `purge` may go on a server that others may use too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// What is surely the connection's own.
    Own,
    /// Everything on the server, as the user has allowed.
    AllKeys,
}

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Marked {
    /// There is no database that could say anything.
    NoDatabase,
    /// It has no mark.
    Unmarked,
    /// It has this one.
    As(Mark),
}

/// The mark of a database: which environment it belongs to. Written at the first migrate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The profile's name, `default` where there was none.
    pub(crate) environment: String,
    /// Whether the connection was protected, by its profile or by itself.
    pub(crate) protected: bool,
}

impl Mark {
    /// Whether it stays where another is to be written: nothing that protects gives way to what does not.
    pub(crate) fn stands(&self, other: &Self) -> bool {
        self.protected || !other.protected
    }
}

/// Whether what stands under [`PROTECTED`] protects: everything but a plain `no`, whoever wrote it.
#[cfg(any(
    feature = "mysql",
    feature = "sqlite",
    feature = "postgres",
    feature = "mongodb"
))]
pub(crate) fn protects(value: &str) -> bool {
    !value.trim().eq_ignore_ascii_case("no")
}

/// The keys of the mark's rows, in the table or collection [`METADATA`].
pub(crate) const ENVIRONMENT: &str = "environment";
/// `yes` or `no`.
pub(crate) const PROTECTED: &str = "protected";
/// The table or collection of the mark: columns `name` and `value`.
pub(crate) const METADATA: &str = "_dbreg_metadata";
/// The table or collection that records which fixtures were filled.
pub(crate) const FIXTURES: &str = "_dbreg_fixtures";

/// One migration, of the folder or of the database's record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// The number that orders it.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub state: MigrationState,
}

/// What became of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrationState {
    /// It was not applied yet.
    Pending,
    /// It was applied; with the time as the server has it, where that is known.
    Applied(Option<String>),
    /// It was applied, and its file was changed since.
    Changed,
    /// It was applied, and its file is gone.
    Missing,
    /// It began and did not end.
    HalfApplied,
}

impl MigrationStatus {
    pub(crate) fn new(version: i64, name: impl Into<String>, state: MigrationState) -> Self {
        let name = name.into();
        Self { version, name, state }
    }
}

impl fmt::Display for MigrationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("pending"),
            Self::Applied(None) => f.write_str("applied"),
            Self::Applied(Some(at)) => write!(f, "applied {at}"),
            Self::Changed => f.write_str("applied, and its file was changed since"),
            Self::Missing => f.write_str("applied, and its file is gone"),
            Self::HalfApplied => f.write_str("half applied"),
        }
    }
}
