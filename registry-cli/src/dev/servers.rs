//! The servers of a plan.

use super::Failure;
use super::names::password;
use super::plan::{Plan, Planned, Target};
use super::progress::Progress;
use super::variables::{self, Address};
use crate::exit;
use registry_dev::{Error, MemcachedServer, MongoDbServer, MySqlServer, Server};
use tempfile::TempDir;

/// Running servers, and the variables that lead there. All end with this value.
pub(crate) struct Servers {
    variables: Vec<(String, String)>,
    _mysql: Option<MySqlServer>,
    _mongodb: Option<MongoDbServer>,
    _memcached: Vec<MemcachedServer>,
    _folder: TempDir,
}

impl Servers {
    pub(crate) async fn start(plan: &Plan, progress: Progress) -> Result<Self, Failure> {
        let what: Vec<String> = plan.kinds().iter().map(ToString::to_string).collect();
        progress.starting(&what);
        let failed =
            |error: std::io::Error| Failure(exit::UNAVAILABLE, Some(format!("cannot prepare: {error}")));
        let folder = tempfile::Builder::new()
            .prefix("dbreg-dev-")
            .tempdir()
            .map_err(failed)?;
        let passwords = plan
            .connections
            .iter()
            .map(|_| password())
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        let of = |backend: &'static str| -> Vec<(&Planned, &str)> {
            let all = plan.connections.iter().zip(passwords.iter().map(String::as_str));
            all.filter(|(planned, _)| planned.backend == backend).collect()
        };
        let (mysql, mongodb, memcached) = tokio::try_join!(
            start_mysql(of("mysql"), &progress),
            start_mongodb(of("mongodb"), &progress),
            start_memcached(of("memcached"), &progress),
        )?;
        let mut caches = memcached.iter();
        let mut variables = Vec::new();
        for (planned, password) in plan.connections.iter().zip(&passwords) {
            let server: Option<&Server> = match &planned.target {
                Target::MySql { .. } => mysql.as_deref(),
                Target::MongoDb { .. } => mongodb.as_deref(),
                Target::Memcached => caches.next().map(|server| &**server),
                Target::Sqlite { .. } | Target::Memory => None,
            };
            let (host, port) = server.map_or(("", 0), |server| (server.host(), server.port()));
            variables.extend(variables::of(
                planned,
                &Address {
                    host,
                    port,
                    password,
                    folder: folder.path(),
                },
            ));
        }
        progress.done(&what);
        Ok(Self {
            variables,
            _mysql: mysql,
            _mongodb: mongodb,
            _memcached: memcached,
            _folder: folder,
        })
    }

    /// Names and values.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }
}

async fn start_mysql(
    connections: Vec<(&Planned, &str)>,
    progress: &Progress,
) -> Result<Option<MySqlServer>, Error> {
    if connections.is_empty() {
        return Ok(None);
    }
    let server = registry_dev::mysql().await?;
    for (planned, password) in &connections {
        if let Target::MySql { db, user } = &planned.target {
            server.create_database(db, user, password).await?;
        }
    }
    tell(progress, &server, &connections);
    Ok(Some(server))
}

async fn start_mongodb(
    connections: Vec<(&Planned, &str)>,
    progress: &Progress,
) -> Result<Option<MongoDbServer>, Error> {
    if connections.is_empty() {
        return Ok(None);
    }
    let server = registry_dev::mongodb().await?;
    tell(progress, &server, &connections);
    Ok(Some(server))
}

/// One for each connection: memcached has no databases that would keep them apart.
async fn start_memcached(
    connections: Vec<(&Planned, &str)>,
    progress: &Progress,
) -> Result<Vec<MemcachedServer>, Error> {
    let mut servers = Vec::new();
    for connection in connections {
        let server = registry_dev::memcached().await?;
        tell(progress, &server, &[connection]);
        servers.push(server);
    }
    Ok(servers)
}

fn tell(progress: &Progress, server: &Server, connections: &[(&Planned, &str)]) {
    let titles: Vec<&str> = connections
        .iter()
        .map(|(planned, _)| planned.title.as_str())
        .collect();
    progress.ready(&server.kind().to_string(), &server.address().to_string(), &titles);
}
