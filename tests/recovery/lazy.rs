//! A lazy connection opens at its first use, once, however many ask.

use crate::until;
use dbreg::{Builder, DbRegistry, ErrorKind, State};
use registry_dev::{Mode, Proxy};
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.later]
host = "127.0.0.1"
username = "root"
start = "lazy"
connect_timeout = "20s"
pool = { max = 1 }
"#)]
struct App;

/// For a server that hangs.
const LIMIT: Duration = Duration::from_secs(2);

async fn connect() -> (registry_dev::MySqlServer, Proxy, AppRegistry) {
    connect_with(App::builder()).await
}

/// The same with a server that hangs, and a limit for that.
async fn hanging() -> (registry_dev::MySqlServer, Proxy, AppRegistry) {
    let limit = format!("{}s", LIMIT.as_secs());
    let builder = App::builder().variable("DBREG_MYSQL__LATER__CONNECT_TIMEOUT", limit);
    let (server, proxy, db) = connect_with(builder).await;
    proxy.set(Mode::Hang).await.expect("the proxy obeys");
    (server, proxy, db)
}

async fn connect_with(builder: Builder<AppRegistry>) -> (registry_dev::MySqlServer, Proxy, AppRegistry) {
    let server = registry_dev::mysql().await.expect("a server");
    let proxy = Proxy::to(server.address()).await.expect("a proxy");
    let db = builder
        .variable("DBREG_MYSQL__LATER__PORT", proxy.port())
        .connect()
        .await
        .expect("a lazy connection needs no server");
    (server, proxy, db)
}

#[tokio::test]
async fn opens_once_for_all_who_ask() {
    let (_server, proxy, db) = connect().await;
    assert_eq!(db.mysql.later.status().state, State::Waiting);
    assert_eq!(proxy.accepted(), 0);
    let asks = (0..32).map(|_| db.mysql.later.ping());
    futures_util::future::try_join_all(asks).await.unwrap();
    // The proof, and the one session of the pool; and a look at the server, when that took long.
    assert!((2..=3).contains(&proxy.accepted()), "{}", proxy.accepted());
    assert_eq!(db.mysql.later.status().state, State::Ready);
}

/// A test that shares a registry with others, each with a runtime of its own.
#[test]
fn an_attempt_that_ended_with_its_runtime_is_made_again() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let home = runtime();
    let (server, proxy, db) = home.block_on(hanging());
    // The attempt hangs, and ends with the runtime; so does the keeper of the outage that follows.
    runtime().block_on(async {
        let ping = db.mysql.later.ping();
        let _ = tokio::time::timeout(Duration::from_millis(100), ping).await;
        assert_eq!(db.mysql.later.status().state, State::Connecting);
    });
    runtime().block_on(async {
        until("degraded", async || {
            let _ = db.mysql.later.ping().await;
            db.mysql.later.status().state == State::Degraded
        })
        .await;
    });
    home.block_on(proxy.set(Mode::Pass)).unwrap();
    runtime().block_on(async {
        until("ready", async || db.mysql.later.ping().await.is_ok()).await;
    });
    drop((server, proxy));
}

#[tokio::test]
async fn all_who_ask_share_one_failure_too() {
    let (_server, proxy, db) = hanging().await;
    let began = Instant::now();
    let asks = (0..16).map(|_| db.mysql.later.ping());
    for answer in futures_util::future::join_all(asks).await {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Timeout);
    }
    // One `connect_timeout`, not sixteen.
    assert!(began.elapsed() < LIMIT * 8, "{:?}", began.elapsed());
    assert_eq!(db.mysql.later.errors().total, 17, "one attempt, and each call");
    proxy.set(Mode::Pass).await.unwrap();
    until("ready", async || db.mysql.later.ping().await.is_ok()).await;
}
