//! One folder per backend, each with the same files: the handle in `mod.rs`, its opening in `open.rs`, the mapping of
//! its driver's errors in `error.rs`. What the SQL backends share is in `sql/`.

#[cfg(feature = "memcached")]
pub mod memcached;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "mysql", feature = "sqlite", feature = "postgres"))]
pub mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
