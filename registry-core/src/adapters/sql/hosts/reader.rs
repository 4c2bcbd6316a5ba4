//! The reader: an executor for reads, on replicas where there are any.

/// What a handle on several hosts has beside the others: its hosts, its tokens, and the reader, a type of its own.
macro_rules! sql_hosts {
    ($handle:ident, $database:ty, $reader:ident, $backend:literal, $refusal:literal) => {
        impl $handle {
            /// Every host, with what is known of it: a snapshot. Replicas are looked at from the first read on.
            ///
            /// # Errors
            /// When the values at start gave none: an optional connection whose password is missing, say.
            pub fn hosts(&self) -> ::core::result::Result<::std::vec::Vec<$crate::SqlHost>, $crate::Error> {
                self.inner.known_hosts()
            }

            /// Goes back to the first host of a list without roles, when that answers and is writable; where it is not, the one
            /// in use stays. It is never done without being asked for, by this or by
            /// [`Registry::reload`](crate::Registry::reload): a host that comes and goes would take every session along.
            ///
            /// # Errors
            /// What keeps every host from being used; `Timeout` after the connection's `timeout`, `Closed` after
            /// [`close`](Self::close).
            pub async fn return_to_first_host(&self) -> ::core::result::Result<(), $crate::Error> {
                $crate::connection::reload(self).await
            }

            /// Reads from replicas: the type of its own that is an executor for them.
            ///
            /// ```no_run
            /// # use registry_core::sqlx;
            #[doc = concat!("# async fn example(db: registry_core::", stringify!($handle), ") -> Result<(), sqlx::Error> {")]
            /// let names: Vec<String> = sqlx::query_scalar("select name from goods").fetch_all(&db.read()).await?;
            /// # Ok(())
            /// # }
            /// ```
            ///
            /// With one host it reads from that one, READ ONLY all the same.
            #[must_use]
            pub fn read(&self) -> $reader {
                $reader(sql::hosts::Reading::new(&self.inner, None))
            }

            /// Reads that see at least what had been written when this token was asked for. A replica gets half a second to
            /// come that far; then the primary is read, or, with `fallback = false`, the read fails with `Timeout`.
            ///
            /// ```no_run
            /// # use registry_core::sqlx;
            #[doc = concat!("# async fn example(db: registry_core::", stringify!($handle), ") -> Result<(), Box<dyn std::error::Error>> {")]
            /// sqlx::query("insert into goods (name) values ('tea')").execute(&db).await?;
            /// let cookie = db.write_token().await?.to_string();
            /// // In another request, in another process perhaps:
            /// let token = cookie.parse()?;
            /// let goods: i64 = sqlx::query_scalar("select count(*) from goods").fetch_one(&db.read_after(&token)).await?;
            /// # Ok(())
            /// # }
            /// ```
            #[must_use]
            pub fn read_after(&self, token: &$crate::WriteToken) -> $reader {
                $reader(sql::hosts::Reading::new(&self.inner, Some(token)))
            }

            /// How far the primary is now: everything that was acknowledged before this call is before this token. One round
            /// trip.
            ///
            /// On a server that counts nothing (MySQL without a binary log) the token says so, and reads after it go to the
            /// primary.
            ///
            /// # Errors
            /// Any kind of [`Error`](crate::Error); `Timeout` after the connection's `timeout`, `Closed` after `close`.
            pub async fn write_token(&self) -> ::core::result::Result<$crate::WriteToken, $crate::Error> {
                self.inner.write_token().await
            }
        }

        /// The readers of a connection with a tag have it, too: the models of its place are read through them.
        impl<P> $crate::At<$handle, P> {
            #[doc = concat!("As [`read`](", stringify!($handle), "::read) of the handle.")]
            #[must_use]
            pub fn read(&self) -> $crate::At<$reader, P> {
                $crate::At::new((**self).read())
            }

            #[doc = concat!("As [`read_after`](", stringify!($handle), "::read_after) of the handle.")]
            #[must_use]
            pub fn read_after(&self, token: &$crate::WriteToken) -> $crate::At<$reader, P> {
                $crate::At::new((**self).read_after(token))
            }
        }

        #[doc = concat!("Reads of a connection, from [`", stringify!($handle), "::read`] or [`", stringify!($handle), "::read_after`]. Cheap to make and to clone.")]
        ///
        #[doc = concat!("It is an sqlx `Executor` and `Acquire`: `sqlx::query_scalar(..).fetch_one(&db.", $backend, ".main.read())`. Each call takes a")]
        /// session of its own: of a replica that answers and is at most `max_lag` behind, among those near by `weight`; of the
        /// primary when none is fit, unless `fallback = false`. Nothing is guessed from SQL text: what is called on a reader is
        /// a read, and what is called on the handle goes to the primary.
        ///
        #[doc = concat!("Every session is READ ONLY on its server, also on the primary: a write fails there with ", $refusal, ", and is not done.")]
        /// (Unless the session itself is told otherwise, by `start transaction read write`, say.)
        ///
        /// Each call is bounded by `timeout`, the choice of a session included, and so is the wait for each further row of a
        #[doc = concat!("stream. An error is recorded in [`errors`](", stringify!($handle), "::errors). A replica that cannot give")]
        /// a session is passed over for the next; a query that has begun is not sent twice, so a call that is at work on a
        /// replica when that dies fails, with an error that is transient.
        #[derive(Clone)]
        pub struct $reader(sql::hosts::Reading<$database>);

        impl $reader {
            /// Takes a session to read on, for several queries in a row: they see one replica.
            ///
            /// # Errors
            /// [`sqlx::Error::PoolClosed`] after `close`; otherwise an [`Error`](crate::Error) within, which `Error::from`
            /// takes out: `Unreachable` when no replica is fit and `fallback = false`, the primary's error when that is not
            /// there either.
            pub async fn acquire(
                &self,
            ) -> ::core::result::Result<sqlx::pool::PoolConnection<$database>, sqlx::Error> {
                let _pass = self.0.enter()?;
                Ok(self.0.held(self.0.deadline()).await?.session)
            }

            /// Begins a READ ONLY transaction: its queries see one moment of one replica. It ends when it is dropped.
            ///
            /// # Errors
            /// As [`acquire`](Self::acquire), and what the server answers to `BEGIN`.
            pub async fn begin(
                &self,
            ) -> ::core::result::Result<sqlx::Transaction<'static, $database>, sqlx::Error> {
                let _pass = self.0.enter()?;
                let deadline = self.0.deadline();
                let sql::hosts::Held { session, place } = self.0.held(deadline).await?;
                let begun = sql::begun(place.generations(), session);
                self.0.on(&place, deadline, begun).await
            }
        }

        impl<'c> sqlx::Executor<'c> for &$reader {
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
                let reading = self.0.clone();
                // The rows borrow from the session, which the choice of a host gives only later: a future holds both, and hands
                // over one row at a time. Whoever drops the stream drops all of it.
                let (rows, received) = tokio::sync::mpsc::channel(1);
                let work = async move {
                    let _pass = match reading.enter() {
                        Ok(pass) => pass,
                        Err(error) => return sql::hosts::tell(&rows, Err(error)).await,
                    };
                    // That of the first row; each further one has its own.
                    let mut deadline = reading.deadline();
                    let sql::hosts::Held { mut session, place } = match reading.held(deadline).await {
                        Ok(held) => held,
                        Err(error) => return sql::hosts::tell(&rows, Err(error)).await,
                    };
                    let mut found = sqlx::Executor::fetch_many(&mut *session, query);
                    loop {
                        let next = futures_util::TryStreamExt::try_next(&mut found);
                        let Some(item) = reading.on(&place, deadline, next).await.transpose() else {
                            return;
                        };
                        let ended = item.is_err();
                        sql::hosts::tell(&rows, item).await;
                        if ended {
                            return;
                        }
                        deadline = reading.deadline();
                    }
                };
                sql::hosts::driven(::std::boxed::Box::pin(work), received)
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> BoxFuture<
                'e,
                ::core::result::Result<Option<<$database as sqlx::Database>::Row>, sqlx::Error>,
            >
            where
                'c: 'e,
                E: 'q + sqlx::Execute<'q, Self::Database>,
            {
                let reading = self.0.clone();
                Box::pin(async move {
                    let _pass = reading.enter()?;
                    let deadline = reading.deadline();
                    let mut held = reading.held(deadline).await?;
                    let work = sqlx::Executor::fetch_optional(&mut *held.session, query);
                    reading.on(&held.place, deadline, work).await
                })
            }

            fn prepare_with<'e>(
                self,
                sql: sqlx::SqlStr,
                parameters: &'e [<$database as sqlx::Database>::TypeInfo],
            ) -> BoxFuture<
                'e,
                ::core::result::Result<<$database as sqlx::Database>::Statement, sqlx::Error>,
            >
            where
                'c: 'e,
            {
                let reading = self.0.clone();
                Box::pin(async move {
                    let _pass = reading.enter()?;
                    let deadline = reading.deadline();
                    let mut held = reading.held(deadline).await?;
                    let work = sqlx::Executor::prepare_with(&mut *held.session, sql, parameters);
                    reading.on(&held.place, deadline, work).await
                })
            }

            fn describe<'e>(
                self,
                sql: sqlx::SqlStr,
            ) -> BoxFuture<'e, ::core::result::Result<sqlx::Describe<$database>, sqlx::Error>>
            where
                'c: 'e,
            {
                let reading = self.0.clone();
                Box::pin(async move {
                    let _pass = reading.enter()?;
                    let deadline = reading.deadline();
                    let mut held = reading.held(deadline).await?;
                    let work = sqlx::Executor::describe(&mut *held.session, sql);
                    reading.on(&held.place, deadline, work).await
                })
            }
        }

        impl<'c> sqlx::Acquire<'c> for &$reader {
            type Database = $database;
            type Connection = sqlx::pool::PoolConnection<$database>;

            fn acquire(self) -> BoxFuture<'c, ::core::result::Result<Self::Connection, sqlx::Error>> {
                let reader = self.clone();
                Box::pin(async move { reader.acquire().await })
            }

            fn begin(
                self,
            ) -> BoxFuture<'c, ::core::result::Result<sqlx::Transaction<'c, $database>, sqlx::Error>> {
                let reader = self.clone();
                Box::pin(async move { reader.begin().await })
            }
        }

        impl ::std::fmt::Debug for $reader {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($reader))
                    .field("name", &self.0.inner.base.name())
                    .field("after", &self.0.after)
                    .finish_non_exhaustive()
            }
        }

        sql::tagged_executor!($reader, $database);
    };
}
pub(crate) use sql_hosts;
