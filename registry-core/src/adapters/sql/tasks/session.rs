//! A session of any SQL driver, so that what is the same for all of them is written once and compiled once.

use crate::error::Error;
use crate::tasks::Value;
use futures_util::future::BoxFuture;
use sqlx::migrate::Migrate;

/// One session. It ends when it is dropped, and a transaction that is open with it.
pub(crate) trait Session: Send {
    /// Runs one statement with its values.
    fn run(&mut self, sql: String, values: Vec<Value>) -> BoxFuture<'_, Result<Ran, Error>>;

    /// The rows of a query whose columns are all text.
    fn rows(
        &mut self,
        sql: String,
        values: Vec<Value>,
    ) -> BoxFuture<'_, Result<Vec<Vec<Option<String>>>, Error>>;

    /// Runs a text of several statements.
    fn script(&mut self, sql: String) -> BoxFuture<'_, Result<(), Error>>;

    /// sqlx's own side for migrations.
    fn migrator(&mut self) -> &mut (dyn Migrate + Send);

    /// Waits until nobody else migrates this database. The lock ends with the session at the latest.
    fn lock(&mut self) -> BoxFuture<'_, Result<(), Error>>;

    /// Lets others migrate.
    fn unlock(&mut self) -> BoxFuture<'_, Result<(), Error>>;

    /// Ends it with a farewell to the server.
    fn end(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// What a statement did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    /// The rows that it found, changed or not.
    pub(crate) rows: u64,
    /// The number that the server gave to the row, where it numbers.
    pub(crate) number: Option<i64>,
}

/// Implements the driver's half of [`Session`] for a struct with a field `session`.
macro_rules! sql_session {
    ($database:ty, $number:expr) => {
        fn run(
            &mut self,
            sql: String,
            values: Vec<$crate::tasks::Value>,
        ) -> futures_util::future::BoxFuture<
            '_,
            Result<$crate::adapters::sql::tasks::Ran, $crate::error::Error>,
        > {
            Box::pin(async move {
                let query = bound(sqlx::query(sqlx::AssertSqlSafe(sql)), values);
                let result = query.execute(&mut *self.session).await?;
                let number: fn(&<$database as sqlx::Database>::QueryResult) -> i64 = $number;
                let number = Some(number(&result)).filter(|number| *number != 0);
                Ok($crate::adapters::sql::tasks::Ran {
                    rows: result.rows_affected(),
                    number,
                })
            })
        }

        fn rows(
            &mut self,
            sql: String,
            values: Vec<$crate::tasks::Value>,
        ) -> futures_util::future::BoxFuture<'_, Result<Vec<Vec<Option<String>>>, $crate::error::Error>> {
            Box::pin(async move {
                let query = bound(sqlx::query(sqlx::AssertSqlSafe(sql)), values);
                let rows = query.fetch_all(&mut *self.session).await?;
                let texts = |row: &<$database as sqlx::Database>::Row| {
                    let columns = 0..sqlx::Row::len(row);
                    columns
                        .map(|column| sqlx::Row::try_get::<Option<String>, _>(row, column))
                        .collect::<Result<Vec<_>, _>>()
                };
                let rows: Result<Vec<_>, sqlx::Error> = rows.iter().map(texts).collect();
                Ok(rows?)
            })
        }

        fn script(
            &mut self,
            sql: String,
        ) -> futures_util::future::BoxFuture<'_, Result<(), $crate::error::Error>> {
            Box::pin(async move {
                let script = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
                script.execute(&mut *self.session).await?;
                Ok(())
            })
        }

        fn migrator(&mut self) -> &mut (dyn sqlx::migrate::Migrate + Send) {
            &mut *self.session
        }
    };
}
pub(crate) use sql_session;

/// Takes the values of a statement along. Defines `bound` for a database whose driver takes them as they are.
#[cfg(any(feature = "mysql", feature = "sqlite"))]
macro_rules! bind_values {
    ($database:ty) => {
        fn bound(
            mut query: sqlx::query::Query<'static, $database, <$database as sqlx::Database>::Arguments>,
            values: Vec<$crate::tasks::Value>,
        ) -> sqlx::query::Query<'static, $database, <$database as sqlx::Database>::Arguments> {
            use $crate::tasks::Value;
            for value in values {
                query = match value {
                    Value::Bool(value) => query.bind(value),
                    Value::Integer(value) => query.bind(value),
                    Value::Float(value) => query.bind(value),
                    Value::Text(value) | Value::DateTime(value) => query.bind(value),
                    Value::Bytes(value) => query.bind(value),
                    // Lists, tables and references were made into one of the others.
                    _ => query.bind(None::<String>),
                };
            }
            query
        }
    };
}
#[cfg(any(feature = "mysql", feature = "sqlite"))]
pub(crate) use bind_values;
