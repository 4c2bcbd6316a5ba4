//! Several memcached servers behind one connection, on real servers: who has which key, what becomes of the keys of a
//! server that dies, hangs or was never there, and that the others do not feel it.

use dbreg::{DbRegistry, ErrorKind, Expiry, Memcached, State};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use registry_dev::MemcachedServer;
use std::time::Duration;

#[derive(DbRegistry)]
#[registry(toml = r#"
[memcached.cache]
connections     = [{ host = "127.0.0.1" }]
timeout         = "2s"
connect_timeout = "5s"

[memcached.strict]
connections     = [{ host = "127.0.0.1" }]
on_dead_host    = "error"
connect_timeout = "5s"

[memcached.moving]
connections     = [{ host = "127.0.0.1" }]
on_dead_host    = "rehash"
connect_timeout = "5s"

[memcached.shop]
connections = [{ host = "127.0.0.1" }]
prefix      = "shop:"

[memcached.one]
host = "127.0.0.1"
"#)]
struct App;

const KEYS: usize = 60;

fn keys() -> Vec<String> {
    (0..KEYS).map(|number| format!("user:{number}")).collect()
}

async fn three() -> [MemcachedServer; 3] {
    let start = || async { registry_dev::memcached().await.expect("memcached starts") };
    let (a, b, c) = tokio::join!(start(), start(), start());
    [a, b, c]
}

/// A registry whose fleets are these servers.
async fn connect(servers: &[MemcachedServer]) -> AppRegistry {
    let hosts: Vec<String> = servers
        .iter()
        .map(|server| format!("127.0.0.1:{}", server.port()))
        .collect();
    let mut builder = App::builder().variable("DBREG_MEMCACHED__ONE__PORT", servers[0].port());
    for fleet in ["CACHE", "STRICT", "MOVING", "SHOP"] {
        builder = builder.variable(format!("DBREG_MEMCACHED__{fleet}__CONNECTIONS"), hosts.join(","));
    }
    builder.connect().await.expect("all are there")
}

/// The index of the server that a key belongs to.
fn owner(cache: &Memcached, servers: &[MemcachedServer], key: &str) -> usize {
    let port = cache.host_of(key).expect("a key").port();
    servers
        .iter()
        .position(|server| server.port() == port)
        .expect("one of them")
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    let patience = Duration::from_secs(20);
    assert!(
        tokio::time::timeout(patience, looking).await.is_ok(),
        "not {what} within {patience:?}"
    );
}

/// Asks until the server counts as dead.
async fn until_dead(cache: &Memcached, servers: &[MemcachedServer], dead: usize) {
    let key = keys()
        .into_iter()
        .find(|key| owner(cache, servers, key) == dead)
        .expect("it has keys");
    until("dead", async || {
        let _ = cache.get(&key).await;
        cache
            .dead_hosts()
            .iter()
            .any(|host| host.address.port() == servers[dead].port())
    })
    .await;
}

async fn fill(cache: &Memcached) {
    let stores = keys()
        .into_iter()
        .map(|key| async move { cache.set(&key, &key, None).await });
    join_all(stores).await.into_iter().for_each(Result::unwrap);
}

#[tokio::test]
async fn every_key_is_at_the_host_that_the_ring_names() {
    let servers = three().await;
    let db = connect(&servers).await;
    let cache = &db.memcached.cache;
    fill(cache).await;
    let mut shares = [0; 3];
    for key in keys() {
        let owner = owner(cache, &servers, &key);
        shares[owner] += 1;
        for (index, server) in servers.iter().enumerate() {
            let found = raw(server, &format!("get {key}\r\n")).await;
            assert_eq!(
                found.starts_with("VALUE "),
                index == owner,
                "{key} at {index}: {found}"
            );
        }
    }
    assert!(shares.iter().all(|share| *share > 5), "{shares:?}");
    assert!(
        db.report().to_string().contains("3 of 3 hosts"),
        "{}",
        db.report()
    );
    let found = cache.get_multi(&keys()).await.unwrap();
    assert_eq!((found.len(), found.is_complete()), (KEYS, true));
    assert!(found.iter().all(|(key, value)| key.as_bytes() == value));
    db.close().await.unwrap();
}

/// What a server says to a line, by a socket of the test's own.
async fn raw(server: &MemcachedServer, line: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut tcp = tokio::net::TcpStream::connect((server.host(), server.port()))
        .await
        .expect("the server answers");
    tcp.write_all(line.as_bytes()).await.expect("the server answers");
    let mut text = String::new();
    while !text.ends_with("END\r\n") && !text.ends_with("STORED\r\n") {
        let mut part = [0; 512];
        let count = tcp.read(&mut part).await.expect("the server answers");
        assert!(count > 0, "{text}");
        text.push_str(std::str::from_utf8(&part[..count]).expect("the server answers"));
    }
    text
}

#[tokio::test]
async fn a_dead_host_has_its_keys_missed_and_its_writes_refused_until_it_is_back() {
    let servers = three().await;
    let db = connect(&servers).await;
    let cache = &db.memcached.cache;
    fill(cache).await;
    servers[1].stop().await.unwrap();
    until_dead(cache, &servers, 1).await;
    for key in keys() {
        let is_gone = owner(cache, &servers, &key) == 1;
        let found = cache.get(&key).await.unwrap();
        assert_eq!(found.is_none(), is_gone, "{key}");
        let stored = cache.set(&key, &key, None).await;
        assert_eq!(stored.is_err(), is_gone, "{key}: {stored:?}");
        if let Err(error) = stored {
            assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
            assert!(error.is_transient());
        }
    }
    assert_eq!(cache.status().state, State::Ready, "the connection is there");
    let found = cache.get_multi(&keys()).await.unwrap();
    assert!(!found.is_complete() && found.len() < KEYS);
    assert_eq!(found.failed().len(), 1);
    assert_eq!(found.failed()[0].address.port(), servers[1].port());
    assert!(found.failed()[0].error.is_none(), "missed, not failed");

    servers[1].start().await.unwrap();
    until("back", async || cache.dead_hosts().is_empty()).await;
    fill(cache).await;
    let found = cache.get_multi(&keys()).await.unwrap();
    assert_eq!((found.len(), found.is_complete()), (KEYS, true));
    for key in keys() {
        let owner = owner(cache, &servers, &key);
        assert!(
            raw(&servers[owner], &format!("get {key}\r\n"))
                .await
                .starts_with("VALUE "),
            "{key}"
        );
    }
}

#[tokio::test]
async fn on_dead_host_may_be_an_error_or_the_next_host() {
    let servers = three().await;
    let db = connect(&servers).await;
    let (strict, moving) = (&db.memcached.strict, &db.memcached.moving);
    servers[2].stop().await.unwrap();
    until_dead(strict, &servers, 2).await;
    until_dead(moving, &servers, 2).await;
    for key in keys() {
        let is_gone = owner(strict, &servers, &key) == 2;
        assert_eq!(strict.get(&key).await.is_err(), is_gone, "{key}");
        moving.set(&key, &key, None).await.unwrap();
        assert_eq!(moving.get(&key).await.unwrap().unwrap(), key.as_bytes());
        assert!(moving.touch(&key, Expiry::Never).await.unwrap());
    }
    let found = strict.get_multi(&keys()).await.unwrap();
    assert!(found.failed()[0].error.is_some(), "failed, not missed");
    let gone: Vec<String> = keys()
        .into_iter()
        .filter(|key| owner(strict, &servers, key) == 2)
        .collect();
    let error = strict.get_multi(&gone).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Unreachable,
        "nobody was left to answer: {error}"
    );
    assert_eq!(moving.get_multi(&keys()).await.unwrap().len(), KEYS);

    // Back to the same map: what the stand-in holds is not asked for any more.
    servers[2].start().await.unwrap();
    until("back", async || moving.dead_hosts().is_empty()).await;
    for key in keys() {
        let is_gone = owner(moving, &servers, &key) == 2;
        assert_eq!(moving.get(&key).await.unwrap().is_none(), is_gone, "{key}");
    }
}

#[tokio::test]
async fn a_host_that_hangs_holds_up_nobody_else_and_is_dead_after_some_deadlines() {
    let servers = three().await;
    let db = connect(&servers).await;
    let cache = &db.memcached.cache;
    fill(cache).await;
    servers[0].pause().await.unwrap();
    let hung = keys()
        .into_iter()
        .find(|key| owner(cache, &servers, key) == 0)
        .unwrap();
    let mut waiting = std::pin::pin!(cache.get(&hung));
    assert!(waiting.as_mut().now_or_never().is_none());
    let others = keys().into_iter().filter(|key| owner(cache, &servers, key) != 0);
    for key in others.cycle().take(1_000) {
        assert_eq!(cache.get(&key).await.unwrap().unwrap(), key.as_bytes());
    }
    // Part of the answer is worth more than none.
    let found = cache.get_multi(&keys()).await.unwrap();
    assert_eq!(found.failed().len(), 1, "{found:?}");
    assert_eq!(
        found.failed()[0].error.as_ref().unwrap().kind(),
        ErrorKind::Timeout
    );
    assert!(found.len() > KEYS / 3);
    assert_eq!(waiting.await.unwrap_err().kind(), ErrorKind::Timeout);
    until_dead(cache, &servers, 0).await;
    assert_eq!(cache.get(&hung).await.unwrap(), None, "a miss, at once");
    servers[0].resume().await.unwrap();
    until("back", async || cache.get(&hung).await.unwrap().is_some()).await;
}

#[tokio::test]
async fn a_start_needs_one_host_and_takes_in_the_others_when_they_come() {
    let servers = three().await;
    servers[1].stop().await.unwrap();
    let db = connect(&servers).await;
    let cache = &db.memcached.cache;
    assert!(
        db.report().to_string().contains("2 of 3 hosts"),
        "{}",
        db.report()
    );
    assert_eq!(cache.dead_hosts().len(), 1);
    servers[1].start().await.unwrap();
    until("all", async || cache.dead_hosts().is_empty()).await;
    fill(cache).await;
}

#[tokio::test]
async fn without_any_host_the_connection_is_away_and_comes_back_with_the_first() {
    let servers = three().await;
    let db = connect(&servers).await;
    let cache = &db.memcached.cache;
    fill(cache).await;
    for server in &servers {
        server.stop().await.unwrap();
    }
    until("degraded", async || {
        let _ = cache.get_multi(&keys()).await;
        cache.status().state == State::Degraded
    })
    .await;
    assert_eq!(
        cache.get("user:1").await.unwrap_err().kind(),
        ErrorKind::Unreachable
    );
    servers[0].start().await.unwrap();
    until("ready", async || cache.status().state == State::Ready).await;
    let own = keys()
        .into_iter()
        .find(|key| owner(cache, &servers, key) == 0)
        .unwrap();
    until("usable", async || cache.set(&own, "v", None).await.is_ok()).await;
}

#[tokio::test]
async fn a_prefix_is_on_the_server_and_nowhere_else() {
    let servers = three().await;
    let db = connect(&servers).await;
    let shop = &db.memcached.shop;
    fill(shop).await;
    for key in keys() {
        let owner = owner(shop, &servers, &key);
        let found = raw(&servers[owner], &format!("get shop:{key}\r\n")).await;
        assert!(found.starts_with("VALUE shop:"), "{key}: {found}");
        // The ring has the key with its prefix: whoever writes that as a key finds the same host.
        let plain = db.memcached.cache.host_of(format!("shop:{key}")).unwrap();
        assert_eq!(plain, shop.host_of(&key).unwrap());
    }
    let found = shop.get_multi(&keys()).await.unwrap();
    assert!(
        found.iter().all(|(key, value)| key.as_bytes() == value),
        "{found:?}"
    );
    assert_eq!(found.len(), KEYS);
    assert!(shop.get("x".repeat(246)).await.is_err());
    assert_eq!(shop.get("x".repeat(245)).await.unwrap(), None);
}

#[tokio::test]
async fn the_ring_needs_no_server() {
    let db = Lazy::connect().await.unwrap();
    let cache = &db.memcached.cache;
    let mut hosts: Vec<String> = keys()
        .iter()
        .map(|key| cache.host_of(key).unwrap().to_string())
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    assert_eq!(hosts, ["[::1]:1", "c1:11211", "c2:1"]);
    assert_eq!(cache.status().state, State::Waiting);
    assert_eq!(cache.host_of("a b").unwrap_err().kind(), ErrorKind::Operation);
}

mod lazy {
    use dbreg::DbRegistry;

    #[derive(DbRegistry)]
    #[registry(toml = r#"
    [memcached.cache]
    connections = [{ host = "c1" }, { host = "c2", port = 1, weight = 2 }, { host = "::1", port = 1 }]
    start       = "lazy"
    "#)]
    pub(crate) struct Lazy;
}
use lazy::Lazy;

/// More calls than the queue has places: those that wait for one get it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_served_to_the_last() {
    const CROWD: usize = 12_000;
    let servers = three().await;
    let db = connect(&servers).await;
    let one = &db.memcached.one;
    one.set("key", "value", None).await.unwrap();
    let calls = (0..CROWD).map(|_| one.get("key"));
    let answers = tokio::time::timeout(Duration::from_secs(60), join_all(calls))
        .await
        .unwrap();
    let good = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(Some(_))))
        .count();
    assert_eq!(good, CROWD);
}
