//! The models of a connection: SeaORM's own builders, with the connection in hand and the compiler's word that they belong
//! together.

use super::find::Find;
use super::orm::{SqlModels, SqlWrites, leaves};
use crate::at::At;
use crate::error::Error;
use crate::model::ModelOf;
use futures_util::future::BoxFuture;
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, DbErr, EntityTrait, IntoActiveModel, ModelTrait, PrimaryKeyTrait,
};

/// What an active model, or a model, is of.
type ModelFor<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Model;
type PrimaryKeyOf<M> = <<<M as ModelTrait>::Entity as EntityTrait>::PrimaryKey as PrimaryKeyTrait>::ValueType;

/// Models on their connection, in its transactions, and (to be read) on its readers. What is not here, SeaORM has, and
/// takes the connection as it is: `Order::update_many()….exec(&db.mysql.main)`.
///
/// Each statement has the connection's `timeout`, and the error is recorded.
// The futures are in boxes, as SeaORM's own are: of an `async fn`, the compiler would tell of a model on the wrong
// connection three times, at the call, at the future and at the `.await`.
impl<H: SqlModels, P> At<H, P> {
    /// A query for models of this place; SeaORM's `filter`, `order_by`, `limit` work on it, and it ends with
    /// [`all`](Find::all), [`one`](Find::one) or [`count`](Find::count).
    pub fn find<M>(&self) -> Find<'_, H, M>
    where
        M: ModelTrait + ModelOf<P>,
        M::Entity: EntityTrait<Model = M>,
    {
        Find::new(self, M::Entity::find())
    }

    /// A query for the model with this primary key, a tuple of several columns; it ends with [`one`](Find::one).
    pub fn find_by_id<M>(&self, id: impl Into<PrimaryKeyOf<M>>) -> Find<'_, H, M>
    where
        M: ModelTrait + ModelOf<P>,
        M::Entity: EntityTrait<Model = M>,
    {
        Find::new(self, M::Entity::find_by_id(id))
    }

    /// Inserts a row, and gives it as the database has it, with the values that it chose.
    ///
    /// # Errors
    /// Any kind of [`Error`]; `Operation` for what the server refuses, a key that is there already, say.
    pub fn insert<'c, A>(&'c self, row: A) -> BoxFuture<'c, Result<ModelFor<A>, Error>>
    where
        H: SqlWrites,
        A: ActiveModelTrait + ActiveModelBehavior + Send + 'c,
        ModelFor<A>: ModelOf<P> + IntoActiveModel<A>,
    {
        Box::pin(async { self.left("insert", row.insert(&**self).await) })
    }

    /// Inserts several rows with one statement, and gives their number. The hooks of an active model are not called.
    ///
    /// A statement takes 32,766 values on SQLite and 65,535 elsewhere, one for each column of each row: more are an error, and
    /// a transaction makes several statements one.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn insert_many<'c, A>(
        &'c self,
        rows: impl IntoIterator<Item = A>,
    ) -> BoxFuture<'c, Result<u64, Error>>
    where
        H: SqlWrites,
        A: ActiveModelTrait + Send + 'c,
        ModelFor<A>: ModelOf<P>,
    {
        let insert = A::Entity::insert_many(rows);
        Box::pin(async { self.left("insert_many", insert.exec_without_returning(&**self).await) })
    }

    /// Updates the row with this primary key, and gives it as the database has it.
    ///
    /// # Errors
    /// As [`insert`](Self::insert); `Operation` when there is no such row.
    pub fn update<'c, A>(&'c self, row: A) -> BoxFuture<'c, Result<ModelFor<A>, Error>>
    where
        H: SqlWrites,
        A: ActiveModelTrait + ActiveModelBehavior + Send + 'c,
        ModelFor<A>: ModelOf<P> + IntoActiveModel<A>,
    {
        Box::pin(async { self.left("update", row.update(&**self).await) })
    }

    /// Deletes a row; false when it was not there any more.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn delete<'c, M>(&'c self, row: M) -> BoxFuture<'c, Result<bool, Error>>
    where
        H: SqlWrites,
        M: ModelTrait + ModelOf<P> + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel> + 'c,
        <M::Entity as EntityTrait>::ActiveModel: ActiveModelBehavior + Send,
    {
        Box::pin(async {
            let deleted = row.delete(&**self).await;
            Ok(self.left("delete", deleted)?.rows_affected > 0)
        })
    }

    /// Deletes the row with this primary key; false when there is none.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn delete_by_id<M>(&self, id: impl Into<PrimaryKeyOf<M>>) -> BoxFuture<'_, Result<bool, Error>>
    where
        H: SqlWrites,
        M: ModelTrait + ModelOf<P>,
    {
        let delete = M::Entity::delete_by_id(id);
        Box::pin(async {
            let deleted = delete.exec(&**self).await;
            Ok(self.left("delete_by_id", deleted)?.rows_affected > 0)
        })
    }

    fn left<T>(&self, operation: &'static str, result: Result<T, DbErr>) -> Result<T, Error> {
        result.map_err(|error| leaves(self.base(), error, operation))
    }
}
