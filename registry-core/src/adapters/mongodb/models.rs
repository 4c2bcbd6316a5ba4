//! Documents with a type: their collection and its indexes stand on the type.

use super::MongoDb;
use super::find::MongoFind;
use super::index::{CollectionIndex, SyncedIndexes, sync};
use crate::at::At;
use crate::error::Error;
use crate::model::ModelOf;
use futures_util::future::BoxFuture;
use mongodb::Collection;
use mongodb::bson::{Bson, Document};
use mongodb::options::UpdateModifications;
use serde::Serialize;

/// A document that knows its collection. Written by `#[derive(dbreg::Model)]` with `collection = "…"`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a document of MongoDB",
    label = "it has no collection",
    note = "write `#[derive(dbreg::Model)] #[model(app_registry::mongodb::logs, collection = \"events\")]`, say, on it"
)]
pub trait CollectionModel {
    /// The name of the collection.
    const COLLECTION: &'static str;
    /// The indexes that it declares; [`sync_indexes`](At::sync_indexes) makes them.
    const INDEXES: &'static [CollectionIndex];
}

/// Each has the deadline and the record of [`process`](MongoDb::process), under its own name. What is not here, the driver has:
/// [`collection_of`](At::collection_of) gives its collection.
// The futures are in boxes, as the driver's own are: of an `async fn`, the compiler would tell of a model on the wrong
// connection three times, at the call, at the future and at the `.await`.
impl<P> At<MongoDb, P> {
    /// The driver's own collection of this model.
    ///
    /// # Panics
    /// As [`instance`](MongoDb::instance).
    #[must_use]
    pub fn collection_of<M>(&self) -> Collection<M>
    where
        M: ModelOf<P> + CollectionModel + Send + Sync,
    {
        self.collection(M::COLLECTION)
    }

    /// A query for the documents that match; it ends with [`all`](MongoFind::all), [`one`](MongoFind::one) or
    /// [`count`](MongoFind::count).
    pub fn find<M>(&self, filter: Document) -> MongoFind<'_, M>
    where
        M: ModelOf<P> + CollectionModel,
    {
        MongoFind::new(self, filter)
    }

    /// Inserts a document, and gives its `_id`: its own, or the one that the driver chose.
    ///
    /// # Errors
    /// As [`process`](MongoDb::process); `Operation` for what the server refuses, a key that is there already, say.
    pub fn insert<'c, M>(&'c self, document: &'c M) -> BoxFuture<'c, Result<Bson, Error>>
    where
        M: ModelOf<P> + CollectionModel + Serialize + Send + Sync,
    {
        Box::pin(self.operate("insert", async move |database| {
            let collection = database.collection::<M>(M::COLLECTION);
            Ok(collection.insert_one(document).await?.inserted_id)
        }))
    }

    /// Inserts several documents, and gives their number. With an error, those before the one that was refused are there.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn insert_many<'c, M>(&'c self, documents: &'c [M]) -> BoxFuture<'c, Result<u64, Error>>
    where
        M: ModelOf<P> + CollectionModel + Serialize + Send + Sync,
    {
        Box::pin(self.operate("insert_many", async move |database| {
            if documents.is_empty() {
                return Ok(0);
            }
            let collection = database.collection::<M>(M::COLLECTION);
            let inserted = collection.insert_many(documents).await?.inserted_ids;
            Ok(inserted.len() as u64)
        }))
    }

    /// Updates the documents that match, and gives the number of those that are others now.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn update_many<M>(
        &self,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> BoxFuture<'_, Result<u64, Error>>
    where
        M: ModelOf<P> + CollectionModel + Send + Sync,
    {
        let update = update.into();
        Box::pin(self.operate("update_many", async move |database| {
            let collection = database.collection::<M>(M::COLLECTION);
            Ok(collection.update_many(filter, update).await?.modified_count)
        }))
    }

    /// Deletes the documents that match, and gives their number.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn delete_many<M>(&self, filter: Document) -> BoxFuture<'_, Result<u64, Error>>
    where
        M: ModelOf<P> + CollectionModel + Send + Sync,
    {
        Box::pin(self.operate("delete_many", async move |database| {
            let collection = database.collection::<M>(M::COLLECTION);
            Ok(collection.delete_many(filter).await?.deleted_count)
        }))
    }

    /// Makes the collection's indexes what the type declares: those that are missing are created, and one that is declared
    /// otherwise is dropped and created anew. An index that no type declares is left alone, and named in what this gives.
    /// It is never done without being asked for: to build an index may take a while.
    ///
    /// # Errors
    /// As [`process`](MongoDb::process). After a `Timeout` the server goes on building, and a later call finds the index.
    /// What was done before an error stays; an index that could not be replaced is made again as it was.
    pub fn sync_indexes<M>(&self) -> BoxFuture<'_, Result<SyncedIndexes, Error>>
    where
        M: ModelOf<P> + CollectionModel,
    {
        Box::pin(self.operate("sync_indexes", async |database| {
            sync(&database.collection(M::COLLECTION), M::INDEXES).await
        }))
    }

    /// mongodm's repository of this model, on the same client.
    ///
    /// # Panics
    /// As [`instance`](MongoDb::instance).
    #[cfg(feature = "mongodm")]
    #[must_use]
    pub fn repository<M>(&self) -> mongodm::Repository<M>
    where
        M: ModelOf<P> + mongodm::Model,
    {
        mongodm::Repository::new(self.instance())
    }
}

#[cfg(feature = "mongodm")]
impl MongoDb {
    /// What the repositories of mongodm are made of, with its trait `ToRepository`: the connection's database, on the same
    /// client. There is no second set of connections, and [`close`](Self::close) ends it, too.
    ///
    /// It has no deadline and no record of dbreg's; within [`process`](Self::process) it has both.
    ///
    /// # Panics
    /// As [`instance`](Self::instance).
    #[must_use]
    pub fn orm(&self) -> mongodb::Database {
        self.instance()
    }
}

/// What mongodm wants to know of a model's collection. For generated code.
#[cfg(feature = "mongodm")]
#[doc(hidden)]
#[derive(Debug)]
pub struct CollectionConfig<M>(std::marker::PhantomData<M>);

#[cfg(feature = "mongodm")]
impl<M: CollectionModel> mongodm::CollectionConfig for CollectionConfig<M> {
    fn collection_name() -> &'static str {
        M::COLLECTION
    }

    fn indexes() -> mongodm::Indexes {
        let indexes: Vec<mongodm::Index> = M::INDEXES.iter().map(CollectionIndex::of_mongodm).collect();
        indexes.into()
    }
}
