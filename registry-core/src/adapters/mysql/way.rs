//! How sessions are made: the values, and the files behind them as they are now, as the driver's options for each host.

use crate::error::Error;
use crate::kind::ErrorKind;
use crate::secret;
use registry_config::{ConnectionUrl, Host, Role, Secret, Settings};
use sqlx::ConnectOptions as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use std::net::IpAddr;
use std::sync::Arc;

/// How a session is made.
#[derive(Clone)]
pub(super) struct Way {
    /// Counts up with each change of the files.
    pub(super) version: u64,
    /// In the order of the list; never empty.
    pub(super) hosts: Arc<[HostWay]>,
}

/// How a session to one host is made.
#[derive(Clone)]
pub(super) struct HostWay {
    pub(super) options: MySqlConnectOptions,
    /// Name and port; nothing for a socket.
    pub(super) place: Option<(String, u16)>,
    pub(super) role: Role,
    pub(super) weight: u32,
}

impl Way {
    /// The host of this number. Where a list has become shorter, the last one.
    pub(super) fn host(&self, index: usize) -> &HostWay {
        let last = self.hosts.len() - 1;
        &self.hosts[index.min(last)]
    }

    /// The hosts that writes may go to, by number: one, or all of a list without roles.
    pub(super) fn writers(&self) -> Vec<usize> {
        let is_writer = |index: &usize| self.hosts[*index].role == Role::Primary;
        (0..self.hosts.len()).filter(is_writer).collect()
    }

    /// Names and ports of these hosts, for words about what is there.
    pub(super) fn places(&self, hosts: &[usize]) -> Vec<(String, u16)> {
        hosts
            .iter()
            .filter_map(|index| self.host(*index).place.clone())
            .collect()
    }
}

impl HostWay {
    /// `db1:3306`, `[::1]:3306`; for a socket its word.
    pub(super) fn address(&self) -> String {
        match &self.place {
            Some((host, port)) if host.contains(':') => format!("[{host}]:{port}"),
            Some((host, port)) => format!("{host}:{port}"),
            None => "the socket".to_owned(),
        }
    }

    /// The options of a session that lives for a few commands: every round trip counts behind a slow network, so it
    /// sets no session variables.
    pub(super) fn bare(&self) -> MySqlConnectOptions {
        let options = self.options.clone().pipes_as_concat(false);
        options
            .no_engine_substitution(false)
            .timezone(None)
            .set_names(false)
    }
}

/// Options whose attempts fail at once with an error that the pool does not take for a server that is starting up.
pub(super) fn dead_end() -> MySqlConnectOptions {
    MySqlConnectOptions::new()
        .socket("/dev/null/away")
        .disable_statement_logging()
}

/// Where to connect, as the settings or the URL in them say.
#[derive(Default)]
struct Login {
    hosts: Vec<(String, u16)>,
    /// What the file says of the same hosts.
    listed: Vec<Host>,
    socket: Option<String>,
    username: Option<String>,
    password: Option<Secret>,
    db: Option<String>,
}

/// The options, with every secret as its source has it now.
pub(super) fn way(settings: &Settings) -> Result<Way, Error> {
    way_of(login(settings)?, settings)
}

/// The options of sessions without a database, and the database that they were without.
#[cfg(feature = "tasks")]
pub(super) fn without_database(settings: &Settings) -> Result<(Way, Option<String>), Error> {
    let mut login = login(settings)?;
    let db = login.db.take();
    Ok((way_of(login, settings)?, db))
}

fn way_of(login: Login, settings: &Settings) -> Result<Way, Error> {
    let mut options = MySqlConnectOptions::new()
        .statement_cache_capacity(
            usize::try_from(settings.count("statement_cache").unwrap_or(1024)).unwrap_or(1024),
        )
        // sqlx would print SQL text, with whatever literals are in it.
        .disable_statement_logging();
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
    let near = login.hosts.iter().all(|(host, _)| is_loopback(host));
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
    let hosts: Vec<HostWay> = match &login.socket {
        Some(path) => vec![HostWay {
            options: options.socket(path),
            place: None,
            role: Role::Primary,
            weight: 1,
        }],
        None => login
            .hosts
            .into_iter()
            .zip(login.listed)
            .map(|((host, port), listed)| HostWay {
                options: options.clone().host(&host).port(port),
                place: Some((host, port)),
                role: listed.role,
                weight: listed.weight,
            })
            .collect(),
    };
    if hosts.is_empty() {
        return Err(Error::new(ErrorKind::Config, "no host"));
    }
    Ok(Way {
        version: 0,
        hosts: hosts.into(),
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
        return Ok(Login {
            hosts: secret::hosts(&url.hosts, port)?,
            listed: url.hosts,
            socket: None,
            username: url.username,
            password: url.password,
            db: url.db,
        });
    }
    Ok(Login {
        hosts: secret::hosts(settings.hosts(), port)?,
        listed: settings.hosts().to_vec(),
        socket: secret::text(settings, "socket")?,
        username: secret::text(settings, "username")?,
        password: secret::secret(settings, "password")?,
        db: secret::text(settings, "db")?,
    })
}

/// Whether what is sent there stays on this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
