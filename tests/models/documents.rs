//! Documents: collection and indexes stand on the type.

use dbreg::mongodb::bson::{Bson, DateTime, Document, doc};
use dbreg::{DbRegistry, ErrorKind};
use registry_dev::MongoDbServer;
use serde::{Deserialize, Serialize};

#[derive(DbRegistry)]
#[registry(toml = r#"
[mongodb.logs]
host = "127.0.0.1"
db = "shop_logs"
"#)]
pub(crate) struct App;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, dbreg::Model)]
#[model(app_registry::mongodb::logs, collection = "events", index("order", "at"))]
#[model(index("key", unique, name = "by_key"))]
struct Event {
    key: String,
    order: i64,
    at: DateTime,
}

/// The same collection, as a later version of the application declares it.
#[derive(Serialize, Deserialize, dbreg::Model)]
#[model(
    app_registry::mongodb::logs,
    collection = "events",
    index("order", "at", unique),
    index("at", expire_after = "30d")
)]
struct LaterEvent {
    order: i64,
}

async fn connect() -> (MongoDbServer, AppRegistry) {
    let server = registry_dev::mongodb().await.unwrap();
    let builder = App::builder().variable("DBREG_MONGODB__LOGS__PORT", server.port());
    (server, builder.connect().await.unwrap())
}

fn event(key: &str, order: i64, at: i64) -> Event {
    Event {
        key: key.to_owned(),
        order,
        at: DateTime::from_millis(at),
    }
}

/// As the driver itself sees it.
async fn count(db: &AppRegistry) -> u64 {
    let events = db.mongodb.logs.instance().collection::<Document>("events");
    events.count_documents(doc! {}).await.unwrap()
}

#[tokio::test]
async fn documents_come_and_go() {
    let (_server, db) = connect().await;
    let logs = &db.mongodb.logs;
    let id = logs.insert(&event("a", 1, 10)).await.unwrap();
    assert!(matches!(id, Bson::ObjectId(_)), "{id}");
    let more = [event("b", 1, 20), event("c", 2, 30)];
    assert_eq!(logs.insert_many(&more).await.unwrap(), 2);
    assert_eq!(logs.insert_many::<Event>(&[]).await.unwrap(), 0);
    assert_eq!(count(&db).await, 3);

    let found = logs
        .find::<Event>(doc! { "order": 1 })
        .sort(doc! { "at": -1 })
        .all()
        .await
        .unwrap();
    assert_eq!(found, [event("b", 1, 20), event("a", 1, 10)]);
    let second = logs
        .find::<Event>(doc! {})
        .sort(doc! { "at": 1 })
        .skip(1)
        .limit(1)
        .all()
        .await
        .unwrap();
    assert_eq!(second, [event("b", 1, 20)]);
    assert_eq!(logs.find::<Event>(doc! { "key": "z" }).one().await.unwrap(), None);
    assert_eq!(logs.find::<Event>(doc! { "order": 1 }).count().await.unwrap(), 2);

    let set = doc! { "$set": { "order": 9 } };
    assert_eq!(
        logs.update_many::<Event>(doc! { "order": 1 }, set).await.unwrap(),
        2
    );
    assert_eq!(logs.delete_many::<Event>(doc! { "order": 9 }).await.unwrap(), 2);
    assert_eq!(count(&db).await, 1);
    let native = logs.collection_of::<Event>().find_one(doc! {}).await.unwrap();
    assert_eq!(native, Some(event("c", 2, 30)));

    logs.collection::<Document>("events")
        .insert_one(doc! { "order": "no number" })
        .await
        .unwrap();
    let before = logs.errors().total;
    let error = logs.find::<Event>(doc! {}).all().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.connection(), error.operation()),
        (ErrorKind::Operation, "mongodb.logs", "find")
    );
    assert_eq!(logs.errors().total, before + 1);
    db.close().await.unwrap();
    let error = logs.insert(&event("d", 1, 1)).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Closed, "insert"));
}

#[tokio::test]
async fn indexes_are_made_when_asked_for_and_never_else() {
    let (_server, db) = connect().await;
    let logs = &db.mongodb.logs;
    // As the driver sees them, without names and directions: the stand-in for MongoDB keeps neither.
    let fields = async || {
        let events = logs.instance().collection::<Document>("events");
        let mut indexes = events.list_indexes().await.unwrap();
        let mut fields = Vec::new();
        while indexes.advance().await.unwrap() {
            let index = indexes.deserialize_current().unwrap();
            let unique = index.options.unwrap().unique.unwrap_or(false);
            fields.push((index.keys.keys().cloned().collect::<Vec<_>>().join(","), unique));
        }
        fields.sort();
        fields
    };
    let shown = |fields: Vec<(String, bool)>| {
        let one = |(fields, unique)| {
            if unique {
                format!("{fields} unique")
            } else {
                fields
            }
        };
        fields.into_iter().map(one).collect::<Vec<String>>()
    };
    logs.insert(&event("a", 1, 10)).await.unwrap();
    assert_eq!(fields().await.len(), 1, "that of _id");

    let synced = logs.sync_indexes::<Event>().await.unwrap();
    assert_eq!(synced.created, ["order_1_at_1", "by_key"]);
    assert_eq!(shown(fields().await)[1..], ["key unique", "order,at"]);
    let synced = logs.sync_indexes::<Event>().await.unwrap();
    assert_eq!(synced.unchanged, ["order_1_at_1", "by_key"]);
    assert!(synced.created.is_empty() && synced.replaced.is_empty() && synced.undeclared.is_empty());
    let error = logs.insert(&event("a", 2, 10)).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Operation,
        "the unique one is at work: {error}"
    );

    // Two documents are not as the later version wants them: what was there stays.
    logs.insert(&event("b", 1, 10)).await.unwrap();
    assert!(logs.sync_indexes::<LaterEvent>().await.is_err());
    assert_eq!(shown(fields().await)[1..], ["key unique", "order,at"]);
    logs.delete_many::<Event>(doc! { "key": "b" }).await.unwrap();

    let synced = logs.sync_indexes::<LaterEvent>().await.unwrap();
    assert_eq!(
        (&synced.created[..], &synced.replaced[..]),
        (&["at_1".to_owned()][..], &["order_1_at_1".to_owned()][..])
    );
    assert_eq!(synced.undeclared.len(), 1, "that of `key`: {synced:?}");
    assert_eq!(
        shown(fields().await)[1..],
        ["at", "key unique", "order,at unique"]
    );
}

#[tokio::test]
async fn indexes_of_a_collection_that_is_not_there_yet() {
    let (_server, db) = connect().await;
    let logs = &db.mongodb.logs;
    let synced = logs.sync_indexes::<Event>().await.unwrap();
    assert_eq!(synced.created.len(), 2, "{synced:?}");
    assert_eq!(logs.errors().total, 0, "{:?}", logs.errors());
}

#[cfg(feature = "mongodm")]
#[tokio::test]
async fn the_repositories_of_mongodm_are_on_the_same_client() {
    use dbreg::mongodm::{CollectionConfig, Model, ToRepository};
    let (_server, db) = connect().await;
    let logs = &db.mongodb.logs;
    logs.repository::<Event>()
        .insert_one(event("a", 1, 10))
        .await
        .unwrap();
    assert_eq!(logs.find::<Event>(doc! {}).count().await.unwrap(), 1);
    let found = logs
        .orm()
        .repository::<Event>()
        .find_one(doc! { "key": "a" })
        .await
        .unwrap();
    assert_eq!(found, Some(event("a", 1, 10)));
    let command = <Event as Model>::CollConf::indexes().create_indexes_command("events");
    let names: Vec<&str> = command
        .get_array("indexes")
        .unwrap()
        .iter()
        .map(|index| index.as_document().unwrap().get_str("name").unwrap())
        .collect();
    assert_eq!(names, ["order_1_at_1", "by_key"]);
    db.close().await.unwrap();
    let closed = logs.repository::<Event>().find_one(doc! {}).await;
    assert!(closed.is_err(), "{closed:?}");
}
