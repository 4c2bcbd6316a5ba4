//! What the user sees while servers start.

use crate::exit;
use std::io::IsTerminal as _;
use std::time::Instant;

/// A line for each server on a terminal; in a pipe, one line when all are there.
pub(crate) struct Progress {
    terminal: bool,
    start: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            start: Instant::now(),
        }
    }

    /// Before anything is there.
    pub(crate) fn starting(&self, what: &[String]) {
        if self.terminal && !what.is_empty() {
            exit::say(format_args!("starting {}", what.join(", ")));
        }
    }

    /// A server is ready for these connections.
    pub(crate) fn ready(&self, kind: &str, address: &str, connections: &[&str]) {
        if self.terminal {
            let connections = connections.join(", ");
            let milliseconds = self.start.elapsed().as_millis();
            exit::say(format_args!(
                "  {kind:<9}  {address:<15}  {milliseconds:>5} ms  {connections}"
            ));
        }
    }

    /// All of them are.
    pub(crate) fn done(&self, what: &[String]) {
        let seconds = self.start.elapsed().as_secs_f32();
        let what = if what.is_empty() {
            "no server is needed".to_owned()
        } else {
            format!("{} ready", what.join(", "))
        };
        exit::say(format_args!("{what} in {seconds:.1} s"));
    }
}
