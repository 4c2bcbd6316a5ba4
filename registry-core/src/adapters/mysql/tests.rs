//! Passwords in files that are rotated under load, on a real server.

use super::MySql;
use crate::base::Base;
use crate::connection::{self, Connection as _};
use crate::kind::ErrorKind;
use crate::startup::Prepared;
use registry_dev::{Mode, MySqlServer};
use sqlx::Connection as _;
use sqlx::mysql::MySqlPool;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A server whose user has the password `first`, and a file that holds it.
async fn server() -> (MySqlServer, tempfile::TempDir, PathBuf) {
    let server = registry_dev::mysql().await.unwrap();
    server.create_database("shop", "shop", "first").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    put(&secret, "first");
    (server, folder, secret)
}

/// An open handle whose password is in this file.
async fn open_handle(server: &MySqlServer, secret: &Path, more: &str) -> MySql {
    open_handle_at(server.port(), secret, more).await
}

/// The same, at this port.
async fn open_handle_at(port: u16, secret: &Path, more: &str) -> MySql {
    let secret = secret.display();
    let text = format!(
        "[mysql.main]\nhost = \"127.0.0.1\"\nport = {port}\nusername = \"shop\"\ndb = \"shop\"\n\
         password = {{ file = \"{secret}\" }}\n{more}"
    );
    let loaded = registry_config::load(&text, "databases.toml");
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    let shape = &loaded.shape.connections[0];
    let settings = registry_config::resolve(shape, None, &[]).unwrap();
    let base = Base::new(shape, &settings);
    let handle = MySql::prepare(&Prepared {
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

async fn alter(server: &MySqlServer, password: &str) {
    let statement = format!("alter user 'shop'@'%' identified by '{password}'");
    server.sql(statement).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_once_the_new_password_is_in_place() {
    let (server, _folder, secret) = server().await;
    // Sessions that live shorter than any rotation: nearly every call opens one.
    let handle = open_handle(&server, &secret, "pool = { max = 3, max_lifetime = \"20ms\" }\n").await;

    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    // Odd while a rotation is under way: a call that met one may fail.
    let rotations = Arc::new(AtomicU32::new(0));
    let load: Vec<_> = (0..6)
        .map(|_| {
            let (handle, stop, calls, rotations) = (
                handle.clone(),
                Arc::clone(&stop),
                Arc::clone(&calls),
                Arc::clone(&rotations),
            );
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let before = rotations.load(Ordering::SeqCst);
                    let result = sqlx::query("select 1").execute(&handle).await;
                    let met_one = before % 2 == 1 || rotations.load(Ordering::SeqCst) != before;
                    if let Err(error) = result
                        && !met_one
                    {
                        panic!("after rotation {before}: {error}");
                    }
                    calls.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 0..10 {
        let password = format!("password-{round}");
        rotations.fetch_add(1, Ordering::SeqCst);
        alter(&server, &password).await;
        put(&secret, &password);
        rotations.fetch_add(1, Ordering::SeqCst);
        let enough = calls.load(Ordering::SeqCst) + 200;
        while calls.load(Ordering::SeqCst) < enough && load.iter().all(|task| !task.is_finished()) {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    for task in load {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_session_in_the_place_of_one_that_grew_too_old_has_the_new_password() {
    let (server, _folder, secret) = server().await;
    let handle = open_handle(&server, &secret, "pool = { max = 1, max_lifetime = \"200ms\" }\n").await;
    sqlx::query("select 1").execute(&handle).await.unwrap();
    let idle_since = Instant::now();
    while idle_since.elapsed() < Duration::from_millis(250) {
        server.sql("select 1").await.unwrap();
    }
    // One lies there, so that nobody expects to open any.
    assert_eq!(handle.instance().num_idle(), 1);
    alter(&server, "second").await;
    put(&secret, "second");
    sqlx::query("select 1").execute(&handle).await.unwrap();
}

#[tokio::test]
async fn sessions_with_the_old_password_drain_after_the_first_with_the_new_one() {
    let (server, _folder, secret) = server().await;
    let handle = open_handle(&server, &secret, "pool = { min = 3, max = 3 }\n").await;
    let id = async || {
        sqlx::query_scalar::<_, u64>("select connection_id()")
            .fetch_one(&handle)
            .await
            .unwrap()
    };
    let old = id().await;
    alter(&server, "second").await;
    put(&secret, "second");
    // Old sessions are as good as before, and nothing new is needed yet.
    assert!(id().await <= old + 2);
    connection::reload(&handle).await.unwrap();
    // All there can be, at once.
    let pool = handle.instance();
    let (mut ids, mut held) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let mut session = pool.acquire().await.unwrap();
        let id = sqlx::query_scalar::<_, u64>("select connection_id()");
        ids.push(id.fetch_one(&mut *session).await.unwrap());
        held.push(session);
    }
    drop(held);
    assert!(ids.iter().all(|id| *id > old + 2), "{ids:?} after {old}");
    // Nothing changed: nothing is opened.
    connection::reload(&handle).await.unwrap();
    assert!(ids.contains(&id().await));
}

/// Who serves a session of this pool.
async fn id(pool: &MySqlPool) -> u64 {
    let id = sqlx::query_scalar("select connection_id()");
    id.fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_reload_ends_old_sessions_whoever_saw_the_new_password_first() {
    let (server, _folder, secret) = server().await;
    let handle = open_handle(&server, &secret, "pool = { min = 1, max = 1 }\n").await;
    let old = id(&handle.instance()).await;
    alter(&server, "second").await;
    put(&secret, "second");
    // As the watcher does, once a second.
    handle.inner.look_at_files();
    assert_eq!(id(&handle.instance()).await, old, "nobody needed a session");
    connection::reload(&handle).await.unwrap();
    assert!(id(&handle.instance()).await > old);
}

#[tokio::test]
async fn a_reload_ends_sessions_of_readers_too() {
    let (server, _folder, secret) = server().await;
    let handle = open_handle(&server, &secret, "pool = { max = 1 }\n").await;
    let reader = handle.read();
    let id = async || {
        let id = sqlx::query_scalar::<_, u64>("select connection_id()");
        id.fetch_one(&reader).await.unwrap()
    };
    for (password, seen_before) in [("second", false), ("third", true)] {
        let old = id().await;
        alter(&server, password).await;
        put(&secret, password);
        if seen_before {
            handle.inner.look_at_files();
            assert_eq!(id().await, old, "nobody needed a session");
        }
        connection::reload(&handle).await.unwrap();
        assert!(id().await > old, "{password}");
    }
}

#[tokio::test]
async fn a_session_that_was_being_made_during_the_rotation_is_ended_too() {
    let (server, _folder, secret) = server().await;
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
        let sessions = "select count(*) from information_schema.processlist where user = 'shop'";
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
        let pool = pool.clone();
        async move { id(&pool).await }
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
    let (mut first, mut second) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    for session in [&mut first, &mut second] {
        let id = sqlx::query_scalar::<_, u64>("select connection_id()");
        let id = id.fetch_one(&mut **session).await.unwrap();
        assert!(id > late, "{id} after {late}");
    }
}

#[tokio::test]
async fn a_bare_pool_gets_the_new_password_too() {
    let (server, _folder, secret) = server().await;
    let handle = open_handle(&server, &secret, "pool = { max = 1 }\n").await;
    // Whoever holds it never asks the handle again.
    let pool = handle.instance();
    let id = sqlx::query_scalar::<_, u64>("select connection_id()")
        .fetch_one(&pool)
        .await;
    alter(&server, "second").await;
    server.sql(format!("kill {}", id.unwrap())).await.unwrap();
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
    let (server, _folder, secret) = server().await;
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
