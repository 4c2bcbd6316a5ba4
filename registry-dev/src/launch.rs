//! How one server is started: the data that differ from backend to backend.

use crate::account::Account;
use crate::{Kind, Provider};
use rustix::process::Signal;
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
    /// How long it may take to end after `stop`.
    pub(crate) grace: Duration,
    /// Whom it runs as, where that is not who we are.
    pub(crate) account: Option<Account>,
    /// What ends it in order.
    pub(crate) stop: Signal,
    /// What ends it when its data are thrown away. A server that leaves something in the system when it is killed gets
    /// a word before, and is killed when it does not end soon.
    pub(crate) discard: Signal,
}

impl Launch {
    /// Ours, and like most of them: TERM ends it in order, and KILL leaves nothing behind.
    pub(crate) fn new(kind: Kind, provider: Provider, command: CommandOf, probe: ProbeOf) -> Self {
        Self {
            kind,
            provider,
            command,
            probe,
            // An image may have to be fetched first.
            start: Duration::from_secs(if provider == Provider::Docker { 300 } else { 60 }),
            grace: Duration::from_secs(20),
            account: None,
            stop: Signal::TERM,
            discard: Signal::KILL,
        }
    }
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
