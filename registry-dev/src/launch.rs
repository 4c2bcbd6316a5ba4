//! How one server is started: the data that differ from backend to backend.

use crate::{Kind, Provider};
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The command that runs a server there.
pub(crate) type CommandOf = Box<dyn Fn(&Place<'_>) -> Command + Send + Sync>;
/// Whether the server there is ready.
pub(crate) type ProbeOf = Box<dyn Fn(&Place<'_>) -> io::Result<()> + Send + Sync>;

/// Everything that [`Server`](crate::Server) needs to know of a server.
pub(crate) struct Launch {
    pub(crate) kind: Kind,
    pub(crate) provider: Provider,
    /// The command that runs the server in the foreground.
    pub(crate) command: CommandOf,
    /// One question whether it is ready; asked again until it says so.
    pub(crate) probe: ProbeOf,
    /// How long it may take to become ready.
    pub(crate) start: Duration,
    /// How long it may take to end after TERM.
    pub(crate) grace: Duration,
}

/// Where a server runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) port: u16,
    /// The process once it runs: a probe may ask the server who it is.
    pub(crate) pid: Option<u32>,
    /// The name of the container, where there is one.
    pub(crate) container: &'a str,
}
