//! PostgreSQL on a real server: executor, process, deadlines, errors, TLS, close.
#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

mod kinds;
mod tls;

use dbreg::sqlx;
use dbreg::{DbRegistry, Error, ErrorKind, Postgres, State};
use registry_dev::PostgresServer;
use std::time::Duration;

#[derive(DbRegistry)]
#[registry(toml = r#"
[postgres.main]
host = "127.0.0.1"
username = "shop"
db = "shop"
pool = { min = 2, max = 4 }

[postgres.later]
url = "postgresql://shop@127.0.0.1/shop"
start = "lazy"

[postgres.side]
socket = "/run/postgresql"
username = "shop"
db = "shop"
start = "optional"
"#)]
struct App;

const PASSWORD: &str = "p/w@:canary'\\ ü";
/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

async fn server() -> PostgresServer {
    let server = registry_dev::postgres().await.unwrap();
    server.create_database("shop", "shop", PASSWORD).await.unwrap();
    server
}

async fn connect(server: &PostgresServer) -> AppRegistry {
    connect_by(App::builder(), server).await
}

/// With short limits, for what they end.
async fn connect_in_haste(server: &PostgresServer) -> AppRegistry {
    let builder = App::builder()
        .variable("DBREG_POSTGRES__MAIN__TIMEOUT", "2s")
        .variable("DBREG_POSTGRES__MAIN__POOL__ACQUIRE_TIMEOUT", "1900ms");
    connect_by(builder, server).await
}

async fn connect_by(builder: dbreg::Builder<AppRegistry>, server: &PostgresServer) -> AppRegistry {
    let port = server.port();
    let socket = server.socket_folder().unwrap().join(format!(".s.PGSQL.{port}"));
    let url = format!("postgres://shop:p%2Fw%40%3Acanary%27%5C%20%C3%BC@127.0.0.1:{port}/shop");
    builder
        .variable("DBREG_POSTGRES__MAIN__PORT", port)
        .variable("DBREG_POSTGRES__MAIN__PASSWORD", PASSWORD)
        .variable("DBREG_POSTGRES__LATER__URL", url)
        .variable("DBREG_POSTGRES__SIDE__SOCKET", socket.display())
        .variable("DBREG_POSTGRES__SIDE__PASSWORD", PASSWORD)
        .connect()
        .await
        .unwrap()
}

async fn through_a_handle(db: &Postgres) -> i32 {
    sqlx::query_scalar("select 1 + 1").fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn is_an_executor_and_gives_transactions() {
    let server = server().await;
    let db = connect(&server).await;
    let report = db.report().to_string();
    assert!(report.contains("ok    postgres.main"), "{report}");
    assert!(report.contains("PostgreSQL 1"), "{report}");
    assert_eq!(
        db.postgres.main.status().sessions.unwrap().open,
        2,
        "`pool.min` sessions are open"
    );
    sqlx::raw_sql("create table t (id int primary key, name varchar(9))")
        .execute(&db.postgres.main)
        .await
        .unwrap();
    for (id, name, commit) in [(1, "one", false), (2, "two", true)] {
        let mut tx = db.postgres.main.begin().await.unwrap();
        sqlx::query("insert into t values ($1, $2)")
            .bind(id)
            .bind(name)
            .execute(&mut *tx)
            .await
            .unwrap();
        if commit {
            tx.commit().await.unwrap();
        }
    }
    let names: Vec<String> = sqlx::query_scalar("select name from t")
        .fetch_all(&db.postgres.main)
        .await
        .unwrap();
    assert_eq!(names, ["two"]);
    assert_eq!(through_a_handle(&db.postgres.main).await, 2);
    // By a URL, and through the socket.
    assert_eq!(through_a_handle(&db.postgres.later).await, 2);
    let side = db.postgres.side.wait(PATIENCE).await.unwrap();
    assert_eq!(through_a_handle(side).await, 2);
    let rows = db
        .postgres
        .main
        .process(async |pool| Ok(sqlx::query("select * from t").fetch_all(&pool).await?.len()))
        .await
        .unwrap();
    assert_eq!(rows, 1);
    assert_eq!(
        (db.postgres.main.name(), db.postgres.main.backend()),
        ("main", "postgres")
    );
    db.close().await.unwrap();
}

#[tokio::test]
async fn records_errors_once_with_kind_and_operation() {
    let server = server().await;
    let db = connect(&server).await;
    let missing = sqlx::query("select * from missing")
        .execute(&db.postgres.main)
        .await
        .unwrap_err();
    let next = Error::from(missing).next_step().map(str::to_owned);
    assert!(
        next.as_ref().is_some_and(|step| step.contains("`dbreg build`")),
        "{next:?}"
    );
    let error = db
        .postgres
        .main
        .process(async |pool| Ok(sqlx::query("selec 1").execute(&pool).await?))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation);
    assert_eq!(
        (error.connection(), error.operation()),
        ("postgres.main", "process")
    );
    let errors = db.postgres.main.errors();
    assert_eq!(errors.total, 2, "{errors:?}");
    assert_eq!(errors.latest[0].operation, "execute");
    assert!(errors.latest[0].message.contains("42P01"), "{errors:?}");
    let found = db.backend("postgres").unwrap().get("main").unwrap();
    assert_eq!(found.errors().total, 2);
    let text = format!("{db:?} {errors:?} {error:?} {found:?} {:?}", db.report());
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_server_that_stands_still_hangs_nothing_and_the_pool_recovers() {
    let server = server().await;
    let db = connect_in_haste(&server).await;
    server.pause().await.unwrap();
    let both = futures_util::future::join(
        db.postgres
            .main
            .process(async |pool| Ok(sqlx::query("select 1").execute(&pool).await?)),
        sqlx::query("select 1").execute(&db.postgres.main),
    );
    let (one, two) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert_eq!(one.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(dbreg::Error::from(two.unwrap_err()).kind(), ErrorKind::Timeout);
    server.resume().await.unwrap();
    let back = async {
        while sqlx::query("select 1").execute(&db.postgres.main).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.unwrap();
    assert_eq!(through_a_handle(&db.postgres.main).await, 2);
}

#[tokio::test]
async fn a_query_that_its_deadline_ended_gives_its_place_in_the_pool_back() {
    let server = server().await;
    let db = connect_in_haste(&server).await;
    // All that there can be, each at work on the server for much longer than the limit of a call.
    let queries = (0..4).map(|_| sqlx::query("select pg_sleep(600)").execute(&db.postgres.main));
    let results = tokio::time::timeout(PATIENCE, futures_util::future::join_all(queries));
    for result in results.await.unwrap() {
        let error = dbreg::Error::from(result.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
    let free = async {
        while sqlx::query("select 1").execute(&db.postgres.main).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.unwrap();
}

#[tokio::test]
async fn close_waits_for_work_in_hand_and_then_answers_closed() {
    let server = server().await;
    let db = connect(&server).await;
    let (entered, inside) = tokio::sync::oneshot::channel();
    let main = db.postgres.main.clone();
    let work = tokio::spawn(async move {
        main.process(async |pool| {
            entered.send(()).unwrap();
            let sleep = "select 7 from pg_sleep(0.3)";
            Ok(sqlx::query_scalar::<_, i32>(sleep).fetch_one(&pool).await?)
        })
        .await
    });
    inside.await.unwrap();
    db.postgres.main.close().await.unwrap();
    assert_eq!(work.await.unwrap().unwrap(), 7, "work in hand was finished");
    assert_eq!(db.postgres.main.status().state, State::Closed);
    let error = db.postgres.main.process(async |_| Ok(())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(matches!(
        sqlx::query("select 1")
            .execute(&db.postgres.main)
            .await
            .unwrap_err(),
        sqlx::Error::PoolClosed
    ));
    db.close().await.unwrap();
    // The server's processes end a moment after their sessions.
    let gone = async {
        let ask = "select count(*) from pg_stat_activity where usename = 'shop'";
        while server.sql(ask).await.unwrap() != "0\n" {}
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn more_statements_than_the_cache_holds_are_no_trouble() {
    let server = server().await;
    let db = connect(&server).await;
    let mut session = db.postgres.main.acquire().await.unwrap();
    for n in 0..300 {
        let text = sqlx::AssertSqlSafe(format!("select {n}"));
        let found: i32 = sqlx::query_scalar(text).fetch_one(&mut *session).await.unwrap();
        assert_eq!(found, n);
    }
    let kept: i64 = sqlx::query_scalar("select count(*) from pg_prepared_statements")
        .fetch_one(&mut *session)
        .await
        .unwrap();
    assert_eq!(kept, 100);
}

#[tokio::test]
async fn a_pool_that_is_busy_does_not_pass_for_a_server_that_is_away() {
    let server = server().await;
    let db = connect_in_haste(&server).await;
    let main = &db.postgres.main;
    let busy = futures_util::future::try_join_all((0..4).map(|_| main.acquire()));
    let busy = busy.await.unwrap();
    // Each waits in vain for as long as a look at the server would wait for the sessions that are in use.
    for _ in 0..3 {
        let error = sqlx::query("select 1").execute(main).await.unwrap_err();
        let error = dbreg::Error::from(error);
        assert!(error.message().starts_with("no session of the pool"), "{error}");
        assert_eq!(main.status().state, State::Ready, "{:?}", main.status().cause);
    }
    drop(busy);
    assert_eq!(through_a_handle(main).await, 2);
}
