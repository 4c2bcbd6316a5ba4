//! A session of SQLite under the verbs, and the lock of those who migrate.

use crate::adapters::sql::tasks::{Session, bind_values, sql_session};
use crate::background;
use crate::backoff::Backoff;
use crate::error::{Error, plain};
use crate::kind::ErrorKind;
use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Executor as _};
use std::fs::{File, TryLockError};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A session, and the lock while it has it.
pub(super) struct SqliteSession {
    session: Held,
    /// Where the lock is, for a database that others may open too.
    lock_path: Option<PathBuf>,
    lock: Option<File>,
}

impl SqliteSession {
    pub(super) fn new(session: Held, lock_path: Option<PathBuf>) -> Self {
        Self {
            session,
            lock_path,
            lock: None,
        }
    }
}

/// Whose session it is.
pub(super) enum Held {
    Own(Box<SqliteConnection>),
    Lent(Lent),
}

/// A session of the application's pool. However it is given up, nothing that was begun in it stays open: the pool would
/// give it to the next who asks.
pub(super) struct Lent {
    /// Taken when it is given back.
    session: Option<PoolConnection<sqlx::Sqlite>>,
    /// Whether the database ends with its last session.
    in_memory: bool,
}

impl Lent {
    pub(super) fn new(session: PoolConnection<sqlx::Sqlite>, in_memory: bool) -> Self {
        Self {
            session: Some(session),
            in_memory,
        }
    }

    async fn give_back(mut self) {
        if let Some(session) = self.session.take() {
            rolled_back(session).await;
        }
    }
}

/// Gives it back to the pool without a transaction.
async fn rolled_back(mut session: PoolConnection<sqlx::Sqlite>) {
    // That none was open is the error that this mostly gives.
    let _ = session.execute("rollback").await;
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut session) = self.session.take() else {
            return;
        };
        if !self.in_memory {
            session.close_on_drop();
            return;
        }
        // What is under way in it ends first: its commands are taken in their order.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            background::spawn(&runtime, rolled_back(session));
        }
    }
}

/// The session is taken by those alone who end it.
const HELD: &str = "the session is there until it is given back";

impl Deref for Held {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        match self {
            Self::Own(session) => session,
            Self::Lent(lent) => lent.session.as_ref().expect(HELD),
        }
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Own(session) => session,
            Self::Lent(lent) => lent.session.as_mut().expect(HELD),
        }
    }
}

bind_values!(sqlx::Sqlite);

impl Session for SqliteSession {
    sql_session!(sqlx::Sqlite, |result| result.last_insert_rowid());

    fn lock(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            if let Some(path) = &self.lock_path {
                self.lock = Some(locked(path).await?);
            }
            Ok(())
        })
    }

    fn unlock(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        // The file stays: whoever removed it would part those that wait from those that come.
        self.lock = None;
        Box::pin(async { Ok(()) })
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            match self.session {
                Held::Own(session) => {
                    // What was written is written; how the session ends tells nothing.
                    let _ = session.close().await;
                }
                Held::Lent(lent) => lent.give_back().await,
            }
        })
    }
}

/// Waits for the lock; the caller bounds the wait. It ends with the file, and so with the process.
async fn locked(path: &Path) -> Result<File, Error> {
    let failed = |cause: &std::io::Error| {
        let message = format!("cannot lock `{}`: {}", path.display(), plain(cause));
        Error::new(ErrorKind::Config, message).help("the folder must be writable")
    };
    let options = &mut File::options();
    let file = options.create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|cause| failed(&cause))?;
    let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(500));
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(backoff.next_pause()).await,
            Err(TryLockError::Error(cause)) => return Err(failed(&cause)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::sqlite::SqliteTasks;
    use crate::tasks::{Mark, Marked, Steps as _};
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
    use std::str::FromStr as _;

    fn in_file(path: &Path) -> SqliteConnectOptions {
        SqliteConnectOptions::new().filename(path).create_if_missing(true)
    }

    /// A pool of one session, in which there is a table.
    async fn pool(options: SqliteConnectOptions) -> SqlitePool {
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .unwrap();
        pool.execute("create table t (id integer)").await.unwrap();
        pool
    }

    async fn is_as_before(pool: &SqlitePool) {
        let mut session = pool.acquire().await.unwrap();
        let begun = session.execute("begin immediate").await;
        begun.expect("nothing was open in the session that the pool gives");
        session.execute("insert into t values (1)").await.unwrap();
        session.execute("rollback").await.unwrap();
    }

    #[tokio::test]
    async fn a_session_that_is_given_up_leaves_nothing_open_in_the_pool() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        let in_memory = SqliteConnectOptions::from_str("sqlite::memory:").unwrap();
        for (options, is_in_memory) in [(in_file(&path), false), (in_memory, true)] {
            let pool = pool(options).await;
            for orderly in [false, true] {
                let lent = Lent::new(pool.acquire().await.unwrap(), is_in_memory);
                let mut session = SqliteSession::new(Held::Lent(lent), None);
                session.script("begin immediate".to_owned()).await.unwrap();
                session
                    .script("insert into t values (7)".to_owned())
                    .await
                    .unwrap();
                if orderly {
                    Box::new(session).end().await;
                } else {
                    drop(session);
                }
                is_as_before(&pool).await;
                let left: i64 = sqlx::query_scalar("select count(*) from t")
                    .fetch_one(&pool)
                    .await
                    .unwrap();
                assert_eq!(left, 0, "it was not committed");
            }
        }
    }

    #[tokio::test]
    async fn a_mark_that_cannot_be_written_is_rolled_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        let pool = pool(in_file(&path)).await;
        // The first of its rows is taken, the second is not.
        let metadata = "create table _dbreg_metadata (name varchar(100) not null primary key, \
            value varchar(255) not null check (value <> 'yes'))";
        pool.execute(metadata).await.unwrap();
        let steps = SqliteTasks::on(path.to_str().unwrap(), pool.clone());
        let mark = Mark {
            environment: "live".to_owned(),
            protected: true,
        };
        let error = steps.set_mark(&mark).await.unwrap_err();
        assert!(error.message().contains("CHECK constraint"), "{error}");
        is_as_before(&pool).await;
        assert_eq!(steps.mark().await.unwrap(), Marked::Unmarked);
        // Nor does it hold the lock.
        let other = Mark {
            protected: false,
            ..mark
        };
        steps.set_mark(&other).await.unwrap();
        assert_eq!(steps.mark().await.unwrap(), Marked::As(other));
    }

    #[tokio::test]
    async fn a_mark_that_is_dropped_at_any_moment_leaves_nothing_open_in_the_pool() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        let pool = pool(in_file(&path)).await;
        let steps = SqliteTasks::on(path.to_str().unwrap(), pool.clone());
        let mark = Mark {
            environment: "default".to_owned(),
            protected: true,
        };
        let mut polls = 0;
        loop {
            let mut writing = steps.set_mark(&mark);
            let mut done = false;
            for _ in 0..polls {
                done = futures_util::poll!(&mut writing).is_ready();
                if done {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(writing);
            is_as_before(&pool).await;
            if done {
                break;
            }
            polls += 1 + polls / 8;
        }
    }
}
