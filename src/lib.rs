//! Every database connection of an application in one file, checked by the compiler and opened at once.
//!
//! `databases.toml`, beside `Cargo.toml`, names every connection. The derive reads it while the application is compiled
//! and generates a struct with one field per connection:
//!
//! ```
//! # #[cfg(feature = "memcached")]
//! # mod example {
//! use dbreg::DbRegistry;
//!
//! #[derive(DbRegistry)]
//! # #[registry(toml = "[memcached.cache]\nhost = \"127.0.0.1\"\n")]
//! pub struct App; // generates AppRegistry, and a module app_registry with its parts
//!
//! pub async fn start() -> Result<(), dbreg::StartError> {
//!     let db = App::connect().await?; // all at once; the error is the report of every connection
//!     println!("{}", db.report());
//!     println!("{:?}", db.memcached.cache.ping().await);
//!     Ok(())
//! }
//! # }
//! ```
//!
//! - [`DbRegistry`] is the derive, with its attributes; [`Model`] binds a model to its connection.
//! - [`Builder`] is a start with other than the default settings: a profile, a file of values, a deadline.
//! - [`Report`] and [`StartError`] say what became of each connection.
//! - `MySql`, `MongoDb`, `Memcached`, `Sqlite`, `Postgres` are the handles, each behind the feature with its name in lower case.
//! - [`Registry`] is the dynamic side, for tools.
//!
//! No backend is on by default: `cargo add dbreg --features mysql`. The drivers are part of the interface, as
//! `dbreg::sqlx` and `dbreg::mongodb`.

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod gate;
#[cfg(feature = "test")]
mod testing;

pub use registry_core::{
    AnyConnection, At, Backend, Backoff, Builder, CLOSE_DEADLINE, ERROR_LOG_CAPACITY, EXIT_CONFIG, EXIT_OK,
    EXIT_UNAVAILABLE, Error, ErrorKind, ErrorRecord, Errors, Instance, ModelOf, Optional, Outcome, Registry,
    Report, ReportRow, START_DEADLINE, STARTUP_CONCURRENCY, Sessions, StartError, StartPolicy, State,
    StateChange, Status, WATCH_CAPACITY, Watch,
};
#[cfg(feature = "test")]
pub use registry_macros::test;
pub use registry_macros::{DbRegistry, Model};

#[cfg(feature = "memcached")]
pub use registry_core::Memcached;
#[cfg(feature = "mongodb")]
pub use registry_core::MongoDb;
#[cfg(feature = "mysql")]
pub use registry_core::MySql;
#[cfg(feature = "postgres")]
pub use registry_core::Postgres;
#[cfg(feature = "postgres")]
pub use registry_core::PostgresReader;
#[cfg(feature = "sqlite")]
pub use registry_core::Sqlite;

#[cfg(all(
    feature = "sea-orm",
    any(feature = "mysql", feature = "sqlite", feature = "postgres")
))]
pub use registry_core::Find;
#[cfg(feature = "mysql")]
pub use registry_core::MySqlReader;
#[cfg(any(feature = "mysql", feature = "sqlite", feature = "postgres"))]
pub use registry_core::Transaction;
#[cfg(feature = "mongodb")]
pub use registry_core::mongodb;
#[cfg(feature = "mongodm")]
pub use registry_core::mongodm;
#[cfg(feature = "sea-orm")]
pub use registry_core::sea_orm;
#[cfg(any(feature = "mysql", feature = "sqlite", feature = "postgres"))]
pub use registry_core::sqlx;
#[cfg(feature = "mongodb")]
pub use registry_core::{CollectionIndex, CollectionModel, MongoFind, SyncedIndexes};
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub use registry_core::{SqlHost, SqlHostRole, SqlHostState, WriteToken};

#[cfg(feature = "tasks")]
pub use registry_core::tasks;
#[cfg(feature = "memcached")]
pub use registry_core::{CacheModel, CasOutcome, CasToken, Expiry, FailedHost, HostAddress, MultiGet};
#[cfg(all(feature = "supervise", unix))]
pub use registry_core::{Readiness, Supervise, Worker, supervise};

/// The examples of the README compile.
#[cfg(all(
    doctest,
    feature = "mysql",
    feature = "mongodb",
    feature = "memcached",
    feature = "supervise"
))]
#[doc = include_str!("../README.md")]
struct Readme;

/// So do those of the verbs.
#[cfg(all(
    doctest,
    feature = "mysql",
    feature = "mongodb",
    feature = "memcached",
    feature = "tasks"
))]
#[doc = include_str!("../docs/tasks.md")]
struct Verbs;

/// A model is read on the readers of its own connection, and of no other: what has to fail does not compile.
#[cfg(all(doctest, feature = "mysql", feature = "sea-orm"))]
#[doc = include_str!("../tests/models/readers.md")]
struct Readers;
