//! What the driver's client is made from: values, or a URL and the values that it leaves open.

use super::refused;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::secret;
use futures_util::FutureExt as _;
use mongodb::options::{
    ClientOptions, ConnectionString, Credential, ReadPreference, SelectionCriteria, ServerAddress, Tls,
    TlsOptions,
};
use mongodb::{Client, Database};
use registry_config::{ConnectionUrl, Secret, Settings};
use std::time::Duration;

/// The default port of the backend's row.
pub(super) fn default_port() -> u16 {
    registry_config::backend("mongodb")
        .and_then(|spec| spec.default_port)
        .expect("mongodb has a port")
}

/// What the client is made from.
pub(super) struct Plan {
    db: String,
    source: Source,
    tuning: Tuning,
    /// Whether sessions are to be encrypted.
    encrypted: bool,
    pub(super) from_file: bool,
}

enum Source {
    /// Complete options, until a client is made from them.
    Options(Box<ClientOptions>),
    /// The client has the options; these are its hosts, see [`Plan::hosts`].
    Taken(Vec<(String, u16)>),
    /// A URL whose hosts are in DNS, and what lies beside it.
    Srv(Secret, Box<Beside>),
}

/// What dbreg sets on options from wherever they come.
#[derive(Clone)]
struct Tuning {
    connect_timeout: Duration,
    pool_min: u32,
    pool_max: u32,
    /// However few sessions may be open, so many may.
    pool_least: u32,
    idle_timeout: Option<Duration>,
}

pub(super) fn plan(connect_timeout: Duration, settings: &Settings) -> Result<Plan, Error> {
    let count = |key: &str, default: u32| {
        settings
            .count(key)
            .map_or(default, |count| u32::try_from(count).unwrap_or(u32::MAX))
    };
    let tuning = Tuning {
        connect_timeout,
        pool_min: count("pool.min", 0),
        pool_max: count("pool.max", 10),
        pool_least: 1,
        idle_timeout: settings.duration("pool.idle_timeout"),
    };
    let (db, source) = match secret::secret(settings, "url")? {
        Some(url) => from_url(url, settings)?,
        None => from_keys(settings)?,
    };
    let encrypted = match &source {
        Source::Options(options) => matches!(options.tls, Some(Tls::Enabled(_))),
        // Such a URL asks for TLS unless it says otherwise.
        Source::Taken(_) | Source::Srv(..) => true,
    };
    Ok(Plan {
        db,
        source,
        tuning,
        encrypted,
        from_file: secret::from_file(settings),
    })
}

fn from_keys(settings: &Settings) -> Result<(String, Source), Error> {
    let hosts = secret::hosts(settings.hosts(), default_port())?;
    let near = hosts.iter().all(|(host, _)| registry_config::is_loopback(host));
    let mut options = ClientOptions::default();
    options.hosts = hosts
        .into_iter()
        .map(|(host, port)| ServerAddress::Tcp {
            host,
            port: Some(port),
        })
        .collect();
    options.repl_set_name = settings.text("replica_set").map(str::to_owned);
    // One host without a replica set is meant as itself; a list is for the driver's topology.
    let alone = options.hosts.len() == 1 && options.repl_set_name.is_none();
    options.direct_connection = settings.flag("direct").or(alone.then_some(true));
    options.selection_criteria = settings.text("read_preference").and_then(read_preference);
    if let Some(username) = secret::text(settings, "username")? {
        let mut credential = Credential::default();
        credential.username = Some(username);
        credential.password =
            secret::secret(settings, "password")?.map(|password| password.expose().to_owned());
        // The driver's own default would be `admin` only when the option names no database: say it.
        credential.source = Some(settings.text("auth_source").unwrap_or("admin").to_owned());
        options.credential = Some(credential);
    }
    options.tls = Some(tls(settings, near));
    let db = secret::text(settings, "db")?.ok_or_else(|| Error::new(ErrorKind::Config, "no database"))?;
    if let Some(words) = registry_config::database_name_mistake("mongodb", &db) {
        return Err(Error::new(ErrorKind::Config, words));
    }
    Ok((db, Source::Options(Box::new(options))))
}

fn from_url(url: Secret, settings: &Settings) -> Result<(String, Source), Error> {
    let config = |words: String| Error::new(ErrorKind::Config, words);
    let spec = registry_config::backend("mongodb").expect("mongodb is a row of the backend table");
    // Looked at by our own parser first: the driver's errors print a part of the password.
    let parsed = ConnectionUrl::parse(url.expose(), spec).map_err(|words| match words.split_once("; ") {
        Some((words, help)) => config(words.to_owned()).help(help),
        None => config(words),
    })?;
    let Some(db) = parsed.db.clone() else {
        return Err(
            config("the url names no database".to_owned()).help("write it behind the hosts: `…/logs`")
        );
    };
    let beside = Beside::new(&parsed, settings)?;
    if parsed.scheme == "mongodb+srv" {
        if !refused::is_accepted(url.expose()) {
            return Err(refused::by_driver(url.expose()));
        }
        return Ok((db, Source::Srv(url, Box::new(beside))));
    }
    let string = ConnectionString::parse(url.expose()).map_err(|_| refused::by_driver(url.expose()))?;
    // Without SRV there is nothing to wait for.
    match ClientOptions::parse(string).into_future().now_or_never() {
        Some(Ok(options)) => Ok((db, Source::Options(Box::new(beside.laid_under(options))))),
        _ => Err(refused::by_driver(url.expose())),
    }
}

/// The keys beside a URL. Each counts where the URL has no option that says the same.
#[derive(Clone)]
struct Beside {
    replica_set: Option<String>,
    direct: Option<bool>,
    read_preference: Option<SelectionCriteria>,
    auth_source: Option<String>,
    tls: Option<Tls>,
}

impl Beside {
    fn new(url: &ConnectionUrl, settings: &Settings) -> Result<Self, Error> {
        let says = |wanted: &[&str]| {
            let names = url.options.iter().map(|(name, _)| name.to_ascii_lowercase());
            names.into_iter().any(|name| wanted.contains(&name.as_str()))
        };
        let says_tls = says(&["ssl"])
            || url
                .options
                .iter()
                .any(|(name, _)| name.to_ascii_lowercase().starts_with("tls"));
        let has_tls = settings.text("tls").is_some() || settings.text("tls_ca").is_some();
        let text = |key: &str| settings.text(key).map(str::to_owned);
        let direct = settings
            .flag("direct")
            .filter(|_| !says(&["directconnection", "loadbalanced"]));
        if direct == Some(true) && (url.hosts.len() > 1 || url.scheme == "mongodb+srv") {
            let words = "`direct` is for one host, and the url is for several";
            return Err(Error::new(ErrorKind::Config, words).help("remove `direct`, or all hosts but one"));
        }
        Ok(Self {
            replica_set: text("replica_set").filter(|_| !says(&["replicaset", "loadbalanced"])),
            direct,
            read_preference: settings.text("read_preference").and_then(read_preference),
            // The mechanisms that are named in a URL have sources of their own.
            auth_source: text("auth_source").filter(|_| !says(&["authsource", "authmechanism"])),
            tls: (has_tls && !says_tls).then(|| tls(settings, false)),
        })
    }

    fn laid_under(self, mut options: ClientOptions) -> ClientOptions {
        options.repl_set_name = options.repl_set_name.or(self.replica_set);
        options.direct_connection = options.direct_connection.or(self.direct);
        options.selection_criteria = options.selection_criteria.or(self.read_preference);
        if let (Some(credential), Some(source)) = (&mut options.credential, self.auth_source) {
            credential.source = Some(source);
        }
        options.tls = self.tls.or(options.tls);
        options
    }
}

fn read_preference(word: &str) -> Option<SelectionCriteria> {
    let options = None;
    let preference = match word {
        "primary_preferred" => ReadPreference::PrimaryPreferred { options },
        "secondary" => ReadPreference::Secondary { options },
        "secondary_preferred" => ReadPreference::SecondaryPreferred { options },
        "nearest" => ReadPreference::Nearest { options },
        // `primary` is what the driver does by itself.
        _ => return None,
    };
    Some(SelectionCriteria::ReadPreference(preference))
}

fn tls(settings: &Settings, near: bool) -> Tls {
    let mut options = TlsOptions::default();
    options.ca_file_path = settings.text("tls_ca").map(Into::into);
    match settings.text("tls") {
        Some("off") => return Tls::Disabled,
        Some("require") => options.allow_invalid_certificates = Some(true),
        Some(_) => {}
        None if near => return Tls::Disabled,
        None => {}
    }
    Tls::Enabled(options)
}

impl Plan {
    pub(super) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The database's name.
    #[cfg(feature = "tasks")]
    pub(super) fn db(&self) -> &str {
        &self.db
    }

    /// Every host in one spelling, before a client is made; the name that DNS is asked for, of `mongodb+srv`.
    #[cfg(feature = "tasks")]
    pub(super) fn addresses(&self) -> Vec<String> {
        let address = |address: &ServerAddress| match address {
            ServerAddress::Tcp { host, port } => {
                crate::tasks::spelled(host, port.unwrap_or_else(default_port))
            }
            #[cfg(unix)]
            ServerAddress::Unix { path } => crate::tasks::spelled_socket(path),
            other => other.to_string(),
        };
        match &self.source {
            Source::Options(options) => options.hosts.iter().map(address).collect(),
            Source::Taken(_) => Vec::new(),
            Source::Srv(url, _) => registry_config::backend("mongodb")
                .and_then(|spec| ConnectionUrl::parse(url.expose(), spec).ok())
                .map(|url| url.hosts.iter().map(|host| host.address(None)).collect())
                .unwrap_or_default(),
        }
    }

    /// Has a session for one thing while another is under way.
    #[cfg(feature = "tasks")]
    pub(super) fn allow_two_sessions(&mut self) {
        self.tuning.pool_least = 2;
    }

    /// What the driver is told, as far as it is known without DNS.
    #[cfg(test)]
    pub(super) fn options(&self) -> Option<&ClientOptions> {
        match &self.source {
            Source::Options(options) => Some(options),
            Source::Taken(_) | Source::Srv(..) => None,
        }
    }

    /// The database, unless DNS is needed first. The options go to the driver's client: a kilobyte that is not kept twice.
    pub(super) fn database(&mut self) -> Result<Option<Database>, Error> {
        let hosts = match &self.source {
            Source::Options(options) => tcp_hosts(options),
            Source::Taken(_) | Source::Srv(..) => return Ok(None),
        };
        match std::mem::replace(&mut self.source, Source::Taken(hosts)) {
            Source::Options(options) => self.connect(*options).map(Some),
            Source::Taken(_) | Source::Srv(..) => Ok(None),
        }
    }

    /// The database, after a look into DNS.
    pub(super) async fn resolved(&self) -> Result<Database, Error> {
        let Source::Srv(url, beside) = &self.source else {
            return Err(Error::new(ErrorKind::Closed, "the client is gone"));
        };
        // The driver's words would hold a part of the URL.
        let options = ClientOptions::parse(url.expose()).await.map_err(|error| {
            use mongodb::error::ErrorKind as Driver;
            match error.kind.as_ref() {
                Driver::InvalidArgument { .. } => Error::new(
                    ErrorKind::Config,
                    "the options of the `mongodb+srv` url do not fit what DNS says about its hosts",
                ),
                _ => Error::new(
                    ErrorKind::Unreachable,
                    "the hosts of the `mongodb+srv` url are not to be had from DNS",
                ),
            }
        })?;
        self.connect(beside.as_ref().clone().laid_under(options))
    }

    fn connect(&self, mut options: ClientOptions) -> Result<Database, Error> {
        let Tuning {
            connect_timeout,
            pool_min,
            pool_max,
            pool_least,
            idle_timeout,
        } = self.tuning.clone();
        options.connect_timeout = Some(connect_timeout);
        // The bound of the driver's start, and of every call while no server is there. A little before our own deadline:
        // the driver knows what the hosts are that answered.
        options.server_selection_timeout = Some(connect_timeout.mul_f64(0.95));
        options.min_pool_size = options.min_pool_size.or(Some(pool_min));
        // Zero is the driver's word for any number.
        let most = options.max_pool_size.unwrap_or(pool_max);
        options.max_pool_size = Some(if most == 0 { 0 } else { most.max(pool_least) });
        options.max_idle_time = options.max_idle_time.or(idle_timeout);
        Ok(Client::with_options(options)?.database(&self.db))
    }

    pub(super) fn needs_dns(&self) -> Error {
        Error::new(
            ErrorKind::Config,
            "a `mongodb+srv` url needs DNS before there is a client",
        )
        .help("write `start = \"required\"`, or a `mongodb` url with its hosts")
    }

    /// The hosts, for a look at them with plain sockets; none when that would not see all of them.
    pub(super) fn hosts(&self) -> &[(String, u16)] {
        match &self.source {
            Source::Taken(hosts) => hosts,
            Source::Options(_) | Source::Srv(..) => &[],
        }
    }
}

fn tcp_hosts(options: &ClientOptions) -> Vec<(String, u16)> {
    let hosts = options.hosts.iter().map(|address| match address {
        ServerAddress::Tcp { host, port } => Some((host.clone(), port.unwrap_or_else(default_port))),
        _ => None,
    });
    hosts.collect::<Option<_>>().unwrap_or_default()
}
