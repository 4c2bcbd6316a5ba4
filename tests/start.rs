//! Starts that fail, and one that does not: every cause is named, all in one report, each within its deadline.

use dbreg::{DbRegistry, EXIT_CONFIG, EXIT_UNAVAILABLE, ErrorKind, Outcome, StartError};
use registry_dev::{Mode, Proxy};
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.right]
host = "127.0.0.1"
username = "shop"
db = "shop"
connect_timeout = "20s"

[mysql.refused]
host = "127.0.0.1"
port = 1
username = "shop"
connect_timeout = "20s"

[mysql.password]
host = "127.0.0.1"
username = "shop"
db = "shop"
connect_timeout = "20s"

[mysql.database]
host = "127.0.0.1"
username = "root"
db = "nowhere"
connect_timeout = "20s"

[mysql.hang]
host = "127.0.0.1"
username = "shop"
connect_timeout = "4s"

[mysql.dns]
host = "no-such-host.invalid"
username = "shop"
connect_timeout = "20s"
tls = "off"

[mongodb.refused]
host = "127.0.0.1"
port = 1
db = "logs"
connect_timeout = "20s"

[mongodb.hang]
host = "127.0.0.1"
db = "logs"
connect_timeout = "4s"

[memcached.refused]
host = "127.0.0.1"
port = 1
connect_timeout = "20s"

[memcached.hang]
host = "127.0.0.1"
connect_timeout = "4s"

[memcached.maybe]
host = "127.0.0.1"
port = 1
start = "optional"
connect_timeout = "20s"
"#)]
struct Broken;

const PASSWORD: &str = "canary-5e1c-right";

fn error_of<'a>(error: &'a StartError, connection: &str) -> (&'a dbreg::Error, &'a str) {
    let row = error
        .report()
        .connections
        .iter()
        .find(|row| row.connection == connection)
        .expect("a row each");
    match &row.outcome {
        Outcome::Failed(error, layer) | Outcome::Skipped(error, layer) => (error, layer),
        other => panic!("{connection}: expected a failure, found {other:?}"),
    }
}

#[tokio::test]
async fn every_cause_is_in_one_report_and_within_the_deadline() {
    let server = registry_dev::mysql().await.unwrap();
    server.create_database("shop", "shop", PASSWORD).await.unwrap();
    let hang = Proxy::to(server.address()).await.unwrap();
    hang.set(Mode::Hang).await.unwrap();

    let started = Instant::now();
    let result = Broken::builder()
        .variable("DBREG_MYSQL__RIGHT__PORT", server.port())
        .variable("DBREG_MYSQL__RIGHT__PASSWORD", PASSWORD)
        .variable("DBREG_MYSQL__PASSWORD__PORT", server.port())
        .variable("DBREG_MYSQL__PASSWORD__PASSWORD", "canary-77aa-wrong")
        .variable("DBREG_MYSQL__DATABASE__PORT", server.port())
        .variable("DBREG_MYSQL__HANG__PORT", hang.port())
        .variable("DBREG_MONGODB__HANG__PORT", hang.port())
        .variable("DBREG_MEMCACHED__HANG__PORT", hang.port())
        .connect()
        .await;
    let elapsed = started.elapsed();
    let error = result.expect_err("nearly everything is broken");
    let text = format!("{error}\n{error:?}\n{:?}", error.report());

    for (connection, kind, words) in [
        (
            "mysql.refused",
            ErrorKind::Unreachable,
            "connection refused: nothing listens at 127.0.0.1:1",
        ),
        ("mysql.password", ErrorKind::Auth, "1045"),
        ("mysql.database", ErrorKind::UnknownDatabase, "nowhere"),
        ("mysql.hang", ErrorKind::Timeout, "does not answer as MySQL"),
        (
            "mysql.dns",
            ErrorKind::Unreachable,
            "`no-such-host.invalid` does not resolve",
        ),
        (
            "mongodb.refused",
            ErrorKind::Unreachable,
            "connection refused: nothing listens at 127.0.0.1:1",
        ),
        ("mongodb.hang", ErrorKind::Timeout, "does not answer as MongoDB"),
        (
            "memcached.refused",
            ErrorKind::Unreachable,
            "connection refused: nothing listens at 127.0.0.1:1",
        ),
        ("memcached.hang", ErrorKind::Timeout, "127.0.0.1"),
        ("memcached.maybe", ErrorKind::Unreachable, "connection refused"),
    ] {
        let (error, _) = error_of(&error, connection);
        assert_eq!(error.kind(), kind, "{connection}: {error}\n{text}");
        assert!(error.message().contains(words), "{connection}: {error}");
        assert_eq!(error.connection(), connection);
    }
    let (_, layer) = error_of(&error, "mysql.password");
    assert_eq!(layer, "password from DBREG_MYSQL__PASSWORD__PASSWORD");
    assert!(text.contains("1 of 11 connections ready"), "{text}");
    assert!(text.contains("8 variables"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(error.exit_code(), EXIT_CONFIG);
    // A deadline of 4 s each, all at once: the sum would be over 12 s.
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    // Everything that was opened is closed again, which the server notices a moment later.
    let count = "select count(*) from information_schema.processlist where user = 'shop'";
    let closed = Instant::now();
    while server.sql(count).await.unwrap().trim() != "0" {
        assert!(closed.elapsed() < Duration::from_secs(20), "a session stays");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[derive(DbRegistry)]
#[registry(
    toml = "[memcached.cache]\nhost = \"127.0.0.1\"\nport = 1\n[profile.production.memcached.cache]\ntimeout = \"1s\""
)]
struct Cache;

#[tokio::test]
async fn an_outage_has_another_exit_code_than_a_mistake() {
    let error = Cache::connect().await.expect_err("nothing listens there");
    assert_eq!(error.exit_code(), EXIT_UNAVAILABLE);
    let error = Cache::builder()
        .profile("prodction")
        .connect()
        .await
        .expect_err("no such profile");
    assert_eq!(error.exit_code(), EXIT_CONFIG);
    assert!(error.to_string().contains("did you mean `production`"), "{error}");
}

#[tokio::test]
async fn a_deadline_may_be_as_long_as_there_is() {
    let error = Cache::builder().deadline(Duration::MAX).connect().await;
    assert_eq!(
        error.expect_err("nothing listens there").exit_code(),
        EXIT_UNAVAILABLE
    );
}

#[derive(DbRegistry)]
#[registry(toml = "[memcached.cache]\nhost = \"127.0.0.1\"\nport = 1\nstart = \"optional\"\n")]
struct MayBeMissing;

#[tokio::test]
async fn a_mistake_in_the_values_of_what_may_be_missing_is_one_of_the_start() {
    MayBeMissing::connect().await.expect("it starts without it");
    let pool = MayBeMissing::builder().variable("DBREG_MEMCACHED__CACHE__POOL__MIN", 50);
    let error = pool.connect().await.expect_err("`pool.min` is over `pool.max`");
    assert_eq!(error.exit_code(), EXIT_CONFIG);
    assert!(error.to_string().contains("POOL__MIN"), "{error}");
}

#[tokio::test]
async fn a_variable_of_no_connection_is_refused_by_name() {
    for (variable, near) in [
        ("DBREG_MEMCACHED__CACH__PORT", "DBREG_MEMCACHED__CACHE__PORT"),
        ("DBREG_MEMCACHED__CACHE__PROT", "DBREG_MEMCACHED__CACHE__PORT"),
    ] {
        let error = Cache::builder()
            .variable(variable, "11211")
            .connect()
            .await
            .expect_err("unknown variable");
        assert_eq!(error.exit_code(), EXIT_CONFIG);
        let text = error.to_string();
        assert!(text.contains(variable) && text.contains(near), "{text}");
    }
    let error = Cache::builder()
        .variable("DBREG_MEMCACHED__CACHE__PORT", "many")
        .connect()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("DBREG_MEMCACHED__CACHE__PORT"),
        "{error}"
    );
}

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.env]
host = "127.0.0.1"
username = "shop"
password = { env = "DBREG_TEST_THIS_IS_NOT_SET" }

[sqlite.lazy]
path = ":memory:"
start = "lazy"
"#)]
struct Missing;

#[tokio::test]
async fn a_secret_that_is_missing_is_named_and_the_others_are_tried() {
    let error = Missing::connect().await.expect_err("no secret");
    let (cause, layer) = error_of(&error, "mysql.env");
    assert_eq!(cause.kind(), ErrorKind::Config);
    assert!(
        layer.starts_with("password from DBREG_TEST_THIS_IS_NOT_SET ("),
        "{layer}"
    );
    assert!(
        cause
            .message()
            .contains("`DBREG_TEST_THIS_IS_NOT_SET` is not set"),
        "{cause}"
    );
    assert!(error.to_string().contains("opens at its first use"), "{error}");
}
