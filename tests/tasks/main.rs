//! The verbs on real servers: what they do to the data, told by the drivers' own clients.
#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

mod fill;
mod marks;
mod migrate;
mod mysql;
mod partial;
mod plan;
mod protection;
mod scene;
mod scripts;
mod sqlite;
mod start;
mod values;
