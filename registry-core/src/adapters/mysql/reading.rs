//! The reader as an sqlx `Executor` and `Acquire`.

use super::reader::MySqlReader;
use super::router::Held;
use crate::adapters::sql::{self, closed};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use sqlx::mysql::{MySqlQueryResult, MySqlRow, MySqlStatement, MySqlTypeInfo};
use sqlx::pool::PoolConnection;
use sqlx::{Describe, Either, Execute, Executor, MySql as Database, SqlStr, Transaction};
use tokio::sync::mpsc;

type Item = Result<Either<MySqlQueryResult, MySqlRow>, sqlx::Error>;

impl<'c> Executor<'c> for &MySqlReader {
    type Database = Database;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Item>
    where
        'c: 'e,
        E: 'q + Execute<'q, Database>,
    {
        let reader = self.clone();
        // The rows borrow from the session, which the choice of a host gives only later: a future holds both, and hands
        // over one row at a time. Whoever drops the stream drops all of it.
        let (rows, received) = mpsc::channel(1);
        let work = async move {
            let _pass = match reader.inner.base.enter("read").map_err(closed) {
                Ok(pass) => pass,
                Err(error) => return tell(&rows, Err(error)).await,
            };
            // That of the first row; each further one has its own.
            let mut deadline = reader.deadline();
            let Held { mut session, place } = match reader.held(deadline).await {
                Ok(held) => held,
                Err(error) => return tell(&rows, Err(error)).await,
            };
            let mut found = (&mut *session).fetch_many(query);
            loop {
                let Some(item) = reader.on(&place, deadline, found.try_next()).await.transpose() else {
                    return;
                };
                let ended = item.is_err();
                tell(&rows, item).await;
                if ended {
                    return;
                }
                deadline = reader.deadline();
            }
        };
        driven(work.boxed(), received)
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<MySqlRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Database>,
    {
        let reader = self.clone();
        Box::pin(async move {
            let _pass = reader.inner.base.enter("read").map_err(closed)?;
            let deadline = reader.deadline();
            let mut held = reader.held(deadline).await?;
            let work = (&mut *held.session).fetch_optional(query);
            reader.on(&held.place, deadline, work).await
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [MySqlTypeInfo],
    ) -> BoxFuture<'e, Result<MySqlStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        let reader = self.clone();
        Box::pin(async move {
            let _pass = reader.inner.base.enter("read").map_err(closed)?;
            let deadline = reader.deadline();
            let mut held = reader.held(deadline).await?;
            let work = (&mut *held.session).prepare_with(sql, parameters);
            reader.on(&held.place, deadline, work).await
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Database>, sqlx::Error>>
    where
        'c: 'e,
    {
        let reader = self.clone();
        Box::pin(async move {
            let _pass = reader.inner.base.enter("read").map_err(closed)?;
            let deadline = reader.deadline();
            let mut held = reader.held(deadline).await?;
            let work = (&mut *held.session).describe(sql);
            reader.on(&held.place, deadline, work).await
        })
    }
}

impl<'c> sqlx::Acquire<'c> for &MySqlReader {
    type Database = Database;
    type Connection = PoolConnection<Database>;

    fn acquire(self) -> BoxFuture<'c, Result<Self::Connection, sqlx::Error>> {
        let reader = self.clone();
        Box::pin(async move { reader.acquire().await })
    }

    fn begin(self) -> BoxFuture<'c, Result<Transaction<'c, Database>, sqlx::Error>> {
        let reader = self.clone();
        Box::pin(async move { reader.begin().await })
    }
}

sql::tagged_executor!(MySqlReader, Database);
#[cfg(feature = "sea-orm")]
sql::orm::orm_connection!(MySqlReader, MySql, |reader| &reader.inner.base, |reader| reader);

/// Hands over one item. The stream that takes it may be gone; then this future is about to be, too.
async fn tell(rows: &mpsc::Sender<Item>, item: Item) {
    let _ = rows.send(item).await;
}

/// What a future hands over, as a stream that drives it.
fn driven<'e>(work: BoxFuture<'e, ()>, mut received: mpsc::Receiver<Item>) -> BoxStream<'e, Item> {
    let mut work = Some(work);
    let items = stream::poll_fn(move |context| {
        if let Some(running) = &mut work
            && running.poll_unpin(context).is_ready()
        {
            // Dropped here, and its session with it: the stream's last item may be taken long after.
            work = None;
        }
        received.poll_recv(context)
    });
    items.boxed()
}
