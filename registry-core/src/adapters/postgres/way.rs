//! The driver's options for each host.

use crate::adapters::sql::hosts::{HostWay, listed};
use crate::adapters::sql::{Login, Tls, authority};
use crate::error::Error;
use crate::kind::ErrorKind;
use registry_config::Settings;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Postgres};
use std::path::{Path, PathBuf};

/// How a socket is called in its folder, before its port.
const SOCKET: &str = ".s.PGSQL.";
const DEFAULT_PORT: u16 = 5432;

/// The host as the verbs show it: `db1:5432`, `[::1]:5432`; the path of a socket.
#[cfg(feature = "tasks")]
pub(super) fn shown(host: &HostWay<Postgres>) -> String {
    if host.place.is_some() {
        return host.address();
    }
    let folder = host.options.get_socket();
    let folder = folder.map_or_else(String::new, |path| path.display().to_string());
    format!("{folder}/{SOCKET}{}", host.options.get_port())
}

/// Options whose attempts fail at once with an error that the pool does not take for a server that is starting up.
pub(super) fn dead_end() -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket("/dev/null/away")
        .disable_statement_logging()
}

/// The options of each host, with every secret as its source has it now. `label` is what the server's administrator sees.
///
/// The driver begins with what the environment says (`PGHOST`, `PGPASSWORD` and so on), and has no constructor that does
/// not. The file of values is the only source here: each of them is overwritten, whatever it is.
pub(super) fn hosts(settings: &Settings, label: &str) -> Result<Vec<HostWay<Postgres>>, Error> {
    let login = Login::new(settings, "postgres")?;
    let username = login.username.as_deref().ok_or_else(|| {
        // Of a URL that a file or a variable holds: what stands in the file of values was checked.
        Error::new(ErrorKind::Config, "the url names no user, and postgres needs one")
            .help("write it there, `postgres://name@host/db`")
    })?;
    let tls = login.tls(settings);
    refuse_environment(tls, |name| std::env::var_os(name).is_some())?;
    let capacity = settings.count("statement_cache").unwrap_or(100);
    let options = PgConnectOptions::new_without_pgpass()
        .username(username)
        // Without a password there is none to be sent: what is empty is refused by a server that wants one.
        .password(login.password.as_ref().map_or("", |password| password.expose()))
        // The server's own default.
        .database(login.db.as_deref().unwrap_or(username))
        .application_name(&format!("dbreg {label}"))
        // No authority instead of that of the environment: those of Mozilla are trusted all the same.
        .ssl_root_cert_from_pem(authority(settings)?.unwrap_or_default())
        .ssl_mode(match tls {
            Tls::Off => PgSslMode::Disable,
            Tls::Require => PgSslMode::Require,
            Tls::Verify => PgSslMode::VerifyFull,
        })
        .statement_cache_capacity(usize::try_from(capacity).unwrap_or(100))
        // sqlx would print SQL text, with whatever literals are in it.
        .disable_statement_logging();
    if let Some(path) = &login.socket {
        let (folder, port) = socket(Path::new(path));
        let options = options.host("localhost").port(port).socket(folder);
        return Ok(vec![HostWay::by_socket(options)]);
    }
    Ok(listed(login, |host, port| options.clone().host(host).port(port)))
}

/// What the driver takes from the environment and nothing takes away again: a session would not be what the file says.
fn refuse_environment(tls: Tls, is_set: impl Fn(&str) -> bool) -> Result<(), Error> {
    let certificates: &[&str] = match tls {
        Tls::Off => &[],
        Tls::Require | Tls::Verify => &["PGSSLCERT", "PGSSLKEY"],
    };
    let found = ["PGOPTIONS"].iter().chain(certificates).find(|name| is_set(name));
    let Some(name) = found else { return Ok(()) };
    let message = format!("the driver would follow the environment variable `{name}`, which is not of dbreg");
    Err(Error::new(ErrorKind::Config, message).help(format!("unset `{name}` for this process")))
}

/// The folder and the port of a socket, whose path may be its own or that of its folder.
fn socket(path: &Path) -> (PathBuf, u16) {
    let name = path.file_name().and_then(|name| name.to_str());
    let port = name.and_then(|name| name.strip_prefix(SOCKET)?.parse().ok());
    match (port, path.parent()) {
        (Some(port), Some(folder)) => (folder.to_owned(), port),
        _ => (path.to_owned(), DEFAULT_PORT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_given_by_its_path_or_its_folder() {
        let of = |path: &str| {
            let (folder, port) = socket(Path::new(path));
            (folder.display().to_string(), port)
        };
        assert_eq!(of("/run/pg/.s.PGSQL.5433"), ("/run/pg".to_owned(), 5433));
        assert_eq!(of("/run/pg"), ("/run/pg".to_owned(), 5432));
        assert_eq!(of("/run/.s.PGSQL.x"), ("/run/.s.PGSQL.x".to_owned(), 5432));
    }

    #[test]
    fn what_cannot_be_overwritten_is_refused() {
        let refused = |tls, set: &'static str| refuse_environment(tls, |name| name == set).is_err();
        assert!(refused(Tls::Off, "PGOPTIONS") && refused(Tls::Verify, "PGOPTIONS"));
        assert!(refused(Tls::Require, "PGSSLKEY") && refused(Tls::Verify, "PGSSLCERT"));
        assert!(!refused(Tls::Off, "PGSSLKEY"));
        assert!(!refused(Tls::Verify, "PGPASSWORD"));
    }
}
