//! PostgreSQL with several hosts, on servers that replicate: failover, readers, reading one's own writes.
#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

mod deadline;
mod failover;
mod lag;
#[path = "../load/mod.rs"]
mod load;
mod reader;
mod servers;
mod token;
mod under_load;
