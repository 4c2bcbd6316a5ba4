//! What sessions are made from: the values, and the files behind them as they are now.

use crate::adapters::sql;
use crate::base::Base;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::rotation::{self, Stamp};
use crate::secret;
use registry_config::{ConnectionUrl, Secret, Settings};
use sqlx::ConnectOptions as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlSslMode};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The pool, and what its sessions are made from.
pub(super) struct Target {
    pub(super) pool: MySqlPool,
    pub(super) min: u64,
    pub(super) from_file: bool,
    base: Arc<Base>,
    settings: Arc<Settings>,
    files: Vec<Box<str>>,
    now: Mutex<Now>,
}

struct Now {
    way: Result<Way, Error>,
    version: u64,
    stamp: Stamp,
    /// The server is away: the pool has [`dead_end`] instead of the way.
    away: bool,
}

/// How a session is made.
#[derive(Clone)]
pub(super) struct Way {
    /// Counts up with each change of the files.
    version: u64,
    pub(super) options: MySqlConnectOptions,
    /// Name and port; empty for a socket.
    pub(super) hosts: Vec<(String, u16)>,
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

impl Target {
    /// Everything that needs no server.
    pub(super) fn new(base: &Arc<Base>, settings: &Arc<Settings>) -> Self {
        let files = rotation::files(settings);
        let stamp = rotation::stamp(&files);
        let way = way(settings);
        let options = way
            .as_ref()
            .map_or_else(|_| dead_end(), |way| way.options.clone());
        Self {
            pool: sql::options(base, settings, sql::Limits::new(settings)).connect_lazy_with(options),
            min: settings.count("pool.min").unwrap_or(0),
            from_file: secret::from_file(settings),
            base: Arc::clone(base),
            settings: Arc::clone(settings),
            files,
            now: Mutex::new(Now {
                way,
                version: 0,
                stamp,
                away: false,
            }),
        }
    }

    /// How a session is made now.
    pub(super) fn way(&self) -> Result<Way, Error> {
        self.lock().way.clone()
    }

    /// The pool for a call. When it may have to open a session, the files are looked at first: a secret that was rotated
    /// is used from the next session on.
    pub(super) fn pool(&self) -> Result<MySqlPool, Error> {
        if !self.files.is_empty() && self.pool.num_idle() == 0 {
            // What cannot be read now leaves everything as it was.
            let _ = self.refresh();
        }
        match &self.lock().way {
            Ok(_) => Ok(self.pool.clone()),
            Err(error) => Err(error.clone()),
        }
    }

    /// Reads the files again if they changed; true when the next session is made in another way.
    pub(super) fn refresh(&self) -> Result<bool, Error> {
        let mut now = self.lock();
        let stamp = rotation::stamp(&self.files);
        if stamp == now.stamp && (now.way.is_ok() || self.files.is_empty()) {
            return Ok(false);
        }
        let mut way = way(&self.settings)?;
        way.version = now.version + 1;
        now.version = way.version;
        if !now.away {
            self.pool.set_connect_options(way.options.clone());
        }
        now.way = Ok(way);
        now.stamp = stamp;
        self.base.generations.rotated();
        Ok(true)
    }

    /// Lets what waits for a session, and retries in the driver until `acquire_timeout`, fail at once.
    pub(super) fn set_away(&self) {
        let mut now = self.lock();
        now.away = true;
        self.pool.set_connect_options(dead_end());
    }

    /// The server is there, and this way leads to it. Meanwhile the files may have changed: then the next session takes
    /// the new way, which is still to be proved.
    pub(super) fn set_there(&self, proved: &Way) {
        let mut now = self.lock();
        now.away = false;
        let current = now.way.as_ref().ok().filter(|way| way.version > proved.version);
        if let Some(newer) = current {
            self.pool.set_connect_options(newer.options.clone());
        } else {
            self.pool.set_connect_options(proved.options.clone());
            self.base.generations.rotation_proven();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Options whose attempts fail at once with an error that the pool does not take for a server that is starting up.
fn dead_end() -> MySqlConnectOptions {
    MySqlConnectOptions::new()
        .socket("/dev/null/away")
        .disable_statement_logging()
}

/// The options, with every secret as its source has it now.
fn way(settings: &Settings) -> Result<Way, Error> {
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
    Ok(Way {
        version: 0,
        options,
        hosts,
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
