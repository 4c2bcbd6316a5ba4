//! What is not installed, and the command that installs it.

use crate::{Kind, memcached, mongodb, mysql, nx, packages, postgres};
use std::fmt;

/// A server that cannot be started on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Which server.
    pub kind: Kind,
    /// The command that installs it.
    pub command: String,
}

/// The servers that cannot be started on this machine. It may take seconds: Docker is asked.
#[must_use]
pub fn missing() -> Vec<Missing> {
    Kind::ALL
        .into_iter()
        .filter(|kind| !is_installed(*kind))
        .map(Missing::of)
        .collect()
}

/// Whether there is something on this machine that can run this server. It may take seconds: Docker is asked.
#[must_use]
pub fn is_installed(kind: Kind) -> bool {
    match kind {
        Kind::MySql => mysql::installed().is_some(),
        Kind::Memcached => memcached::installed().is_some(),
        Kind::MongoDb => mongodb::installed().is_some(),
        Kind::Postgres => postgres::installed().is_some(),
    }
}

/// One command that installs these servers, as the user would type it.
#[must_use]
pub fn install_command(kinds: &[Kind]) -> String {
    let packages = packages::needed(kinds);
    let mut commands = Vec::new();
    if !packages.is_empty() {
        commands.push(packages::command(&packages));
    }
    if kinds.contains(&Kind::MongoDb) {
        commands.extend(nx::commands());
    }
    commands.join(" && ")
}

impl Missing {
    pub(crate) fn of(kind: Kind) -> Self {
        Self {
            kind,
            command: install_command(&[kind]),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::MySql => "neither MariaDB nor MySQL with its client is installed",
            Kind::Memcached => "`memcached` is not installed",
            Kind::MongoDb => "neither `mongod` nor `nx-27017` is installed",
            Kind::Postgres => "PostgreSQL is not installed",
        };
        write!(
            f,
            "no {} server: {what}, and no Docker engine answers; install it with: {}",
            self.kind, self.command
        )
    }
}
