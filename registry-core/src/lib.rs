//! The run time of dbreg: adapters, start-up, errors, values.

pub mod adapters;
mod error;
mod kind;

pub use error::Error;
pub use kind::{EXIT_CONFIG, EXIT_OK, EXIT_UNAVAILABLE, ErrorKind};
