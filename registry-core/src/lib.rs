//! The run time of dbreg: adapters, start-up, errors, values.
//!
//! Values (compiled in < profile < variables) become one [`Settings`](registry_config::Settings) per connection, each
//! adapter builds its handle from them without I/O, and one loop opens all handles at once and writes the report.
//! Applications use it through the crate `dbreg`.

pub mod adapters;
mod at;
mod attempt;
mod background;
mod backoff;
mod base;
mod builder;
#[cfg(any(
    feature = "mysql",
    feature = "mongodb",
    feature = "memcached",
    feature = "postgres"
))]
mod cause;
mod connection;
mod error;
mod error_log;
mod file;
mod gate;
#[cfg_attr(
    not(any(feature = "mysql", feature = "postgres")),
    expect(dead_code, reason = "a matter of SQL pools, and of those with a login")
)]
mod generations;
mod health;
mod inspection;
mod kind;
mod model;
mod names;
mod registry;
mod report;
#[cfg(any(feature = "mysql", feature = "mongodb", feature = "postgres"))]
mod rotation;
mod secret;
mod startup;
mod status;
#[cfg(all(feature = "supervise", unix))]
mod supervise;
#[cfg(feature = "tasks")]
#[cfg_attr(
    not(any(
        feature = "mysql",
        feature = "sqlite",
        feature = "postgres",
        feature = "mongodb"
    )),
    expect(dead_code, unused_imports, reason = "no backend takes all of it")
)]
pub mod tasks;
mod together;
mod turns;
mod values;
mod watch;

#[cfg(feature = "memcached")]
#[doc(hidden)]
pub use adapters::memcached::CacheKey;
#[cfg(feature = "memcached")]
pub use adapters::memcached::{
    CacheModel, CasOutcome, CasToken, Expiry, FailedHost, HostAddress, Memcached, MultiGet,
};
#[cfg(feature = "mongodm")]
#[doc(hidden)]
pub use adapters::mongodb::CollectionConfig;
#[cfg(feature = "mongodb")]
pub use adapters::mongodb::{CollectionIndex, CollectionModel, MongoDb, MongoFind, SyncedIndexes};
#[cfg(feature = "mysql")]
pub use adapters::mysql::{MySql, MySqlReader};
#[cfg(feature = "postgres")]
pub use adapters::postgres::{Postgres, PostgresReader};
#[cfg(all(
    feature = "sea-orm",
    any(feature = "mysql", feature = "sqlite", feature = "postgres")
))]
pub use adapters::sql::Find;
#[cfg(any(feature = "mysql", feature = "sqlite", feature = "postgres"))]
pub use adapters::sql::Transaction;
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub use adapters::sql::hosts::{SqlHost, SqlHostRole, SqlHostState, WriteToken};
#[cfg(feature = "sqlite")]
pub use adapters::sqlite::Sqlite;
pub use at::{At, Optional};
pub use backoff::Backoff;
pub use base::{CLOSE_DEADLINE, StartPolicy};
pub use builder::Builder;
pub use connection::{AnyConnection, Instance};
pub use error::Error;
pub use error_log::{ERROR_LOG_CAPACITY, ErrorRecord, Errors};
pub use kind::{EXIT_CONFIG, EXIT_OK, EXIT_UNAVAILABLE, ErrorKind};
pub use model::ModelOf;
pub use registry::{Backend, Registry};
pub use report::{Outcome, Report, ReportRow, StartError};
pub use startup::START_DEADLINE;
pub use status::{Sessions, State, StateChange, Status};
#[cfg(all(feature = "supervise", unix))]
pub use supervise::{Readiness, Supervise, Worker, master_names, master_status, supervise};
pub use turns::STARTUP_CONCURRENCY;
pub use watch::{WATCH_CAPACITY, Watch};

#[doc(hidden)]
pub use builder::Root;
#[doc(hidden)]
pub use inspection::{Inspection, Place, reference_length};
#[doc(hidden)]
pub use startup::Opening;
#[doc(hidden)]
pub use values::Given;

#[cfg(feature = "mongodb")]
pub use mongodb;
#[cfg(feature = "mongodm")]
pub use mongodm;
#[cfg(feature = "sea-orm")]
pub use sea_orm;
#[cfg(any(feature = "mysql", feature = "sqlite", feature = "postgres"))]
pub use sqlx;
