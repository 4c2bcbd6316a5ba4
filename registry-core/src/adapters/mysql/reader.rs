//! The reader: an executor for reads, on replicas where there are any.

use super::router::{Held, Place, Router};
use super::token::WriteToken;
use super::{Inner, MySql};
use crate::adapters::sql::{as_driver_error, begun, closed, copy_of};
use crate::at::At;
use crate::error::Error;
use crate::kind::ErrorKind;
use sqlx::pool::PoolConnection;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Reads of a MySQL connection, from [`MySql::read`] or [`MySql::read_after`]. Cheap to make and to clone.
///
/// It is an sqlx `Executor` and `Acquire`: `sqlx::query_scalar(..).fetch_one(&db.mysql.main.read())`. Each call takes a
/// session of its own: of a replica that answers and is at most `max_lag` behind, among those near by `weight`; of the
/// primary when none is fit, unless `fallback = false`. Nothing is guessed from SQL text: what is called on a reader is
/// a read, and what is called on the handle goes to the primary.
///
/// Every session is READ ONLY on its server, also on the primary: a write fails there with error 1792, and is not done.
/// (Unless the session itself is told otherwise, by `start transaction read write` or `set session transaction`.)
///
/// Each call is bounded by `timeout`, the choice of a session included, and so is the wait for each further row of a
/// stream. An error is recorded in [`errors`](MySql::errors). A replica that cannot give
/// a session is passed over for the next; a query that has begun is not sent twice, so a call that is at work on a
/// replica when that dies fails, with an error that is transient.
#[derive(Clone)]
pub struct MySqlReader {
    pub(super) inner: Arc<Inner>,
    after: Option<WriteToken>,
}

impl MySql {
    /// Reads from replicas: the type of its own that is an executor for them.
    ///
    /// ```no_run
    /// # async fn example(db: registry_core::MySql) -> Result<(), sqlx::Error> {
    /// let names: Vec<String> = sqlx::query_scalar("select name from goods").fetch_all(&db.read()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// With one host it reads from that one, READ ONLY all the same.
    #[must_use]
    pub fn read(&self) -> MySqlReader {
        MySqlReader {
            inner: Arc::clone(&self.inner),
            after: None,
        }
    }

    /// Reads that see at least what had been written when this token was asked for. A replica gets half a second to
    /// come that far; then the primary is read, or, with `fallback = false`, the read fails with `Timeout`.
    ///
    /// ```no_run
    /// # async fn example(db: registry_core::MySql) -> Result<(), Box<dyn std::error::Error>> {
    /// sqlx::query("insert into goods (name) values ('tea')").execute(&db).await?;
    /// let cookie = db.write_token().await?.to_string();
    /// // In another request, in another process perhaps:
    /// let token = cookie.parse()?;
    /// let goods: i64 = sqlx::query_scalar("select count(*) from goods").fetch_one(&db.read_after(&token)).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn read_after(&self, token: &WriteToken) -> MySqlReader {
        MySqlReader {
            inner: Arc::clone(&self.inner),
            after: Some(token.clone()),
        }
    }

    /// How far the primary is now: everything that was acknowledged before this call is before this token. One round
    /// trip.
    ///
    /// On a server without GTIDs (no binary log) the token says so, and reads after it go to the primary.
    ///
    /// # Errors
    /// Any kind of [`Error`]; `Timeout` after the connection's `timeout`, `Closed` after `close`.
    pub async fn write_token(&self) -> Result<WriteToken, Error> {
        let base = &self.inner.base;
        let work = async {
            base.usable().await?;
            let mut session = self.client()?.acquire().await?;
            Ok(WriteToken::of(&mut session).await?)
        };
        base.run("write_token", work).await
    }
}

/// The readers of a connection with a tag have it, too: the models of its place are read through them.
impl<P> At<MySql, P> {
    /// As [`read`](MySql::read) of the handle.
    #[must_use]
    pub fn read(&self) -> At<MySqlReader, P> {
        At::new((**self).read())
    }

    /// As [`read_after`](MySql::read_after) of the handle.
    #[must_use]
    pub fn read_after(&self, token: &WriteToken) -> At<MySqlReader, P> {
        At::new((**self).read_after(token))
    }
}

impl MySqlReader {
    /// Takes a session to read on, for several queries in a row: they see one replica.
    ///
    /// # Errors
    /// [`sqlx::Error::PoolClosed`] after `close`; otherwise an [`Error`] within, which `Error::from` takes out:
    /// `Unreachable` when no replica is fit and `fallback = false`, the primary's error when that is not there either.
    pub async fn acquire(&self) -> Result<PoolConnection<sqlx::MySql>, sqlx::Error> {
        let _pass = self.inner.base.enter("read").map_err(closed)?;
        Ok(self.held(self.deadline()).await?.session)
    }

    /// Begins a READ ONLY transaction: its queries see one moment of one replica. It ends when it is dropped.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire), and what the server answers to `BEGIN`.
    pub async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::MySql>, sqlx::Error> {
        let _pass = self.inner.base.enter("read").map_err(closed)?;
        let deadline = self.deadline();
        let Held { session, place } = self.held(deadline).await?;
        let begun = begun(&place.replica.generations, session);
        self.on(&place, deadline, begun).await
    }

    /// When a call that begins now has to end.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.inner.base.timeout()
    }

    /// A session, within the deadline; the error is recorded.
    pub(super) async fn held(&self, deadline: Instant) -> Result<Held, sqlx::Error> {
        let inner = &self.inner;
        let base = &inner.base;
        let held = async {
            inner
                .router()?
                .session(inner, self.after.as_ref(), deadline)
                .await
        };
        // Whoever waits in there has a look at what it waits for.
        let held = base.patient_with(deadline, held, || {}).await;
        let held = held.unwrap_or_else(|| Err(base.deadline_error()));
        held.map_err(|error| as_driver_error(base.write_down(error, "read").0))
    }

    /// The result of work on a session, within the deadline; its error is recorded. With a look at the host when it
    /// takes long, or fails in a way that the host's loss could explain.
    pub(super) async fn on<T>(
        &self,
        place: &Place,
        deadline: Instant,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let base = &self.inner.base;
        match base.patient_with(deadline, work, || place.suspect(base)).await {
            Some(result) => result.map_err(|error| self.failed(error, place)),
            None => Err(self.late(place)),
        }
    }

    /// The driver's error of a query.
    fn failed(&self, error: sqlx::Error, place: &Place) -> sqlx::Error {
        let copy = copy_of(&error);
        let kind = copy.kind();
        if kind == ErrorKind::Unreachable {
            place.replica.generations.lost();
        }
        if place.primary {
            let _ = self.inner.base.record(copy, "read");
            return error;
        }
        let _ = self.inner.base.write_down(copy, "read");
        if matches!(kind, ErrorKind::Unreachable | ErrorKind::Timeout) {
            place.replica.look_soon();
        }
        error
    }

    /// The error of a query that its deadline ended.
    fn late(&self, place: &Place) -> sqlx::Error {
        let base = &self.inner.base;
        place.replica.generations.deadline_fired();
        let error = base.deadline_error();
        if place.primary {
            return as_driver_error(base.record(error, "read"));
        }
        place.replica.look_soon();
        as_driver_error(base.write_down(error, "read").0)
    }
}

impl Inner {
    /// The choice of hosts for reads; made at the first read.
    pub(super) fn router(&self) -> Result<&Router, Error> {
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
    pub(super) fn max_lag(&self) -> Duration {
        let settings = self.target.as_ref().map(super::Target::settings);
        let max_lag = settings.ok().and_then(|settings| settings.duration("max_lag"));
        max_lag.unwrap_or(Duration::from_secs(10))
    }
}

impl fmt::Debug for MySqlReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlReader")
            .field("name", &self.inner.base.name())
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}
