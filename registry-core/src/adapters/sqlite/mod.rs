//! SQLite, through sqlx.
//!
//! The file is created when it is missing; foreign keys are on. `:memory:` is one database for the whole connection,
//! held open by one session that never expires.

mod error;
#[cfg(feature = "tasks")]
mod memory;
mod open;
#[cfg(feature = "tasks")]
mod tasks;

use crate::adapters::sql;
use crate::base::Base;
use crate::connection::{Connection, Instance, Opened, method_set};
use crate::error::Error;
use crate::startup::Prepared;
use crate::status::Sessions;
use futures_util::future::BoxFuture;
use sqlx::Connection as _;
use sqlx::sqlite::SqlitePool;
use std::sync::Arc;
#[cfg(feature = "tasks")]
pub(crate) use tasks::{SqliteTasks, tasks};

/// An SQLite connection: `db.sqlite.local`. Cheap to clone.
///
/// It is an sqlx `Executor` and `Acquire`: `sqlx::query(..).execute(&db.sqlite.local)`. Each wait of such a direct call
/// is bounded by `timeout`, and its error is recorded in [`errors`](Self::errors).
#[derive(Clone)]
pub struct Sqlite {
    inner: Arc<Inner>,
}

struct Inner {
    base: Arc<Base>,
    target: Result<open::Target, Error>,
    path: String,
}

impl Sqlite {
    /// Builds the handle. No I/O.
    pub(crate) fn prepare(prepared: &Prepared) -> Self {
        let base = Arc::clone(&prepared.base);
        let (target, path) = match &prepared.settings {
            Ok(settings) => (
                open::target(&base, settings),
                settings.text("path").unwrap_or_default().to_owned(),
            ),
            Err(error) => (Err(error.clone()), String::new()),
        };
        Self {
            inner: Arc::new(Inner { base, target, path }),
        }
    }

    fn client(&self) -> Result<SqlitePool, Error> {
        self.target().map(|target| target.pool.clone())
    }

    fn target(&self) -> Result<&open::Target, Error> {
        self.inner.target.as_ref().map_err(Clone::clone)
    }
}

method_set!(Sqlite, SqlitePool, "The driver's own pool: [`sqlx::SqlitePool`].");
sql::sql_handle!(Sqlite, sqlx::Sqlite);
#[cfg(feature = "sea-orm")]
sql::orm::orm_handle!(Sqlite, sqlx::Sqlite, Sqlite);

impl Connection for Sqlite {
    fn base(&self) -> &Arc<Base> {
        &self.inner.base
    }

    fn open(&self) -> BoxFuture<'_, Result<Opened, Error>> {
        Box::pin(async move { open::open(self.target()?, &self.inner.path).await })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { Ok(self.client()?.acquire().await?.ping().await?) })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Ok(target) = &self.inner.target {
                target.pool.close().await;
            }
        })
    }

    fn sessions(&self) -> Option<Sessions> {
        self.inner
            .target
            .as_ref()
            .ok()
            .map(|target| sql::sessions(&target.pool))
    }

    fn hosts(&self) -> String {
        self.inner.path.clone()
    }

    fn instance(&self) -> Result<Instance, Error> {
        self.client().map(Instance::Sqlite)
    }
}
