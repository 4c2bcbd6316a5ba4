//! A PostgreSQL server's life.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test state their expectations by panicking"
)]

mod process;

use process::is_running;
use registry_dev::{PostgresOptions, Provider};
use std::net::TcpStream;
use std::path::Path;

#[tokio::test]
async fn starts_stops_and_starts_again_with_its_data() {
    let server = registry_dev::postgres().await.unwrap();
    assert_eq!(server.provider(), Provider::Program);
    server
        .sql("create table t (n int); insert into t values (1), (2)")
        .await
        .unwrap();
    let (port, first) = (server.port(), server.pid().unwrap());

    // A client that stays does not hold up the end.
    let _client = TcpStream::connect(server.address()).unwrap();
    server.stop().await.unwrap();
    assert!(!is_running(first));
    assert_eq!(server.pid(), None);
    assert!(TcpStream::connect(server.address()).is_err());

    server.start().await.unwrap();
    assert_eq!(server.sql("select n from t order by n").await.unwrap(), "1\n2\n");
    server.restart().await.unwrap();
    server.kill().await.unwrap();
    assert!(TcpStream::connect(server.address()).is_err());
    // It has to recover, and is not ready before it has.
    server.start().await.unwrap();
    assert_eq!(server.sql("select count(*) from t").await.unwrap(), "2\n");
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), Some(first));
}

#[tokio::test]
async fn two_at_once_from_one_template_and_nothing_after_the_drop() {
    let (one, two) = tokio::try_join!(registry_dev::postgres(), registry_dev::postgres()).unwrap();
    one.sql("create database only_here").await.unwrap();
    let databases = two.sql("select datname from pg_database").await.unwrap();
    assert!(!databases.contains("only_here"));
    assert_ne!(one.port(), two.port());
    let folder = |server: &registry_dev::PostgresServer| server.log_path().parent().unwrap().to_owned();
    let folders = [folder(&one), folder(&two)];
    // The postmasters, and the segments of shared memory that would outlive them.
    let mut pids = vec![one.pid().unwrap(), two.pid().unwrap()];
    let segments: Vec<String> = folders.iter().map(|folder| segment(folder)).collect();
    assert!(pids.iter().copied().all(is_running));
    pids.extend(pids.clone().into_iter().flat_map(children));
    assert!(pids.len() > 4, "{pids:?}");
    // A paused one ends, too.
    two.pause().await.unwrap();
    drop((one, two));
    assert!(!pids.into_iter().any(is_running));
    assert!(!folders.iter().any(|folder| folder.exists()));
    let left = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let left: Vec<&str> = left
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert!(
        !segments.iter().any(|id| left.contains(&id.as_str())),
        "{segments:?} {left:?}"
    );
}

/// The id of the server's segment of shared memory, from the line of its lock file that says key and id.
fn segment(folder: &Path) -> String {
    let lock = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    let line = lock.lines().nth(6).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

fn children(pid: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_paused_server_does_not_answer_on_old_sessions_either() {
    use std::io::{Read as _, Write as _};
    let server = registry_dev::postgres().await.unwrap();
    server.create_database("shop", "shop", "x").await.unwrap();
    // A session is a process of its own: it waits for our password.
    let hello = b"\0\0\0\x21\0\x03\0\0user\0shop\0database\0shop\0\0";
    let mut old = TcpStream::connect(server.address()).unwrap();
    old.write_all(hello).unwrap();
    assert_eq!(old.read(&mut [0; 1]).unwrap(), 1);
    let timeout = |stream: &TcpStream, milliseconds| {
        let timeout = std::time::Duration::from_millis(milliseconds);
        stream.set_read_timeout(Some(timeout)).unwrap();
    };
    server.pause().await.unwrap();
    let mut new = TcpStream::connect(server.address()).unwrap();
    for stream in [&mut old, &mut new] {
        timeout(stream, 200);
    }
    new.write_all(hello).unwrap();
    // What the old one has sent already comes first.
    let mut rest = Vec::new();
    assert!(old.read_to_end(&mut rest).is_err());
    // A wrong message ends the session of a server that goes.
    old.write_all(b"p\0\0\0\x04").unwrap();
    assert!(old.read(&mut [0; 1]).is_err() && new.read(&mut [0; 1]).is_err());
    server.resume().await.unwrap();
    for stream in [&mut old, &mut new] {
        timeout(stream, 20_000);
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 1);
    }
    server.pause().await.unwrap();
    server.stop().await.unwrap();
    assert_eq!(server.pid(), None);
}

#[tokio::test]
async fn a_user_owns_its_database_and_names_are_quoted() {
    let server = registry_dev::postgres().await.unwrap();
    let (name, user) = ("sh\"op'; drop", "it's \"one\"");
    for _ in 0..2 {
        server.create_database(name, user, r"a'b\c").await.unwrap();
    }
    let owner =
        "select datname, rolname from pg_database join pg_roles on datdba = pg_roles.oid where not rolsuper";
    assert_eq!(server.sql(owner).await.unwrap(), format!("{name}\t{user}\n"));
    let method = "select left(rolpassword, 13) from pg_authid where rolpassword is not null";
    assert_eq!(server.sql(method).await.unwrap(), "SCRAM-SHA-256\n");
    let letters = server.sql_in(name, "select upper('ärger'), current_database()");
    assert_eq!(letters.await.unwrap(), format!("ÄRGER\t{name}\n"));
}

#[tokio::test]
async fn two_users_of_one_database_work_with_the_same_tables() {
    let server = registry_dev::postgres().await.unwrap();
    for (user, statement) in [
        ("one", "create table t (n int); insert into t values (1)"),
        ("two", "insert into t values (2); create table u (n int)"),
        ("one", "insert into u values (3)"),
    ] {
        server.create_database("shop", user, "secret").await.unwrap();
        let program = std::process::Command::new("psql")
            .args(["--no-psqlrc", "--set=ON_ERROR_STOP=1", "--command", statement])
            .arg(format!(
                "postgres://{user}:secret@127.0.0.1:{}/shop",
                server.port()
            ))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&program.stderr);
        assert!(program.status.success(), "{user}: {said}");
    }
    let all = "select count(*) from t union all select count(*) from u";
    assert_eq!(server.sql_in("shop", all).await.unwrap(), "2\n1\n");
}

#[tokio::test]
async fn options_reach_the_server_and_a_wrong_one_is_reported_with_the_log() {
    let options = PostgresOptions::default().max_connections(13);
    let server = registry_dev::postgres_with(options).await.unwrap();
    assert_eq!(server.sql("show max_connections").await.unwrap(), "13\n");
    let options = PostgresOptions::default().setting("no_such_setting", "1");
    let error = registry_dev::postgres_with(options).await.unwrap_err();
    let message = error.to_string();
    assert!(message.contains("no_such_setting"), "{message}");
    let registry_dev::Error::Start { log: Some(log), .. } = error else {
        panic!("{message}")
    };
    assert!(std::fs::read_to_string(&log).unwrap().contains("no_such_setting"));
    std::fs::remove_dir_all(log.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn tls_is_offered_with_a_certificate_and_not_without() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let with = registry_dev::postgres_with(PostgresOptions::default().tls(&certificate, &key));
    let (with, without) = (with.await.unwrap(), registry_dev::postgres().await.unwrap());
    assert_eq!(with.sql("show ssl").await.unwrap(), "on\n");
    assert_eq!(without.sql("show ssl").await.unwrap(), "off\n");
}

#[tokio::test]
async fn a_wrong_statement_is_an_error() {
    let server = registry_dev::postgres().await.unwrap();
    let message = server
        .sql("select 1 from nowhere.at_all; select 2")
        .await
        .unwrap_err()
        .to_string();
    assert!(message.contains("\"nowhere.at_all\" does not exist"), "{message}");
}
