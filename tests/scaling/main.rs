//! The engines of docs/scaling.md that are packages of Debian, with the configuration that stands there.

mod document;
#[cfg(target_os = "linux")]
mod galera;
mod program;
mod twemproxy;
