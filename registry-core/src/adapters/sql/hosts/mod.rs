//! Connections with one host or several, as the SQL servers with replicas have them: a list without roles, of which the
//! first that is writable takes the writes, or one primary and its replicas; and the readers of either.
//!
//! What is here knows no server. A backend says by [`Hosted`] how its sessions are made, and what its servers are asked.

mod age;
mod connection;
mod election;
mod host;
mod lag;
mod looking;
mod open;
mod reader;
mod reading;
mod replica;
mod router;
mod target;
mod token;
mod way;

use super::Watcher;
use crate::base::Base;
use crate::connection::Opened;
use crate::error::Error;
use crate::generations::Generations;
use crate::startup::Prepared;
use crate::status::Sessions;
pub(crate) use connection::sql_connection;
#[cfg(feature = "tasks")]
pub(crate) use election::{Heard, elect, explain};
pub(crate) use election::{ServerId, Standing};
use futures_util::future::BoxFuture;
pub use host::{SqlHost, SqlHostRole, SqlHostState};
pub(crate) use lag::{Channel, Link, Replication};
pub(crate) use reader::sql_hosts;
pub(crate) use reading::{Reading, driven, tell};
use registry_config::Settings;
pub(crate) use router::Held;
use router::Router;
use sqlx::pool::PoolOptions;
use sqlx::{Connection as _, Database, Pool};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use target::Target;
pub use token::WriteToken;
pub(crate) use token::{Position, foreign};
#[cfg(feature = "tasks")]
pub(crate) use way::Way;
pub(crate) use way::{HostWay, listed};

/// How the driver makes sessions.
pub(crate) type Options<DB> = <<DB as Database>::Connection as sqlx::Connection>::Options;

/// The answer to a question on a session.
pub(crate) type Answer<'s, T> = BoxFuture<'s, Result<T, sqlx::Error>>;

/// A kind of server whose connections may have several hosts.
pub(crate) trait Hosted: Database {
    /// The name of its backend in the file.
    const BACKEND: &'static str;
    /// Its name in messages.
    const TITLE: &'static str;

    /// What is remembered of a host from one look at it to the next.
    type Memory: Default + Send;

    /// How sessions to each host are made, in the order of the list, with every secret as its source has it now; at least
    /// one. `label` is the connection's place in the file.
    fn hosts(settings: &Settings, label: &str) -> Result<Vec<HostWay<Self>>, Error>;

    /// Options whose attempts fail at once with an error that the pool does not take for a server that is starting up.
    fn dead_end() -> Options<Self>;

    /// The options of a session that lives for a few commands: every round trip counts behind a slow network.
    fn bare(options: &Options<Self>) -> Options<Self>;

    /// The options of the connection's pools.
    fn pool(generations: &Arc<Generations>, settings: &Settings) -> PoolOptions<Self>;

    /// What the server says of itself, for the report. The proof that it answers.
    fn version(session: &mut Self::Connection) -> Answer<'_, String>;

    /// Who the server is, and whether it takes writes.
    fn standing(session: &mut Self::Connection) -> Answer<'_, Standing>;

    /// What the server says of its replication.
    fn replication<'s>(
        session: &'s mut Self::Connection,
        memory: &'s mut Self::Memory,
    ) -> Answer<'s, Replication>;

    /// What grant an account lacks to whom the server refuses that.
    fn lacks_grant(error: &sqlx::Error) -> Option<&'static str>;

    /// Makes a session READ ONLY on the server.
    fn read_only(session: &mut Self::Connection) -> Answer<'_, ()>;

    /// How far the server is: everything that was acknowledged is before it.
    fn position(session: &mut Self::Connection) -> Answer<'_, Position>;

    /// Waits until the server has come to a position; false after `limit`, and at once where it counts nothing. A position of
    /// another kind of server is an error.
    fn is_reached<'s>(
        session: &'s mut Self::Connection,
        position: &'s Position,
        limit: Duration,
    ) -> Answer<'s, bool>;
}

/// What the handles of a connection share.
pub(crate) struct Inner<DB: Hosted> {
    pub(crate) base: Arc<Base>,
    target: Result<Target<DB>, Error>,
    hosts: Box<str>,
    /// Made at the first read through a reader; in a box, because many connections have none.
    router: OnceLock<Box<Router<DB>>>,
    /// Where a secret comes from a file.
    watcher: OnceLock<Watcher>,
}

impl<DB: Hosted> Inner<DB> {
    /// Everything that needs no server. No I/O but the files of references.
    pub(crate) fn prepare(prepared: &Prepared) -> Arc<Self> {
        let base = Arc::clone(&prepared.base);
        let (target, hosts) = match &prepared.settings {
            Ok(settings) => (
                Ok(Target::new(&base, settings)),
                super::shown(settings, DB::BACKEND).into(),
            ),
            Err(error) => (Err(error.clone()), Box::default()),
        };
        let inner = Arc::new(Self {
            base,
            target,
            hosts,
            router: OnceLock::new(),
            watcher: OnceLock::new(),
        });
        if inner.target.as_ref().is_ok_and(Target::has_files) {
            let watcher = Watcher::start(Arc::downgrade(&inner), Self::look_at_files);
            // The cell is new.
            let _ = inner.watcher.set(watcher);
            let weak = Arc::downgrade(&inner);
            inner.base.generations.set_refresh(move || {
                if let Some(inner) = weak.upgrade() {
                    inner.look_at_files();
                }
            });
        }
        inner
    }

    /// The pool of writes, whatever its state.
    pub(crate) fn bare_pool(&self) -> Pool<DB> {
        match &self.target {
            Ok(target) => target.pool.clone(),
            Err(_) => target::nowhere::<DB>(),
        }
    }

    /// The pool of writes for a call.
    pub(crate) fn client(&self) -> Result<Pool<DB>, Error> {
        self.target()?.pool()
    }

    /// What cannot be read now leaves everything as it was.
    pub(crate) fn look_at_files(&self) {
        if let Ok(target) = &self.target {
            drop(target.refresh());
        }
    }

    fn target(&self) -> Result<&Target<DB>, Error> {
        self.target.as_ref().map_err(Clone::clone)
    }

    /// The choice of hosts for reads; made at the first read.
    fn router(&self) -> Result<&Router<DB>, Error> {
        let target = self.target()?;
        if self.router.get().is_none() {
            let router = Box::new(Router::new(target, target.settings())?);
            // Another call may have been faster: its router holds.
            let _ = self.router.set(router);
        }
        Ok(self
            .router
            .get()
            .expect("it was set above, here or by another call"))
    }

    /// How far behind a replica may be.
    fn max_lag(&self) -> Duration {
        let settings = self.target.as_ref().map(Target::settings);
        let max_lag = settings.ok().and_then(|settings| settings.duration("max_lag"));
        max_lag.unwrap_or(Duration::from_secs(10))
    }

    /// Every host, with what is known of it.
    pub(crate) fn known_hosts(&self) -> Result<Vec<SqlHost>, Error> {
        let target = self.target()?;
        Ok(self.router()?.snapshot(self, target))
    }

    /// A session to read on.
    pub(crate) async fn session_to_read(
        self: &Arc<Self>,
        after: Option<&WriteToken>,
        deadline: tokio::time::Instant,
    ) -> Result<Held<DB>, Error> {
        self.router()?.session(self, after, deadline).await
    }

    /// How far the primary is now.
    pub(crate) async fn write_token(&self) -> Result<WriteToken, Error> {
        let work = async {
            self.base.usable().await?;
            let mut session = self.client()?.acquire().await?;
            Ok(WriteToken::new(DB::position(&mut session).await?))
        };
        self.base.run("write_token", work).await
    }

    pub(crate) async fn open(&self) -> Result<Opened, Error> {
        open::open(&self.base, self.target()?).await
    }

    pub(crate) async fn probe(&self) -> Result<(), Error> {
        Ok(self.client()?.acquire().await?.ping().await?)
    }

    pub(crate) fn fail_fast(&self) {
        if let Ok(target) = &self.target {
            target.set_away();
        }
    }

    pub(crate) fn refresh(&self) -> Result<bool, Error> {
        let refreshed = self.target()?.refresh();
        if let Some(router) = self.router.get() {
            router.renew_soon();
        }
        refreshed
    }

    pub(crate) fn prefer_first_host(&self) -> bool {
        self.target().is_ok_and(Target::prefer_first)
    }

    pub(crate) async fn shutdown(&self) {
        if let Some(watcher) = self.watcher.get() {
            watcher.end();
        }
        let readers = async {
            if let Some(router) = self.router.get() {
                router.close().await;
            }
        };
        if let Ok(target) = &self.target {
            futures_util::future::join(target.pool.close(), readers).await;
        }
    }

    pub(crate) fn sessions(&self) -> Option<Sessions> {
        let target = self.target.as_ref().ok()?;
        let own = super::sessions(&target.pool);
        let readers = self.router.get().and_then(|router| router.sessions());
        Some(readers.map_or(own, |readers| router::add(own, readers)))
    }

    /// The hosts for the report.
    pub(crate) fn shown_hosts(&self) -> String {
        self.hosts.to_string()
    }
}
