//! The verbs on MongoDB and memcached, on real servers: what is there afterwards is asked with the drivers' own clients.
#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

mod fixtures;
mod migrations;
mod project;
mod store;
