//! What a client sees of each mode.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test state their expectations by panicking"
)]

use registry_dev::{Mode, Proxy};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_millis(150);

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn said(stream: &mut TcpStream, length: usize) -> std::io::Result<String> {
    let mut bytes = vec![0; length];
    timeout(SOON, stream.read_exact(&mut bytes))
        .await
        .expect("an answer within the deadline")?;
    Ok(String::from_utf8(bytes).unwrap())
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(NEVER, stream.read_u8()).await.is_err()
}

async fn open(proxy: &Proxy) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(said(&mut stream, 5).await.unwrap(), "hello");
    stream
}

async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "the condition did not come true");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn passes_both_ways_and_the_ends_of_both_ways() {
    let proxy = Proxy::to(echo().await).await.unwrap();
    let mut stream = open(&proxy).await;
    assert_eq!((proxy.accepted(), proxy.open()), (1, 1));
    stream.shutdown().await.unwrap();
    assert_eq!(timeout(SOON, stream.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    until(|| proxy.open() == 0).await;
}

#[tokio::test]
async fn down_refuses_resets_and_comes_back_on_the_same_port() {
    let proxy = Proxy::to(echo().await).await.unwrap();
    let mut stream = open(&proxy).await;
    for _ in 0..3 {
        proxy.set(Mode::Down).await.unwrap();
        assert_eq!(proxy.open(), 0);
        let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let reset = said(&mut stream, 1).await.unwrap_err();
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
        proxy.set(Mode::Pass).await.unwrap();
        stream = open(&proxy).await;
    }
}

#[tokio::test]
async fn hang_accepts_and_says_nothing() {
    let proxy = Proxy::to(echo().await).await.unwrap();
    let mut old = open(&proxy).await;
    proxy.set(Mode::Hang).await.unwrap();
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    for stream in [&mut old, &mut new] {
        stream.write_all(b"later").await.unwrap();
        assert!(is_silent(stream).await);
    }
    proxy.set(Mode::Pass).await.unwrap();
    for stream in [&mut old, &mut new] {
        assert_eq!(said(stream, 5).await.unwrap(), "later");
    }
}

#[tokio::test]
async fn blackhole_holds_everything_back_and_loses_nothing() {
    let proxy = Proxy::to(echo().await).await.unwrap();
    let mut stream = open(&proxy).await;
    proxy.set(Mode::Blackhole).await.unwrap();
    stream.write_all(b"later").await.unwrap();
    assert!(is_silent(&mut stream).await);
    proxy.set(Mode::Pass).await.unwrap();
    assert_eq!(said(&mut stream, 5).await.unwrap(), "later");
}

#[tokio::test]
async fn latency_delays_and_lets_many_be_under_way() {
    let proxy = Proxy::to(echo().await).await.unwrap();
    let mut stream = open(&proxy).await;
    proxy
        .set(Mode::Latency(Duration::from_millis(100)))
        .await
        .unwrap();
    let start = Instant::now();
    for _ in 0..50 {
        stream.write_all(b"x").await.unwrap();
        tokio::task::yield_now().await;
    }
    said(&mut stream, 50).await.unwrap();
    let took = start.elapsed();
    // One by one it would be ten seconds.
    assert!(
        took >= Duration::from_millis(200) && took < Duration::from_secs(8),
        "{took:?}"
    );
}

#[tokio::test]
async fn reset_strikes_at_the_first_byte() {
    let proxy = Proxy::to(echo().await).await.unwrap();
    proxy.set(Mode::Reset).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    assert_eq!(
        said(&mut stream, 1).await.unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn the_limit_cuts_an_answer_in_two() {
    let proxy = Proxy::to(echo().await).await.unwrap();
    proxy.set(Mode::LimitBytes(7)).await.unwrap();
    let mut stream = open(&proxy).await;
    stream.write_all(b"world").await.unwrap();
    let mut rest = Vec::new();
    timeout(SOON, stream.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rest, b"wo");
}

#[tokio::test]
async fn killed_connections_are_reset_and_new_ones_pass() {
    let proxy = Proxy::to(echo().await).await.unwrap();
    let mut streams = [open(&proxy).await, open(&proxy).await];
    proxy.kill_connections().await.unwrap();
    assert_eq!((proxy.accepted(), proxy.open()), (2, 0));
    for stream in &mut streams {
        assert_eq!(
            said(stream, 1).await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
    }
    open(&proxy).await;
}

#[tokio::test]
async fn a_dropped_proxy_leaves_nothing() {
    let proxy = Proxy::to(echo().await).await.unwrap();
    let (address, mut stream) = (proxy.address(), open(&proxy).await);
    drop(proxy);
    assert!(timeout(SOON, stream.read(&mut [0; 1])).await.is_ok());
    let deadline = Instant::now() + SOON;
    while TcpStream::connect(address).await.is_ok() {
        assert!(Instant::now() < deadline);
    }
}
