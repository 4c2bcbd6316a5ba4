//! What a server tells of itself: version, encryption, clock.

use crate::live::Subject;
use registry_core::mongodb::Database;
use registry_core::mongodb::bson::{Document, doc};
use registry_core::sqlx::{self, MySqlPool, PgPool, SqlitePool};
use registry_core::{AnyConnection, Error, Instance, Memcached, Place};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is not told is nothing.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) version: Option<String>,
    /// How the session is encrypted, or that it is not.
    pub(super) tls: Option<String>,
    /// How many seconds the server's clock is ahead of this machine's.
    pub(super) clock: Option<f64>,
}

/// Asks, within the connection's `timeout`.
pub(super) async fn ask(handle: &AnyConnection, subject: &Subject<'_>) -> Result<Facts, Error> {
    let asked = handle.process(async |instance| match instance {
        Instance::MySql(pool) => mysql(&pool).await,
        Instance::Postgres(pool) => postgres(&pool).await,
        Instance::MongoDb(database) => mongodb(&database).await,
        Instance::Memcached(client) => memcached(&client).await,
        Instance::Sqlite(pool) => sqlite(&pool).await,
        _ => Ok(Facts::default()),
    });
    let mut facts = asked.await?;
    if handle.backend() == "mongodb" {
        facts.tls = mongodb_tls(subject);
    }
    Ok(facts)
}

async fn mysql(pool: &MySqlPool) -> Result<Facts, Error> {
    let mut session = pool.acquire().await?;
    let asked = SystemTime::now();
    let clock = "SELECT VERSION(), CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";
    let (version, micros): (String, i64) = sqlx::query_as(clock).fetch_one(&mut *session).await?;
    let clock = difference(
        asked,
        Duration::from_micros(u64::try_from(micros).unwrap_or_default()),
    );
    let mut words = Vec::new();
    for status in [
        "SHOW SESSION STATUS LIKE 'Ssl_version'",
        "SHOW SESSION STATUS LIKE 'Ssl_cipher'",
    ] {
        let row: Option<(String, String)> = sqlx::query_as(status).fetch_optional(&mut *session).await?;
        words.extend(row.map(|(_, value)| value).filter(|value| !value.is_empty()));
    }
    let tls = if words.is_empty() {
        "off".to_owned()
    } else {
        words.join(" ")
    };
    Ok(Facts {
        version: Some(version),
        tls: Some(tls),
        clock: Some(clock),
    })
}

async fn postgres(pool: &PgPool) -> Result<Facts, Error> {
    let mut session = pool.acquire().await?;
    let asked = SystemTime::now();
    let clock = "SELECT current_setting('server_version'), extract(epoch FROM clock_timestamp())::float8";
    let (version, seconds): (String, f64) = sqlx::query_as(clock).fetch_one(&mut *session).await?;
    let clock = difference(asked, Duration::try_from_secs_f64(seconds).unwrap_or_default());
    // Of this session; without TLS there is none.
    let encrypted = "SELECT version || ' ' || cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
    let tls: Option<String> = sqlx::query_scalar(encrypted)
        .fetch_optional(&mut *session)
        .await?;
    Ok(Facts {
        version: Some(version),
        tls: Some(tls.unwrap_or_else(|| "off".to_owned())),
        clock: Some(clock),
    })
}

async fn mongodb(database: &Database) -> Result<Facts, Error> {
    let asked = SystemTime::now();
    let hello: Document = database.run_command(doc! { "hello": 1 }).await?;
    let told = hello.get_datetime("localTime").ok().copied();
    let clock = told.and_then(|time| u64::try_from(time.timestamp_millis()).ok());
    let clock = clock.map(|millis| difference(asked, Duration::from_millis(millis)));
    let build = database.run_command(doc! { "buildInfo": 1 }).await;
    let version = build
        .ok()
        .and_then(|build| Some(build.get_str("version").ok()?.to_owned()));
    Ok(Facts {
        version,
        tls: None,
        clock,
    })
}

/// What the values ask for: the driver has no session that is not so. A URL speaks for itself.
fn mongodb_tls(subject: &Subject<'_>) -> Option<String> {
    let settings = subject.settings.as_ref().ok()?;
    if settings.value("url").is_some() {
        return None;
    }
    let near = |place: &Place| match place {
        Place::Host(host, _) => registry_config::is_loopback(host),
        _ => true,
    };
    let places = subject.places.as_ref().ok()?;
    Some(match settings.text("tls") {
        Some("off") => "off".to_owned(),
        Some("require") => "on, certificate not checked".to_owned(),
        None if places.iter().all(near) => "off".to_owned(),
        _ => "on, certificate checked".to_owned(),
    })
}

async fn memcached(client: &Memcached) -> Result<Facts, Error> {
    let asked = SystemTime::now();
    let stats = client.stats().await?;
    let time = stats.get("time").and_then(|time| time.parse().ok());
    Ok(Facts {
        version: stats.get("version").cloned(),
        tls: Some("off".to_owned()),
        // It counts whole seconds.
        clock: time
            .map(|seconds| difference(asked, Duration::from_secs(seconds) + Duration::from_millis(500))),
    })
}

async fn sqlite(pool: &SqlitePool) -> Result<Facts, Error> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(pool)
        .await?;
    Ok(Facts {
        version: Some(version),
        ..Facts::default()
    })
}

/// How far a clock was ahead of this machine's, halfway between the question and now.
fn difference(asked: SystemTime, told: Duration) -> f64 {
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (before, after) = (since(asked), since(SystemTime::now()));
    told.as_secs_f64() - f64::midpoint(before.as_secs_f64(), after.as_secs_f64())
}
