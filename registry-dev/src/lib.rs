//! Throw-away database servers for development and tests.
//!
//! ```no_run
//! # async fn example() -> Result<(), registry_dev::Error> {
//! let server = registry_dev::mysql().await?;
//! server.create_database("shop", "shop", "a password").await?;
//! println!("{}", server.address());
//! server.pause().await?; // and resume, stop, start, restart, kill
//! # Ok(())
//! # }
//! ```
//!
//! A server listens on a free port of loopback, keeps its files in a temporary folder of its own, and ends when its
//! value is dropped or when this process ends, however that happens. Several start side by side, in one process and in
//! many. What is not installed is an [`Error::Missing`] that holds the command to install it.
//!
//! [`mysql_replicated`] and [`postgres_replicated`] start several that replicate.
//!
//! [`Proxy`] stands between a client and a server and behaves as bad networks do.

mod account;
mod cache;
mod cargo;
mod docker;
mod engine;
mod error;
mod family;
mod find;
mod flavor;
mod folder;
mod install;
mod kind;
mod launch;
mod memcached;
mod missing;
mod mongodb;
mod mysql;
mod nx;
mod packages;
mod port;
mod postgres;
mod proxy;
mod relay;
mod replication;
mod run;
mod script;
mod server;
mod template;

pub use cargo::cargo_variables;
pub use engine::{Engine, install_engines};
pub use error::Error;
pub use install::install;
pub use kind::{Kind, Provider};
pub use memcached::{MemcachedOptions, MemcachedServer, memcached, memcached_with};
pub use missing::{Missing, install_command, is_installed, missing};
pub use mongodb::{MongoDbServer, mongodb};
pub use mysql::{MySqlOptions, MySqlServer, mysql, mysql_with};
pub use port::Port;
pub use postgres::{PostgresOptions, PostgresServer, postgres, postgres_with};
pub use proxy::{Mode, Proxy};
pub use replication::{
    MySqlReplicated, PostgresReplicated, Replicated, mysql_replicated, postgres_replicated,
};
pub use script::quoted;
pub use server::Server;
