//! Opening a MongoDB connection: values -> the driver's options, the attempt, the proof.

use crate::base::Base;
use crate::cause::{all_refuse, with_cause};
use crate::connection::Opened;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::secret;
use futures_util::FutureExt as _;
use mongodb::bson::doc;
use mongodb::options::{ClientOptions, ConnectionString, Credential, ServerAddress, Tls, TlsOptions};
use mongodb::{Client, Database};
use registry_config::{ConnectionUrl, Secret, Settings, Value};
use std::net::IpAddr;

/// The default port of the backend's row.
fn default_port() -> u16 {
    registry_config::backend("mongodb")
        .and_then(|spec| spec.default_port)
        .expect("mongodb has a port")
}

/// What the client is made from.
pub(super) struct Plan {
    db: String,
    source: Source,
    tuning: Tuning,
    from_file: bool,
}

enum Source {
    /// Complete options.
    Options(Box<ClientOptions>),
    /// A URL whose hosts are in DNS.
    Srv(Secret),
}

/// What dbreg sets on options from wherever they come.
#[derive(Clone)]
struct Tuning {
    connect_timeout: std::time::Duration,
    pool_min: u32,
    pool_max: u32,
    idle_timeout: Option<std::time::Duration>,
}

pub(super) fn plan(base: &Base, settings: &Settings) -> Result<Plan, Error> {
    let count = |key: &str, default: u32| {
        settings
            .count(key)
            .map_or(default, |count| u32::try_from(count).unwrap_or(u32::MAX))
    };
    let tuning = Tuning {
        connect_timeout: base.connect_timeout(),
        pool_min: count("pool.min", 0),
        pool_max: count("pool.max", 10),
        idle_timeout: settings.duration("pool.idle_timeout"),
    };
    let from_file = secret::from_file(settings);
    if let Some(url) = secret::secret(settings, "url")? {
        let (db, source) = from_url(&url)?;
        let source = source.map_or(Source::Srv(url), |options| Source::Options(Box::new(options)));
        return Ok(Plan {
            db,
            source,
            tuning,
            from_file,
        });
    }
    let hosts = secret::hosts(settings.hosts(), default_port())?;
    let near = hosts.iter().all(|(host, _)| {
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    });
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
    options.direct_connection = (options.hosts.len() == 1 && options.repl_set_name.is_none()).then_some(true);
    if let Some(username) = secret::text(settings, "username")? {
        let mut credential = Credential::default();
        credential.username = Some(username);
        credential.password =
            secret::secret(settings, "password")?.map(|password| password.expose().to_owned());
        // The driver's own default would be `admin` only when the option names no database: say it.
        credential.source = Some(settings.text("auth_source").unwrap_or("admin").to_owned());
        options.credential = Some(credential);
    }
    options.tls = tls(settings, near);
    let db = secret::text(settings, "db")?.ok_or_else(|| Error::new(ErrorKind::Config, "no database"))?;
    Ok(Plan {
        db,
        source: Source::Options(Box::new(options)),
        tuning,
        from_file,
    })
}

fn from_url(url: &Secret) -> Result<(String, Option<ClientOptions>), Error> {
    let config = |words: String| Error::new(ErrorKind::Config, words);
    let spec = registry_config::backend("mongodb").expect("mongodb is a row of the backend table");
    // Looked at by our own parser first: the driver's errors print a part of the password.
    let parsed = ConnectionUrl::parse(url.expose(), spec).map_err(config)?;
    let Some(db) = parsed.db.clone() else {
        return Err(
            config("the url names no database".to_owned()).help("write it behind the hosts: `…/logs`")
        );
    };
    if parsed.scheme == "mongodb+srv" {
        return Ok((db, None));
    }
    let refused = || {
        config("the driver refuses the url: one of its options is unknown or has a wrong value".to_owned())
    };
    let string = ConnectionString::parse(url.expose()).map_err(|_| refused())?;
    // Without SRV there is nothing to wait for.
    match ClientOptions::parse(string).into_future().now_or_never() {
        Some(Ok(options)) => Ok((db, Some(options))),
        _ => Err(refused()),
    }
}

fn tls(settings: &Settings, near: bool) -> Option<Tls> {
    let mut options = TlsOptions::default();
    options.ca_file_path = settings.text("tls_ca").map(Into::into);
    match settings.text("tls") {
        Some("off") => return Some(Tls::Disabled),
        Some("require") => options.allow_invalid_certificates = Some(true),
        Some(_) => {}
        None if near => return Some(Tls::Disabled),
        None => {}
    }
    Some(Tls::Enabled(options))
}

impl Plan {
    /// The database, unless DNS is needed first.
    pub(super) fn database(&self) -> Result<Option<Database>, Error> {
        match &self.source {
            Source::Options(options) => self.connect(options.as_ref().clone()).map(Some),
            Source::Srv(_) => Ok(None),
        }
    }

    fn connect(&self, mut options: ClientOptions) -> Result<Database, Error> {
        let Tuning {
            connect_timeout,
            pool_min,
            pool_max,
            idle_timeout,
        } = self.tuning.clone();
        options.connect_timeout = Some(connect_timeout);
        // The bound of the driver's start, and of every call while no server is there.
        options.server_selection_timeout = Some(connect_timeout);
        options.min_pool_size = options.min_pool_size.or(Some(pool_min));
        options.max_pool_size = options.max_pool_size.or(Some(pool_max));
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

    fn hosts(&self) -> Vec<(String, u16)> {
        let Source::Options(options) = &self.source else {
            return Vec::new();
        };
        let hosts = options.hosts.iter().filter_map(|address| match address {
            ServerAddress::Tcp { host, port } => Some((host.clone(), port.unwrap_or_else(default_port))),
            _ => None,
        });
        hosts.collect()
    }
}

/// The proof by a command. The driver waits for a server until `connect_timeout` whatever the cause: plain sockets
/// beside it find out when there is nothing to wait for.
pub(super) async fn open(
    base: &Base,
    plan: &Plan,
    ready: Option<&Database>,
) -> Result<(Database, Opened), Error> {
    let database = match (ready, &plan.source) {
        (Some(database), _) => database.clone(),
        (None, Source::Srv(url)) => {
            let refused = |_| {
                Error::new(
                    ErrorKind::Unreachable,
                    "the hosts of the `mongodb+srv` url are not to be had from DNS",
                )
            };
            plan.connect(ClientOptions::parse(url.expose()).await.map_err(refused)?)?
        }
        (None, Source::Options(options)) => plan.connect(options.as_ref().clone())?,
    };
    let hosts = plan.hosts();
    let attempt = async {
        let ping = async {
            // `buildInfo` needs no right; `ping` would prove no login.
            let info = database.run_command(doc! { "buildInfo": 1 }).await?;
            // A login is proven by a command that needs one.
            database.run_command(doc! { "ping": 1 }).await?;
            Ok::<_, Error>(info.get_str("version").map(str::to_owned).unwrap_or_default())
        };
        if hosts.is_empty() {
            return ping.await;
        }
        tokio::select! {
            version = ping => version,
            refused = all_refuse(&hosts) => Err(refused),
        }
    };
    let found = with_cause(&hosts, base.connect_timeout(), "MongoDB", attempt).await;
    let version = found.map_err(|error| {
        if plan.from_file {
            error.with_credential_file()
        } else {
            error
        }
    })?;
    Ok((
        database,
        Opened {
            detail: format!("MongoDB {version}"),
        },
    ))
}

/// The hosts for the report: `m1,m2:27017`.
pub(super) fn shown(settings: &Settings) -> String {
    let hosts: Vec<_> = settings
        .hosts()
        .iter()
        .map(|host| host.address(Some(default_port())))
        .collect();
    if !hosts.is_empty() {
        return hosts.join(",");
    }
    match settings.value("url").map(|setting| &setting.value) {
        Some(Value::Reference(reference)) => format!("url from {reference}"),
        Some(_) => "url".to_owned(),
        None => String::new(),
    }
}
