//! What a real server refuses, as kinds: at the start, and of a session that was there.

use crate::{PASSWORD, server};
use dbreg::{DbRegistry, Error, ErrorKind, Outcome, sqlx};
use registry_dev::{PostgresOptions, PostgresServer};

#[derive(DbRegistry)]
#[registry(toml = r#"
[postgres.main]
host = "127.0.0.1"
username = "shop"
db = "shop"
connect_timeout = "20s"
"#)]
struct App;

/// Starts with these values; gives the registry or the error of its connection.
async fn start(server: &PostgresServer, values: &[(&str, &str)]) -> Result<AppRegistry, Error> {
    let mut builder = App::builder().variable("DBREG_POSTGRES__MAIN__PORT", server.port());
    // An empty variable is none: it does not take the place of another.
    let other = values.iter().any(|(key, _)| *key == "PASSWORD");
    let password = [("PASSWORD", PASSWORD)];
    for (key, value) in password.iter().filter(|_| !other).chain(values) {
        builder = builder.variable(format!("DBREG_POSTGRES__MAIN__{key}"), value);
    }
    match builder.connect().await {
        Ok(db) => Ok(db),
        Err(error) => {
            let told = format!("{error:?}");
            assert!(!told.contains("canary") && !told.contains("u{7}"), "{told}");
            match &error.report().connections[0].outcome {
                Outcome::Failed(error, _) => Err(error.clone()),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The error of a statement on a session that is there.
async fn refused(db: &AppRegistry, statement: &'static str) -> Error {
    let work = db
        .postgres
        .main
        .process(async |pool| Ok(sqlx::raw_sql(statement).execute(&pool).await?));
    work.await.unwrap_err()
}

#[tokio::test]
async fn of_a_start() {
    let server = server().await;
    server.create_database("private", "owner", "x").await.unwrap();
    let statements = "create role locked nologin; revoke connect on database private from public;
        create role few login password 'few' connection limit 0";
    server.sql(statements).await.unwrap();
    for (values, kind, words) in [
        (
            &[("PASSWORD", "wrong")][..],
            ErrorKind::Auth,
            "password authentication failed for user \"shop\" (28P01)",
        ),
        (&[("PASSWORD", "")], ErrorKind::Auth, "28P01"),
        // An account that does not exist is not told from a wrong password.
        (&[("USERNAME", "nobody")], ErrorKind::Auth, "28P01"),
        (&[("USERNAME", "postgres")], ErrorKind::Auth, "28P01"),
        (
            &[("DB", "nowhere")],
            ErrorKind::UnknownDatabase,
            "\"nowhere\" does not exist (3D000)",
        ),
        (&[("DB", "private")], ErrorKind::Auth, "(42501)"),
        (
            &[("PASSWORD", "canary\u{7}")],
            ErrorKind::Config,
            "the password has a character",
        ),
        (
            &[("USERNAME", "few"), ("PASSWORD", "few")],
            ErrorKind::TooManyConnections,
            "(53300)",
        ),
        (
            &[("TLS", "require")],
            ErrorKind::Tls,
            "server does not support TLS",
        ),
        (
            &[("TLS_CA", "/nonexistent/ca.pem"), ("TLS", "verify")],
            ErrorKind::Config,
            "no such file",
        ),
        (
            &[("HOST", "db.invalid")],
            ErrorKind::Unreachable,
            "`db.invalid` does not resolve",
        ),
    ] {
        let error = match start(&server, values).await {
            Err(error) => error,
            Ok(_) => panic!("{values:?}"),
        };
        assert_eq!(error.kind(), kind, "{values:?}: {error}");
        assert!(error.message().contains(words), "{values:?}: {error}");
        assert!(!error.message().contains("canary"), "{error}");
    }
    server.stop().await.unwrap();
    let error = start(&server, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.message().starts_with("connection refused"), "{error}");
}

#[tokio::test]
async fn of_a_server_that_is_full() {
    let options = PostgresOptions::default()
        .max_connections(4)
        .setting("superuser_reserved_connections", "3")
        .setting("max_wal_senders", "0");
    let server = registry_dev::postgres_with(options).await.unwrap();
    server.create_database("shop", "shop", PASSWORD).await.unwrap();
    // One for everyone, which it holds.
    let first = start(&server, &[("POOL__MIN", "1")]).await.unwrap();
    let error = start(&server, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyConnections, "{error}");
    assert!(error.is_transient() && error.next_step().unwrap().contains("pool.max"));
    first.close().await.unwrap();
}

#[tokio::test]
async fn of_a_session() {
    let server = server().await;
    let db = start(&server, &[]).await.unwrap();
    let create = "create table t (n int primary key); insert into t values (1)";
    sqlx::raw_sql(create).execute(&db.postgres.main).await.unwrap();
    for (statement, kind, transient, code) in [
        ("selec", ErrorKind::Operation, false, "(42601)"),
        ("select 1 / 0", ErrorKind::Operation, false, "(22012)"),
        ("insert into t values (1)", ErrorKind::Operation, false, "(23505)"),
        (
            "create role other",
            ErrorKind::Auth,
            false,
            "permission denied to create role (42501)",
        ),
        (
            "set local lock_timeout = 1; set statement_timeout = 20; select pg_sleep(60)",
            ErrorKind::Timeout,
            true,
            "(57014)",
        ),
        (
            "select pg_cancel_backend(pg_backend_pid()), pg_sleep(60)",
            ErrorKind::Operation,
            true,
            "(57014)",
        ),
        // In a session that others end; the last one, because it tells of an outage.
        (
            "select pg_terminate_backend(pg_backend_pid()), pg_sleep(60)",
            ErrorKind::Unreachable,
            true,
            "(57P01)",
        ),
    ] {
        let error = refused(&db, statement).await;
        assert_eq!(
            (error.kind(), error.is_transient()),
            (kind, transient),
            "{statement}: {error}"
        );
        assert!(error.message().ends_with(code), "{statement}: {error}");
    }
}
