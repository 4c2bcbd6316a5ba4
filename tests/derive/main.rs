//! The derive, seen from crates that use it.

mod hygiene;
mod mistakes;
mod rebuild;
mod scratch;
mod secrets;
