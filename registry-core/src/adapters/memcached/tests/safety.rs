//! Cancelled calls, refused connections, limits.

use super::fake::{self, Bad};
use super::handle;
use crate::kind::ErrorKind;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::net::TcpListener;

#[tokio::test]
async fn a_cancelled_get_leaves_nothing_behind() {
    let port = fake::start("none", Bad::Silence).await;
    let cache = handle(port, "pool = { max = 1 }\n");
    cache.get("warm").await.unwrap();
    for _ in 0..100 {
        // Polled until its command is sent, then dropped.
        let mut alice = Box::pin(cache.get("alice"));
        assert!(alice.as_mut().now_or_never().is_none());
        drop(alice);
        assert_eq!(cache.get("bob").await.unwrap().unwrap(), b"bob");
    }
    assert_eq!(cache.status().errors, 0);
}

#[tokio::test]
async fn a_call_that_timed_out_leaves_nothing_behind() {
    let port = fake::start("get", Bad::Silence).await;
    let cache = handle(port, "timeout = \"1s\"\npool = { max = 1 }\n");
    // Opening it is no part of the call.
    cache.version().await.unwrap();
    let error = cache.get("alice").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(cache.get("bob").await.unwrap().unwrap(), b"bob");
    assert_eq!(cache.status().errors, 1);
}

#[tokio::test]
async fn a_wait_for_a_session_says_which_wait_it_was() {
    let port = fake::start("get", Bad::Silence).await;
    let cache = handle(
        port,
        "timeout = \"20s\"\npool = { max = 1, acquire_timeout = \"500ms\" }\n",
    );
    cache.version().await.unwrap();
    let error = tokio::select! {
        biased;
        _ = cache.get("alice") => panic!("no answer comes"),
        error = cache.get("bob") => error.unwrap_err(),
    };
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        error.message().contains("no session was free within 500ms"),
        "{error}"
    );
    assert!(
        error.next_step().unwrap().contains("pool.acquire_timeout"),
        "{error:?}"
    );
}

#[tokio::test]
async fn nothing_at_the_port_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let cache = handle(port, "");
    let error = cache.get("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.message().contains("connection refused"), "{error}");
    assert_eq!(error.operation(), "get");
}

#[tokio::test]
async fn a_bad_key_is_refused_before_it_is_sent() {
    // Nothing listens: an error of another kind would show that something was tried.
    let cache = handle(1, "");
    let long = "x".repeat(251);
    for key in ["", "a b", "a\r\nflush_all\r\n", &long] {
        for error in [
            cache.get(key).await.unwrap_err(),
            cache.gets(key).await.unwrap_err(),
            cache.get_multi(&["fine", key]).await.unwrap_err(),
            cache.set(key, "v", None).await.unwrap_err(),
            cache.delete(key).await.unwrap_err(),
            cache.touch(key, None).await.unwrap_err(),
            cache.incr(key, 1).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Operation);
            assert!(!error.message().contains("flush_all"), "{error}");
        }
    }
    let error = cache.set("a", vec![0; (1 << 20) + 1], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Operation);
    assert!(error.message().contains("at most 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn closed_is_closed() {
    let port = fake::start("none", Bad::Silence).await;
    let cache = handle(port, "pool = { min = 2, max = 4 }\n");
    cache.ping().await.unwrap();
    let sessions = cache.status().sessions.unwrap();
    assert_eq!((sessions.open, sessions.idle, sessions.max), (2, 2, 4));
    join_all((0..32).map(|_| cache.get("a")))
        .await
        .into_iter()
        .for_each(|value| drop(value.unwrap()));
    cache.close().await.unwrap();
    assert_eq!(cache.get("a").await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(cache.status().sessions.unwrap().open, 0);
}

#[test]
fn futures_can_be_spawned() {
    fn spawnable<T: Send>(_: T) {}
    let cache = handle(1, "");
    spawnable(cache.get(String::new()));
    spawnable(cache.get_multi(&["a", "b"]));
    spawnable(cache.set("a", vec![1], None));
    spawnable(cache.set_as("a", "b", None));
    spawnable(cache.get_as::<String>("a"));
    spawnable(cache.stats());
}
