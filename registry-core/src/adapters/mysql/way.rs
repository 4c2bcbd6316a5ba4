//! The driver's options for each host.

#[cfg(feature = "tasks")]
use crate::adapters::sql::hosts::Way;
use crate::adapters::sql::hosts::{HostWay, listed};
use crate::adapters::sql::{Login, Tls, authority};
use crate::error::Error;
use registry_config::Settings;
use sqlx::ConnectOptions as _;
use sqlx::MySql;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

/// Options whose attempts fail at once with an error that the pool does not take for a server that is starting up.
pub(super) fn dead_end() -> MySqlConnectOptions {
    MySqlConnectOptions::new()
        .socket("/dev/null/away")
        .disable_statement_logging()
}

/// The options of a session that lives for a few commands: it sets no session variables.
pub(super) fn bare(options: &MySqlConnectOptions) -> MySqlConnectOptions {
    let options = options.clone().pipes_as_concat(false);
    options
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false)
}

/// The options of each host, with every secret as its source has it now.
pub(super) fn hosts(settings: &Settings) -> Result<Vec<HostWay<MySql>>, Error> {
    hosts_of(Login::new(settings, "mysql")?, settings)
}

/// The options of sessions without a database, and the database that they were without.
#[cfg(feature = "tasks")]
pub(super) fn without_database(settings: &Settings) -> Result<(Way<MySql>, Option<String>), Error> {
    let mut login = Login::new(settings, "mysql")?;
    let db = login.db.take();
    Ok((Way::of(hosts_of(login, settings)?)?, db))
}

fn hosts_of(login: Login, settings: &Settings) -> Result<Vec<HostWay<MySql>>, Error> {
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
    Ok(match &login.socket {
        Some(path) => vec![HostWay::by_socket(options.socket(path))],
        None => listed(login, |host, port| options.clone().host(host).port(port)),
    })
}
