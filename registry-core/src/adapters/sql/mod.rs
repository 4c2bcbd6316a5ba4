//! What the backends on sqlx share: errors, pools ready for production, and handles that are sqlx executors. Those with
//! a login share where it comes from, too.

mod error;
mod executor;
#[cfg(feature = "sea-orm")]
mod find;
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) mod hosts;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod login;
#[cfg(feature = "sea-orm")]
mod models;
#[cfg(feature = "sea-orm")]
pub(crate) mod orm;
mod pool;
mod rows;
#[cfg(feature = "tasks")]
pub(crate) mod tasks;
mod transaction;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod watcher;

#[cfg(any(feature = "tasks", feature = "mysql", feature = "postgres"))]
pub(crate) use error::NO_TABLE;
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) use error::{NO_DATABASE, explain};
pub(crate) use error::{as_driver_error, closed};
pub(crate) use executor::{record, sql_handle, tagged_executor};
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) use login::{Login, Tls, authority, shown};
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) use pool::set_options;
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) use pool::{Fitness, RELEASE_PING, greeting};
pub(crate) use pool::{Limits, fill, options, sessions};
pub(crate) use rows::stream;
pub use transaction::Transaction;
pub(crate) use transaction::{begun, transaction};
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) use watcher::Watcher;

#[cfg(feature = "sea-orm")]
pub use find::Find;
