//! An optional connection: missing at the start, there later, gone again, back again.

use crate::{PATIENCE, SOON, until};
use dbreg::{DbRegistry, ErrorKind, Outcome, State};
use registry_dev::{Mode, Proxy};
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = r#"
[memcached.maybe]
host = "127.0.0.1"
start = "optional"
connect_timeout = "20s"
"#)]
struct App;

#[tokio::test]
async fn comes_goes_and_comes_back() {
    let server = registry_dev::memcached().await.unwrap();
    let proxy = Proxy::to(server.address()).await.unwrap();
    proxy.set(Mode::Down).await.unwrap();
    let db = App::builder()
        .variable("DBREG_MEMCACHED__MAYBE__PORT", proxy.port())
        .connect()
        .await
        .unwrap();
    let text = db.report().to_string();
    assert!(text.contains("skip  memcached.maybe"), "{text}");
    assert!(text.contains("(optional, retrying)"), "{text}");
    assert!(matches!(db.report().connections[0].outcome, Outcome::Skipped(..)));
    assert!(db.memcached.maybe.available().is_none());
    let error = db
        .memcached
        .maybe
        .wait(Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");

    proxy.set(Mode::Pass).await.unwrap();
    let cache = db.memcached.maybe.wait(PATIENCE).await.unwrap();
    cache.set("key", "value", None).await.unwrap();
    assert!(db.memcached.maybe.available().is_some());

    proxy.set(Mode::Down).await.unwrap();
    until("gone", async || {
        if let Some(cache) = db.memcached.maybe.available() {
            let _ = cache.get("key").await;
        }
        db.memcached.maybe.available().is_none()
    })
    .await;
    proxy.set(Mode::Pass).await.unwrap();
    let began = Instant::now();
    let cache = db.memcached.maybe.wait(PATIENCE).await.unwrap();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(
        cache.get("key").await.unwrap().as_deref(),
        Some(b"value".as_slice())
    );
    db.close().await.unwrap();
    let error = db.memcached.maybe.wait(PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn one_that_hangs_does_not_hold_up_the_start() {
    let server = registry_dev::memcached().await.unwrap();
    let proxy = Proxy::to(server.address()).await.unwrap();
    proxy.set(Mode::Hang).await.unwrap();
    let began = Instant::now();
    let db = App::builder()
        .variable("DBREG_MEMCACHED__MAYBE__PORT", proxy.port())
        .connect()
        .await
        .unwrap();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert!(db.memcached.maybe.available().is_none());
    let connection = db.backend("memcached").unwrap().get("maybe").unwrap();
    assert_eq!(connection.status().state, State::Connecting);
    proxy.set(Mode::Pass).await.unwrap();
    db.memcached.maybe.wait(PATIENCE).await.unwrap();
}
