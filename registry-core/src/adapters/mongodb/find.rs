//! A query for documents, with its connection in hand.

use super::MongoDb;
use super::models::CollectionModel;
use crate::error::Error;
use mongodb::bson::Document;
use mongodb::options::FindOptions;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;

/// A query for documents, from `db.mongodb.logs.find::<Event>(doc! { … })`.
#[must_use = "a query does nothing unless `all`, `one` or `count` is called"]
pub struct MongoFind<'c, M> {
    connection: &'c MongoDb,
    filter: Document,
    options: FindOptions,
    model: PhantomData<fn() -> M>,
}

impl<'c, M: CollectionModel> MongoFind<'c, M> {
    pub(super) fn new(connection: &'c MongoDb, filter: Document) -> Self {
        Self {
            connection,
            filter,
            options: FindOptions::default(),
            model: PhantomData,
        }
    }

    /// In this order: `doc! { "at": -1 }`.
    pub fn sort(mut self, sort: Document) -> Self {
        self.options.sort = Some(sort);
        self
    }

    /// At most so many.
    pub fn limit(mut self, limit: u32) -> Self {
        self.options.limit = Some(limit.into());
        self
    }

    /// Without the first so many.
    pub fn skip(mut self, skip: u64) -> Self {
        self.options.skip = Some(skip);
        self
    }

    /// Any option of the driver; it takes the place of those that were set before.
    pub fn options(mut self, options: FindOptions) -> Self {
        self.options = options;
        self
    }

    /// Every document that is found. The deadline is over all of it, the reading of the cursor included.
    ///
    /// # Errors
    /// As [`process`](MongoDb::process); `Operation` when a document is no `M`, too.
    pub async fn all(self) -> Result<Vec<M>, Error>
    where
        M: DeserializeOwned + Send + Sync,
    {
        let Self {
            connection,
            filter,
            options,
            ..
        } = self;
        connection
            .operate("find", async |database| {
                let collection = database.collection::<M>(M::COLLECTION);
                let mut cursor = collection.find(filter).with_options(options).await?;
                let mut found = Vec::new();
                while cursor.advance().await? {
                    found.push(cursor.deserialize_current()?);
                }
                Ok(found)
            })
            .await
    }

    /// The first document that is found.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub async fn one(self) -> Result<Option<M>, Error>
    where
        M: DeserializeOwned + Send + Sync,
    {
        Ok(self.limit(1).all().await?.pop())
    }

    /// How many match, whatever `limit` and `skip` say. The server counts.
    ///
    /// # Errors
    /// As [`process`](MongoDb::process).
    pub async fn count(self) -> Result<u64, Error>
    where
        M: Send + Sync,
    {
        let Self {
            connection, filter, ..
        } = self;
        connection
            .operate("count", async |database| {
                let collection = database.collection::<M>(M::COLLECTION);
                Ok(collection.count_documents(filter).await?)
            })
            .await
    }
}

impl<M> fmt::Debug for MongoFind<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The filter may hold what is secret.
        f.debug_struct("MongoFind").finish_non_exhaustive()
    }
}
