//! A handle as an sqlx `Executor` and `Acquire`: what runs on it directly has a deadline per wait, and its errors are
//! recorded.

use super::as_driver_error;
use super::error::{configuration, server_error};
use crate::base::Base;
use crate::error::Error;

/// Writes an error of the driver to the log; the caller gets the driver's own, or the cause of an outage that it only
/// follows from.
pub(crate) fn record(base: &Base, error: sqlx::Error) -> sqlx::Error {
    let copy = copy_of(&error);
    let explained = base.explained(copy.clone());
    let follows = explained.message() != copy.message();
    // What is written to the log is not what leaves: the mark on it is of no use.
    let recorded = base.record(explained, "execute");
    if follows { as_driver_error(recorded) } else { error }
}

/// The driver's error as one of ours, for the log; the driver's own leaves.
pub(crate) fn copy_of(error: &sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(cause) => server_error(cause.as_ref()),
        // `sqlx::Error` is not `Clone`: these keep their kind by going through the same mapping.
        sqlx::Error::Io(cause) => match cause.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(ours) => ours.clone(),
            None => Error::from(sqlx::Error::Io(std::io::Error::new(
                cause.kind(),
                cause.to_string(),
            ))),
        },
        sqlx::Error::PoolTimedOut => Error::from(sqlx::Error::PoolTimedOut),
        sqlx::Error::PoolClosed => Error::from(sqlx::Error::PoolClosed),
        sqlx::Error::Protocol(cause) => Error::from(sqlx::Error::Protocol(cause.clone())),
        sqlx::Error::Tls(cause) => Error::new(crate::ErrorKind::Tls, cause.to_string()),
        sqlx::Error::Configuration(cause) => configuration(cause.as_ref()),
        other => Error::new(crate::ErrorKind::Operation, other.to_string()),
    }
}

/// Makes a handle on a pool an sqlx `Executor` and `Acquire`, itself and behind its tag.
macro_rules! sql_handle {
    ($handle:ident, $database:ty) => {
        impl $handle {
            /// Runs one wait of a direct call: gate, lazy opening, deadline, record.
            async fn direct<T>(
                &self,
                work: impl ::core::future::Future<Output = ::core::result::Result<T, sqlx::Error>> + Send,
            ) -> ::core::result::Result<T, sqlx::Error> {
                let base = &self.inner.base;
                let _pass = base
                    .enter("execute")
                    .map_err($crate::adapters::sql::closed)?;
                let failed = |error| $crate::adapters::sql::as_driver_error(base.record(error, "execute"));
                base.usable().await.map_err(failed)?;
                match base.bounded(work).await {
                    Ok(result) => result.map_err(|error| $crate::adapters::sql::record(base, error)),
                    Err(error) => Err(failed(base.explained(error))),
                }
            }

            /// Takes a session out of the pool, for a unit of work: several queries on one session cost one checkout.
            ///
            /// # Errors
            /// [`sqlx::Error::PoolTimedOut`] after `pool.acquire_timeout`, [`sqlx::Error::PoolClosed`] after
            /// [`close`](Self::close).
            pub async fn acquire(
                &self,
            ) -> ::core::result::Result<sqlx::pool::PoolConnection<$database>, sqlx::Error> {
                self.direct(async { self.pool()?.acquire().await }).await
            }

            /// Begins a transaction; it is rolled back when it is dropped without `commit`.
            ///
            /// # Errors
            /// As [`acquire`](Self::acquire), and what the server answers to `BEGIN`.
            pub async fn begin(
                &self,
            ) -> ::core::result::Result<sqlx::Transaction<'static, $database>, sqlx::Error> {
                let begin = async {
                    let session = self.pool()?.acquire().await?;
                    $crate::adapters::sql::begun(&self.inner.base.generations, session).await
                };
                self.direct(::core::pin::pin!(begin)).await
            }

            /// Runs work in a transaction: committed when the work gives `Ok`, rolled back when it gives `Err`, when it
            /// panics, and when this future is dropped.
            ///
            /// The error type is free, because an error of the domain must roll back, too; it takes dbreg's own with
            /// `From`, and where the compiler cannot know it, the end of the work says it: `Ok::<_, MyError>(..)`.
            /// `&mut *tx` is an sqlx `Executor`. Nothing is ever tried again.
            ///
            /// ```no_run
            /// # use registry_core::{Error, sqlx};
            #[doc = concat!("# async fn example(db: registry_core::", stringify!($handle), ") -> Result<(), Error> {")]
            /// db.transaction(async |tx| {
            ///     sqlx::query("update account set cents = cents - 5 where name = 'ada'").execute(&mut *tx).await?;
            ///     sqlx::query("update account set cents = cents + 5 where name = 'grace'").execute(&mut *tx).await?;
            ///     Ok(())
            /// })
            /// .await
            /// # }
            /// ```
            ///
            /// # Errors
            /// What the work gives. As [`Error`](crate::Error): `Timeout` when all of it, the wait for a session included,
            /// takes longer than the connection's `timeout`, and then it is rolled back; what the server answers to `BEGIN`
            /// and `COMMIT`; `Closed` after [`close`](Self::close). When the answer to `COMMIT` is lost, the message says
            /// that the outcome is not known, and the error is not transient.
            pub async fn transaction<T, E, F>(&self, work: F) -> ::core::result::Result<T, E>
            where
                F: AsyncFnOnce(
                    &mut $crate::At<$crate::Transaction<$database>, ()>,
                ) -> ::core::result::Result<T, E>,
                E: From<$crate::Error>,
            {
                $crate::adapters::sql::transaction::<$database, _, _, _, _>(&self.inner.base, || self.client(), work).await
            }

            /// The pool, as a direct call wants it.
            fn pool(&self) -> ::core::result::Result<sqlx::Pool<$database>, sqlx::Error> {
                self.client()
                    .map_err($crate::adapters::sql::as_driver_error)
            }
        }

        impl<'c> sqlx::Executor<'c> for &$handle {
            type Database = $database;

            fn fetch_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> futures_util::stream::BoxStream<
                'e,
                ::core::result::Result<
                    sqlx::Either<
                        <$database as sqlx::Database>::QueryResult,
                        <$database as sqlx::Database>::Row,
                    >,
                    sqlx::Error,
                >,
            >
            where
                'c: 'e,
                E: 'q + sqlx::Execute<'q, Self::Database>,
            {
                let inner = match self.pool() {
                    Ok(pool) => <&sqlx::Pool<$database> as sqlx::Executor<'c>>::fetch_many(&pool, query),
                    Err(error) => Box::pin(futures_util::stream::iter([Err(error)])),
                };
                let base = ::std::sync::Arc::clone(&self.inner.base);
                $crate::adapters::sql::stream(base, inner)
            }

            fn execute<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> futures_util::future::BoxFuture<
                'e,
                ::core::result::Result<<$database as sqlx::Database>::QueryResult, sqlx::Error>,
            >
            where
                'c: 'e,
                E: 'q + sqlx::Execute<'q, Self::Database>,
            {
                // As one wait: as the stream of its results, which is how sqlx does it, it would be one for each. And on a
                // session: the pool, which takes one for this, would put a future around it.
                let handle = self.clone();
                Box::pin(async move {
                    let done = async {
                        let mut session = handle.pool()?.acquire().await?;
                        sqlx::Executor::execute(&mut *session, query).await
                    };
                    handle.direct(::core::pin::pin!(done)).await
                })
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> futures_util::future::BoxFuture<
                'e,
                ::core::result::Result<Option<<$database as sqlx::Database>::Row>, sqlx::Error>,
            >
            where
                'c: 'e,
                E: 'q + sqlx::Execute<'q, Self::Database>,
            {
                let handle = self.clone();
                Box::pin(async move {
                    let row = async {
                        let mut session = handle.pool()?.acquire().await?;
                        sqlx::Executor::fetch_optional(&mut *session, query).await
                    };
                    handle.direct(::core::pin::pin!(row)).await
                })
            }

            fn prepare_with<'e>(
                self,
                sql: sqlx::SqlStr,
                parameters: &'e [<$database as sqlx::Database>::TypeInfo],
            ) -> futures_util::future::BoxFuture<
                'e,
                ::core::result::Result<<$database as sqlx::Database>::Statement, sqlx::Error>,
            >
            where
                'c: 'e,
            {
                let handle = self.clone();
                Box::pin(async move {
                    let statement = async {
                        let mut session = handle.pool()?.acquire().await?;
                        sqlx::Executor::prepare_with(&mut *session, sql, parameters).await
                    };
                    handle.direct(::core::pin::pin!(statement)).await
                })
            }

            fn describe<'e>(
                self,
                sql: sqlx::SqlStr,
            ) -> futures_util::future::BoxFuture<
                'e,
                ::core::result::Result<sqlx::Describe<$database>, sqlx::Error>,
            >
            where
                'c: 'e,
            {
                let handle = self.clone();
                Box::pin(async move {
                    let described = async {
                        let mut session = handle.pool()?.acquire().await?;
                        sqlx::Executor::describe(&mut *session, sql).await
                    };
                    handle.direct(::core::pin::pin!(described)).await
                })
            }
        }

        impl<'c> sqlx::Acquire<'c> for &$handle {
            type Database = $database;
            type Connection = sqlx::pool::PoolConnection<$database>;

            fn acquire(
                self,
            ) -> futures_util::future::BoxFuture<'c, ::core::result::Result<Self::Connection, sqlx::Error>>
            {
                let handle = self.clone();
                Box::pin(async move { handle.acquire().await })
            }

            fn begin(
                self,
            ) -> futures_util::future::BoxFuture<
                'c,
                ::core::result::Result<sqlx::Transaction<'c, $database>, sqlx::Error>,
            > {
                let handle = self.clone();
                Box::pin(async move { handle.begin().await })
            }
        }

        impl<P> $crate::At<$handle, P> {
            #[doc = concat!("As [`transaction`](crate::", stringify!($handle), "::transaction) of the handle; the models of this place live in it.")]
            ///
            /// # Errors
            #[doc = concat!("As [`transaction`](crate::", stringify!($handle), "::transaction) of the handle.")]
            pub async fn transaction<T, E, F>(&self, work: F) -> ::core::result::Result<T, E>
            where
                F: AsyncFnOnce(&mut $crate::At<$crate::Transaction<$database>, P>) -> ::core::result::Result<T, E>,
                E: From<$crate::Error>,
            {
                $crate::adapters::sql::transaction::<$database, _, _, _, _>(&self.inner.base, || self.client(), work).await
            }
        }

        $crate::adapters::sql::tagged_executor!($handle, $database);
    };
}
pub(crate) use sql_handle;

/// Makes what is an sqlx `Executor` and `Acquire` by reference both behind its tag, too.
macro_rules! tagged_executor {
    ($handle:ident, $database:ty) => {
        impl<'c, P> sqlx::Executor<'c> for &$crate::At<$handle, P> {
            type Database = $database;

            fn fetch_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> futures_util::stream::BoxStream<
                'e,
                ::core::result::Result<
                    sqlx::Either<
                        <$database as sqlx::Database>::QueryResult,
                        <$database as sqlx::Database>::Row,
                    >,
                    sqlx::Error,
                >,
            >
            where
                'c: 'e,
                E: 'q + sqlx::Execute<'q, Self::Database>,
            {
                <&$handle as sqlx::Executor<'c>>::fetch_many(&**self, query)
            }

            fn execute<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> futures_util::future::BoxFuture<
                'e,
                ::core::result::Result<<$database as sqlx::Database>::QueryResult, sqlx::Error>,
            >
            where
                'c: 'e,
                E: 'q + sqlx::Execute<'q, Self::Database>,
            {
                <&$handle as sqlx::Executor<'c>>::execute(&**self, query)
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> futures_util::future::BoxFuture<
                'e,
                ::core::result::Result<Option<<$database as sqlx::Database>::Row>, sqlx::Error>,
            >
            where
                'c: 'e,
                E: 'q + sqlx::Execute<'q, Self::Database>,
            {
                <&$handle as sqlx::Executor<'c>>::fetch_optional(&**self, query)
            }

            fn prepare_with<'e>(
                self,
                sql: sqlx::SqlStr,
                parameters: &'e [<$database as sqlx::Database>::TypeInfo],
            ) -> futures_util::future::BoxFuture<
                'e,
                ::core::result::Result<<$database as sqlx::Database>::Statement, sqlx::Error>,
            >
            where
                'c: 'e,
            {
                <&$handle as sqlx::Executor<'c>>::prepare_with(&**self, sql, parameters)
            }

            fn describe<'e>(
                self,
                sql: sqlx::SqlStr,
            ) -> futures_util::future::BoxFuture<
                'e,
                ::core::result::Result<sqlx::Describe<$database>, sqlx::Error>,
            >
            where
                'c: 'e,
            {
                <&$handle as sqlx::Executor<'c>>::describe(&**self, sql)
            }
        }

        impl<'c, P> sqlx::Acquire<'c> for &$crate::At<$handle, P> {
            type Database = $database;
            type Connection = sqlx::pool::PoolConnection<$database>;

            fn acquire(
                self,
            ) -> futures_util::future::BoxFuture<'c, ::core::result::Result<Self::Connection, sqlx::Error>>
            {
                <&$handle as sqlx::Acquire<'c>>::acquire(&**self)
            }

            fn begin(
                self,
            ) -> futures_util::future::BoxFuture<
                'c,
                ::core::result::Result<sqlx::Transaction<'c, $database>, sqlx::Error>,
            > {
                <&$handle as sqlx::Acquire<'c>>::begin(&**self)
            }
        }
    };
}
pub(crate) use tagged_executor;
