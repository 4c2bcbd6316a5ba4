//! What `dbreg` says without any server.

mod explain;
mod help;
mod init;
mod list;
mod program;
mod schema;
mod shell;
#[cfg(target_os = "linux")]
mod terminal;
