//! Keys, values and answers at the edge of what is allowed.

use super::handle;
use crate::kind::ErrorKind;
use registry_dev::MemcachedOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The word by which the protocol asks for no answer is a key like any other.
#[tokio::test]
async fn a_key_may_be_a_word_of_the_protocol() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "pool = { max = 1 }\n");
    let longest = "é".repeat(125);
    for key in [
        "noreply",
        "END",
        "VALUE",
        "STORED",
        "0",
        "schlüssel",
        "a\u{a0}b",
        &longest,
    ] {
        cache.set(key, "1", None).await.unwrap();
        assert_eq!(cache.get(key).await.unwrap().unwrap(), b"1");
        assert_eq!(cache.gets(key).await.unwrap().unwrap().0, b"1", "{key}");
        assert_eq!(cache.get_multi(&["none", key]).await.unwrap()[key], b"1");
        assert!(!cache.add(key, "2", None).await.unwrap());
        assert!(cache.append(key, "0").await.unwrap());
        assert_eq!(cache.incr(key, 1).await.unwrap(), Some(11));
        assert_eq!(cache.decr(key, 2).await.unwrap(), Some(9));
        // As `decr` documents it.
        assert_eq!(cache.get(key).await.unwrap().unwrap(), b"9 ");
        assert!(cache.touch(key, None).await.unwrap());
        assert!(cache.delete(key).await.unwrap());
    }
    assert_eq!(cache.status().errors, 0);
}

/// Around the sizes of the buffers, and made of what ends lines.
#[tokio::test]
async fn values_of_every_size_come_back_whole() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "pool = { max = 1 }\n");
    for size in [
        0, 1, 2, 510, 512, 8_189, 8_190, 8_191, 8_192, 8_193, 65_535, 65_536, 65_537, 1_000_000,
    ] {
        let value: Vec<u8> = b"\r\nEND".iter().copied().cycle().take(size).collect();
        cache.set("k", &value, None).await.unwrap();
        assert!(cache.get("k").await.unwrap().unwrap() == value, "{size}");
        assert!(cache.gets("k").await.unwrap().unwrap().0 == value, "{size}");
        assert!(
            cache.get_multi(&["k", "none"]).await.unwrap()["k"] == value,
            "{size}"
        );
    }
    assert_eq!(cache.status().sessions.unwrap().open, 1);
}

#[tokio::test]
async fn an_answer_may_come_byte_by_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cache = handle(listener.local_addr().unwrap().port(), "pool = { max = 1 }\n");
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(drip(tcp));
        }
    });
    for _ in 0..3 {
        assert_eq!(cache.get("k").await.unwrap().unwrap(), b"\r\n\r\n");
        assert_eq!(cache.gets("k").await.unwrap().unwrap().0, b"\r\n\r\n");
        cache.set("k", "v", None).await.unwrap();
        assert!(cache.append("k", "v").await.unwrap());
        assert_eq!(cache.incr("k", 1).await.unwrap(), Some(15));
        assert_eq!(cache.stats().await.unwrap().len(), 2);
    }
}

async fn drip(mut tcp: TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut command = [0; 512];
    loop {
        let count = tcp.read(&mut command).await?;
        let text = String::from_utf8_lossy(&command[..count]);
        let answer = match text.split_ascii_whitespace().next() {
            Some("get") => "VALUE k 0 4\r\n\r\n\r\n\r\nEND\r\n",
            Some("gets") => "VALUE k 0 4 9\r\n\r\n\r\n\r\nEND\r\n",
            Some("stats") => "STAT a 1\r\nSTAT b\r\nEND\r\n",
            Some("version") => "VERSION 1.6.18\r\n",
            Some("incr") => "15\r\n",
            Some(_) => "STORED\r\n",
            None => return Ok(()),
        };
        for byte in answer.bytes() {
            tcp.write_all(&[byte]).await?;
            // The client takes it before the next one comes.
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_server_without_a_connection_to_give_says_so() {
    let options = MemcachedOptions::default().arg("-c").arg("32");
    let server = registry_dev::memcached_with(options).await.unwrap();
    // The server counts a connection some time after it has accepted it, so each one has to get an answer.
    let mut held = Vec::new();
    loop {
        let mut tcp = TcpStream::connect((server.host(), server.port())).await.unwrap();
        tcp.write_all(b"version\r\n").await.unwrap();
        let mut answer = [0; 64];
        let count = tcp.read(&mut answer).await.unwrap_or(0);
        if !answer[..count].starts_with(b"VERSION ") {
            break;
        }
        held.push(tcp);
        assert!(held.len() < 64, "no end of connections");
    }
    for _ in 0..20 {
        let error = handle(server.port(), "").get("k").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooManyConnections, "{error}");
    }
}

#[tokio::test]
async fn a_server_that_stands_still_costs_a_deadline_and_no_more() {
    let server = registry_dev::memcached().await.unwrap();
    let cache = handle(server.port(), "timeout = \"1s\"\npool = { max = 1 }\n");
    cache.set("k", "v", None).await.unwrap();
    server.pause().await.unwrap();
    for _ in 0..3 {
        assert_eq!(cache.get("k").await.unwrap_err().kind(), ErrorKind::Timeout);
    }
    server.resume().await.unwrap();
    assert_eq!(cache.get("k").await.unwrap().unwrap(), b"v");
}
