//! MySQL with several hosts, on MariaDB servers that replicate: failover, readers, reading one's own writes.
#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

mod age;
mod deadline;
mod failover;
#[path = "../load/mod.rs"]
mod load;
mod reader;
mod rotation;
mod servers;
mod token;
mod under_load;
