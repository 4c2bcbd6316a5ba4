//! MongoDB on a server of the wire protocol: collections, process, deadline, close, `url`.
#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

use dbreg::mongodb::bson::{Document, doc};
use dbreg::{DbRegistry, ErrorKind};
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = r#"
[mongodb.logs]
host = "127.0.0.1"
db = "logs"
timeout = "4s"
connect_timeout = "10s"

[mongodb.seeds]
connections = [{ host = "127.0.0.1", port = 1 }, { host = "127.0.0.1" }]
db = "logs"
start = "optional"
connect_timeout = "10s"

[mongodb.audit]
url = { env = "AUDIT_URL" }
connect_timeout = "10s"
"#)]
struct App;

async fn connect(server: &registry_dev::MongoDbServer) -> AppRegistry {
    let port = server.port();
    App::builder()
        .variable("DBREG_MONGODB__LOGS__PORT", port)
        .variable(
            "DBREG_MONGODB__AUDIT__URL",
            format!("mongodb://127.0.0.1:{port}/audit"),
        )
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn collections_commands_and_errors() {
    let server = registry_dev::mongodb().await.unwrap();
    let db = connect(&server).await;
    let events = db.mongodb.logs.collection::<Document>("events");
    events.insert_one(doc! { "what": "order", "n": 7 }).await.unwrap();
    let found = events
        .find_one(doc! { "n": 7 })
        .await
        .unwrap()
        .expect("it was inserted");
    assert_eq!(found.get_str("what").unwrap(), "order");
    assert_eq!(db.mongodb.logs.list_collection_names().await.unwrap(), ["events"]);
    assert_eq!(db.mongodb.audit.instance().name(), "audit");
    assert_eq!(db.mongodb.logs.database().name(), "logs");
    let count = db.mongodb.logs.process(async |logs| {
        Ok(logs
            .collection::<Document>("events")
            .count_documents(doc! {})
            .await?)
    });
    assert_eq!(count.await.unwrap(), 1);

    let twice = db.mongodb.logs.process(async |logs| {
        let events = logs.collection::<Document>("events");
        events.insert_one(doc! { "_id": 1 }).await?;
        Ok(events.insert_one(doc! { "_id": 1 }).await?)
    });
    let error = twice.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.connection()),
        (ErrorKind::Operation, "mongodb.logs")
    );
    assert_eq!(db.mongodb.logs.errors().total, 1);
    db.mongodb.logs.ping().await.unwrap();

    let kept = db.mongodb.logs.collection::<Document>("events");
    db.close().await.unwrap();
    assert_eq!(
        db.mongodb.logs.ping().await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    let error = kept.insert_one(doc! {}).await.unwrap_err();
    assert_eq!(
        dbreg::Error::from(error).kind(),
        ErrorKind::Closed,
        "a collection that was kept is closed too"
    );
}

#[tokio::test]
async fn a_stopped_server_hangs_nothing_and_the_client_recovers() {
    let server = registry_dev::mongodb().await.unwrap();
    let db = connect(&server).await;
    server.pause().await.unwrap();
    let started = Instant::now();
    let error = db.mongodb.logs.run_command(doc! { "ping": 1 }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(started.elapsed() < Duration::from_secs(20));
    server.resume().await.unwrap();
    let back = Instant::now();
    while db.mongodb.logs.run_command(doc! { "ping": 1 }).await.is_err() {
        assert!(
            back.elapsed() < Duration::from_secs(20),
            "the client did not recover"
        );
    }
}
