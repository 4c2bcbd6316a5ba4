//! A session in the database.

use crate::adapters::sql::tasks::{Session, sql_session};
use crate::backoff::Backoff;
use crate::error::Error;
use crate::tasks::{Value, to_hex};
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::{Connection as _, Postgres};
use std::time::Duration;

/// The pauses between two tries to get the lock.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(500);

pub(super) struct PostgresSession {
    pub(super) session: Box<PgConnection>,
}

/// Bytes as the text of a `bytea`.
pub(super) fn bytea(bytes: &[u8]) -> String {
    format!("\\x{}", to_hex(bytes))
}

/// Every value as text: the places of a statement say what becomes of it.
fn bound(
    mut query: Query<'static, Postgres, PgArguments>,
    values: Vec<Value>,
) -> Query<'static, Postgres, PgArguments> {
    for value in values {
        query = query.bind(match value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Integer(value) => Some(value.to_string()),
            Value::Float(value) => Some(value.to_string()),
            Value::Text(value) | Value::DateTime(value) => Some(value),
            Value::Bytes(bytes) => Some(bytea(&bytes)),
            // Lists, tables and references were made into one of the others.
            _ => None,
        });
    }
    query
}

impl Session for PostgresSession {
    // A number comes back by `returning`.
    sql_session!(Postgres, |_| 0);

    fn lock(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let sql = self.of_lock("pg_try_advisory_lock").await?;
            let mut backoff = Backoff::new(SHORTEST, LONGEST);
            loop {
                let rows = self.rows(sql.clone(), Vec::new()).await?;
                if rows.first().and_then(|row| row.first()) == Some(&Some("true".to_owned())) {
                    return Ok(());
                }
                // Not within a statement: whoever waits in one has a snapshot, and `create index concurrently` of the one
                // who has the lock waits for that. The caller bounds the wait.
                tokio::time::sleep(backoff.next_pause()).await;
            }
        })
    }

    fn unlock(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let sql = self.of_lock("pg_advisory_unlock").await?;
            self.rows(sql, Vec::new()).await.map(drop)
        })
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // How a session ends tells nothing; the caller bounds it.
            let _ = self.session.close().await;
        })
    }
}

impl PostgresSession {
    /// A query that calls this function with the key of sqlx's own lock, so that its command line waits for us and we for
    /// it.
    async fn of_lock(&mut self, function: &str) -> Result<String, Error> {
        let rows = self
            .rows("select cast(current_database() as text)".to_owned(), Vec::new())
            .await?;
        let name = rows.into_iter().next().and_then(|mut row| row.swap_remove(0));
        let key = lock_key(&name.unwrap_or_default());
        Ok(format!("select cast({function}({key}) as text)"))
    }
}

/// The key of sqlx's lock of a database.
fn lock_key(database: &str) -> i64 {
    0x3d32_ad9e * i64::from(crc32(database.as_bytes()))
}

/// CRC-32 as in ISO 3309, bit by bit: a name is short.
fn crc32(bytes: &[u8]) -> u32 {
    let mut rest = u32::MAX;
    for byte in bytes {
        rest ^= u32::from(*byte);
        for _ in 0..8 {
            rest = (rest >> 1) ^ (0xedb8_8320 * (rest & 1));
        }
    }
    !rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
