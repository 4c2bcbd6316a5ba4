//! Handles, readers and transactions as connections of SeaORM, on the sqlx executors that they are already: each statement
//! has its deadline, and its error is recorded.

use super::executor::copy_of;
use crate::at::At;
use crate::base::Base;
use crate::error::Error;
use crate::kind::ErrorKind;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};
use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Database, Executor, IntoArguments};
use std::sync::Arc;

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        let ours = match &error {
            DbErr::Conn(RuntimeErr::SqlxError(cause))
            | DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => copy_of(cause),
            other => Self::new(ErrorKind::Operation, other.to_string()),
        };
        ours.caused_by(error)
    }
}

/// What leaves a typed method: the error of a statement is in the log by then, every other comes into it here.
pub(super) fn leaves(base: &Base, error: DbErr, operation: &'static str) -> Error {
    let is_recorded = matches!(
        error,
        DbErr::Conn(RuntimeErr::SqlxError(_))
            | DbErr::Exec(RuntimeErr::SqlxError(_))
            | DbErr::Query(RuntimeErr::SqlxError(_))
    );
    let error = Error::from(error);
    if !is_recorded {
        return base.record(error, operation);
    }
    let named = error.connection_named(base.label().to_owned()).during(operation);
    named.mark_recorded().0
}

/// A connection that models of SQL live on: a handle, a reader, a transaction. Nobody else implements it.
#[doc(hidden)]
pub trait SqlModels: ConnectionTrait {
    fn base(&self) -> &Arc<Base>;
}

/// One that may write: a handle, a transaction. A reader may not.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is for reading: its sessions are READ ONLY",
    label = "expected the handle of the connection, or a transaction"
)]
pub trait SqlWrites: SqlModels {}

fn bound<DB: Database>(statement: Statement) -> Query<'static, DB, SqlxValues>
where
    SqlxValues: IntoArguments<DB>,
{
    let values = statement
        .values
        .unwrap_or_else(|| sea_orm::sea_query::Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

// What these give holds the driver's future alone, and not the executor: the compiler could not see that it is `Send`.

pub(crate) fn execute<'c, X>(executor: X, statement: Statement) -> BoxFuture<'c, Result<ExecResult, DbErr>>
where
    X: Executor<'c>,
    SqlxValues: IntoArguments<X::Database>,
    ExecResult: From<<X::Database as Database>::QueryResult>,
{
    let executed = executor.execute(bound::<X::Database>(statement));
    executed.map_ok(ExecResult::from).map_err(of_execute).boxed()
}

pub(crate) fn execute_unprepared<'c, X>(executor: X, sql: &str) -> BoxFuture<'c, Result<ExecResult, DbErr>>
where
    X: Executor<'c>,
    ExecResult: From<<X::Database as Database>::QueryResult>,
{
    // What SeaORM promises of the text, it promises of ours.
    let executed = executor.execute(AssertSqlSafe(sql.to_owned()));
    executed.map_ok(ExecResult::from).map_err(of_execute).boxed()
}

pub(crate) fn query_one<'c, X>(
    executor: X,
    statement: Statement,
) -> BoxFuture<'c, Result<Option<QueryResult>, DbErr>>
where
    X: Executor<'c>,
    SqlxValues: IntoArguments<X::Database>,
    QueryResult: From<<X::Database as Database>::Row>,
{
    let row = executor.fetch_optional(bound::<X::Database>(statement));
    row.map_ok(|row| row.map(QueryResult::from))
        .map_err(of_query)
        .boxed()
}

pub(crate) fn query_all<'c, X>(
    executor: X,
    statement: Statement,
) -> BoxFuture<'c, Result<Vec<QueryResult>, DbErr>>
where
    X: Executor<'c>,
    SqlxValues: IntoArguments<X::Database>,
    QueryResult: From<<X::Database as Database>::Row>,
{
    let rows = executor.fetch_all(bound::<X::Database>(statement));
    rows.map_ok(|rows| rows.into_iter().map(QueryResult::from).collect())
        .map_err(of_query)
        .boxed()
}

fn of_execute(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))
}

fn of_query(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

/// What has a tag is the same connection.
#[async_trait]
impl<H: ConnectionTrait, P> ConnectionTrait for At<H, P> {
    fn get_database_backend(&self) -> DbBackend {
        (**self).get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        (**self).execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        (**self).execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        (**self).query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        (**self).query_all_raw(statement).await
    }

    fn support_returning(&self) -> bool {
        (**self).support_returning()
    }
}

/// Makes what is an sqlx executor a connection of SeaORM: `$executor` of `$this`.
macro_rules! orm_connection {
    ($connection:ty, $backend:ident, $base:expr, |$this:ident| $executor:expr) => {
        #[sea_orm::prelude::async_trait::async_trait]
        impl sea_orm::ConnectionTrait for $connection {
            fn get_database_backend(&self) -> sea_orm::DbBackend {
                sea_orm::DbBackend::$backend
            }

            async fn execute_raw(
                &self,
                statement: sea_orm::Statement,
            ) -> ::core::result::Result<sea_orm::ExecResult, sea_orm::DbErr> {
                let $this = self;
                $crate::adapters::sql::orm::execute($executor, statement).await
            }

            async fn execute_unprepared(
                &self,
                sql: &str,
            ) -> ::core::result::Result<sea_orm::ExecResult, sea_orm::DbErr> {
                let $this = self;
                $crate::adapters::sql::orm::execute_unprepared($executor, sql).await
            }

            async fn query_one_raw(
                &self,
                statement: sea_orm::Statement,
            ) -> ::core::result::Result<Option<sea_orm::QueryResult>, sea_orm::DbErr> {
                let $this = self;
                $crate::adapters::sql::orm::query_one($executor, statement).await
            }

            async fn query_all_raw(
                &self,
                statement: sea_orm::Statement,
            ) -> ::core::result::Result<Vec<sea_orm::QueryResult>, sea_orm::DbErr> {
                let $this = self;
                $crate::adapters::sql::orm::query_all($executor, statement).await
            }
        }

        impl $crate::adapters::sql::orm::SqlModels for $connection {
            fn base(&self) -> &::std::sync::Arc<$crate::base::Base> {
                let base: fn(&Self) -> &::std::sync::Arc<$crate::base::Base> = $base;
                base(self)
            }
        }
    };
}
pub(crate) use orm_connection;

/// The models of a backend: on its handle and in its transactions, and `.orm()`.
macro_rules! orm_handle {
    ($handle:ident, $database:ty, $backend:ident) => {
        $crate::adapters::sql::orm::orm_connection!(
            $handle,
            $backend,
            |handle| &handle.inner.base,
            |handle| handle
        );
        $crate::adapters::sql::orm::orm_connection!(
            $crate::Transaction<$database>,
            $backend,
            |transaction| transaction.base(),
            |transaction| &mut *transaction.lock().await
        );

        impl $crate::adapters::sql::orm::SqlWrites for $handle {}
        impl $crate::adapters::sql::orm::SqlWrites for $crate::Transaction<$database> {}

        impl $handle {
            /// SeaORM's own connection, on the same pool: there is no second set of sessions, and
            /// [`close`](Self::close) ends it, too. For what wants a [`DatabaseConnection`](sea_orm::DatabaseConnection);
            /// wherever SeaORM takes a `ConnectionTrait`, this handle is one, with deadline and record.
            ///
            /// Its statements are counted in [`status`](Self::status), and one that failed is noted in
            /// [`errors`](Self::errors), without its cause: that goes to the caller alone. It has no deadline of dbreg's.
            ///
            /// # Panics
            /// As [`instance`](Self::instance).
            #[must_use]
            pub fn orm(&self) -> sea_orm::DatabaseConnection {
                let base = ::std::sync::Arc::downgrade(&self.inner.base);
                let mut orm = sea_orm::DatabaseConnection::from(self.native());
                orm.set_metric_callback(move |info| {
                    if let Some(base) = base.upgrade() {
                        base.observed(info.failed);
                    }
                });
                orm
            }
        }
    };
}
pub(crate) use orm_handle;
