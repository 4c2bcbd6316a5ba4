//! Where to connect and as whom, as the settings or the URL in them say; the same for every SQL server.

use crate::error::Error;
use crate::kind::ErrorKind;
use crate::secret;
use registry_config::{BackendSpec, ConnectionUrl, Host, Secret, Settings};

/// Where to connect, and as whom, with every secret as its source has it now.
#[derive(Default)]
pub(crate) struct Login {
    pub(crate) hosts: Vec<(String, u16)>,
    /// What the file says of the same hosts.
    pub(crate) listed: Vec<Host>,
    pub(crate) socket: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) db: Option<String>,
}

/// What is asked of TLS. Never what a driver does by default: to fall back to plain text without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    Off,
    /// Encrypted, whoever answers.
    Require,
    /// Encrypted, with a certificate that is checked.
    Verify,
}

impl Login {
    /// # Errors
    /// A reference that leads nowhere, a URL that is none, a name that no database has.
    pub(crate) fn new(settings: &Settings, backend: &str) -> Result<Self, Error> {
        let login = Self::read(settings, backend)?;
        let name = login.db.as_deref();
        match name.and_then(|db| registry_config::database_name_mistake(backend, db)) {
            Some(words) => Err(Error::new(ErrorKind::Config, words)),
            None => Ok(login),
        }
    }

    fn read(settings: &Settings, backend: &str) -> Result<Self, Error> {
        let (spec, port) = row(backend);
        if let Some(url) = secret::secret(settings, "url")? {
            let url = ConnectionUrl::parse(url.expose(), spec)
                .map_err(|words| Error::new(ErrorKind::Config, words))?;
            if let Some((option, _)) = url.options.first() {
                return Err(
                    Error::new(ErrorKind::Config, format!("unknown option `{option}` in the url"))
                        .help("write options as keys of the connection's table, and the url without `?`"),
                );
            }
            return Ok(Self {
                hosts: secret::hosts(&url.hosts, port)?,
                listed: url.hosts,
                socket: None,
                username: url.username,
                password: url.password,
                db: url.db,
            });
        }
        Ok(Self {
            hosts: secret::hosts(settings.hosts(), port)?,
            listed: settings.hosts().to_vec(),
            socket: secret::text(settings, "socket")?,
            username: secret::text(settings, "username")?,
            password: secret::secret(settings, "password")?,
            db: secret::text(settings, "db")?,
        })
    }

    /// What the key `tls` says; without it: `verify`, unless what the bytes cross is this machine.
    pub(crate) fn tls(&self, settings: &Settings) -> Tls {
        let near = self
            .hosts
            .iter()
            .all(|(host, _)| registry_config::is_loopback(host));
        match settings.text("tls") {
            Some("off") => Tls::Off,
            Some("require") => Tls::Require,
            Some(_) => Tls::Verify,
            None if near => Tls::Off,
            None => Tls::Verify,
        }
    }
}

/// The certificates of `tls_ca`.
pub(crate) fn authority(settings: &Settings) -> Result<Option<Vec<u8>>, Error> {
    let Some(path) = settings.text("tls_ca") else {
        return Ok(None);
    };
    let pem = std::fs::read(path).map_err(|cause| {
        let cause = crate::error::plain(&cause);
        Error::new(
            ErrorKind::Config,
            format!("cannot read `tls_ca` `{path}`: {cause}"),
        )
    })?;
    Ok(Some(pem))
}

/// The hosts for the report: `db1:3306`, or a socket.
pub(crate) fn shown(settings: &Settings, backend: &str) -> String {
    if let Some(path) = settings.text("socket") {
        return path.to_owned();
    }
    secret::shown_hosts(settings, backend)
}

fn row(backend: &str) -> (&'static BackendSpec, u16) {
    let spec = registry_config::backend(backend).expect("the backend has a row in the table");
    (spec, spec.default_port.expect("a server has a port"))
}
