//! Calls that travel together: what one of them meets is no other's affair.

use super::fake::{self, Bad};
use super::handle;
use crate::adapters::memcached::Memcached;
use crate::error::Error;
use crate::kind::ErrorKind;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const TOGETHER: usize = 100;

/// Sets and gets of different keys, all at once, on one session.
async fn together(cache: &Memcached) -> Vec<(String, Result<Option<Vec<u8>>, Error>)> {
    let calls = (0..TOGETHER).map(async |number| {
        let key = format!("k{number}");
        let outcome = if number % 3 == 0 {
            cache.set(&key, &key, None).await.map(|()| None)
        } else {
            cache.get(&key).await
        };
        (key, outcome)
    });
    join_all(calls).await
}

#[tokio::test]
async fn each_call_has_its_own_answer() {
    let port = fake::start("none", Bad::Silence).await;
    let cache = handle(port, "pool = { max = 1 }\n");
    for _ in 0..20 {
        for (key, outcome) in together(&cache).await {
            if let Some(value) = outcome.unwrap() {
                assert_eq!(value, key.as_bytes());
            }
        }
    }
    assert_eq!(cache.status().sessions.unwrap().open, 1);
}

/// Some commands are copied into a packet, and some go along from where they are.
#[tokio::test]
async fn values_of_every_size_travel_together() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "pool = { max = 1 }\n");
    let value = |number: usize| -> Vec<u8> {
        let size = [3, 2_000, 2_048, 5_000, 300_000][number % 5] + number;
        format!("{number} ")
            .into_bytes()
            .into_iter()
            .cycle()
            .take(size)
            .collect()
    };
    let keys: Vec<String> = (0..60).map(|number| format!("k{number}")).collect();
    let sets = keys.iter().enumerate().map(async |(number, key)| {
        cache.set(key, value(number), None).await.unwrap();
    });
    join_all(sets).await;
    let gets = keys.iter().enumerate().map(async |(number, key)| {
        assert!(cache.get(key).await.unwrap().unwrap() == value(number), "{key}");
    });
    join_all(gets).await;
    assert_eq!(cache.status().sessions.unwrap().open, 1);
}

#[tokio::test]
async fn keys_that_several_ask_for_at_once_are_given_to_each() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "pool = { max = 1 }\n");
    cache.set("k", "v", None).await.unwrap();
    let calls = (0..TOGETHER).map(async |number| match number % 3 {
        0 => cache.get("k").await.unwrap().unwrap(),
        1 => cache.get_multi(&["k", "none", "k"]).await.unwrap()["k"].clone(),
        _ => cache
            .get_multi(&["k"])
            .await
            .unwrap()
            .into_map()
            .remove("k")
            .unwrap(),
    });
    assert!(join_all(calls).await.iter().all(|value| value == b"v"));
    assert_eq!(cache.get_multi(&["none"]).await.unwrap().len(), 0);
}

#[tokio::test]
async fn counters_and_refusals_travel_with_the_others() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "pool = { max = 1 }\nmax_value = 4194304\n");
    cache.set("n", "0", None).await.unwrap();
    cache.set("text", "no number", None).await.unwrap();
    let calls = (0..TOGETHER).map(async |number| match number % 4 {
        0 => cache.incr("n", 1).await.map(drop),
        1 => cache.incr("text", 1).await.map(drop),
        2 => cache.add("n", "x", None).await.map(|added| assert!(!added)),
        _ => cache.delete("none").await.map(|deleted| assert!(!deleted)),
    });
    for (number, outcome) in join_all(calls).await.into_iter().enumerate() {
        let refused = outcome
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Operation);
        assert_eq!(refused, number % 4 == 1, "{outcome:?}");
    }
    assert_eq!(cache.get("n").await.unwrap().unwrap(), b"25");
    // A value that the server refuses, in one batch with others.
    let large = vec![b'x'; 2 << 20];
    let (refused, stored) = tokio::join!(cache.set("large", &large, None), together(&cache));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Operation);
    assert!(stored.iter().all(|(_, outcome)| outcome.is_ok()));
    assert_eq!(cache.status().sessions.unwrap().open, 1);
}

/// A batch that meets the end of its session: reads are tried again, and a write is not: it may have been carried out.
#[tokio::test]
async fn a_session_that_ends_costs_reads_nothing_and_no_write_is_sent_twice() {
    let bytes = b"STORED\r\nSTORED\r\n".to_vec();
    let port = fake::start("set", Bad::Bytes { bytes, close: true }).await;
    let cache = handle(port, "pool = { max = 1 }\n");
    cache.get("warm").await.unwrap();
    // The first call has the session; all others wait, and are one batch, with 33 sets of which two are answered.
    let outcomes = together_behind(&cache).await;
    let (mut stored, mut unknown) = (0, 0);
    for (key, outcome) in outcomes {
        match outcome {
            Ok(Some(value)) => assert_eq!(value, key.as_bytes()),
            Ok(None) => stored += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unreachable);
                assert!(error.message().contains("is not known"), "{error}");
                unknown += 1;
            }
        }
    }
    assert_eq!(stored + unknown, 34);
    assert!(stored >= 2 && unknown > 0, "{stored} stored, {unknown} unknown");
}

async fn together_behind(cache: &Memcached) -> Vec<(String, Result<Option<Vec<u8>>, Error>)> {
    let (first, others) = tokio::join!(cache.get("first"), together(cache));
    first.unwrap();
    others
}

/// A proxy in front of several servers refuses a whole command when one of its keys belongs to one that is away.
#[tokio::test]
async fn what_is_refused_in_company_is_tried_alone() {
    let bytes = b"SERVER_ERROR Connection refused\r\n".to_vec();
    let port = fake::start("get", Bad::Bytes { bytes, close: false }).await;
    let cache = handle(port, "pool = { max = 1 }\n");
    // A call of another kind has the session while the others gather.
    let (stored, outcomes) = tokio::join!(cache.set("first", "v", None), together(&cache));
    stored.unwrap();
    for (key, outcome) in outcomes {
        if let Some(value) = outcome.unwrap() {
            assert_eq!(value, key.as_bytes());
        }
    }
}

#[tokio::test]
async fn cancelled_calls_cost_no_session() {
    let (port, connected) = fake::start_counted("none", Bad::Silence).await;
    let cache = handle(port, "pool = { max = 2 }\n");
    cache.get("warm").await.unwrap();
    for round in 0..300 {
        let mut calls: Vec<_> = (0..10)
            .map(|number| Box::pin(cache.get(format!("k{number}"))))
            .collect();
        // The first ones have a session each, and their commands are sent; the others wait.
        calls
            .iter_mut()
            .for_each(|call| assert!(call.as_mut().now_or_never().is_none()));
        let kept = calls.swap_remove(round % 10);
        drop(calls);
        let key = format!("k{}", round % 10);
        assert_eq!(kept.await.unwrap().unwrap(), key.as_bytes());
    }
    // The proof of the opening, and two sessions.
    let connected = connected.load(Ordering::Relaxed);
    assert!(connected <= 3, "{connected}");
    assert_eq!(cache.status().errors, 0);
}

/// A value that takes its time has a session of its own.
#[tokio::test]
async fn a_large_value_holds_up_no_small_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cache = handle(
        listener.local_addr().unwrap().port(),
        "timeout = \"60s\"\npool = { max = 2 }\nmax_value = 67108864\n",
    );
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(reads_no_large_value(tcp));
        }
    });
    cache.get("warm").await.unwrap();
    let large = vec![b'x'; 32 << 20];
    let mut storing = std::pin::pin!(cache.set("large", &large, None));
    assert!(storing.as_mut().now_or_never().is_none());
    for _ in 0..20 {
        let small = join_all((0..TOGETHER).map(|_| cache.get("k"))).await;
        assert!(small.into_iter().all(|value| value.unwrap().is_none()));
    }
    assert!(storing.now_or_never().is_none(), "the server has not read it");
}

/// Of many calls each waits for company, even where a session rests; of a few, none does.
#[tokio::test]
async fn a_crowd_is_known_while_it_is_there() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "");
    cache.ping().await.unwrap();
    let host = &cache.fleet().unwrap().hosts[0];
    let mut calls: FuturesUnordered<_> = (0..TOGETHER).map(|_| cache.get("k")).collect();
    calls.next().await.unwrap().unwrap();
    // Behind those that found a session at rest, some wait; whoever speaks for them sees how many there are.
    while !calls.is_empty() && !host.is_crowded() {
        calls.next().await.unwrap().unwrap();
    }
    assert!(host.is_crowded(), "{TOGETHER} calls were at work");
    while let Some(outcome) = calls.next().await {
        outcome.unwrap();
    }
    cache.get("k").await.unwrap();
    assert!(!host.is_crowded(), "one call is no crowd");
}

async fn reads_no_large_value(tcp: TcpStream) -> std::io::Result<()> {
    let (read, mut write) = tcp.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        match line.split(' ').next() {
            Some("get") => write.write_all(b"END\r\n").await?,
            Some("set") => return std::future::pending().await,
            _ => write.write_all(b"VERSION 1.6.18\r\n").await?,
        }
    }
}

#[tokio::test]
async fn a_dead_host_is_not_hammered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = listener.local_addr().unwrap().port();
    let accepted = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&accepted);
    tokio::spawn(async move {
        // Takes every connection, and drops it.
        while let Ok((tcp, _)) = listener.accept().await {
            drop(tcp);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let good = fake::start("none", Bad::Silence).await;
    let hosts = format!(
        "connections = [{{ host = \"127.0.0.1\", port = {good} }}, {{ host = \"127.0.0.1\", port = {dead} }}]\n"
    );
    let cache = super::handle_of(&hosts);
    let keys: Vec<String> = (0..1_000).map(|number| format!("k{number}")).collect();
    cache.get("k").await.unwrap();
    assert_eq!(cache.dead_hosts().len(), 1, "found dead when it was opened");
    let (began, before) = (Instant::now(), accepted.load(Ordering::Relaxed));
    for key in &keys {
        let is_dead = cache.host_of(key).unwrap().port() == dead;
        assert_eq!(cache.get(key).await.unwrap().is_none(), is_dead);
        assert_eq!(cache.set(key, "v", None).await.is_err(), is_dead);
    }
    // The first pause of the probe is 100 ms at least, and the others are longer.
    let probes = accepted.load(Ordering::Relaxed) - before;
    let most = began.elapsed().as_millis() / 100 + 1;
    assert!(probes as u128 <= most, "{probes} in {:?}", began.elapsed());
}

/// A queue that is full makes calls wait, and a server that never answers does not make them wait for ever.
#[tokio::test]
async fn a_full_queue_is_a_wait_with_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cache = super::open_handle(
        listener.local_addr().unwrap().port(),
        "pool = { max = 1, acquire_timeout = \"300ms\" }\ntimeout = \"400ms\"\n",
    );
    // It accepts, in the backlog, and says nothing.
    let calls = join_all((0..6_000).map(|_| cache.get("k")));
    let outcomes = tokio::time::timeout(Duration::from_secs(30), calls)
        .await
        .unwrap();
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.as_ref().unwrap_err().kind() == ErrorKind::Timeout)
    );
    drop(listener);
}

#[tokio::test]
async fn a_value_larger_than_is_taken_is_the_affair_of_its_own_call() {
    let server = registry_dev::memcached().await.unwrap();
    let filled = handle(server.port(), "");
    filled.set("large", "0123456789", None).await.unwrap();
    filled.set("k", "v", None).await.unwrap();
    let cache = handle(server.port(), "pool = { max = 1 }\nmax_value = 9\n");
    let calls = (0..TOGETHER).map(|number| cache.get(if number % 10 == 3 { "large" } else { "k" }));
    for (number, outcome) in join_all(calls).await.into_iter().enumerate() {
        match outcome {
            Ok(value) => assert_eq!(value.as_deref(), Some(&b"v"[..]), "{number}"),
            Err(error) => {
                assert_eq!(number % 10, 3, "{error}");
                assert_eq!(error.kind(), ErrorKind::Operation, "{error}");
            }
        }
    }
    assert_eq!(cache.status().errors, 10);
}

/// Nothing can be started there, and nothing is lost by it.
#[test]
fn a_call_may_be_dropped_outside_of_its_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let cache = runtime.block_on(async {
        let cache = handle(fake::start("none", Bad::Silence).await, "pool = { max = 1 }\n");
        cache.get("warm").await.unwrap();
        cache
    });
    let (mut speaking, mut waiting) = (Box::pin(cache.get("a")), Box::pin(cache.get("b")));
    runtime.block_on(async {
        assert!(speaking.as_mut().now_or_never().is_none());
        assert!(waiting.as_mut().now_or_never().is_none());
    });
    drop(speaking);
    drop(waiting);
    let found = runtime.block_on(cache.get("c")).unwrap();
    assert_eq!(found.as_deref(), Some(&b"c"[..]));
    assert!(cache.status().sessions.unwrap().open <= 1);
}
