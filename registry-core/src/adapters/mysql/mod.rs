//! MySQL and MariaDB, through sqlx.
//!
//! The pool's defaults: a statement cache of 1,024 (sqlx 0.9.0 does not set TCP_NODELAY, and a statement that leaves
//! the cache costs a delayed acknowledgement), a ping only after 30 s idle, `pool.min` sessions opened at once.
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

mod election;
mod error;
mod open;
mod target;
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
use registry_config::{Settings, Value};
use sqlx::Connection as _;
use sqlx::mysql::MySqlPool;
use std::sync::Arc;
use target::Target;

/// A MySQL connection: `db.mysql.main`. Cheap to clone.
///
/// It is an sqlx `Executor` and `Acquire`: `sqlx::query(..).execute(&db.mysql.main)`. Each wait of such a direct call is
/// bounded by `timeout`, and its error is recorded in [`errors`](Self::errors).
#[derive(Clone)]
pub struct MySql {
    inner: Arc<Inner>,
}

struct Inner {
    base: Arc<Base>,
    target: Result<Target, Error>,
    hosts: String,
}

impl MySql {
    /// Builds the handle. No I/O but the files of references.
    pub(crate) fn prepare(prepared: &Prepared) -> Self {
        let base = Arc::clone(&prepared.base);
        let (target, hosts) = match &prepared.settings {
            Ok(settings) => (Ok(Target::new(&base, settings)), shown(settings)),
            Err(error) => (Err(error.clone()), String::new()),
        };
        Self {
            inner: Arc::new(Inner { base, target, hosts }),
        }
    }

    fn client(&self) -> Result<MySqlPool, Error> {
        self.target()?.pool()
    }

    fn target(&self) -> Result<&Target, Error> {
        self.inner.target.as_ref().map_err(Clone::clone)
    }
}

fn shown(settings: &Settings) -> String {
    if let Some(path) = settings.text("socket") {
        return path.to_owned();
    }
    let from_url = || match settings.value("url").map(|setting| &setting.value) {
        Some(Value::Reference(reference)) => format!("url from {reference}"),
        Some(_) => "url".to_owned(),
        None => String::new(),
    };
    if settings.hosts().is_empty() {
        return from_url();
    }
    let addresses: Vec<String> = settings
        .hosts()
        .iter()
        .map(|host| host.address(Some(3306)))
        .collect();
    addresses.join(",")
}

method_set!(MySql, MySqlPool, "The driver's own pool: [`sqlx::MySqlPool`].");
sql::sql_handle!(MySql, sqlx::MySql);

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
        self.target()?.refresh()
    }

    fn prefer_first_host(&self) -> bool {
        self.target().is_ok_and(Target::prefer_first)
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
        self.inner.hosts.clone()
    }

    fn instance(&self) -> Result<Instance, Error> {
        self.client().map(Instance::MySql)
    }
}
