//! MySQL and MariaDB, through sqlx.
//!
//! The pool's defaults: a statement cache of 1,024 (sqlx 0.9.0 does not set TCP_NODELAY, and a statement that leaves
//! the cache costs a delayed acknowledgement), a ping only after 1 s idle, `pool.min` sessions opened at once.
//!
//! | `tls` | encrypted | certificate checked |
//! |---|---|---|
//! | not written, host is loopback or a socket | no | - |
//! | not written, any other host | yes, or no connection | yes: authority and name |
//! | `"verify"` | yes, or no connection | yes: authority and name |
//! | `"require"` | yes, or no connection | no |
//! | `"off"` | no | - |
//!
//! `tls_ca` names a file of PEM certificates that are trusted beside the public ones.

//!
//! Several hosts are a list without roles, of which the first that is writable takes the writes, or one primary and its
//! replicas. [`MySql::read`] gives the reader of either.

mod error;
mod hosted;
mod server;
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
use sqlx::mysql::MySqlPool;
use std::sync::Arc;
#[cfg(feature = "tasks")]
pub(crate) use tasks::tasks;

/// A MySQL connection: `db.mysql.main`. Cheap to clone.
///
/// It is an sqlx `Executor` and `Acquire`: `sqlx::query(..).execute(&db.mysql.main)`. Each wait of such a direct call is
/// bounded by `timeout`, and its error is recorded in [`errors`](Self::errors).
///
/// Of several hosts it uses the primary: that of the file, or, of a list without roles, the first that answers and is
/// writable. When that one goes, calls fail at once with the cause until another host is writable; then they go there,
/// through the same pool. A call that has begun is never sent twice: a write that may have happened is not repeated.
/// While no host is writable, [`read`](Self::read) goes on from replicas.
#[derive(Clone)]
pub struct MySql {
    inner: Arc<Inner<sqlx::MySql>>,
    /// The pool of `inner`, here so that [`instance`](Self::instance) costs what a field of one's own costs.
    pool: MySqlPool,
}

impl MySql {
    /// Builds the handle. No I/O but the files of references.
    pub(crate) fn prepare(prepared: &Prepared) -> Self {
        Self::of(Inner::prepare(prepared))
    }

    fn of(inner: Arc<Inner<sqlx::MySql>>) -> Self {
        let pool = inner.bare_pool();
        Self { inner, pool }
    }

    #[inline]
    fn native(&self) -> MySqlPool {
        self.pool.clone()
    }

    fn client(&self) -> Result<MySqlPool, Error> {
        self.inner.client()
    }
}

method_set!(
    MySql,
    MySqlPool,
    "The driver's own pool: [`sqlx::MySqlPool`]. It costs what the clone of a pool in a field of one's own costs.",
    own instance
);
sql::sql_handle!(MySql, sqlx::MySql);
sql::hosts::sql_connection!(MySql);
sql::hosts::sql_hosts!(MySql, sqlx::MySql, MySqlReader, "mysql", "error 1792");
#[cfg(feature = "sea-orm")]
sql::orm::orm_handle!(MySql, sqlx::MySql, MySql);
#[cfg(feature = "sea-orm")]
sql::orm::orm_connection!(MySqlReader, MySql, |reader| &reader.0.inner.base, |reader| reader);
