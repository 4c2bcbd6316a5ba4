//! What the backends on sqlx share: errors, pools ready for production, and handles that are sqlx executors.

mod error;
mod executor;
mod pool;
#[cfg(feature = "tasks")]
pub(crate) mod tasks;

pub(crate) use error::{as_driver_error, closed};
#[cfg(feature = "mysql")]
pub(crate) use executor::copy_of;
pub(crate) use executor::{record, sql_handle, stream};
#[cfg(feature = "mysql")]
pub(crate) use pool::{Fitness, RELEASE_PING, greeting};
pub(crate) use pool::{Limits, fill, options, sessions};
