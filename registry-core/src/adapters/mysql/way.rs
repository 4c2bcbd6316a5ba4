//! How sessions are made: the values, and the files behind them as they are now, as the driver's options for each host.

use crate::adapters::sql::{Login, Tls, authority};
use crate::error::Error;
use crate::kind::ErrorKind;
use registry_config::{Role, Settings};
use sqlx::ConnectOptions as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
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

/// The options, with every secret as its source has it now.
pub(super) fn way(settings: &Settings) -> Result<Way, Error> {
    way_of(Login::new(settings, "mysql")?, settings)
}

/// The options of sessions without a database, and the database that they were without.
#[cfg(feature = "tasks")]
pub(super) fn without_database(settings: &Settings) -> Result<(Way, Option<String>), Error> {
    let mut login = Login::new(settings, "mysql")?;
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
    // Never sqlx's PREFERRED, which falls back to plain text without a word.
    options = options.ssl_mode(match login.tls(settings) {
        Tls::Off => MySqlSslMode::Disabled,
        Tls::Require => MySqlSslMode::Required,
        Tls::Verify => MySqlSslMode::VerifyIdentity,
    });
    if let Some(pem) = authority(settings)? {
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
