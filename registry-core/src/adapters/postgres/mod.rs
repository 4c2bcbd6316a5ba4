//! PostgreSQL, through sqlx.
//!
//! `tls` and `tls_ca` are those of [MySQL](crate::adapters::mysql): without the key, what leaves this machine is encrypted,
//! and the certificate checked. `socket` is the path of a Unix socket or of its folder, with the port 5432.
//!
//! The driver's own sources of values are none here: neither the variables `PGHOST`, `PGPASSWORD` and so on nor a
//! `.pgpass` count. `PGOPTIONS`, and with TLS `PGSSLCERT` and `PGSSLKEY`, which the driver follows whatever it is told,
//! are an error at the start.
//!
//! Several hosts are a list without roles, of which the first that is writable takes the writes, or one primary and its
//! standbys. [`Postgres::read`] gives the reader of either.

mod error;
mod hosted;
mod server;
mod standby;
#[cfg(feature = "tasks")]
mod tasks;
#[cfg(test)]
mod tests;
mod way;

use crate::adapters::sql;
use crate::connection::method_set;
use crate::error::Error;
use crate::startup::Prepared;
pub(crate) use error::server_error;
use futures_util::future::BoxFuture;
use sql::hosts::Inner;
use sqlx::postgres::PgPool;
use std::sync::Arc;
#[cfg(feature = "tasks")]
pub(crate) use tasks::tasks;

/// A PostgreSQL connection: `db.postgres.main`. Cheap to clone.
///
/// It is an sqlx `Executor` and `Acquire`: `sqlx::query(..).execute(&db.postgres.main)`. Each wait of such a direct call
/// is bounded by `timeout`, and its error is recorded in [`errors`](Self::errors).
///
/// Of several hosts it uses the primary: that of the file, or, of a list without roles, the first that answers and is
/// writable. When that one goes, calls fail at once with the cause until another host is writable; then they go there,
/// through the same pool. A call that has begun is never sent twice: a write that may have happened is not repeated.
/// While no host is writable, [`read`](Self::read) goes on from standbys.
#[derive(Clone)]
pub struct Postgres {
    inner: Arc<Inner<sqlx::Postgres>>,
    /// The pool of `inner`, here so that [`instance`](Self::instance) costs what a field of one's own costs.
    pool: PgPool,
}

impl Postgres {
    /// Builds the handle. No I/O but the files of references.
    pub(crate) fn prepare(prepared: &Prepared) -> Self {
        Self::of(Inner::prepare(prepared))
    }

    fn of(inner: Arc<Inner<sqlx::Postgres>>) -> Self {
        let pool = inner.bare_pool();
        Self { inner, pool }
    }

    #[inline]
    fn native(&self) -> PgPool {
        self.pool.clone()
    }

    fn client(&self) -> Result<PgPool, Error> {
        self.inner.client()
    }
}

method_set!(
    Postgres,
    PgPool,
    "The driver's own pool: [`sqlx::PgPool`]. It costs what the clone of a pool in a field of one's own costs.",
    own instance
);
sql::sql_handle!(Postgres, sqlx::Postgres);
sql::hosts::sql_connection!(Postgres);
sql::hosts::sql_hosts!(
    Postgres,
    sqlx::Postgres,
    PostgresReader,
    "postgres",
    "SQLSTATE 25006"
);
#[cfg(feature = "sea-orm")]
sql::orm::orm_handle!(Postgres, sqlx::Postgres, Postgres);
#[cfg(feature = "sea-orm")]
sql::orm::orm_connection!(
    PostgresReader,
    Postgres,
    |reader| &reader.0.inner.base,
    |reader| reader
);
