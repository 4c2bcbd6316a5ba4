//! How sessions are made: the values, and the files behind them as they are now, as the driver's options.

use crate::adapters::sql::{Login, Tls, authority};
use crate::error::Error;
use crate::kind::ErrorKind;
use registry_config::Settings;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::path::{Path, PathBuf};

/// How a socket is called in its folder, before its port.
const SOCKET: &str = ".s.PGSQL.";
const DEFAULT_PORT: u16 = 5432;

/// How a session is made.
#[derive(Clone)]
pub(super) struct Way {
    /// Counts up with each change of the files.
    pub(super) version: u64,
    pub(super) options: PgConnectOptions,
    /// Name and port; nothing for a socket.
    pub(super) place: Option<(String, u16)>,
}

#[cfg(feature = "tasks")]
impl Way {
    /// `db1:5432`, `[::1]:5432`; the path of a socket.
    pub(super) fn shown(&self) -> String {
        match &self.place {
            Some((host, port)) if host.contains(':') => format!("[{host}]:{port}"),
            Some((host, port)) => format!("{host}:{port}"),
            None => {
                let folder = self.options.get_socket();
                let folder = folder.map_or_else(String::new, |path| path.display().to_string());
                format!("{folder}/{SOCKET}{}", self.options.get_port())
            }
        }
    }
}

/// Options whose attempts fail at once with an error that the pool does not take for a server that is starting up.
pub(super) fn dead_end() -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket("/dev/null/away")
        .disable_statement_logging()
}

/// The options, with every secret as its source has it now. `label` is what the server's administrator sees.
///
/// The driver begins with what the environment says (`PGHOST`, `PGPASSWORD` and so on), and has no constructor that does
/// not. The file of values is the only source here: each of them is overwritten, whatever it is.
pub(super) fn way(settings: &Settings, label: &str) -> Result<Way, Error> {
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
        return Ok(Way {
            version: 0,
            options: options.host("localhost").port(port).socket(folder),
            place: None,
        });
    }
    let mut hosts = login.hosts.into_iter();
    let (host, port) = hosts
        .next()
        .ok_or_else(|| Error::new(ErrorKind::Config, "no host"))?;
    Ok(Way {
        version: 0,
        options: options.host(&host).port(port),
        place: Some((host, port)),
    })
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
