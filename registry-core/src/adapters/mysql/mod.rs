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

mod age;
mod election;
mod error;
mod host;
mod lag;
mod looking;
mod open;
mod reader;
mod reading;
mod replica;
mod router;
mod target;
#[cfg(feature = "tasks")]
mod tasks;
#[cfg(test)]
mod tests;
mod token;
mod way;

use crate::adapters::sql;
use crate::base::Base;
use crate::connection::{Connection, Instance, Opened, method_set};
use crate::error::Error;
use crate::startup::Prepared;
use crate::status::Sessions;
pub(crate) use error::server_error;
use futures_util::future::BoxFuture;
pub use host::{MySqlHost, MySqlHostRole, MySqlHostState};
pub use reader::MySqlReader;
use router::Router;
use sqlx::Connection as _;
use sqlx::mysql::MySqlPool;
use std::sync::{Arc, OnceLock};
use target::Target;
#[cfg(feature = "tasks")]
pub(crate) use tasks::tasks;
pub use token::WriteToken;

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
    inner: Arc<Inner>,
    /// The pool of `inner`, here so that [`instance`](Self::instance) costs what a field of one's own costs.
    pool: MySqlPool,
}

struct Inner {
    base: Arc<Base>,
    target: Result<Target, Error>,
    hosts: String,
    /// Made at the first read through a reader; in a box, because many connections have none.
    router: OnceLock<Box<Router>>,
    /// Where a secret comes from a file.
    watcher: OnceLock<sql::Watcher>,
}

impl MySql {
    /// Builds the handle. No I/O but the files of references.
    pub(crate) fn prepare(prepared: &Prepared) -> Self {
        let base = Arc::clone(&prepared.base);
        let (target, hosts) = match &prepared.settings {
            Ok(settings) => (Ok(Target::new(&base, settings)), sql::shown(settings, "mysql")),
            Err(error) => (Err(error.clone()), String::new()),
        };
        let inner = Arc::new(Inner {
            base,
            target,
            hosts,
            router: OnceLock::new(),
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
    fn native(&self) -> MySqlPool {
        self.pool.clone()
    }

    fn client(&self) -> Result<MySqlPool, Error> {
        self.target()?.pool()
    }

    fn target(&self) -> Result<&Target, Error> {
        self.inner.target()
    }

    /// Every host, with what is known of it: a snapshot. Replicas are looked at from the first read on.
    ///
    /// # Errors
    /// When the values at start gave none: an optional connection whose password is missing, say.
    pub fn hosts(&self) -> Result<Vec<MySqlHost>, Error> {
        let target = self.target()?;
        Ok(self.inner.router()?.snapshot(&self.inner, target))
    }

    /// Goes back to the first host of a list without roles, when that answers and is writable; where it is not, the one
    /// in use stays. It is never done without being asked for, by this or by
    /// [`Registry::reload`](crate::Registry::reload): a host that comes and goes would take every session along.
    ///
    /// # Errors
    /// What keeps every host from being used; `Timeout` after the connection's `timeout`, `Closed` after
    /// [`close`](Self::close).
    pub async fn return_to_first_host(&self) -> Result<(), Error> {
        crate::connection::reload(self).await
    }
}

impl Inner {
    /// What cannot be read now leaves everything as it was.
    fn look_at_files(&self) {
        if let Ok(target) = &self.target {
            drop(target.refresh());
        }
    }

    fn target(&self) -> Result<&Target, Error> {
        self.target.as_ref().map_err(Clone::clone)
    }
}

method_set!(
    MySql,
    MySqlPool,
    "The driver's own pool: [`sqlx::MySqlPool`]. It costs what the clone of a pool in a field of one's own costs.",
    own instance
);
sql::sql_handle!(MySql, sqlx::MySql);
#[cfg(feature = "sea-orm")]
sql::orm::orm_handle!(MySql, sqlx::MySql, MySql);

impl Connection for MySql {
    fn base(&self) -> &Arc<Base> {
        &self.inner.base
    }

    fn open(&self) -> BoxFuture<'_, Result<Opened, Error>> {
        Box::pin(async move { open::open(self, self.target()?).await })
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
        let refreshed = self.target()?.refresh();
        if let Some(router) = self.inner.router.get() {
            router.renew_soon();
        }
        refreshed
    }

    fn prefer_first_host(&self) -> bool {
        self.target().is_ok_and(Target::prefer_first)
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(watcher) = self.inner.watcher.get() {
                watcher.end();
            }
            let readers = async {
                if let Some(router) = self.inner.router.get() {
                    router.close().await;
                }
            };
            if let Ok(target) = &self.inner.target {
                futures_util::future::join(target.pool.close(), readers).await;
            }
        })
    }

    fn sessions(&self) -> Option<Sessions> {
        let target = self.inner.target.as_ref().ok()?;
        let own = sql::sessions(&target.pool);
        let readers = self.inner.router.get().and_then(|router| router.sessions());
        Some(readers.map_or(own, |readers| router::add(own, readers)))
    }

    fn hosts(&self) -> String {
        self.inner.hosts.clone()
    }

    fn instance(&self) -> Result<Instance, Error> {
        self.client().map(Instance::MySql)
    }
}
