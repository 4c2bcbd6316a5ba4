//! SeaORM's `Select` with its connection in hand.

use super::orm::{SqlModels, leaves};
use crate::error::Error;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{EntityTrait, ModelTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use std::fmt;

/// A query for models, from `db.mysql.main.find::<Order>()`. SeaORM's traits `QueryFilter`, `QueryOrder` and `QuerySelect`
/// work on it as on SeaORM's own [`Select`].
///
/// ```text
/// use dbreg::sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
///
/// let latest = db.mysql.main.find::<Order>()
///     .filter(order::Column::Customer.eq("Ada"))
///     .order_by_desc(order::Column::Number)
///     .limit(10)
///     .all()
///     .await?;
/// ```
#[must_use = "a query does nothing unless `all`, `one` or `count` is called"]
pub struct Find<'c, H, M: ModelTrait> {
    connection: &'c H,
    select: Select<M::Entity>,
}

impl<'c, H, M: ModelTrait> Find<'c, H, M> {
    pub(super) fn new(connection: &'c H, select: Select<M::Entity>) -> Self {
        Self { connection, select }
    }

    /// SeaORM's own query, for what this one has not: joins with other models, tuples, pages. Its ends take the connection:
    /// `.all(&db.mysql.main)`.
    pub fn into_select(self) -> Select<M::Entity> {
        self.select
    }
}

impl<H, M> Find<'_, H, M>
where
    H: SqlModels,
    M: ModelTrait,
    M::Entity: EntityTrait<Model = M>,
{
    /// Every model that is found.
    ///
    /// # Errors
    /// Any kind of [`Error`], recorded; `Operation` when a row is no such model, too.
    pub async fn all(self) -> Result<Vec<M>, Error> {
        let found = self.select.all(self.connection).await;
        found.map_err(|error| leaves(self.connection.base(), error, "find"))
    }

    /// The first model that is found.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub async fn one(self) -> Result<Option<M>, Error> {
        let found = self.select.one(self.connection).await;
        found.map_err(|error| leaves(self.connection.base(), error, "find"))
    }

    /// How many there are, within the query's `limit`. The server counts.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub async fn count(self) -> Result<u64, Error>
    where
        M: sea_orm::FromQueryResult + Sync,
    {
        let counted = PaginatorTrait::count(self.select, self.connection).await;
        counted.map_err(|error| leaves(self.connection.base(), error, "count"))
    }
}

impl<H, M: ModelTrait> QueryFilter for Find<'_, H, M> {
    type QueryStatement = SelectStatement;

    fn query(&mut self) -> &mut SelectStatement {
        QueryFilter::query(&mut self.select)
    }
}

impl<H, M: ModelTrait> QueryOrder for Find<'_, H, M> {
    type QueryStatement = SelectStatement;

    fn query(&mut self) -> &mut SelectStatement {
        QueryOrder::query(&mut self.select)
    }
}

impl<H, M: ModelTrait> QuerySelect for Find<'_, H, M> {
    type QueryStatement = SelectStatement;

    fn query(&mut self) -> &mut SelectStatement {
        QuerySelect::query(&mut self.select)
    }
}

impl<H, M: ModelTrait> fmt::Debug for Find<'_, H, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Find").finish_non_exhaustive()
    }
}
