//! Passwords in files that are rotated, on a real server.

use crate::adapters::postgres::Postgres;
use crate::base::Base;
use crate::connection::{self, Connection as _};
use crate::kind::ErrorKind;
use crate::startup::Prepared;
use registry_dev::{Mode, PostgresServer};
use sqlx::Connection as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A server whose user has this password, and a file that holds it.
async fn server(password: &str) -> (PostgresServer, tempfile::TempDir, std::path::PathBuf) {
    let server = registry_dev::postgres().await.unwrap();
    server.create_database("shop", "shop", password).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    put(&secret, password);
    (server, folder, secret)
}

/// An open handle whose password is in this file.
async fn open_handle(server: &PostgresServer, secret: &Path, more: &str) -> Postgres {
    open_handle_at(server.port(), secret, more).await
}

/// The same, at this port.
async fn open_handle_at(port: u16, secret: &Path, more: &str) -> Postgres {
    let secret = secret.display();
    let text = format!(
        "[postgres.main]\nhost = \"127.0.0.1\"\nport = {port}\nusername = \"shop\"\ndb = \"shop\"\n\
         password = {{ file = \"{secret}\" }}\n{more}"
    );
    let loaded = registry_config::load(&text, "databases.toml");
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    let shape = &loaded.shape.connections[0];
    let settings = registry_config::resolve(shape, None, &[]).unwrap();
    let base = Base::new(shape, &settings);
    let handle = Postgres::prepare(&Prepared {
        base,
        settings: Ok(Arc::new(settings)),
    });
    handle.base().health().revive_by(handle.revive());
    crate::attempt::open(&handle).await.unwrap();
    handle
}

/// As tools that rotate secrets do it: a new file takes the place of the old one.
fn put(secret: &Path, password: &str) {
    let new = secret.with_extension("new");
    std::fs::write(&new, password).unwrap();
    std::fs::rename(&new, secret).unwrap();
}

async fn alter(server: &PostgresServer, password: &str) {
    let statement = format!("alter role shop password '{password}'");
    server.sql(statement).await.unwrap();
}

/// The processes that serve all sessions that there can be, at once.
async fn pids(handle: &Postgres, sessions: usize) -> Vec<i32> {
    let (mut pids, mut held) = (Vec::new(), Vec::new());
    for _ in 0..sessions {
        let mut session = handle.instance().acquire().await.unwrap();
        let pid = sqlx::query_scalar::<_, i32>("select pg_backend_pid()");
        pids.push(pid.fetch_one(&mut *session).await.unwrap());
        held.push(session);
    }
    pids
}

#[tokio::test]
async fn sessions_with_the_old_password_drain_after_the_first_with_the_new_one() {
    let (server, _folder, secret) = server("first").await;
    let handle = open_handle(&server, &secret, "pool = { min = 3, max = 3 }\n").await;
    let old = pids(&handle, 3).await;
    alter(&server, "second").await;
    put(&secret, "second");
    connection::reload(&handle).await.unwrap();
    let new = pids(&handle, 3).await;
    assert!(!new.iter().any(|pid| old.contains(pid)), "{new:?} after {old:?}");
    // Nothing changed: nothing is opened.
    connection::reload(&handle).await.unwrap();
    assert!(pids(&handle, 1).await.iter().all(|pid| new.contains(pid)));
}

#[tokio::test]
async fn a_reload_ends_old_sessions_whoever_saw_the_new_password_first() {
    let (server, _folder, secret) = server("first").await;
    let handle = open_handle(&server, &secret, "pool = { min = 1, max = 1 }\n").await;
    let old = pids(&handle, 1).await;
    alter(&server, "second").await;
    put(&secret, "second");
    // As the watcher does, once a second.
    handle.inner.look_at_files();
    assert_eq!(pids(&handle, 1).await, old, "nobody needed a session");
    connection::reload(&handle).await.unwrap();
    assert_ne!(pids(&handle, 1).await, old);
}

#[tokio::test]
async fn a_reload_ends_sessions_of_readers_too() {
    let (server, _folder, secret) = server("first").await;
    let handle = open_handle(&server, &secret, "pool = { max = 1 }\n").await;
    let reader = handle.read();
    let pid = async || {
        let pid = sqlx::query_scalar::<_, i32>("select pg_backend_pid()");
        pid.fetch_one(&reader).await.unwrap()
    };
    for (password, seen_before) in [("second", false), ("third", true)] {
        let old = pid().await;
        alter(&server, password).await;
        put(&secret, password);
        if seen_before {
            handle.inner.look_at_files();
            assert_eq!(pid().await, old, "nobody needed a session");
        }
        connection::reload(&handle).await.unwrap();
        assert_ne!(pid().await, old, "{password}");
    }
}

#[tokio::test]
async fn a_session_that_was_being_made_during_the_rotation_is_ended_too() {
    let (server, _folder, secret) = server("first").await;
    let proxy = registry_dev::Proxy::to(server.address()).await.unwrap();
    let handle = open_handle_at(
        proxy.port(),
        &secret,
        "pool = { min = 1, max = 2, acquire_timeout = \"60s\" }\n",
    )
    .await;
    let pool = handle.instance();
    while pool.num_idle() == 0 {
        tokio::task::yield_now().await;
    }
    let mut held = pool.acquire().await.unwrap();
    let sessions = async |wanted: u64| {
        let sessions = "select count(*) from pg_stat_activity where usename = 'shop'";
        let began = Instant::now();
        while server.sql(sessions).await.unwrap().trim() != wanted.to_string() {
            assert!(began.elapsed() < Duration::from_secs(20), "not {wanted} sessions");
            tokio::task::yield_now().await;
        }
    };
    sessions(1).await;
    proxy
        .set(Mode::Latency(Duration::from_millis(100)))
        .await
        .unwrap();
    let late = tokio::spawn({
        let handle = handle.clone();
        async move { pids(&handle, 1).await }
    });
    // The server has taken the old password, and its answer is on the way.
    sessions(2).await;
    proxy.set(Mode::Blackhole).await.unwrap();
    alter(&server, "second").await;
    put(&secret, "second");
    handle.inner.look_at_files();
    proxy.set(Mode::Pass).await.unwrap();
    let (late, reloaded) = tokio::join!(late, connection::reload(&handle));
    reloaded.unwrap();
    let late = late.unwrap();
    held.ping().await.unwrap();
    drop(held);
    let new = pids(&handle, 2).await;
    assert!(!new.contains(&late[0]), "{new:?} after {late:?}");
}

#[tokio::test]
async fn a_bare_pool_gets_the_new_password_too() {
    let (server, _folder, secret) = server("first").await;
    let handle = open_handle(&server, &secret, "pool = { max = 1 }\n").await;
    // Whoever holds it never asks the handle again.
    let pool = handle.instance();
    let pid = pids(&handle, 1).await[0];
    alter(&server, "second").await;
    server
        .sql(format!("select pg_terminate_backend({pid})"))
        .await
        .unwrap();
    put(&secret, "second");
    let answers = async {
        while sqlx::query("select 1").execute(&pool).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answers)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_file_that_is_gone_or_wrong_harms_no_session_that_works() {
    let (server, _folder, secret) = server("first").await;
    let handle = open_handle(&server, &secret, "pool = { min = 1 }\n").await;
    std::fs::remove_file(&secret).unwrap();
    let error = connection::reload(&handle).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.message().contains("no such file"), "{error}");
    sqlx::query("select 1").execute(&handle).await.unwrap();
    put(&secret, "canary-wrong");
    let error = connection::reload(&handle).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    // An outage, not a mistake of the configuration: the file may be mended.
    assert_eq!(error.exit_code(), crate::EXIT_UNAVAILABLE);
    sqlx::query("select 1").execute(&handle).await.unwrap();
    put(&secret, "first");
    connection::reload(&handle).await.unwrap();
}
