//! Answers that nobody asked for, and commands dropped at any point: no later call may see them.

use super::fake::{self, Bad};
use super::handle;
use crate::adapters::memcached::Memcached;
use crate::kind::ErrorKind;
use futures_util::future::join_all;
use std::future::{Future, poll_fn};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::sync::mpsc;
use std::task::Poll;

#[tokio::test]
async fn an_answer_that_comes_late_and_twice_is_not_that_of_the_next_call() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = handle(listener.local_addr().unwrap().port(), "pool = { max = 1 }\n");
    let (go, wait) = mpsc::channel();
    let (sent, written) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut proof, _) = listener.accept().unwrap();
        answer(&mut proof, "VERSION 1.6.18\r\n");
        let (mut first, _) = listener.accept().unwrap();
        answer(&mut first, "VALUE alice 0 1\r\na\r\nEND\r\n");
        wait.recv().unwrap();
        first.write_all(b"END\r\n").unwrap();
        sent.send(()).unwrap();
        let (mut second, _) = listener.accept().unwrap();
        answer(&mut second, "VALUE bob 0 1\r\nb\r\nEND\r\n");
    });
    assert_eq!(cache.get("alice").await.unwrap().unwrap(), b"a");
    // The thread stands still, so the runtime has not looked at the socket when the next call does.
    go.send(()).unwrap();
    written.recv().unwrap();
    assert_eq!(cache.get("bob").await.unwrap().unwrap(), b"b");
}

fn answer(tcp: &mut TcpStream, text: &str) {
    assert!(tcp.read(&mut [0; 512]).unwrap() > 0);
    tcp.write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn a_restart_while_the_runtime_stands_still_is_not_seen_by_the_next_call() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "");
    cache.set("k", "v", None).await.unwrap();
    std::thread::scope(|scope| {
        let restart = || tokio::runtime::Runtime::new().unwrap().block_on(server.restart());
        scope.spawn(restart).join().unwrap().unwrap();
    });
    assert_eq!(cache.get("k").await.unwrap(), None);
}

#[tokio::test]
async fn two_values_of_one_key_are_an_error() {
    let bytes = b"VALUE a 0 1\r\n1\r\nVALUE a 0 1\r\n2\r\nEND\r\n".to_vec();
    let port = fake::start("get", Bad::Bytes { bytes, close: false }).await;
    let cache = handle(port, "");
    let error = cache.get_multi(&["a", "b"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().contains("two values of one key"), "{error}");
    assert_eq!(cache.get("b").await.unwrap().unwrap(), b"b");
}

/// Every command is dropped after some polls, by 16 tasks on 4 sessions. Each key holds its own name.
#[tokio::test]
async fn no_value_of_another_key_after_thousands_of_cancelled_calls() {
    const KEYS: u64 = 50;
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "pool = { max = 4 }\n");
    for key in (0..KEYS).map(|number| format!("k{number}")) {
        cache.set(&key, &key, None).await.unwrap();
    }
    let tasks = (1..=16).map(|seed| tokio::spawn(storm(cache.clone(), seed, KEYS)));
    let cancelled: usize = join_all(tasks).await.into_iter().map(Result::unwrap).sum();
    assert!(cancelled > 1_000, "{cancelled}");
    let status = cache.status();
    assert_eq!((status.errors, status.in_flight), (0, 0));
}

async fn storm(cache: Memcached, seed: u64, keys: u64) -> usize {
    let mut state = seed;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut cancelled = 0;
    for _ in 0..1_000 {
        let key = format!("k{}", random(keys));
        // Half of the calls are left after one to three polls.
        let polls = [1, 2, 3, u64::MAX, u64::MAX, u64::MAX][usize::try_from(random(6)).unwrap()];
        let done = match random(5) {
            0 => cut(polls, cache.set(&key, &key, None)).await.map(Result::unwrap),
            1 => {
                let found = cut(polls, cache.gets(&key)).await;
                found.map(|found| assert_eq!(found.unwrap().unwrap().0, key.as_bytes()))
            }
            2 => {
                let pair = [key.as_str(), "none"];
                let found = cut(polls, cache.get_multi(&pair)).await;
                found.map(|found| assert_eq!(found.unwrap()[&key], key.as_bytes()))
            }
            3 => {
                let found = cut(polls, cache.touch(&key, None)).await;
                found.map(|found| assert!(found.unwrap()))
            }
            _ => {
                let found = cut(polls, cache.get(&key)).await;
                found.map(|found| assert_eq!(found.unwrap().unwrap(), key.as_bytes()))
            }
        };
        cancelled += usize::from(done.is_none());
    }
    cancelled
}

/// The future's output, or `None` when it was not done after so many polls; it is dropped then.
async fn cut<F: Future>(polls: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            left -= 1;
            if left == 0 {
                Poll::Ready(None)
            } else {
                Poll::Pending
            }
        }
    })
    .await
}
