//! PostgreSQL goes away and comes back: calls fail fast meanwhile, and no dead session is handed out afterwards.

use crate::{PATIENCE, four_quickly, until, without_a_look};
use dbreg::{DbRegistry, ErrorKind, State, sqlx};
use registry_dev::{PostgresOptions, PostgresServer};
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = r#"
[postgres.main]
host = "127.0.0.1"
username = "shop"
connect_timeout = "10s"
timeout = "30s"
pool = { acquire_timeout = "20s" }
"#)]
struct App;

async fn start() -> PostgresServer {
    // Without optimization a login by SCRAM takes so long that the keeper has a look at the server.
    let options = PostgresOptions::default().setting("password_encryption", "md5");
    let server = registry_dev::postgres_with(options).await;
    let server = server.expect("PostgreSQL starts");
    let created = server.create_database("shop", "shop", "secret").await;
    created.expect("a database of its own");
    server
}

/// A registry with several sessions, all idle; and whether they were there so quickly that nobody looks at the server.
async fn connect(server: &PostgresServer, connect_timeout: &str) -> (AppRegistry, bool) {
    let db = App::builder()
        .variable("DBREG_POSTGRES__MAIN__PORT", server.port())
        .variable("DBREG_POSTGRES__MAIN__PASSWORD", "secret")
        .variable("DBREG_POSTGRES__MAIN__CONNECT_TIMEOUT", connect_timeout)
        .connect()
        .await
        .expect("the server is there");
    let quickly = four_quickly(async || db.postgres.main.acquire().await).await;
    until("sessions are idle", async || {
        db.postgres
            .main
            .status()
            .sessions
            .is_some_and(|all| all.idle == 4)
    })
    .await;
    (db, quickly)
}

async fn query(db: &AppRegistry) -> Result<(), sqlx::Error> {
    sqlx::query("select 1").execute(&db.postgres.main).await.map(drop)
}

#[tokio::test]
async fn it_stops_or_crashes_and_comes_back() {
    let server = start().await;
    let (db, _) = connect(&server, "10s").await;
    for round in 0..3 {
        if round == 1 {
            server.kill().await.expect("it can be killed");
        } else {
            server.stop().await.expect("it can be stopped");
        }
        // The first calls may meet dead sessions; the state is known soon.
        until("degraded", async || {
            let _ = query(&db).await;
            db.postgres.main.status().state == State::Degraded
        })
        .await;
        // The limit of the pool is 20 s, of a call 30 s.
        let began = Instant::now();
        for _ in 0..50 {
            let error = dbreg::Error::from(query(&db).await.expect_err("the server is away"));
            assert_eq!(error.kind(), ErrorKind::Unreachable, "round {round}: {error}");
            // Refused, or, when the first look met it as it went, cut off.
            let words = [
                "connection refused",
                "closed the connection",
                "reset the connection",
            ];
            let found = words.iter().any(|words| error.message().contains(words));
            assert!(found, "{error}");
        }
        // The driver's own pool does not wait either.
        let pool = db.postgres.main.instance();
        let bare = sqlx::query("select 1").execute(&pool).await;
        bare.expect_err("the server is away");
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());

        server.start().await.expect("it starts again");
        until("ready", async || query(&db).await.is_ok()).await;
        assert_eq!(db.postgres.main.status().state, State::Ready);
        // No dead session is handed out from now on.
        for _ in 0..20 {
            query(&db).await.expect("a session that lives");
        }
    }
    db.close().await.expect("nothing is in hand");
}

#[tokio::test]
async fn a_restart_that_nobody_noticed_hands_out_no_dead_session() {
    let server = start().await;
    let db = without_a_look(async || connect(&server, "10s").await).await;
    let mut changes = db.watch();
    server.restart().await.expect("it restarts");
    // Longer than a session is trusted without a look; and nothing looks by itself.
    let unnoticed = tokio::time::timeout(Duration::from_millis(1_100), changes.next()).await;
    assert!(unnoticed.is_err(), "{unnoticed:?}");
    for _ in 0..8 {
        query(&db).await.expect("a session that lives");
    }
    assert_eq!(db.postgres.main.errors().total, 0);
}

#[tokio::test]
async fn a_server_that_hangs_is_known_and_the_call_under_way_is_not_cut_off() {
    let server = start().await;
    let (db, _) = connect(&server, "4s").await;
    server.pause().await.expect("it can be paused");
    let hanging = tokio::spawn({
        let main = db.postgres.main.clone();
        async move { sqlx::query("select 1").execute(&main).await }
    });
    until("degraded", async || {
        db.postgres.main.status().state == State::Degraded
    })
    .await;
    let error = db.postgres.main.ping().await.expect_err("the server hangs");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    server.resume().await.expect("it goes on");
    hanging
        .await
        .expect("no panic")
        .expect("the answer came, if late");
    until("ready", async || db.postgres.main.ping().await.is_ok()).await;
}
