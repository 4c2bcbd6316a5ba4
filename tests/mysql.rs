//! MySQL on a real server: executor, process, deadlines, errors, TLS, close.
#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

use dbreg::sqlx::{self, Row as _};
use dbreg::{DbRegistry, Error, ErrorKind, MySql, State};
use futures_util::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use registry_dev::{MySqlOptions, MySqlServer};
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
host = "127.0.0.1"
username = "shop"
db = "shop"
pool = { min = 2, max = 4 }

[mysql.later]
host = "127.0.0.1"
username = "shop"
db = "shop"
start = "lazy"

[mysql.side]
host = "127.0.0.1"
username = "shop"
db = "shop"
start = "optional"
"#)]
struct App;

const PASSWORD: &str = "p/w@:canary";

async fn server() -> MySqlServer {
    let server = registry_dev::mysql().await.unwrap();
    server.create_database("shop", "shop", PASSWORD).await.unwrap();
    server
}

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

async fn connect(server: &MySqlServer) -> AppRegistry {
    connect_by(App::builder(), server).await
}

/// With short limits, for what they end.
async fn connect_in_haste(server: &MySqlServer) -> AppRegistry {
    let builder = App::builder()
        .variable("DBREG_MYSQL__MAIN__TIMEOUT", "2s")
        .variable("DBREG_MYSQL__MAIN__POOL__ACQUIRE_TIMEOUT", "1900ms");
    connect_by(builder, server).await
}

async fn connect_by(mut builder: dbreg::Builder<AppRegistry>, server: &MySqlServer) -> AppRegistry {
    for name in ["MAIN", "LATER", "SIDE"] {
        builder = builder
            .variable(format!("DBREG_MYSQL__{name}__PORT"), server.port())
            .variable(format!("DBREG_MYSQL__{name}__PASSWORD"), PASSWORD);
    }
    builder.connect().await.unwrap()
}

async fn through_a_handle(db: &MySql) -> i64 {
    sqlx::query_scalar("select 1 + 1").fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn all_results_of_one_execute_have_one_deadline() {
    let server = server().await;
    let db = connect_in_haste(&server).await;
    // Each takes less than the two seconds that there are, and all of them longer than a test.
    let statements = "do sleep(0.6);".repeat(200);
    let execute = sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&db.mysql.main);
    let ended = tokio::time::timeout(Duration::from_secs(60), execute).await;
    let error = Error::from(ended.unwrap().unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(through_a_handle(&db.mysql.main).await, 2);
}

/// What runs on a handle as rows.
fn rows<'q>(sql: String, on: &'q MySql) -> BoxStream<'q, Result<i64, sqlx::Error>> {
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch(on);
    rows.map(|row| row.map(|row| row.get(0))).boxed()
}

#[tokio::test]
async fn each_wait_for_a_row_has_a_deadline_and_an_error_ends_them() {
    let server = server().await;
    let db = connect_in_haste(&server).await;
    let main = &db.mysql.main;
    // Together they take longer than the two seconds that each has.
    let slow = rows("do sleep(0.6); select 7;".repeat(5), main);
    assert_eq!(slow.try_collect::<Vec<_>>().await.unwrap(), [7; 5]);

    let mut hangs = rows("select 7; do sleep(600)".to_owned(), main);
    assert_eq!(hangs.try_next().await.unwrap(), Some(7));
    assert_eq!(main.status().in_flight, 1);
    let ended = tokio::time::timeout(PATIENCE, hangs.next()).await.unwrap();
    let error = Error::from(ended.unwrap().unwrap_err());
    assert_eq!(
        (error.kind(), error.connection()),
        (ErrorKind::Timeout, "mysql.main")
    );
    assert!(hangs.next().await.is_none());
    // It holds nothing any more, though it is still there.
    assert_eq!((main.status().in_flight, main.errors().total), (0, 1));
    assert_eq!(through_a_handle(main).await, 2);

    let later = &db.mysql.later;
    assert_eq!(later.status().state, State::Waiting);
    let first = rows("select 7".to_owned(), later);
    assert_eq!(first.try_collect::<Vec<_>>().await.unwrap(), [7]);
    let mut refused = rows("select 7".to_owned(), main);
    db.close().await.unwrap();
    let closed = refused.next().await.unwrap().unwrap_err();
    assert!(matches!(closed, sqlx::Error::PoolClosed), "{closed}");
    assert!(refused.next().await.is_none());
}

#[tokio::test]
async fn is_an_executor_and_gives_transactions() {
    let server = server().await;
    let db = connect(&server).await;
    assert!(
        db.report().to_string().contains("2 of 3") || db.report().to_string().contains("ok    mysql.main")
    );
    assert_eq!(
        db.mysql.main.status().sessions.unwrap().open,
        2,
        "`pool.min` sessions are open"
    );

    sqlx::raw_sql("create table t (id int primary key, name varchar(9))")
        .execute(&db.mysql.main)
        .await
        .unwrap();
    let mut tx = db.mysql.main.begin().await.unwrap();
    sqlx::query("insert into t values (?, ?)")
        .bind(1)
        .bind("one")
        .execute(&mut *tx)
        .await
        .unwrap();
    drop(tx);
    let mut tx = db.mysql.main.begin().await.unwrap();
    sqlx::query("insert into t values (?, ?)")
        .bind(2)
        .bind("two")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let names: Vec<String> = sqlx::query_scalar("select name from t")
        .fetch_all(&db.mysql.main)
        .await
        .unwrap();
    assert_eq!(names, ["two"]);
    assert_eq!(through_a_handle(&db.mysql.main).await, 2);
    assert_eq!(through_a_handle(&db.mysql.later).await, 2);
    let side = db.mysql.side.wait(PATIENCE).await.unwrap();
    assert_eq!(through_a_handle(side).await, 2);
    let rows = db
        .mysql
        .main
        .process(async |pool| Ok(sqlx::query("select * from t").fetch_all(&pool).await?.len()))
        .await
        .unwrap();
    assert_eq!(rows, 1);
    assert_eq!(db.mysql.main.name(), "main");
    assert_eq!(db.mysql.main.backend(), "mysql");
    assert!(db.mysql.main.ping().await.unwrap() > Duration::ZERO);
    db.close().await.unwrap();
}

#[tokio::test]
async fn records_errors_once_with_kind_and_operation() {
    let server = server().await;
    let db = connect(&server).await;
    let missing = sqlx::query("select * from missing")
        .execute(&db.mysql.main)
        .await
        .unwrap_err();
    let next = Error::from(missing).next_step().map(str::to_owned);
    assert!(
        next.as_ref().is_some_and(|step| step.contains("`dbreg build`")),
        "{next:?}"
    );
    let error = db
        .mysql
        .main
        .process(async |pool| Ok(sqlx::query("selec 1").execute(&pool).await?))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation);
    assert_eq!((error.connection(), error.operation()), ("mysql.main", "process"));
    let errors = db.mysql.main.errors();
    assert_eq!(errors.total, 2, "{errors:?}");
    assert_eq!(errors.latest[0].operation, "execute");
    assert!(errors.latest[0].message.contains("1146"), "{errors:?}");
    // The dynamic side sees the same connection.
    let found = db.backend("mysql").unwrap().get("main").unwrap();
    assert_eq!(found.errors().total, 2);
    assert_eq!(
        db.backend("mysq").unwrap_err().next_step(),
        Some("did you mean `mysql`?")
    );
    assert!(
        db.backend("mysql")
            .unwrap()
            .get("man")
            .unwrap_err()
            .next_step()
            .unwrap()
            .contains("main")
    );
    assert_eq!(db.connections().count(), 3);
    let text = format!("{db:?} {errors:?} {error:?} {:?}", found);
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_stopped_server_hangs_nothing_and_the_pool_recovers() {
    let server = server().await;
    let db = connect_in_haste(&server).await;
    server.pause().await.unwrap();
    let both = futures_util::future::join(
        db.mysql
            .main
            .process(async |pool| Ok(sqlx::query("select 1").execute(&pool).await?)),
        sqlx::query("select 1").execute(&db.mysql.main),
    );
    let (one, two) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert_eq!(one.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(dbreg::Error::from(two.unwrap_err()).kind(), ErrorKind::Timeout);
    server.resume().await.unwrap();
    let back = async {
        while sqlx::query("select 1").execute(&db.mysql.main).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.unwrap();
    assert_eq!(through_a_handle(&db.mysql.main).await, 2);
}

#[tokio::test]
async fn close_waits_for_work_in_hand_and_then_answers_closed() {
    let server = server().await;
    let db = connect(&server).await;
    let (entered, inside) = tokio::sync::oneshot::channel();
    let main = db.mysql.main.clone();
    let work = tokio::spawn(async move {
        main.process(async |pool| {
            entered.send(()).unwrap();
            Ok(sqlx::query_scalar::<_, i64>("select sleep(0.3)")
                .fetch_one(&pool)
                .await?)
        })
        .await
    });
    inside.await.unwrap();
    db.mysql.main.close().await.unwrap();
    assert_eq!(work.await.unwrap().unwrap(), 0, "work in hand was finished");
    assert_eq!(db.mysql.main.status().state, State::Closed);
    let error = db.mysql.main.process(async |_| Ok(())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(matches!(
        sqlx::query("select 1").execute(&db.mysql.main).await.unwrap_err(),
        sqlx::Error::PoolClosed
    ));
    db.close().await.unwrap();
    // The server's threads end a moment after their sessions.
    let gone = async {
        let ask = "select concat('left=', count(*)) from information_schema.processlist where user = 'shop'";
        while !server.sql(ask).await.unwrap().contains("left=0") {}
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn many_different_statements_do_not_fall_into_delayed_acknowledgements() {
    let server = server().await;
    let db = connect(&server).await;
    let mut session = db.mysql.main.acquire().await.unwrap();
    let mut times = Vec::new();
    for n in 0..300 {
        let began = Instant::now();
        let text = sqlx::AssertSqlSafe(format!("select {n}"));
        sqlx::query(text).execute(&mut *session).await.unwrap();
        times.push(began.elapsed());
    }
    // With the driver's own cache of 100 each of the last 200 waits over 40 ms. Half of them, so that a few may be slow.
    times.sort_unstable();
    assert!(times[150] < Duration::from_millis(30), "{times:?}");
}

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.verify]
host = "127.0.0.1"
username = "shop"
tls = "verify"
[mysql.require]
host = "127.0.0.1"
username = "shop"
tls = "require"
[mysql.off]
host = "127.0.0.1"
username = "shop"
tls = "off"
"#)]
struct Tls;

/// What became of each `tls` against a server: `verify`, `require`, `off`.
async fn tls_kinds(server: &MySqlServer, ca: Option<&str>) -> Vec<Option<ErrorKind>> {
    let errors = tls_errors(server, ca).await.into_iter();
    errors.map(|error| Some(error?.kind())).collect()
}

async fn tls_errors(server: &MySqlServer, ca: Option<&str>) -> Vec<Option<Error>> {
    let mut builder = Tls::builder();
    for name in ["VERIFY", "REQUIRE", "OFF"] {
        builder = builder
            .variable(format!("DBREG_MYSQL__{name}__PORT"), server.port())
            .variable(format!("DBREG_MYSQL__{name}__PASSWORD"), PASSWORD);
    }
    if let Some(ca) = ca {
        builder = builder.variable("DBREG_MYSQL__VERIFY__TLS_CA", ca);
    }
    let report = match builder.connect().await {
        Ok(db) => db.report().clone(),
        Err(error) => error.report().clone(),
    };
    let errors = report.connections.iter().map(|row| match &row.outcome {
        dbreg::Outcome::Failed(error, _) => Some(error.clone()),
        _ => None,
    });
    errors.collect()
}

fn certificate(folder: &std::path::Path, expired: bool) -> (std::path::PathBuf, std::path::PathBuf, String) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);

    let mut server = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    if expired {
        server.not_before = rcgen::date_time_ymd(2020, 1, 1);
        server.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();
    let (cert_path, key_path, ca_path) = (
        folder.join("cert.pem"),
        folder.join("key.pem"),
        folder.join("ca.pem"),
    );
    std::fs::write(&cert_path, certificate.pem()).unwrap();
    std::fs::write(&key_path, key.serialize_pem()).unwrap();
    std::fs::write(&ca_path, authority_certificate.pem()).unwrap();
    (cert_path, key_path, ca_path.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn tls_never_falls_back_to_plain_text() {
    let plain = registry_dev::mysql().await.unwrap();
    plain.create_database("shop", "shop", PASSWORD).await.unwrap();
    let tls = Some(ErrorKind::Tls);
    assert_eq!(
        tls_kinds(&plain, None).await,
        [tls, tls, None],
        "a server without TLS"
    );
    for error in tls_errors(&plain, None).await.into_iter().flatten() {
        // It is not the client's to change.
        let step = error.next_step().unwrap();
        assert!(
            step.contains("give the server a certificate") && !step.contains("require"),
            "{step}"
        );
    }

    let folder = tempfile::tempdir().unwrap();
    for expired in [false, true] {
        let (cert, key, ca) = certificate(folder.path(), expired);
        let server = registry_dev::mysql_with(MySqlOptions::default().tls(cert, key))
            .await
            .unwrap();
        server.create_database("shop", "shop", PASSWORD).await.unwrap();
        assert_eq!(
            tls_kinds(&server, None).await,
            [tls, None, None],
            "an authority that nobody knows"
        );
        let verdict = if expired { tls } else { None };
        assert_eq!(
            tls_kinds(&server, Some(&ca)).await,
            [verdict, None, None],
            "expired: {expired}"
        );
    }
}
