//! MongoDB, through its own driver.
//!
//! `tls` and `tls_ca` mean what the table of [`mysql`](super::mysql) says, with one host that is not loopback enough to
//! encrypt. With `"require"` the driver accepts any certificate.

mod error;
mod find;
mod index;
mod models;
mod open;
mod options;
mod refused;
mod target;
#[cfg(feature = "tasks")]
mod tasks;
#[cfg(test)]
mod tests;
mod topology;

#[cfg(feature = "tasks")]
pub(crate) use tasks::tasks;

use crate::base::Base;
use crate::connection::{self, Connection, Instance, Opened, method_set};
use crate::error::Error;
use crate::secret;
use crate::startup::Prepared;
use crate::status::Sessions;
use futures_util::future::BoxFuture;
use mongodb::bson::Document;
use mongodb::{Collection, Database};
use std::sync::Arc;
use target::Target;

pub use find::MongoFind;
pub use index::{CollectionIndex, SyncedIndexes};
#[cfg(feature = "mongodm")]
pub use models::CollectionConfig;
pub use models::CollectionModel;

/// A MongoDB connection: `db.mongodb.logs`. Cheap to clone.
///
/// [`collection`](Self::collection) gives the driver's own collection of the connection's database. What runs on it is
/// bounded by the driver's `server_selection_timeout`, a little less than `connect_timeout`, and by the server; for a deadline
/// over all of it and a record in [`errors`](Self::errors) use [`process`](Self::process).
#[derive(Clone)]
pub struct MongoDb {
    inner: Arc<Inner>,
}

struct Inner {
    base: Arc<Base>,
    target: Result<Target, Error>,
    hosts: String,
}

impl MongoDb {
    /// Builds the handle. No I/O but the files of references.
    pub(crate) fn prepare(prepared: &Prepared) -> Self {
        let base = Arc::clone(&prepared.base);
        let (target, hosts) = match &prepared.settings {
            Ok(settings) => (
                Ok(Target::new(&base, settings)),
                secret::shown_hosts(settings, "mongodb"),
            ),
            Err(error) => (Err(error.clone()), String::new()),
        };
        Self {
            inner: Arc::new(Inner { base, target, hosts }),
        }
    }

    fn client(&self) -> Result<Database, Error> {
        self.target()?.database()
    }

    fn target(&self) -> Result<&Target, Error> {
        self.inner.target.as_ref().map_err(Clone::clone)
    }

    /// A collection of the connection's database, with documents of type `T`.
    ///
    /// # Panics
    /// As [`instance`](Self::instance).
    #[must_use]
    pub fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        self.instance().collection(name)
    }

    /// The connection's database, the same as [`instance`](Self::instance).
    ///
    /// # Panics
    /// As [`instance`](Self::instance).
    #[must_use]
    pub fn database(&self) -> Database {
        self.instance()
    }

    /// Runs a command on the connection's database, with the deadline and the record of [`process`](Self::process).
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub async fn run_command(&self, command: Document) -> Result<Document, Error> {
        self.operate("run_command", async |database| {
            Ok(database.run_command(command).await?)
        })
        .await
    }

    /// The names of the collections, with the deadline and the record of [`process`](Self::process).
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub async fn list_collection_names(&self) -> Result<Vec<String>, Error> {
        let operation = async |database: Database| Ok(database.list_collection_names().await?);
        self.operate("list_collection_names", operation).await
    }

    /// [`process`](Self::process), recorded under another name.
    async fn operate<T, F, Fut>(&self, operation: &'static str, op: F) -> Result<T, Error>
    where
        F: FnOnce(Database) -> Fut,
        Fut: Future<Output = Result<T, Error>>,
    {
        connection::operate(operation, self, || self.client(), op).await
    }
}

method_set!(
    MongoDb,
    Database,
    "The driver's own database: [`mongodb::Database`]; its client is `.client()` of it."
);

impl Connection for MongoDb {
    fn base(&self) -> &Arc<Base> {
        &self.inner.base
    }

    fn open(&self) -> BoxFuture<'_, Result<Opened, Error>> {
        Box::pin(async move { self.target()?.open().await })
    }

    fn refresh(&self) -> Result<bool, Error> {
        self.target()?.refresh()
    }

    fn waits_by_itself(&self) -> bool {
        true
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            open::ask(&self.client()?, mongodb::bson::doc! { "ping": 1 }).await?;
            Ok(())
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(database) = self.target().ok().and_then(Target::current) {
                // Immediate: the calls that went through dbreg have left already, and a cursor that its owner keeps
                // for good would hold up the others.
                database.client().clone().shutdown().immediate(true).await;
            }
        })
    }

    fn sessions(&self) -> Option<Sessions> {
        None
    }

    fn hosts(&self) -> String {
        self.inner.hosts.clone()
    }

    fn instance(&self) -> Result<Instance, Error> {
        self.client().map(Instance::MongoDb)
    }
}
