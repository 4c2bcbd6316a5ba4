//! Every command against a real server.

use super::handle;
use crate::adapters::memcached::{CasOutcome, Expiry};
use crate::connection::Connection as _;
use crate::kind::ErrorKind;
use crate::status::State;
use std::time::Duration;

#[tokio::test]
async fn every_command() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "");
    let minute = Duration::from_secs(60);

    assert_eq!(cache.get("a").await.unwrap(), None);
    cache.set("a", "1", minute).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap().unwrap(), b"1");
    assert!(!cache.add("a", "2", minute).await.unwrap());
    assert!(cache.add("b", "2", None).await.unwrap());
    assert!(cache.replace("b", "b\r\nnoreply\r\n", None).await.unwrap());
    assert!(!cache.replace("c", "3", None).await.unwrap());
    assert!(cache.append("a", "2 noreply\r\n").await.unwrap());
    assert!(!cache.append("c", "2").await.unwrap());
    assert!(cache.prepend("a", "0").await.unwrap());
    assert!(!cache.prepend("c", "0").await.unwrap());
    let values = cache.get_multi(&["a", "b", "c", "a"]).await.unwrap();
    assert_eq!(values.len(), 2);
    assert_eq!(values["a"], b"012 noreply\r\n");
    assert_eq!(values["b"], b"b\r\nnoreply\r\n");
    assert!(cache.get_multi::<&str>(&[]).await.unwrap().is_empty());

    assert!(cache.gets("c").await.unwrap().is_none());
    let (value, token) = cache.gets("b").await.unwrap().unwrap();
    assert_eq!(value, b"b\r\nnoreply\r\n");
    assert_eq!(
        cache.cas("b", "new", None, token).await.unwrap(),
        CasOutcome::Stored
    );
    assert_eq!(
        cache.cas("b", "newer", None, token).await.unwrap(),
        CasOutcome::Exists
    );
    assert_eq!(
        cache.cas("c", "newer", None, token).await.unwrap(),
        CasOutcome::NotFound
    );

    assert_eq!(cache.incr("n", 1).await.unwrap(), None);
    cache.set("n", "41", None).await.unwrap();
    assert_eq!(cache.incr("n", 1).await.unwrap(), Some(42));
    assert_eq!(cache.decr("n", 100).await.unwrap(), Some(0));
    assert_eq!(cache.decr("m", 1).await.unwrap(), None);
    let error = cache.incr("b", 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation);
    assert!(error.message().contains("non-numeric"), "{error}");

    assert!(cache.delete("n").await.unwrap());
    assert!(!cache.delete("n").await.unwrap());
    assert!(cache.touch("a", minute).await.unwrap());
    assert!(!cache.touch("n", minute).await.unwrap());
    assert_eq!(
        cache.stats().await.unwrap()["version"],
        cache.version().await.unwrap()
    );

    cache.set_as("j", &vec![Some(1), None], None).await.unwrap();
    assert_eq!(
        cache.get_as::<Vec<Option<u8>>>("j").await.unwrap().unwrap(),
        [Some(1), None]
    );
    assert_eq!(cache.get_as::<u8>("none").await.unwrap(), None);
    cache.set("j", "\"canary\"", None).await.unwrap();
    let error = cache.get_as::<u8>("j").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation);
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");

    cache.flush_all().await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), None);
    assert_eq!(cache.status().errors, 2);
    assert_eq!(cache.hosts(), format!("127.0.0.1:{}", server.port()));
}

#[tokio::test]
async fn expiry_reaches_the_server() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "");
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    for kept in [
        Expiry::Never,
        days(30).into(),
        days(31).into(),
        days(365).into(),
        Duration::MAX.into(),
    ] {
        cache.set("k", "v", kept).await.unwrap();
        assert!(cache.get("k").await.unwrap().is_some(), "{kept:?}");
    }
    assert!(cache.touch("k", Duration::ZERO).await.unwrap());
    assert_eq!(cache.get("k").await.unwrap(), None);
    cache.set("k", "v", Duration::ZERO).await.unwrap();
    assert_eq!(cache.get("k").await.unwrap(), None);
}

#[tokio::test]
async fn a_value_too_large_for_the_server_is_an_error() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "max_value = 4194304\npool = { max = 1 }\n");
    cache.set("small", "s", None).await.unwrap();
    let error = cache.set("large", vec![b'x'; 2 << 20], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation);
    assert!(error.message().contains("too large"), "{error}");
    assert_eq!(cache.get("small").await.unwrap().unwrap(), b"s");
    assert_eq!(cache.get("large").await.unwrap(), None);
    let largest = vec![b'y'; 1_000_000];
    cache.set("fits", &largest, None).await.unwrap();
    assert!(cache.get("fits").await.unwrap().unwrap() == largest);
    assert!(cache.gets("fits").await.unwrap().unwrap().0 == largest);
}

#[tokio::test]
async fn a_value_larger_than_max_value_is_not_read() {
    let server = registry_dev::memcached().await.unwrap();
    handle(server.port(), "")
        .set("k", "0123456789", None)
        .await
        .unwrap();
    let cache = handle(server.port(), "max_value = 9\n");
    for error in [
        cache.get("k").await.unwrap_err(),
        cache.gets("k").await.map(drop).unwrap_err(),
        cache.get_multi(&["k"]).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
        assert!(error.message().contains("`max_value`"), "{error}");
    }
    assert_eq!(cache.get("none").await.unwrap(), None);
}

#[tokio::test]
async fn a_restart_of_the_server_is_not_seen_by_the_next_call() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "pool = { min = 4 }\n");
    cache.set("k", "v", None).await.unwrap();
    assert!(cache.status().sessions.unwrap().open >= 4);
    server.restart().await.unwrap();
    for _ in 0..4 {
        assert_eq!(cache.get("k").await.unwrap(), None);
    }
    server.stop().await.unwrap();
    let error = cache.get("k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    server.start().await.unwrap();
    // It is known to be away until the keeper has looked again.
    let back = cache.inner.base.health().until(|state| state == State::Ready);
    tokio::time::timeout(Duration::from_secs(20), back).await.unwrap();
    cache.get("k").await.unwrap();
}

#[tokio::test]
async fn the_report_names_the_version() {
    let server = registry_dev::memcached().await.unwrap();
    let opened = crate::attempt::open(&handle(server.port(), "")).await.unwrap();
    assert!(opened.detail.starts_with("memcached 1."), "{opened:?}");
}

#[tokio::test]
async fn a_value_that_is_no_json_is_one_call_and_one_error() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "");
    cache.ping().await.unwrap();
    let before = cache.status();
    // A key of JSON is a text.
    let no_json = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = cache.set_as("k", &no_json, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation);
    let after = cache.status();
    assert_eq!((after.calls - before.calls, after.errors - before.errors), (1, 1));
    cache.close().await.unwrap();
    let error = cache.set_as("k", &no_json, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}
