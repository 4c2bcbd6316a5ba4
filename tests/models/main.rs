//! Models on their connections: SQL through SeaORM, documents, cached values; and transactions. Real servers.

#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

mod cached;
mod cost;
mod documents;
mod mysql;
mod order;
mod sqlite;
mod transactions;
