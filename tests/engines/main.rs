//! The engines of docs/scaling.md that are packages of Debian, with the configuration that stands there.

#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

mod document;
#[cfg(target_os = "linux")]
mod galera;
mod pgbouncer;
mod program;
mod twemproxy;
