//! A MongoDB server with a database for one test, and the driver's own client.

use crate::project::Project;
use dbreg::mongodb::bson::{Document, doc};
use dbreg::mongodb::{Client, Database};
use registry_dev::MongoDbServer;

pub(crate) struct Store {
    pub(crate) project: Project,
    pub(crate) db: Database,
    _server: MongoDbServer,
}

impl Store {
    pub(crate) async fn start() -> Self {
        let server = registry_dev::mongodb().await.unwrap();
        let port = server.port();
        let url = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
        let db = Client::with_uri_str(url).await.unwrap().database("shop");
        Self {
            project: Project::mongodb(port, "shop"),
            db,
            _server: server,
        }
    }

    /// Every document of a collection, by `_id`.
    pub(crate) async fn documents(&self, collection: &str) -> Vec<Document> {
        let mut found = self
            .db
            .collection::<Document>(collection)
            .find(doc! {})
            .await
            .unwrap();
        let mut documents = Vec::new();
        while found.advance().await.unwrap() {
            documents.push(found.deserialize_current().unwrap());
        }
        documents.sort_by_key(|document| document.get("_id").map(ToString::to_string));
        documents
    }

    pub(crate) async fn document(&self, collection: &str, filter: Document) -> Document {
        let found = self
            .db
            .collection::<Document>(collection)
            .find_one(filter)
            .await
            .unwrap();
        found.expect("the document is there")
    }

    /// The keys of the indexes of a collection. Not their names, which some servers make up.
    pub(crate) async fn indexes(&self, collection: &str) -> Vec<String> {
        let list = doc! { "listIndexes": collection };
        let mut found = self.db.run_cursor_command(list).await.unwrap();
        let mut keys = Vec::new();
        while found.advance().await.unwrap() {
            let index: Document = found.deserialize_current().unwrap();
            keys.push(
                index
                    .get_document("key")
                    .unwrap()
                    .keys()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(","),
            );
        }
        keys.sort();
        keys
    }

    /// The collections, without dbreg's own.
    pub(crate) async fn collections(&self) -> Vec<String> {
        let mut names = self.db.list_collection_names().await.unwrap();
        names.retain(|name| !name.starts_with("_dbreg_"));
        names.sort();
        names
    }
}
