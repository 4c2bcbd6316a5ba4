//! The verbs on MongoDB and memcached, on real servers: what is there afterwards is asked with the drivers' own clients.
#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

mod documents;
mod fixtures;
mod keys;
mod migrations;
mod ownership;
mod project;
mod renamed;
mod start;
mod store;
