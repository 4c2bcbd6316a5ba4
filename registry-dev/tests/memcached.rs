//! A memcached server's life.

mod process;

use process::is_running;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

fn ask(server: &registry_dev::Server, command: &str) -> std::io::Result<String> {
    ask_within(Duration::from_secs(20), server, command)
}

fn ask_within(limit: Duration, server: &registry_dev::Server, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut answer = [0; 100];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[tokio::test]
async fn starts_pauses_stops_and_is_killed_on_one_port() {
    let server = registry_dev::memcached().await.unwrap();
    let port = server.port();
    assert_eq!(ask(&server, "set a 0 0 1\r\nx").unwrap(), "STORED\r\n");
    server.pause().await.unwrap();
    assert!(ask_within(Duration::from_millis(500), &server, "get a").is_err());
    server.resume().await.unwrap();
    assert_eq!(ask(&server, "get a").unwrap(), "VALUE a 0 1\r\nx\r\nEND\r\n");
    let first = server.pid().unwrap();
    server.restart().await.unwrap();
    assert!(!is_running(first));
    assert_eq!(ask(&server, "get a").unwrap(), "END\r\n");
    server.kill().await.unwrap();
    assert!(ask(&server, "get a").is_err());
    server.start().await.unwrap();
    server.start().await.unwrap();
    assert_eq!(ask(&server, "get a").unwrap(), "END\r\n");
    assert_eq!(server.port(), port);
    let last = server.pid().unwrap();
    drop(server);
    assert!(!is_running(last));
}

#[tokio::test]
async fn ten_at_once() {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        tasks.spawn(registry_dev::memcached());
    }
    let servers = tasks.join_all().await;
    let mut ports: Vec<u16> = servers
        .iter()
        .map(|server| server.as_ref().unwrap().port())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 10);
}
