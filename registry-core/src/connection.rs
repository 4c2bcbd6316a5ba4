//! One connection, whatever its backend: what start-up, health and the dynamic lookup see.

use crate::base::Base;
use crate::error::Error;
use crate::error_log::Errors;
use crate::status::{Sessions, State, Status};
use futures_util::future::BoxFuture;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What an adapter gives to the rest of the run time. Implemented by the handles; nobody else needs it.
#[doc(hidden)]
pub trait Connection: fmt::Debug + Send + Sync + 'static {
    /// The part that is the same for every backend.
    fn base(&self) -> &Arc<Base>;
    /// One bare attempt, the proof by a command, the pool. The caller bounds it.
    fn open(&self) -> BoxFuture<'_, Result<Opened, Error>>;
    /// One round trip that proves that the server answers.
    fn probe(&self) -> BoxFuture<'_, Result<(), Error>>;
    /// Ends the driver's sessions. The caller bounds it.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
    /// The server is away: whatever waits in the driver for a session fails at once until the next `open`.
    fn fail_fast(&self) {}
    /// Whether the driver waits for a server that is away, whatever we know of it.
    fn waits_by_itself(&self) -> bool {
        false
    }
    /// Reads the references to files again; sessions from now on use what they say. Gives whether it changed anything.
    fn refresh(&self) -> Result<bool, Error> {
        Ok(false)
    }
    /// Makes the first host of the list the one to try first again; true when it is not the one in use.
    fn prefer_first_host(&self) -> bool {
        false
    }
    /// The sessions of the pool, where the driver tells.
    fn sessions(&self) -> Option<Sessions>;
    /// The hosts for the report: `db1:3306`, `c1,c2:11211`, a path.
    fn hosts(&self) -> String;
    /// The driver's own object; an error when the values at start gave none.
    fn instance(&self) -> Result<Instance, Error>;
}

/// What an opening found out.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Opened {
    /// For the report: `10.11.19-MariaDB`, `2 of 2 hosts`.
    pub detail: String,
}

/// The driver's own object of a connection, for the dynamic lookup.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Instance {
    /// The pool of a `[mysql.…]`.
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlPool),
    /// The database of a `[mongodb.…]`.
    #[cfg(feature = "mongodb")]
    MongoDb(mongodb::Database),
    /// The client of a `[memcached.…]`.
    #[cfg(feature = "memcached")]
    Memcached(crate::adapters::memcached::Memcached),
    /// The pool of a `[sqlite.…]`.
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
    /// The pool of a `[postgres.…]`.
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
}

/// A connection found by name at run time: `db.backend("mysql")?.get("main")?`. For tools; an application uses its
/// fields, which the compiler checks.
#[derive(Clone, Debug)]
pub struct AnyConnection(pub(crate) Arc<dyn Connection>);

impl AnyConnection {
    /// The connection's name as written in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.base().name()
    }

    /// The backend's name: `mysql`.
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.0.base().backend()
    }

    /// The latest errors and their total.
    #[must_use]
    pub fn errors(&self) -> Errors {
        self.0.base().errors()
    }

    /// State and counters.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.base().status(self.0.sessions())
    }

    /// The driver's own object. No deadline, no record.
    ///
    /// # Errors
    /// When the values at start gave none: an optional connection whose password is missing, say.
    pub fn instance(&self) -> Result<Instance, Error> {
        self.0.instance()
    }

    /// One round trip; gives its time.
    ///
    /// # Errors
    /// Any kind of [`Error`]; `Timeout` after the connection's `timeout`.
    pub async fn ping(&self) -> Result<Duration, Error> {
        ping(&*self.0).await
    }

    /// Runs an operation on the native client: deadline, error recorded with its kind, span, counters.
    ///
    /// # Errors
    /// What `op` gives, named and recorded; `Timeout` after the connection's `timeout`; `Closed` after `close`.
    pub async fn process<T, F, Fut>(&self, op: F) -> Result<T, Error>
    where
        F: FnOnce(Instance) -> Fut,
        Fut: Future<Output = Result<T, Error>>,
    {
        operate("process", &*self.0, || self.0.instance(), op).await
    }

    /// Waits for work in hand, up to 5 s, then ends the sessions; every later call answers `Closed`.
    ///
    /// # Errors
    /// `Timeout` when work was still in hand; the connection is closed all the same.
    pub async fn close(&self) -> Result<(), Error> {
        close(&*self.0).await
    }
}

/// Runs an operation on the native client, recorded under this name.
pub(crate) async fn operate<C, T, F, Fut>(
    operation: &'static str,
    connection: &dyn Connection,
    client: impl FnOnce() -> Result<C, Error>,
    op: F,
) -> Result<T, Error>
where
    F: FnOnce(C) -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    let work = async {
        let base = connection.base();
        base.usable().await?;
        // Lent on, here and below: each step that takes a future by value is as large as the future once more.
        let mut op = pin!(op(client()?));
        if connection.waits_by_itself() {
            return base.unless_away(op.as_mut()).await;
        }
        op.await
    };
    connection.base().run(operation, pin!(work)).await
}

// In boxes, here and wherever what is called seldom waits for something: the code of a future that is none is compiled
// with every crate that waits for it, and again at each of its edits.

pub(crate) fn ping(connection: &dyn Connection) -> BoxFuture<'_, Result<Duration, Error>> {
    Box::pin(async move {
        let work = async {
            connection.base().usable().await?;
            let start = Instant::now();
            connection.probe().await?;
            Ok(start.elapsed())
        };
        connection.base().run("ping", work).await
    })
}

/// Reads the references again and proves what they say; of several hosts the first is tried first again.
pub(crate) fn reload(connection: &dyn Connection) -> BoxFuture<'_, Result<(), Error>> {
    Box::pin(async move {
        let base = connection.base();
        let work = async {
            // Somebody else may have seen the files first, and left the proof to the next session.
            let rotated = connection.refresh()? || base.generations.awaits_proof();
            if base.health().is(State::Waiting) {
                return Ok(());
            }
            // One that is away is asked as well: whoever calls this wants to know.
            let away = base.health().is(State::Degraded);
            // Last: it moves by the attempt that follows, and by no other.
            if connection.prefer_first_host() || rotated || away {
                crate::attempt::open(connection).await?;
            }
            Ok(())
        };
        base.run("reload", work).await
    })
}

pub(crate) fn close(connection: &dyn Connection) -> BoxFuture<'_, Result<(), Error>> {
    Box::pin(connection.base().close(connection.shutdown()))
}

/// The method set that is the same on every handle, written once. `$client` is what `process` and `instance` give. With
/// `own instance` the handle brings `of` and `native` itself.
#[cfg(any(
    feature = "mysql",
    feature = "mongodb",
    feature = "memcached",
    feature = "sqlite",
    feature = "postgres"
))]
macro_rules! method_set {
    ($handle:ident, $client:ty, $instance:literal) => {
        $crate::connection::method_set!($handle, $client, $instance, own instance);

        impl $handle {
            fn of(inner: ::std::sync::Arc<Inner>) -> Self {
                Self { inner }
            }

            fn native(&self) -> $client {
                self.client()
                    .expect("a handle is given out only when its values gave a client")
            }
        }
    };
    ($handle:ident, $client:ty, $instance:literal, own instance) => {
        impl $handle {
            /// How the keeper finds the connection as long as a handle of it lives.
            pub(crate) fn revive(&self) -> $crate::health::Revive {
                let inner = ::std::sync::Arc::downgrade(&self.inner);
                Box::new(move || {
                    let inner = inner.upgrade()?;
                    Some(::std::sync::Arc::new(Self::of(inner)))
                })
            }

            /// The connection's name as written in the file.
            #[must_use]
            pub fn name(&self) -> &str {
                self.inner.base.name()
            }

            /// The backend's name, as in the file.
            #[must_use]
            pub fn backend(&self) -> &'static str {
                self.inner.base.backend()
            }

            /// The latest errors and their total.
            #[must_use]
            pub fn errors(&self) -> $crate::Errors {
                self.inner.base.errors()
            }

            /// State and counters: a snapshot.
            #[must_use]
            pub fn status(&self) -> $crate::Status {
                self.inner
                    .base
                    .status($crate::connection::Connection::sessions(self))
            }

            #[doc = $instance]
            ///
            /// What runs on it directly has no deadline of dbreg's and leaves no record in [`errors`](Self::errors).
            ///
            /// # Panics
            /// On a handle of an optional connection that never became available and was kept by other means than
            /// [`Optional::available`](crate::Optional::available), when its values gave no client.
            #[must_use]
            #[inline]
            pub fn instance(&self) -> $client {
                self.native()
            }

            /// One round trip to the server; gives its time.
            ///
            /// # Errors
            /// Any kind of [`Error`](crate::Error); `Timeout` after the connection's `timeout`, `Closed` after
            /// [`close`](Self::close).
            pub async fn ping(&self) -> ::core::result::Result<::std::time::Duration, $crate::Error> {
                $crate::connection::ping(self).await
            }

            /// Runs an operation on the native client: with the deadline `timeout` over all of it, the wait for the
            /// pool included, its error recorded with its kind, a `tracing` span, and counters in
            /// [`status`](Self::status).
            ///
            /// The client is owned, so the closure may keep it and `async move` is not needed. An error of the domain is
            /// a value: give `Ok(Err(e))` and write `??`.
            ///
            /// # Errors
            /// What `op` gives, named and recorded; `Timeout` after the connection's `timeout`; `Closed` after
            /// [`close`](Self::close).
            ///
            /// # Cancellation
            /// Dropping the future drops the operation; nothing is recorded.
            pub async fn process<T, F, Fut>(&self, op: F) -> ::core::result::Result<T, $crate::Error>
            where
                F: FnOnce($client) -> Fut,
                Fut: ::core::future::Future<Output = ::core::result::Result<T, $crate::Error>>,
            {
                $crate::connection::operate("process", self, || self.client(), op).await
            }

            /// Waits for work in hand, up to 5 s, then ends the sessions; every later call answers `Closed`. A second
            /// close waits for nothing.
            ///
            /// # Errors
            /// `Timeout` when work was still in hand; the connection is closed all the same.
            pub async fn close(&self) -> ::core::result::Result<(), $crate::Error> {
                $crate::connection::close(self).await
            }
        }

        impl ::core::fmt::Debug for $handle {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                let hosts = $crate::connection::Connection::hosts(self);
                f.debug_struct(stringify!($handle))
                    .field("name", &self.name())
                    .field("hosts", &hosts)
                    .field("state", &self.status().state)
                    .finish_non_exhaustive()
            }
        }
    };
}
#[cfg(any(
    feature = "mysql",
    feature = "mongodb",
    feature = "memcached",
    feature = "sqlite",
    feature = "postgres"
))]
pub(crate) use method_set;
