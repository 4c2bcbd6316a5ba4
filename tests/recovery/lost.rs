//! A connection that was ready loses its server: calls fail fast, and work within a second of its return.

use crate::{PATIENCE, SOON, four_quickly, until, without_a_look};
use dbreg::{DbRegistry, ErrorKind, State, Watch, mongodb, sqlx};
use futures_util::FutureExt as _;
use registry_dev::Mode;
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
host = "127.0.0.1"
username = "root"
connect_timeout = "10s"
timeout = "30s"
pool = { acquire_timeout = "20s" }
"#)]
struct Sql;

#[derive(DbRegistry)]
#[registry(toml = "[mongodb.logs]\nhost = \"127.0.0.1\"\ndb = \"logs\"\nconnect_timeout = \"10s\"\n")]
struct Documents;

#[derive(DbRegistry)]
#[registry(toml = "[memcached.cache]\nhost = \"127.0.0.1\"\nconnect_timeout = \"10s\"\n")]
struct Cache;

/// Sessions of the pool that nobody uses; true when they were there so quickly that nobody looks at the server.
async fn four_idle(db: &SqlRegistry) -> bool {
    let quickly = four_quickly(async || db.mysql.main.acquire().await).await;
    until("sessions are idle", async || {
        db.mysql.main.status().sessions.expect("a pool").idle == 4
    })
    .await;
    quickly
}

/// Until it is ready again: of an outage the cause may change, from a reset to a refusal.
async fn ready_again(changes: &mut Watch) {
    let ready = async {
        loop {
            match next(changes).await {
                (State::Degraded, Some(ErrorKind::Unreachable)) => {}
                change => return change,
            }
        }
    };
    let change = tokio::time::timeout(PATIENCE, ready).await;
    assert_eq!(change.expect("an outage that ends"), (State::Ready, None));
}

/// The next change of state.
async fn next(changes: &mut Watch) -> (State, Option<ErrorKind>) {
    let change = tokio::time::timeout(PATIENCE, changes.next()).await;
    let change = change.expect("a change in time").expect("the registry lives");
    (change.state, change.cause.map(|cause| cause.kind()))
}

#[tokio::test]
async fn mysql_stops_and_comes_back() {
    let server = registry_dev::mysql().await.unwrap();
    let db = Sql::builder()
        .variable("DBREG_MYSQL__MAIN__PORT", server.port())
        .connect()
        .await
        .unwrap();
    let mut changes = db.watch();
    let query = async || sqlx::query("select 1").execute(&db.mysql.main).await;
    // Several sessions that will be dead.
    let held = futures_util::future::try_join_all((0..4).map(|_| db.mysql.main.acquire())).await;
    drop(held.unwrap());
    query().await.unwrap();

    for round in 0..3 {
        server.stop().await.unwrap();
        // The first calls may meet dead sessions, and a look that was under way a server that ends; the state is known soon.
        until("degraded", async || {
            let _ = query().await;
            let status = db.mysql.main.status();
            let refused = |cause: dbreg::Error| cause.message().contains("connection refused");
            status.state == State::Degraded && status.cause.is_some_and(refused)
        })
        .await;
        assert_eq!(
            next(&mut changes).await,
            (State::Degraded, Some(ErrorKind::Unreachable))
        );
        // The limit of the pool is 20 s, of a call 30 s.
        let began = Instant::now();
        for _ in 0..50 {
            let error = dbreg::Error::from(query().await.expect_err("the server is away"));
            assert_eq!(error.kind(), ErrorKind::Unreachable, "round {round}: {error}");
            assert!(error.message().contains("connection refused"), "{error}");
            let error = db.mysql.main.ping().await.expect_err("the server is away");
            assert!(error.message().contains("connection refused"), "{error}");
        }
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        // The driver's own pool does not wait either.
        let began = Instant::now();
        sqlx::query("select 1")
            .execute(&db.mysql.main.instance())
            .await
            .expect_err("the server is away");
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());

        server.start().await.unwrap();
        let took = until("ready", async || query().await.is_ok()).await;
        assert!(took < SOON, "round {round}: {took:?}");
        ready_again(&mut changes).await;
        // No dead session is handed out from now on.
        for _ in 0..20 {
            query().await.unwrap();
        }
    }
    db.close().await.unwrap();
    assert_eq!(next(&mut changes).await.0, State::Closing);
    assert_eq!(next(&mut changes).await.0, State::Closed);
}

#[tokio::test]
async fn a_restart_that_nobody_noticed_hands_out_no_dead_session() {
    let server = registry_dev::mysql().await.unwrap();
    let db = without_a_look(async || {
        let db = Sql::builder()
            .variable("DBREG_MYSQL__MAIN__PORT", server.port())
            .connect()
            .await
            .unwrap();
        let quickly = four_idle(&db).await;
        (db, quickly)
    })
    .await;
    let mut changes = db.watch();
    server.stop().await.unwrap();
    server.start().await.unwrap();
    // Longer than a session is trusted without a look; and nothing looks by itself.
    let unnoticed = tokio::time::timeout(Duration::from_millis(1_100), changes.next()).await;
    assert!(unnoticed.is_err(), "{unnoticed:?}");
    for _ in 0..8 {
        sqlx::query("select 1").execute(&db.mysql.main).await.unwrap();
    }
    assert_eq!(db.mysql.main.errors().total, 0);
}

/// A full queue of logins, a slow directory of accounts: a look that finds no way in is no outage.
#[tokio::test]
async fn a_server_that_lets_nobody_new_in_goes_on_for_who_is_in() {
    let server = registry_dev::mysql().await.unwrap();
    let proxy = registry_dev::Proxy::to(server.address()).await.unwrap();
    let db = Sql::builder()
        .variable("DBREG_MYSQL__MAIN__PORT", proxy.port())
        .variable("DBREG_MYSQL__MAIN__CONNECT_TIMEOUT", "2s")
        .connect()
        .await
        .unwrap();
    // More than a call needs: the driver's pool opens another one while the last is on its way back.
    four_idle(&db).await;
    let mut changes = db.watch();
    proxy.set(Mode::HangNew).await.unwrap();
    // Each takes so long that somebody looks at the server, on a session of its own, and all of them longer than a look.
    for _ in 0..12 {
        let slow = sqlx::query("select sleep(0.3)").execute(&db.mysql.main);
        slow.await.unwrap();
    }
    assert_eq!(db.mysql.main.status().state, State::Ready);
    assert!(changes.next().now_or_never().is_none(), "nothing has changed");
    // And when nobody answers any more, it is known.
    proxy.set(Mode::Hang).await.unwrap();
    until("degraded", async || {
        let patience = Duration::from_millis(500);
        let query = sqlx::query("select 1").execute(&db.mysql.main);
        let _ = tokio::time::timeout(patience, query).await;
        db.mysql.main.status().state == State::Degraded
    })
    .await;
}

/// Callers who take their calls back leave the driver's pool with check-outs that it has to end one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_comes_back_for_callers_who_were_not_patient() {
    let server = registry_dev::mongodb().await.unwrap();
    let proxy = registry_dev::Proxy::to(server.address()).await.unwrap();
    let db = Documents::builder()
        .variable("DBREG_MONGODB__LOGS__PORT", proxy.port())
        .variable("DBREG_MONGODB__LOGS__CONNECT_TIMEOUT", "5s")
        .connect()
        .await
        .unwrap();
    let logs = &db.mongodb.logs;
    let mut calls = tokio::task::JoinSet::new();
    for patience in [PATIENCE, PATIENCE, Duration::from_millis(30)] {
        let logs = logs.clone();
        calls.spawn(async move {
            loop {
                let ping =
                    logs.process(async |db| Ok(db.run_command(mongodb::bson::doc! { "ping": 1 }).await?));
                let _ = tokio::time::timeout(patience, ping).await;
                tokio::task::yield_now().await;
            }
        });
    }
    until("they are at work", async || logs.status().calls > 100).await;
    proxy.set(Mode::Blackhole).await.unwrap();
    until("degraded", async || logs.status().state == State::Degraded).await;
    proxy.set(Mode::Pass).await.unwrap();
    let took = until("ready", async || logs.status().state == State::Ready).await;
    // The driver alone takes most of a minute.
    assert!(took < Duration::from_secs(10), "{took:?}");
    calls.shutdown().await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn memcached_stops_and_comes_back() {
    let server = registry_dev::memcached().await.unwrap();
    let db = Cache::builder()
        .variable("DBREG_MEMCACHED__CACHE__PORT", server.port())
        .connect()
        .await
        .unwrap();
    let mut changes = db.watch();
    db.memcached.cache.set("key", "value", None).await.unwrap();
    server.kill().await.unwrap();
    until("degraded", async || {
        let _ = db.memcached.cache.get("key").await;
        db.memcached.cache.status().state == State::Degraded
    })
    .await;
    let status = db.memcached.cache.status();
    let cause = status.cause.expect("degraded for a reason");
    assert_eq!(cause.kind(), ErrorKind::Unreachable);
    assert_eq!(next(&mut changes).await.0, State::Degraded);
    server.start().await.unwrap();
    let took = until("ready", async || db.memcached.cache.get("key").await.is_ok()).await;
    assert!(took < SOON, "{took:?}");
    ready_again(&mut changes).await;
}

#[tokio::test]
async fn mongodb_stops_and_comes_back() {
    let server = registry_dev::mongodb().await.unwrap();
    let db = Documents::builder()
        .variable("DBREG_MONGODB__LOGS__PORT", server.port())
        .connect()
        .await
        .unwrap();
    server.kill().await.unwrap();
    until("degraded", async || {
        let _ = db.mongodb.logs.list_collection_names().await;
        db.mongodb.logs.status().state == State::Degraded
    })
    .await;
    // The driver alone would wait for 10 s, each time.
    let began = Instant::now();
    for _ in 0..20 {
        let error = db
            .mongodb
            .logs
            .list_collection_names()
            .await
            .expect_err("the server is away");
        assert!(error.message().contains("connection refused"), "{error}");
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    server.start().await.unwrap();
    let took = until("ready", async || db.mongodb.logs.ping().await.is_ok()).await;
    assert!(took < SOON, "{took:?}");
}

#[tokio::test]
async fn a_stopped_server_is_known_after_one_connect_timeout() {
    const LIMIT: Duration = Duration::from_secs(5);
    let server = registry_dev::mysql().await.unwrap();
    let db = Sql::builder()
        .variable("DBREG_MYSQL__MAIN__PORT", server.port())
        .variable(
            "DBREG_MYSQL__MAIN__CONNECT_TIMEOUT",
            format!("{}s", LIMIT.as_secs()),
        )
        .connect()
        .await
        .unwrap();
    sqlx::query("select 1").execute(&db.mysql.main).await.unwrap();
    let mut changes = db.watch();
    server.pause().await.unwrap();
    let paused = Instant::now();
    let hanging = tokio::spawn({
        let main = db.mysql.main.clone();
        async move { sqlx::query("select 1").execute(&main).await }
    });
    assert_eq!(
        next(&mut changes).await,
        (State::Degraded, Some(ErrorKind::Timeout))
    );
    assert!(paused.elapsed() < LIMIT * 2, "{:?}", paused.elapsed());
    let began = Instant::now();
    let error = db.mysql.main.ping().await.expect_err("the server hangs");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    server.resume().await.unwrap();
    // The call that was under way is not cut off: its server has come back.
    hanging.await.unwrap().unwrap();
    until("ready", async || db.mysql.main.ping().await.is_ok()).await;
}
