//! The state and the counters of a connection.

use crate::error_log::ErrorRecord;
use std::fmt;

/// What `status()` gives: a snapshot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Whether it can be used.
    pub state: State,
    /// Calls since the start, also those that failed.
    pub calls: u64,
    /// Errors since the start.
    pub errors: u64,
    /// Calls at work now.
    pub in_flight: u64,
    /// The sessions of the pool, where the driver tells.
    pub sessions: Option<Sessions>,
    /// The latest error.
    pub last_error: Option<ErrorRecord>,
}

/// The sessions of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sessions {
    /// Open ones, idle and in use.
    pub open: u32,
    /// Those that wait for work.
    pub idle: u32,
    /// The most there may be.
    pub max: u32,
}

/// Whether a connection can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Lazy, and not used yet.
    Waiting,
    /// Opened and proven.
    Ready,
    /// Optional, and not there.
    Unavailable,
    /// Lets no new call in; those inside go on.
    Closing,
    /// Closed by this application.
    Closed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Unavailable => "unavailable",
            Self::Closing => "closing",
            Self::Closed => "closed",
        })
    }
}
