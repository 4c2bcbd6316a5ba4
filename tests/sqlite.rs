//! SQLite: the method set, `:memory:`, a folder that does not exist.

use dbreg::sqlx;
use dbreg::{DbRegistry, Error, ErrorKind, Outcome, State};
use std::time::Duration;

#[derive(DbRegistry)]
#[registry(toml = r#"
[sqlite.memory]
path = ":memory:"
pool = { max = 4, idle_timeout = "1s", max_lifetime = "1s" }

[sqlite.later]
path = ":memory:"
start = "lazy"

[sqlite.maybe]
path = "/no/such/folder/app.db"
start = "optional"
"#)]
struct App;

#[tokio::test]
async fn one_memory_database_for_all_sessions() {
    let db = App::connect().await.unwrap();
    sqlx::query("create table t (id integer primary key)")
        .execute(&db.sqlite.memory)
        .await
        .unwrap();
    let mut held = db.sqlite.memory.acquire().await.unwrap();
    sqlx::query("insert into t values (7)")
        .execute(&mut *held)
        .await
        .unwrap();
    // Another session, because the first is held.
    let id: i64 = sqlx::query_scalar("select id from t")
        .fetch_one(&db.sqlite.memory)
        .await
        .unwrap();
    assert_eq!(id, 7);
}

#[tokio::test]
async fn optional_and_lazy_do_what_their_names_say() {
    let db = App::connect().await.unwrap();
    assert!(db.sqlite.maybe.available().is_none());
    let text = db.report().to_string();
    assert!(text.contains("skip  sqlite.maybe"), "{text}");
    assert!(text.contains("(optional, retrying)"), "{text}");
    let row = db
        .report()
        .connections
        .iter()
        .find(|row| row.connection == "sqlite.maybe")
        .unwrap();
    assert!(matches!(&row.outcome, Outcome::Skipped(..)), "{row:?}");
    // The report waits for it for a quarter of a second only, and may not have the cause.
    let cause = async {
        let is_known = || {
            let status = db.backend("sqlite").unwrap().get("maybe").unwrap().status();
            status
                .cause
                .is_some_and(|cause| cause.kind() == ErrorKind::Config)
        };
        while !is_known() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), cause)
        .await
        .unwrap();

    assert_eq!(db.sqlite.later.status().state, State::Waiting);
    let (a, b) = tokio::join!(
        sqlx::query_scalar::<_, i64>("select 1").fetch_one(&db.sqlite.later),
        db.sqlite
            .later
            .process(async |pool| Ok(sqlx::query("select 1").execute(&pool).await?)),
    );
    assert_eq!(a.unwrap(), 1);
    b.unwrap();
    assert_eq!(db.sqlite.later.status().state, State::Ready);
}

#[tokio::test]
async fn a_domain_error_is_a_value() {
    #[derive(Debug, PartialEq)]
    struct OutOfStock;
    async fn buy(db: &dbreg::Sqlite) -> Result<(), Box<dyn std::error::Error>> {
        let bought: Result<u32, OutOfStock> = db.process(async |_| Ok(Err(OutOfStock))).await?;
        assert_eq!(bought, Err(OutOfStock));
        Ok(())
    }
    let db = App::connect().await.unwrap();
    buy(&db.sqlite.memory).await.unwrap();
    assert_eq!(db.sqlite.memory.errors().total, 0);
}

#[tokio::test]
async fn a_table_that_is_missing_is_told_with_what_makes_it() {
    let db = App::connect().await.unwrap();
    let next_step = async |sql: &'static str| {
        let error = sqlx::query(sql).execute(&db.sqlite.memory).await.unwrap_err();
        Error::from(error).next_step().map(str::to_owned)
    };
    let missing = next_step("select * from missing").await;
    assert!(
        missing
            .as_ref()
            .is_some_and(|step| step.contains("`dbreg build`")),
        "{missing:?}"
    );
    assert_eq!(next_step("selec 1").await, None);
}

#[tokio::test]
async fn the_dynamic_side_has_the_same_methods() {
    let db = App::connect().await.unwrap();
    let found = db.backend("sqlite").unwrap().get("memory").unwrap();
    assert_eq!((found.backend(), found.name()), ("sqlite", "memory"));
    found.ping().await.unwrap();
    let one = found
        .process(async |instance| match instance {
            dbreg::Instance::Sqlite(pool) => {
                Ok(sqlx::query_scalar::<_, i64>("select 1").fetch_one(&pool).await?)
            }
            other => panic!("not a pool of SQLite: {other:?}"),
        })
        .await
        .unwrap();
    assert_eq!(one, 1);
    found.close().await.unwrap();
    assert_eq!(db.sqlite.memory.status().state, State::Closed);
    assert_eq!(
        db.sqlite.memory.ping().await.unwrap_err().kind(),
        ErrorKind::Closed
    );
    let maybe = db.backend("sqlite").unwrap().get("maybe").unwrap();
    assert_eq!(maybe.ping().await.unwrap_err().kind(), ErrorKind::Config);
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_clone_of_the_field_moves_into_a_task() {
    let db = App::connect().await.unwrap();
    let memory: dbreg::Sqlite = db.sqlite.memory.clone();
    let task = tokio::spawn(async move { memory.ping().await.is_ok() });
    assert!(task.await.unwrap());
    let whole = db.clone();
    assert!(
        tokio::spawn(async move { whole.sqlite.memory.ping().await.is_ok() })
            .await
            .unwrap()
    );
}
