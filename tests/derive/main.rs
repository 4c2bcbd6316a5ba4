//! The derive, seen from crates that use it.

#![expect(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod hygiene;
mod mistakes;
mod models;
mod rebuild;
mod registry;
mod scratch;
mod secrets;
