//! What is not installed, and the command that installs it.

use crate::{Kind, find, memcached, mysql};
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

/// Whether there is something that can run this server.
pub(crate) fn is_installed(kind: Kind) -> bool {
    match kind {
        Kind::MySql => mysql::installed().is_some(),
        Kind::Memcached => memcached::installed().is_some(),
        Kind::MongoDb => false,
    }
}

impl Missing {
    pub(crate) fn of(kind: Kind) -> Self {
        let _ = find::program;
        Self {
            kind,
            command: String::new(),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::MySql => "neither MariaDB nor MySQL with its client is installed",
            Kind::Memcached => "`memcached` is not installed",
            Kind::MongoDb => "neither `mongod` nor `nx-27017` is installed",
        };
        write!(
            f,
            "no {} server: {what}, and no Docker engine answers; install it with: {}",
            self.kind, self.command
        )
    }
}
