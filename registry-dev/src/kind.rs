//! Which server, and what runs it.

use std::fmt;

/// A server that this crate can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// MariaDB or MySQL.
    MySql,
    /// memcached.
    Memcached,
    /// MongoDB, or what speaks its protocol.
    MongoDb,
    /// PostgreSQL.
    Postgres,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::MySql, Self::Memcached, Self::MongoDb, Self::Postgres];

    /// The name of the backend in `databases.toml`: `mysql`.
    #[must_use]
    pub fn backend(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::Memcached => "memcached",
            Self::MongoDb => "mongodb",
            Self::Postgres => "postgres",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MySql => "MySQL",
            Self::Memcached => "memcached",
            Self::MongoDb => "MongoDB",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// What a server runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provider {
    /// The server's own program, from `PATH`.
    Program,
    /// A container of the local Docker.
    Docker,
    /// `nx-27017` from PyPI: MongoDB's protocol over SQLite. It knows no logins and no replica sets.
    Nx27017,
}
