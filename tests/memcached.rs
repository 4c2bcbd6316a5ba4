//! memcached on a real server: typed values, tasks that share a handle, keys and values that are refused, close.

use dbreg::{CasOutcome, DbRegistry, ErrorKind, Memcached};
use registry_dev::MemcachedServer;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(DbRegistry)]
#[registry(toml = r#"
[memcached.cache]
host = "127.0.0.1"
max_value = 1048576
"#)]
struct App;

async fn connect() -> (MemcachedServer, AppRegistry) {
    let server = registry_dev::memcached().await.expect("memcached starts");
    let db = App::builder()
        .variable("DBREG_MEMCACHED__CACHE__PORT", server.port())
        .connect()
        .await
        .expect("memcached is there");
    (server, db)
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct User {
    name: String,
    visits: u32,
}

#[tokio::test]
async fn typed_values_go_through_serde() {
    let (_server, db) = connect().await;
    let cache = &db.memcached.cache;
    let ada = User {
        name: "Ada ☃\r\n".to_owned(),
        visits: 7,
    };
    cache
        .set_as("user:7", &ada, Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(cache.get_as::<User>("user:7").await.unwrap(), Some(ada));
    assert_eq!(cache.get_as::<User>("user:8").await.unwrap(), None);
    cache.set("user:9", "no json", None).await.unwrap();
    let error = cache.get_as::<User>("user:9").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    assert!(
        !error.to_string().contains("no json"),
        "a value may be a secret: {error}"
    );
}

#[tokio::test]
async fn tasks_share_a_handle_and_never_each_others_values() {
    let (_server, db) = connect().await;
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let cache: Memcached = db.memcached.cache.clone();
            tokio::spawn(async move {
                let key = format!("key:{n}");
                for round in 0..50 {
                    let value = format!("{n}/{round}");
                    cache.set(&key, &value, None).await.unwrap();
                    let found = cache.get(&key).await.unwrap().unwrap();
                    assert_eq!(String::from_utf8(found).unwrap(), value);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let sessions = db.memcached.cache.status().sessions.unwrap();
    assert!(sessions.open <= sessions.max, "{sessions:?}");
    assert_eq!(db.memcached.cache.errors().total, 0);
}

#[tokio::test]
async fn one_of_two_writers_with_a_token_wins() {
    let (_server, db) = connect().await;
    let cache = &db.memcached.cache;
    cache.set("n", "1", None).await.unwrap();
    let (_, first) = cache.gets("n").await.unwrap().unwrap();
    let (_, second) = cache.gets("n").await.unwrap().unwrap();
    assert_eq!(
        cache.cas("n", "2", None, first).await.unwrap(),
        CasOutcome::Stored
    );
    assert_eq!(
        cache.cas("n", "3", None, second).await.unwrap(),
        CasOutcome::Exists
    );
    assert_eq!(cache.get("n").await.unwrap().unwrap(), b"2");
}

#[tokio::test]
async fn what_is_refused_never_reaches_the_server() {
    let (_server, db) = connect().await;
    let cache = &db.memcached.cache;
    cache.set("kept", "value", None).await.unwrap();
    let long = "k".repeat(251);
    for key in ["", "a b", "a\r\nflush_all\r\n", "tab\tkey", "nul\0", &long] {
        let error = cache.get(key).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Operation, "{key:?}: {error}");
        cache.set(key, "value", None).await.unwrap_err();
        cache.get_multi(&["kept", key]).await.unwrap_err();
        cache.delete(key).await.unwrap_err();
    }
    let large = vec![0_u8; 1_048_577];
    let error = cache.set("large", &large, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    assert_eq!(cache.get("kept").await.unwrap().unwrap(), b"value");
    // The server's own limit, of 1 MiB with the key and the header, is an error too and not a success.
    let full = vec![0_u8; 1_048_576];
    let error = cache.set("full", &full, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
    assert_eq!(cache.get("full").await.unwrap(), None);
}

#[tokio::test]
async fn server_commands_and_expiry() {
    let (_server, db) = connect().await;
    let cache = &db.memcached.cache;
    assert!(cache.version().await.unwrap().starts_with("1."));
    cache.set("gone", "value", Duration::ZERO).await.unwrap();
    assert_eq!(cache.get("gone").await.unwrap(), None);
    cache.set("a", "value", Duration::from_secs(60)).await.unwrap();
    assert!(cache.touch("a", Duration::ZERO).await.unwrap());
    assert_eq!(cache.get("a").await.unwrap(), None);
    cache.set("b", "value", None).await.unwrap();
    assert_eq!(cache.stats().await.unwrap()["curr_items"], "1");
    cache.flush_all().await.unwrap();
    assert_eq!(cache.get("b").await.unwrap(), None);
}

#[tokio::test]
async fn a_closed_cache_answers_closed() {
    let (_server, db) = connect().await;
    let cache = db.memcached.cache.clone();
    cache.set("a", "value", None).await.unwrap();
    db.close().await.unwrap();
    assert_eq!(cache.get("a").await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(
        cache.set("a", "b", None).await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    assert_eq!(cache.status().sessions.unwrap().open, 0);
}
