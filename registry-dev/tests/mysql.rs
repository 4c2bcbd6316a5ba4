//! A MySQL server's life.

mod process;

use process::is_running;
use registry_dev::{MySqlOptions, Provider};
use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[tokio::test]
async fn starts_stops_and_starts_again_with_its_data() {
    let server = registry_dev::mysql().await.unwrap();
    assert_eq!(server.provider(), Provider::Program);
    server
        .sql("create database a; create table a.t (n int); insert into a.t values (1), (2)")
        .await
        .unwrap();
    let (port, first) = (server.port(), server.pid().unwrap());

    server.stop().await.unwrap();
    assert!(!is_running(first));
    assert_eq!(server.pid(), None);
    assert!(TcpStream::connect(server.address()).is_err());

    server.start().await.unwrap();
    assert_eq!(
        server.sql("select n from a.t order by n").await.unwrap(),
        "1\n2\n"
    );
    server.restart().await.unwrap();
    server.kill().await.unwrap();
    assert!(TcpStream::connect(server.address()).is_err());
    server.start().await.unwrap();
    assert_eq!(server.sql("select count(*) from a.t").await.unwrap(), "2\n");
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), Some(first));
}

#[tokio::test]
async fn one_that_is_kept_can_be_started_again() {
    let server = registry_dev::mysql().await.unwrap();
    server
        .sql("create database a; create table a.t (n int); insert into a.t values (1)")
        .await
        .unwrap();
    let (address, pid) = (server.address(), server.pid().unwrap());
    let script = server.keep().await.unwrap().unwrap();
    assert_eq!(server.keep().await.unwrap().as_ref(), Some(&script));
    drop(server);
    assert!(!is_running(pid));
    let mut again = std::process::Command::new("sh").arg(&script).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let row = || {
        let mut client = std::process::Command::new("mariadb");
        client.args([
            "--no-defaults",
            "--skip-column-names",
            "--user=root",
            "--host=127.0.0.1",
        ]);
        client.arg(format!("--port={}", address.port()));
        client.args(["--execute", "select n from a.t"]);
        String::from_utf8(client.output().unwrap().stdout).unwrap()
    };
    while row() != "1\n" {
        assert!(Instant::now() < deadline && again.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    again.kill().unwrap();
    again.wait().unwrap();
    let folder = script.parent().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn two_at_once_from_one_template_and_none_after_the_drop() {
    let (one, two) = tokio::try_join!(registry_dev::mysql(), registry_dev::mysql()).unwrap();
    one.sql("create database only_here").await.unwrap();
    assert!(!two.sql("show databases").await.unwrap().contains("only_here"));
    assert_ne!(one.port(), two.port());
    let pids = [one.pid().unwrap(), two.pid().unwrap()];
    let folders = [
        one.log_path().parent().unwrap().to_owned(),
        two.log_path().parent().unwrap().to_owned(),
    ];
    assert!(pids.into_iter().all(is_running));
    drop((one, two));
    assert!(!pids.into_iter().any(is_running));
    assert!(!folders.iter().any(|folder| folder.exists()));
}

#[tokio::test]
async fn a_paused_server_does_not_answer() {
    use std::io::Read as _;
    let server = registry_dev::mysql().await.unwrap();
    server.pause().await.unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream
        .set_read_timeout(Some(std::time::Duration::from_millis(200)))
        .unwrap();
    assert!(stream.read(&mut [0; 1]).is_err());
    server.resume().await.unwrap();
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(20)))
        .unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 1);
    // A paused server stops, too.
    server.pause().await.unwrap();
    server.stop().await.unwrap();
    assert_eq!(server.pid(), None);
}

#[tokio::test]
async fn a_user_may_do_everything_in_its_database_and_nothing_elsewhere() {
    let server = registry_dev::mysql().await.unwrap();
    server.create_database("shop_a", "it's", r"a'b\c").await.unwrap();
    server.create_database("shop_a", "it's", r"a'b\c").await.unwrap();
    let grants = server.sql(r"show grants for 'it\'s'@'%'").await.unwrap();
    assert!(grants.contains(r"ON `shop\\_a`.*"), "{grants}");
}

#[tokio::test]
async fn options_reach_the_server_and_a_wrong_one_is_reported_with_the_log() {
    let server = registry_dev::mysql_with(MySqlOptions::default().max_connections(13))
        .await
        .unwrap();
    assert_eq!(server.sql("select @@max_connections").await.unwrap(), "13\n");
    let error = registry_dev::mysql_with(MySqlOptions::default().arg("--no-such-option"))
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(message.contains("no-such-option"), "{message}");
    let registry_dev::Error::Start { log: Some(log), .. } = error else {
        panic!("{message}")
    };
    assert!(std::fs::read_to_string(&log).unwrap().contains("no-such-option"));
    std::fs::remove_dir_all(log.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn tls_is_offered_with_a_certificate_and_not_without() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let with = registry_dev::mysql_with(MySqlOptions::default().tls(&certificate, &key))
        .await
        .unwrap();
    let without = registry_dev::mysql().await.unwrap();
    // On the wire, because a server of MySQL tells it nobody: what it offers is in its first packet.
    for (server, offered) in [(with, true), (without, false)] {
        assert_eq!(offers_tls(server.address()).unwrap(), offered);
    }
}

#[tokio::test]
async fn a_wrong_statement_is_an_error_without_its_text() {
    let server = registry_dev::mysql().await.unwrap();
    let message = server
        .sql("create table canary.canary (n int, canary int)\nengine = none")
        .await
        .unwrap_err()
        .to_string();
    // Of the two, servers tell either first: an unknown database, an unknown engine.
    assert!(
        ["ERROR 1049", "ERROR 1286"]
            .iter()
            .any(|number| message.contains(number)),
        "{message}"
    );
    assert!(!message.contains("create table"), "{message}");
}

/// Whether the server's greeting has the flag for TLS: the protocol's version, a text, the session's number, eight bytes and a
/// zero, and then the flags.
fn offers_tls(address: std::net::SocketAddr) -> std::io::Result<bool> {
    const CLIENT_SSL: u16 = 0x0800;
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let mut greeting = vec![0; usize::from(head[0])];
    stream.read_exact(&mut greeting)?;
    let text = greeting[1..]
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or_default();
    let flags = 1 + text + 1 + 4 + 8 + 1;
    Ok(u16::from_le_bytes([greeting[flags], greeting[flags + 1]]) & CLIENT_SSL != 0)
}
