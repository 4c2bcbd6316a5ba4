//! A session in the database.

use crate::adapters::sql::tasks::{Session, sql_session};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::Value;
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::{Connection as _, Postgres};

pub(super) struct PostgresSession {
    pub(super) session: Box<PgConnection>,
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
            Value::Bytes(bytes) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Some(format!("\\x{digits}"))
            }
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
        Box::pin(async move { self.migrator().lock().await.map_err(of_lock) })
    }

    fn unlock(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.migrator().unlock().await.map_err(of_lock) })
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // How a session ends tells nothing; the caller bounds it.
            let _ = self.session.close().await;
        })
    }
}

fn of_lock(error: sqlx::migrate::MigrateError) -> Error {
    match error {
        sqlx::migrate::MigrateError::Execute(cause) => cause.into(),
        other => Error::new(ErrorKind::Operation, other.to_string()),
    }
}
