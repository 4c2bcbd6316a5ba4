//! PostgreSQL, through sqlx.
//!
//! `tls` and `tls_ca` are those of [MySQL](crate::adapters::mysql): without the key, what leaves this machine is encrypted,
//! and the certificate checked. `socket` is the path of a Unix socket or of its folder, with the port 5432.
//!
//! The driver's own sources of values are none here: neither the variables `PGHOST`, `PGPASSWORD` and so on nor a
//! `.pgpass` count. `PGOPTIONS`, and with TLS `PGSSLCERT` and `PGSSLKEY`, which the driver follows whatever it is told,
//! are an error at the start.

mod error;
mod open;
mod target;
#[cfg(feature = "tasks")]
mod tasks;
#[cfg(test)]
mod tests;
mod way;

use crate::adapters::sql;
use crate::base::Base;
use crate::connection::{Connection, Instance, Opened, method_set};
use crate::error::Error;
use crate::startup::Prepared;
use crate::status::Sessions;
pub(crate) use error::server_error;
use futures_util::future::BoxFuture;
use sqlx::Connection as _;
use sqlx::postgres::PgPool;
use std::sync::{Arc, OnceLock};
use target::Target;
#[cfg(feature = "tasks")]
pub(crate) use tasks::tasks;

/// A PostgreSQL connection: `db.postgres.main`. Cheap to clone.
///
/// It is an sqlx `Executor` and `Acquire`: `sqlx::query(..).execute(&db.postgres.main)`. Each wait of such a direct call
/// is bounded by `timeout`, and its error is recorded in [`errors`](Self::errors).
#[derive(Clone)]
pub struct Postgres {
    inner: Arc<Inner>,
    /// The pool of `inner`, here so that [`instance`](Self::instance) costs what a field of one's own costs.
    pool: PgPool,
}

struct Inner {
    base: Arc<Base>,
    target: Result<Target, Error>,
    hosts: String,
    /// Where a secret comes from a file.
    watcher: OnceLock<sql::Watcher>,
}

impl Postgres {
    /// Builds the handle. No I/O but the files of references.
    pub(crate) fn prepare(prepared: &Prepared) -> Self {
        let base = Arc::clone(&prepared.base);
        let (target, hosts) = match &prepared.settings {
            Ok(settings) => (Ok(Target::new(&base, settings)), sql::shown(settings, "postgres")),
            Err(error) => (Err(error.clone()), String::new()),
        };
        let inner = Arc::new(Inner {
            base,
            target,
            hosts,
            watcher: OnceLock::new(),
        });
        if inner.target.as_ref().is_ok_and(Target::has_files) {
            let watcher = sql::Watcher::start(Arc::downgrade(&inner), Inner::look_at_files);
            // The cell is new.
            let _ = inner.watcher.set(watcher);
            let weak = Arc::downgrade(&inner);
            inner.base.generations.set_refresh(move || {
                if let Some(inner) = weak.upgrade() {
                    inner.look_at_files();
                }
            });
        }
        Self::of(inner)
    }

    fn of(inner: Arc<Inner>) -> Self {
        let pool = match &inner.target {
            Ok(target) => target.pool.clone(),
            Err(_) => target::nowhere(),
        };
        Self { inner, pool }
    }

    #[inline]
    fn native(&self) -> PgPool {
        self.pool.clone()
    }

    fn client(&self) -> Result<PgPool, Error> {
        self.target()?.pool()
    }

    fn target(&self) -> Result<&Target, Error> {
        self.inner.target.as_ref().map_err(Clone::clone)
    }
}

impl Inner {
    /// What cannot be read now leaves everything as it was.
    fn look_at_files(&self) {
        if let Ok(target) = &self.target {
            drop(target.refresh());
        }
    }
}

method_set!(
    Postgres,
    PgPool,
    "The driver's own pool: [`sqlx::PgPool`]. It costs what the clone of a pool in a field of one's own costs.",
    own instance
);
sql::sql_handle!(Postgres, sqlx::Postgres);
#[cfg(feature = "sea-orm")]
sql::orm::orm_handle!(Postgres, sqlx::Postgres, Postgres);

impl Connection for Postgres {
    fn base(&self) -> &Arc<Base> {
        &self.inner.base
    }

    fn open(&self) -> BoxFuture<'_, Result<Opened, Error>> {
        Box::pin(async move { open::open(self.target()?, self.inner.base.connect_timeout()).await })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { Ok(self.client()?.acquire().await?.ping().await?) })
    }

    fn fail_fast(&self) {
        if let Ok(target) = &self.inner.target {
            target.set_away();
        }
    }

    fn refresh(&self) -> Result<bool, Error> {
        self.target()?.refresh()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(watcher) = self.inner.watcher.get() {
                watcher.end();
            }
            if let Ok(target) = &self.inner.target {
                target.pool.close().await;
            }
        })
    }

    fn sessions(&self) -> Option<Sessions> {
        let target = self.inner.target.as_ref().ok()?;
        Some(sql::sessions(&target.pool))
    }

    fn hosts(&self) -> String {
        self.inner.hosts.clone()
    }

    fn instance(&self) -> Result<Instance, Error> {
        self.client().map(Instance::Postgres)
    }
}
