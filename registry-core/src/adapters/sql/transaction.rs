//! Transactions that end whatever happens: committed, rolled back, or, where the answer was lost, said to be unknown.

use super::executor::record;
use crate::at::At;
use crate::base::Base;
use crate::error::Error;
use crate::generations::Generations;
use crate::kind::ErrorKind;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::pool::PoolConnection;
use sqlx::{Database, Either, Execute, Executor, Pool, SqlStr};
use std::fmt;
use std::ops::DerefMut;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What `transaction` of a connection lends to its work. `&mut *tx` is an sqlx `Executor`; with the feature `sea-orm` the
/// models of its connection live here as they do there.
///
/// An error of a statement is recorded in the connection's `errors()`, and is the driver's own.
pub struct Transaction<DB: Database> {
    base: Arc<Base>,
    /// SeaORM works through `&self`; whoever has `&mut self` passes by the lock.
    session: Mutex<Session<DB>>,
}

impl<DB: Database> Transaction<DB> {
    /// The driver's session, which is within the transaction: for `begin` of sqlx on it, say, which makes a savepoint.
    /// What runs on it directly leaves no record.
    pub fn session(&mut self) -> &mut DB::Connection {
        let session = self.session.get_mut();
        session.doubtful = true;
        &mut session.inner
    }

    #[cfg(feature = "sea-orm")]
    pub(crate) fn base(&self) -> &Arc<Base> {
        &self.base
    }

    #[cfg(feature = "sea-orm")]
    pub(crate) async fn lock(&self) -> tokio::sync::MutexGuard<'_, Session<DB>> {
        self.session.lock().await
    }
}

impl<DB: Database> fmt::Debug for Transaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("connection", &self.base.label())
            .finish_non_exhaustive()
    }
}

/// So that a `fn f(tx: &mut Transaction<MySql>)` takes what a tagged connection lends.
impl<DB: Database, P> DerefMut for At<Transaction<DB>, P> {
    fn deref_mut(&mut self) -> &mut Transaction<DB> {
        self.handle_mut()
    }
}

/// Runs work in a transaction of its own. See the method `transaction` of the handles.
pub(crate) async fn transaction<DB, P, T, E, F>(
    base: &Arc<Base>,
    pool: impl FnOnce() -> Result<Pool<DB>, Error>,
    work: F,
) -> Result<T, E>
where
    DB: Database,
    for<'x> &'x mut DB::Connection: Executor<'x, Database = DB>,
    F: AsyncFnOnce(&mut At<Transaction<DB>, P>) -> Result<T, E>,
    E: From<Error>,
{
    const OPERATION: &str = "transaction";
    let _pass = base.enter(OPERATION)?;
    let deadline = Instant::now() + base.timeout();
    let leaves = |error| E::from(base.record(base.explained(error), OPERATION));

    let begin = pin!(async {
        base.usable().await?;
        let session = pool()?.acquire().await?;
        Ok(begun(&base.generations, session).await?)
    });
    let begun = base.patient(deadline, begin).await;
    let inner = begun
        .unwrap_or_else(|| Err(base.deadline_error()))
        .map_err(leaves)?;
    // Whatever ends this future from here on, an error, a panic or its owner, drops the transaction, and sqlx rolls a
    // dropped one back before its session is used again.
    let mut lent = At::new(Transaction {
        base: Arc::clone(base),
        session: Mutex::new(Session {
            base: Arc::clone(base),
            inner,
            doubtful: false,
        }),
    });
    let worked = base.patient(deadline, pin!(work(&mut lent))).await;
    let session = lent.into_handle().session.into_inner();
    let aborts = session.doubtful && DB::NAME == "PostgreSQL";
    let mut inner = session.inner;
    match worked {
        Some(Ok(value)) => {
            if aborts {
                let looked = base.patient(deadline, look(&mut *inner)).await;
                let looked = looked.unwrap_or_else(|| Err(base.deadline_error()));
                if let Err(error) = looked {
                    let _ = base.patient(deadline, inner.rollback()).await;
                    return Err(leaves(error));
                }
            }
            let error = match base.patient(deadline, inner.commit()).await {
                Some(Ok(())) => return Ok(value),
                Some(Err(error)) => uncommitted(error),
                None => unknown(&base.deadline_error()),
            };
            // Not `leaves`: the cause of an outage in its place would be transient.
            Err(E::from(base.record(error, OPERATION)))
        }
        Some(Err(error)) => {
            // Waited for, so that its locks are gone when the caller goes on. A session that is lost has no transaction.
            let _ = base.patient(deadline, inner.rollback()).await;
            Err(error)
        }
        None => Err(leaves(base.deadline_error())),
    }
}

/// The error of a commit. What the server refused was not committed; whoever hears nothing does not know.
fn uncommitted(error: sqlx::Error) -> Error {
    let answered = matches!(&error, sqlx::Error::Database(cause) if !was_interrupted(cause.as_ref()));
    let error = Error::from(error);
    let lost = matches!(
        error.kind(),
        ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Protocol
    );
    if answered && !lost { error } else { unknown(&error) }
}

/// Whether a server, or a proxy before it, says that the statement was cut off, by whomever: 1317, 2006 and 2013 of MySQL;
/// or that it does not know itself: 40003 of PostgreSQL.
fn was_interrupted(cause: &dyn sqlx::error::DatabaseError) -> bool {
    #[cfg(feature = "mysql")]
    if let Some(mysql) = cause.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return matches!(mysql.number(), 1317 | 2006 | 2013);
    }
    #[cfg(feature = "postgres")]
    if let Some(postgres) = cause.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        return postgres.code() == "40003";
    }
    let _ = cause;
    false
}

/// Asks PostgreSQL whether the transaction is still one. Where a statement failed, it answers to `COMMIT` that it has
/// rolled back, which is no error to the driver.
fn look<'c, X: Executor<'c>>(session: X) -> BoxFuture<'c, Result<(), Error>> {
    let looked = session.execute("select 1");
    Box::pin(async {
        let Err(error) = looked.await else {
            return Ok(());
        };
        let code = error.as_database_error().and_then(|cause| cause.code());
        if code.as_deref() != Some("25P02") {
            return Err(Error::from(error));
        }
        let message = "everything was rolled back: a statement of the transaction failed, and its error was passed over";
        let help = "give the error of the statement back, or run the statement in a savepoint: `begin` on `tx.session()`";
        Err(Error::new(ErrorKind::Operation, message)
            .caused_by(error)
            .help(help))
    })
}

/// A transaction on a session of the pool.
pub(crate) fn begun<DB: Database>(
    generations: &Generations,
    session: PoolConnection<DB>,
) -> Beginning<'_, DB> {
    Beginning {
        generations,
        work: sqlx::Transaction::begin(session, None),
        ended: false,
    }
}

/// A `BEGIN` that is under way. The driver counts a transaction only once it is answered: a session whose `BEGIN` was
/// given up goes back to the pool with a transaction open that nobody knows of, so the pool is told to end it.
pub(crate) struct Beginning<'g, DB: Database> {
    generations: &'g Generations,
    work: BoxFuture<'static, Result<sqlx::Transaction<'static, DB>, sqlx::Error>>,
    ended: bool,
}

impl<DB: Database> Future for Beginning<'_, DB> {
    type Output = Result<sqlx::Transaction<'static, DB>, sqlx::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let begun = ready!(self.work.as_mut().poll(context));
        self.ended = true;
        Poll::Ready(begun)
    }
}

/// Before its fields are dropped, and the session with them.
impl<DB: Database> Drop for Beginning<'_, DB> {
    fn drop(&mut self) {
        if !self.ended {
            self.generations.given_up();
        }
    }
}

/// It is not transient: the same work once more could be done twice.
fn unknown(error: &Error) -> Error {
    let words = format!(
        "{}; whether the transaction was committed is not known",
        error.message()
    );
    let unknown = Error::new(error.kind(), words).transient(false);
    match error.next_step() {
        Some(step) => unknown.help(step),
        None => unknown,
    }
}

/// The session of a transaction as an executor that records its errors. It has no deadline of its own: the transaction has.
#[derive(Debug)]
pub(crate) struct Session<DB: Database> {
    base: Arc<Base>,
    inner: sqlx::Transaction<'static, DB>,
    /// A statement failed, or may have without our knowing.
    doubtful: bool,
}

impl<'c, DB> Executor<'c> for &'c mut Session<DB>
where
    DB: Database,
    for<'x> &'x mut DB::Connection: Executor<'x, Database = DB>,
{
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<DB::QueryResult, DB::Row>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let Session {
            base,
            inner,
            doubtful,
        } = self;
        let session: &'c mut DB::Connection = inner;
        let items = session.fetch_many(query);
        items
            .map_err(|error| {
                *doubtful = true;
                record(base, error)
            })
            .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<DB::Row>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let Session {
            base,
            inner,
            doubtful,
        } = self;
        let session: &'c mut DB::Connection = inner;
        let row = session.fetch_optional(query);
        Box::pin(async {
            row.await.map_err(|error| {
                *doubtful = true;
                record(base, error)
            })
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, sqlx::Error>>
    where
        'c: 'e,
    {
        let Session {
            base,
            inner,
            doubtful,
        } = self;
        let session: &'c mut DB::Connection = inner;
        let statement = session.prepare_with(sql, parameters);
        Box::pin(async {
            statement.await.map_err(|error| {
                *doubtful = true;
                record(base, error)
            })
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<DB>, sqlx::Error>>
    where
        'c: 'e,
    {
        let Session {
            base,
            inner,
            doubtful,
        } = self;
        let session: &'c mut DB::Connection = inner;
        let described = session.describe(sql);
        Box::pin(async {
            described.await.map_err(|error| {
                *doubtful = true;
                record(base, error)
            })
        })
    }
}

/// What holds a session is an executor, too.
macro_rules! executor_by_session {
    ($holder:ty, |$this:ident| $session:expr $(, $place:ident)?) => {
        impl<'c, DB $(, $place)?> Executor<'c> for &'c mut $holder
        where
            DB: Database,
            for<'x> &'x mut DB::Connection: Executor<'x, Database = DB>,
        {
            type Database = DB;

            fn fetch_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxStream<'e, Result<Either<DB::QueryResult, DB::Row>, sqlx::Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                let $this = self;
                $session.fetch_many(query)
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<'e, Result<Option<DB::Row>, sqlx::Error>>
            where
                'c: 'e,
                E: 'q + Execute<'q, DB>,
            {
                let $this = self;
                $session.fetch_optional(query)
            }

            fn prepare_with<'e>(
                self,
                sql: SqlStr,
                parameters: &'e [DB::TypeInfo],
            ) -> BoxFuture<'e, Result<DB::Statement, sqlx::Error>>
            where
                'c: 'e,
            {
                let $this = self;
                $session.prepare_with(sql, parameters)
            }

            fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<DB>, sqlx::Error>>
            where
                'c: 'e,
            {
                let $this = self;
                $session.describe(sql)
            }
        }
    };
}
executor_by_session!(Transaction<DB>, |this| this.session.get_mut());
executor_by_session!(
    At<Transaction<DB>, P>,
    |this| this.handle_mut().session.get_mut(),
    P
);
