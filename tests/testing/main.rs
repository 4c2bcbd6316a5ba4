//! `#[dbreg::test]` at work: databases of one's own, migrated and filled, dropped or kept.
#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

mod children;
mod kept;
mod meeting;

use dbreg::mongodb::bson::doc;
use dbreg::{DbRegistry, sqlx};
use meeting::Meeting;

// Servers that no test ever reaches: the file is that of an application in production.
#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
connections = [{ host = "db1.invalid" }, { host = "db2.invalid", role = "replica", weight = 2 }]
username = "shop"
password = { env = "NOT_SET" }
db = "shop"

[mysql.second]
connections = [{ host = "db1.invalid" }, { host = "db2.invalid", role = "replica", weight = 2 }]
username = "reader"
password = { file = "/nonexistent" }
db = "shop"
pool = { max = 2 }

[mysql.socket]
socket = "/nonexistent/mysqld.sock"
username = "shop"
start = "optional"

[postgres.main]
url = { env = "NOT_SET_URL" }

[mongodb.logs]
connections = [{ host = "m1.invalid" }, { host = "m2.invalid" }]
username = "shop"
password = { env = "NOT_SET" }
db = "logs"

[memcached.cache]
connections = [{ host = "c1.invalid" }, { host = "c2.invalid", weight = 3 }]
prefix = "shop:"

[sqlite.local]
path = ":memory:"
protected = true
"#)]
#[expect(dead_code, reason = "tests open its registry")]
struct App;

/// Writes the same into every database as another test does at the same time, and finds its own alone.
async fn write_everywhere(db: &AppRegistry, at_once: &Meeting) {
    let create = "create table t (n int)";
    let insert = "insert into t values (1)";
    sqlx::query(create).execute(&db.mysql.main).await.unwrap();
    sqlx::query(create).execute(&db.postgres.main).await.unwrap();
    sqlx::query(create).execute(&db.sqlite.local).await.unwrap();
    at_once.wait();
    // The second connection leads to the database of the first, as the file says.
    sqlx::query(insert).execute(&db.mysql.second).await.unwrap();
    sqlx::query(insert).execute(&db.postgres.main).await.unwrap();
    sqlx::query(insert).execute(&db.sqlite.local).await.unwrap();
    let events = db.mongodb.logs.collection("events");
    events.insert_one(doc! { "n": 1 }).await.unwrap();
    assert!(db.memcached.cache.add("n", "1", None).await.unwrap());
    at_once.wait();
    let count = "select count(*) from t";
    let in_mysql: i64 = sqlx::query_scalar(count).fetch_one(&db.mysql.main).await.unwrap();
    let in_postgres: i64 = sqlx::query_scalar(count)
        .fetch_one(&db.postgres.main)
        .await
        .unwrap();
    let in_sqlite: i64 = sqlx::query_scalar(count)
        .fetch_one(&db.sqlite.local)
        .await
        .unwrap();
    let in_mongodb = events.count_documents(doc! {}).await.unwrap();
    assert_eq!((in_mysql, in_postgres, in_sqlite, in_mongodb), (1, 1, 1, 1));
    let socket = db.mysql.socket.wait(std::time::Duration::from_secs(20)).await;
    socket.unwrap().ping().await.unwrap();
}

#[test]
#[expect(
    unnameable_test_items,
    reason = "they are run from here, at once whatever the harness does"
)]
fn tests_at_the_same_time_do_not_meet() {
    static AT_ONCE: Meeting = Meeting::new();

    #[dbreg::test]
    async fn one(db: AppRegistry) {
        write_everywhere(&db, &AT_ONCE).await;
    }

    #[dbreg::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two(db: &AppRegistry) {
        let workers = tokio::runtime::Handle::current().metrics().num_workers();
        assert_eq!(workers, 2);
        write_everywhere(db, &AT_ONCE).await;
    }

    let other = std::thread::spawn(one);
    two();
    other.join().unwrap();
}

#[dbreg::test(migrate, root = "tests/testing")]
async fn migrations_are_applied(db: AppRegistry) -> Result<(), sqlx::Error> {
    let count = "select count(*) from goods";
    let found: [i64; 3] = [
        sqlx::query_scalar(count).fetch_one(&db.mysql.main).await?,
        sqlx::query_scalar(count).fetch_one(&db.postgres.main).await?,
        sqlx::query_scalar(count).fetch_one(&db.sqlite.local).await?,
    ];
    assert_eq!(found, [0, 0, 0]);
    Ok(())
}

/// Fixtures in every backend. Two tests that are filled with the same at the same time do not find it there already.
mod filled {
    use crate::meeting::Meeting;
    use dbreg::mongodb::bson::{Document, doc};
    use dbreg::{DbRegistry, sqlx};

    #[derive(DbRegistry)]
    #[registry(toml = r#"
    [mysql.main]
    host = "db1.invalid"
    username = "shop"
    [postgres.main]
    host = "pg1.invalid"
    username = "shop"
    [sqlite.local]
    path = "data/app.db"
    [mongodb.logs]
    connections = [{ host = "m1.invalid" }, { host = "m2.invalid" }]
    db = "logs"
    [memcached.cache]
    connections = [{ host = "c1.invalid" }, { host = "c2.invalid", weight = 3 }]
    prefix = "shop:"
    "#)]
    #[expect(dead_code, reason = "tests open its registry")]
    struct App;

    async fn look(db: &AppRegistry) {
        let names = "select name from goods";
        let in_postgres: Vec<String> = sqlx::query_scalar(names)
            .fetch_all(&db.postgres.main)
            .await
            .unwrap();
        let in_sqlite: Vec<String> = sqlx::query_scalar(names)
            .fetch_all(&db.sqlite.local)
            .await
            .unwrap();
        let in_mysql: Vec<String> = sqlx::query_scalar(names).fetch_all(&db.mysql.main).await.unwrap();
        assert_eq!(
            (in_mysql, in_postgres, in_sqlite),
            (vec!["tea".into()], vec!["tea".into()], vec!["tea".into()])
        );
        let events = db.mongodb.logs.collection::<Document>("events");
        assert_eq!(events.count_documents(doc! {}).await.unwrap(), 1);
        let event = events.find_one(doc! { "n": 1 }).await.unwrap().unwrap();
        let at = event.get_datetime("at").unwrap();
        assert_eq!(at.try_to_rfc3339_string().unwrap(), "2026-01-05T09:12:00Z");
        let cache = &db.memcached.cache;
        let tea = cache.get("goods:tea").await.unwrap();
        assert_eq!(tea.as_deref(), Some(br#"{"name":"tea"}"#.as_slice()));
        let latest = cache.get("latest").await.unwrap();
        assert_eq!(latest.as_deref(), Some(b"goods:tea".as_slice()));
    }

    #[test]
    #[expect(
        unnameable_test_items,
        reason = "they are run from here, at once whatever the harness does"
    )]
    fn fixtures_are_there_for_each_test() {
        static AT_ONCE: Meeting = Meeting::new();

        /// What one test takes away is still there for the other.
        async fn look_and_forget(db: &AppRegistry) {
            AT_ONCE.wait();
            look(db).await;
            AT_ONCE.wait();
            assert!(db.memcached.cache.delete("goods:tea").await.unwrap());
            let events = db.mongodb.logs.collection::<Document>("events");
            let deleted = events.delete_many(doc! {}).await.unwrap().deleted_count;
            assert_eq!(deleted, 1);
        }

        #[dbreg::test(fill, root = "tests/testing")]
        async fn one(db: &AppRegistry) {
            look_and_forget(db).await;
        }

        #[dbreg::test(fill, root = "tests/testing")]
        async fn two(db: &AppRegistry) {
            look_and_forget(db).await;
        }

        let other = std::thread::spawn(one);
        two();
        other.join().unwrap();
    }
}

#[dbreg::test]
#[should_panic(expected = "as it was to")]
async fn one_that_is_to_panic_does(_: AppRegistry) {
    panic!("it went as it was to");
}
