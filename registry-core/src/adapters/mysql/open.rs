//! Opening a MySQL connection: values -> options, the bare attempt, the proof, the pool.

use super::MySql;
use crate::adapters::sql;
use crate::base::Base;
use crate::cause::{unreachable_words, with_cause};
use crate::connection::Opened;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::secret;
use registry_config::{ConnectionUrl, Secret, Settings};
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use std::net::IpAddr;
use std::sync::Arc;

/// What the bare attempt and the pool are made from.
pub(super) struct Target {
    pub(super) pool: MySqlPool,
    options: MySqlConnectOptions,
    /// Name and port; empty for a socket.
    hosts: Vec<(String, u16)>,
    min: u64,
    from_file: bool,
}

/// Where to connect, as the settings or the URL in them say.
#[derive(Default)]
struct Login {
    host: Option<(String, u16)>,
    socket: Option<String>,
    username: Option<String>,
    password: Option<Secret>,
    db: Option<String>,
}

/// Everything that needs no server.
pub(super) fn target(base: &Arc<Base>, settings: &Settings) -> Result<Target, Error> {
    let login = login(settings)?;
    let mut options = MySqlConnectOptions::new()
        .statement_cache_capacity(
            usize::try_from(settings.count("statement_cache").unwrap_or(1024)).unwrap_or(1024),
        )
        // sqlx would print SQL text, with whatever literals are in it.
        .disable_statement_logging();
    let mut hosts = Vec::new();
    let mut near = true;
    if let Some(path) = &login.socket {
        options = options.socket(path);
    } else {
        let (host, port) = login
            .host
            .ok_or_else(|| Error::new(ErrorKind::Config, "no host"))?;
        near = is_loopback(&host);
        options = options.host(&host).port(port);
        hosts.push((host, port));
    }
    if let Some(name) = &login.username {
        options = options.username(name);
    }
    if let Some(password) = &login.password {
        options = options.password(password.expose());
    }
    if let Some(db) = &login.db {
        options = options.database(db);
    }
    // Without the key: `verify`, unless what the bytes cross is this machine. Never sqlx's PREFERRED, which falls back
    // to plain text without a word.
    options = options.ssl_mode(match settings.text("tls") {
        Some("off") => MySqlSslMode::Disabled,
        Some("require") => MySqlSslMode::Required,
        Some(_) => MySqlSslMode::VerifyIdentity,
        None if near => MySqlSslMode::Disabled,
        None => MySqlSslMode::VerifyIdentity,
    });
    if let Some(path) = settings.text("tls_ca") {
        let pem = std::fs::read(path).map_err(|cause| {
            Error::new(
                ErrorKind::Config,
                format!("cannot read `tls_ca` `{path}`: {}", crate::error::plain(&cause)),
            )
        })?;
        options = options.ssl_ca_from_pem(pem);
    }
    let pool = sql::options(base, settings).connect_lazy_with(options.clone());
    let min = settings.count("pool.min").unwrap_or(0);
    Ok(Target {
        pool,
        options,
        hosts,
        min,
        from_file: secret::from_file(settings),
    })
}

fn login(settings: &Settings) -> Result<Login, Error> {
    let spec = registry_config::backend("mysql").expect("mysql is a row of the backend table");
    let port = spec.default_port.expect("mysql has a port");
    if let Some(url) = secret::secret(settings, "url")? {
        let url =
            ConnectionUrl::parse(url.expose(), spec).map_err(|words| Error::new(ErrorKind::Config, words))?;
        if let Some((option, _)) = url.options.first() {
            return Err(
                Error::new(ErrorKind::Config, format!("unknown option `{option}` in the url"))
                    .help("write options as keys of the connection's table, and the url without `?`"),
            );
        }
        let host = secret::hosts(&url.hosts, port)?.into_iter().next();
        return Ok(Login {
            host,
            socket: None,
            username: url.username,
            password: url.password,
            db: url.db,
        });
    }
    Ok(Login {
        host: secret::hosts(settings.hosts(), port)?.into_iter().next(),
        socket: secret::text(settings, "socket")?,
        username: secret::text(settings, "username")?,
        password: secret::secret(settings, "password")?,
        db: secret::text(settings, "db")?,
    })
}

/// Whether what is sent there stays on this machine.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// One bare attempt, the proof by a command, then the pool's first sessions.
pub(super) async fn open(handle: &MySql, target: &Target) -> Result<Opened, Error> {
    let attempt = async {
        // No session variables, and a command as text: every round trip counts behind a slow network.
        let options = target
            .options
            .clone()
            .pipes_as_concat(false)
            .no_engine_substitution(false);
        let mut session = options
            .timezone(None)
            .set_names(false)
            .connect()
            .await
            .map_err(|error| explain(error, target))?;
        // An expired password connects, and fails its first command.
        let row = sqlx::raw_sql("select version()").fetch_one(&mut session).await;
        let version: String = row
            .and_then(|row| row.try_get(0))
            .map_err(|e| explain(e, target))?;
        // The server has answered; how the session ends tells nothing.
        let _ = session.close().await;
        sql::fill(&target.pool, target.min).await?;
        Ok(version)
    };
    let version = with_cause(
        &target.hosts,
        handle.inner.base.connect_timeout(),
        "MySQL",
        attempt,
    )
    .await?;
    Ok(Opened { detail: version })
}

/// The driver's error with the cause and the next step.
fn explain(error: sqlx::Error, target: &Target) -> Error {
    const TLS_STEP: &str = "write `tls_ca = \"path\"` for a private authority, `tls = \"require\"` to encrypt without \
        checking who answers, or `tls = \"off\"` if this network is yours";
    // A certificate that is refused comes as an I/O error with the verdict of the TLS library in it.
    if let sqlx::Error::Io(cause) = &error
        && cause.kind() == std::io::ErrorKind::InvalidData
    {
        return Error::new(ErrorKind::Tls, cause.to_string())
            .caused_by(error)
            .help(TLS_STEP);
    }
    if let (sqlx::Error::Io(cause), Some((host, port))) = (&error, target.hosts.first()) {
        return Error::new(ErrorKind::Unreachable, unreachable_words(host, *port, cause)).caused_by(error);
    }
    let error = Error::from(error);
    match error.kind() {
        ErrorKind::Auth if target.from_file => error.with_credential_file(),
        ErrorKind::Tls => error.help(TLS_STEP),
        _ => error,
    }
}
