//! What the backends on sqlx share: errors, pools ready for production, and handles that are sqlx executors.

mod error;
mod executor;
#[cfg(feature = "sea-orm")]
mod find;
#[cfg(feature = "sea-orm")]
mod models;
#[cfg(feature = "sea-orm")]
pub(crate) mod orm;
mod pool;
#[cfg(feature = "tasks")]
pub(crate) mod tasks;
mod transaction;

pub(crate) use error::{as_driver_error, closed};
#[cfg(feature = "mysql")]
pub(crate) use executor::copy_of;
pub(crate) use executor::{record, sql_handle, stream, tagged_executor};
#[cfg(feature = "mysql")]
pub(crate) use pool::{Fitness, RELEASE_PING, greeting};
pub(crate) use pool::{Limits, fill, options, sessions};
pub use transaction::Transaction;
pub(crate) use transaction::transaction;

#[cfg(feature = "sea-orm")]
pub use find::Find;
