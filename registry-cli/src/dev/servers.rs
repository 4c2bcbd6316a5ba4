//! The servers of a plan.

use super::Failure;
use super::names::password;
use super::plan::{Form, Plan, Planned, Target};
use super::progress::Progress;
use super::values;
use super::variables::{self, Address};
use crate::exit;
use registry_dev::{
    Error, MemcachedServer, MongoDbServer, MySqlReplicated, MySqlServer, PostgresReplicated, PostgresServer,
    Replicated, Server,
};
use std::net::SocketAddr;
use std::ops::Deref;
use tempfile::TempDir;

/// Running servers, and the variables that lead there. All end with this value.
pub(crate) struct Servers {
    variables: Vec<(String, String)>,
    _mysql: Option<Sql<MySqlServer, MySqlReplicated>>,
    _mongodb: Option<MongoDbServer>,
    _postgres: Option<Sql<PostgresServer, PostgresReplicated>>,
    _memcached: Vec<Vec<MemcachedServer>>,
    _folder: TempDir,
}

/// One server for all, or as many that replicate as the connection with the most hosts has.
enum Sql<S, G> {
    One(S),
    Many(G),
}

impl<S: Deref<Target = Server>, G: Deref<Target = Replicated<S>>> Sql<S, G> {
    fn servers(&self) -> Vec<&Server> {
        match self {
            Self::One(server) => vec![server],
            Self::Many(group) => group.servers().map(Deref::deref).collect(),
        }
    }

    /// The addresses of this many of them.
    fn addresses(&self, number: usize) -> Vec<SocketAddr> {
        let all = self.servers().into_iter().map(Server::address);
        all.take(number).collect()
    }

    /// Says which connections each of them is for: those of as many hosts.
    fn tell(&self, progress: &Progress, connections: &[(&Planned, &str)]) {
        for (index, server) in self.servers().into_iter().enumerate() {
            let here = connections
                .iter()
                .filter(|(planned, _)| planned.parts.len() > index);
            tell(progress, server, here);
        }
    }
}

/// How many hosts the connection with the most has; nothing where there is no connection.
fn most(connections: &[(&Planned, &str)]) -> Option<usize> {
    connections.iter().map(|(planned, _)| planned.parts.len()).max()
}

impl Servers {
    pub(crate) async fn start(plan: &Plan, progress: Progress) -> Result<Self, Failure> {
        let what: Vec<String> = plan.kinds().iter().map(ToString::to_string).collect();
        progress.starting(&what);
        let folder = tempfile::Builder::new()
            .prefix("dbreg-dev-")
            .tempdir()
            .map_err(unprepared)?;
        let passwords = plan
            .connections
            .iter()
            .map(|_| password())
            .collect::<Result<Vec<_>, _>>()
            .map_err(unprepared)?;
        let of = |backend: &'static str| -> Vec<(&Planned, &str)> {
            let all = plan.connections.iter().zip(passwords.iter().map(String::as_str));
            all.filter(|(planned, _)| planned.backend == backend).collect()
        };
        let (mysql, mongodb, memcached, postgres) = tokio::try_join!(
            start_mysql(of("mysql"), &progress),
            start_mongodb(of("mongodb"), &progress),
            start_memcached(of("memcached"), &progress),
            start_postgres(of("postgres"), &progress),
        )?;
        let mut caches = memcached.iter();
        let mut variables = Vec::new();
        let mut file = String::new();
        for (planned, password) in plan.connections.iter().zip(&passwords) {
            let hosts = planned.parts.len();
            let servers: Vec<SocketAddr> = match &planned.target {
                Target::MySql { .. } => mysql.iter().flat_map(|all| all.addresses(hosts)).collect(),
                Target::MongoDb { .. } => mongodb.iter().map(|server| server.address()).collect(),
                Target::Postgres { .. } => postgres.iter().flat_map(|all| all.addresses(hosts)).collect(),
                Target::Memcached => {
                    let fleet = caches.next().into_iter().flatten();
                    fleet.map(|server| server.address()).collect()
                }
                Target::Sqlite { .. } | Target::Memory => Vec::new(),
            };
            let address = Address {
                servers: &servers,
                password,
                folder: folder.path(),
            };
            variables.extend(variables::of(planned, &address));
            if planned.form == Form::Values {
                file.push_str(&values::table(planned, &servers));
            }
        }
        if !file.is_empty() {
            let path = folder.path().join("values.toml");
            std::fs::write(&path, file).map_err(unprepared)?;
            variables.push((plan.config.clone(), path.display().to_string()));
        }
        progress.done(&what);
        Ok(Self {
            variables,
            _mysql: mysql,
            _mongodb: mongodb,
            _postgres: postgres,
            _memcached: memcached,
            _folder: folder,
        })
    }

    /// Names and values.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }
}

fn unprepared(error: std::io::Error) -> Failure {
    Failure(exit::UNAVAILABLE, Some(format!("cannot prepare: {error}")))
}

async fn start_mysql(
    connections: Vec<(&Planned, &str)>,
    progress: &Progress,
) -> Result<Option<Sql<MySqlServer, MySqlReplicated>>, Error> {
    let mysql = match most(&connections) {
        None => return Ok(None),
        Some(1) => Sql::One(registry_dev::mysql().await?),
        Some(most) => Sql::Many(registry_dev::mysql_replicated(most).await?),
    };
    for (planned, password) in &connections {
        let Target::MySql { db, user } = &planned.target else {
            continue;
        };
        match &mysql {
            Sql::One(server) => server.create_database(db, user, password).await?,
            Sql::Many(group) => group.create_database(db, user, password).await?,
        }
    }
    mysql.tell(progress, &connections);
    Ok(Some(mysql))
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

async fn start_postgres(
    connections: Vec<(&Planned, &str)>,
    progress: &Progress,
) -> Result<Option<Sql<PostgresServer, PostgresReplicated>>, Error> {
    let postgres = match most(&connections) {
        None => return Ok(None),
        Some(1) => Sql::One(registry_dev::postgres().await?),
        Some(most) => Sql::Many(registry_dev::postgres_replicated(most).await?),
    };
    for (planned, password) in &connections {
        let Target::Postgres { db, user } = &planned.target else {
            continue;
        };
        match &postgres {
            Sql::One(server) => server.create_database(db, user, password).await?,
            Sql::Many(group) => group.create_database(db, user, password).await?,
        }
    }
    postgres.tell(progress, &connections);
    Ok(Some(postgres))
}

/// One for each host of each connection: memcached has no databases that would keep them apart.
async fn start_memcached(
    connections: Vec<(&Planned, &str)>,
    progress: &Progress,
) -> Result<Vec<Vec<MemcachedServer>>, Error> {
    let mut fleets = Vec::new();
    for connection in &connections {
        let mut fleet = Vec::new();
        for _ in &connection.0.parts {
            let server = registry_dev::memcached().await?;
            tell(progress, &server, [connection]);
            fleet.push(server);
        }
        fleets.push(fleet);
    }
    Ok(fleets)
}

fn tell<'a>(
    progress: &Progress,
    server: &Server,
    connections: impl IntoIterator<Item = &'a (&'a Planned, &'a str)>,
) {
    let titles: Vec<&str> = connections
        .into_iter()
        .map(|(planned, _)| planned.title.as_str())
        .collect();
    progress.ready(&server.kind().to_string(), &server.address().to_string(), &titles);
}
