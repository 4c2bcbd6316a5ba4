//! A MongoDB server's life.

mod process;

use process::is_running;
use std::net::TcpStream;

#[tokio::test]
async fn starts_stops_is_killed_and_starts_again_on_its_port() {
    let server = registry_dev::mongodb().await.unwrap();
    let (port, first) = (server.port(), server.pid().unwrap());
    server.stop().await.unwrap();
    assert!(!is_running(first));
    assert!(TcpStream::connect(server.address()).is_err());
    server.start().await.unwrap();
    server.kill().await.unwrap();
    assert!(TcpStream::connect(server.address()).is_err());
    server.start().await.unwrap();
    server.restart().await.unwrap();
    server.pause().await.unwrap();
    server.resume().await.unwrap();
    assert_eq!(server.port(), port);
    let last = server.pid().unwrap();
    drop(server);
    assert!(!is_running(last));
}

#[tokio::test]
async fn two_at_once() {
    let (one, two) = tokio::try_join!(registry_dev::mongodb(), registry_dev::mongodb()).unwrap();
    assert_ne!(one.port(), two.port());
}
