//! `App::builder().migrate(true)` on MongoDB.

use crate::project::Project;
use dbreg::DbRegistry;
use dbreg::mongodb::bson::{Document, doc};

#[derive(DbRegistry)]
#[registry(toml = r#"
[mongodb.logs]
host = "127.0.0.1"
db = "shop"

[memcached.cache]
host = "127.0.0.1"
"#)]
struct App;

#[tokio::test]
async fn migrates_before_it_opens_and_once_however_many_start() {
    let (store, cache) = tokio::join!(registry_dev::mongodb(), registry_dev::memcached());
    let (store, cache) = (store.unwrap(), cache.unwrap());
    let project = Project::mongodb(store.port(), "shop");
    let command = r#"{ "update": "counts", "updates": [{ "q": { "_id": 1 }, "u": { "$inc": { "n": 1 } }, "upsert": true }] }"#;
    project.write("migrations/mongodb.logs/1_count.json", command);
    let starts = (0..4).map(|_| {
        App::builder()
            .variable("DBREG_MONGODB__LOGS__PORT", store.port())
            .variable("DBREG_MEMCACHED__CACHE__PORT", cache.port())
            .migrations(project.path().join("migrations"))
            .migrate(true)
            .connect()
    });
    for started in futures_util::future::join_all(starts).await {
        let db = started.unwrap();
        let counts = db.mongodb.logs.collection::<Document>("counts");
        let count = counts.find_one(doc! { "_id": 1 }).await.unwrap().unwrap();
        assert_eq!(count, doc! { "_id": 1, "n": 1 });
        db.close().await.unwrap();
    }
}
