//! What `dbreg` says without any server.

mod explain;
mod list;
mod program;
mod schema;
