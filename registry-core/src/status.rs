//! The state and the counters of a connection.

use crate::error::Error;
use crate::error_log::ErrorRecord;
use std::fmt;
use std::time::SystemTime;

/// What `status()` gives: a snapshot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Whether it can be used.
    pub state: State,
    /// Since when.
    pub since: SystemTime,
    /// Why it cannot, when it is [`State::Degraded`].
    pub cause: Option<Error>,
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
#[repr(u8)]
pub enum State {
    /// Lazy, and not used yet.
    Waiting,
    /// The first attempt is under way.
    Connecting,
    /// Opened and proven.
    Ready,
    /// Not there: every call fails at once with the cause, and it is tried again in the background until it is back.
    Degraded,
    /// Lets no new call in; those inside go on.
    Closing,
    /// Closed by this application.
    Closed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Closing => "closing",
            Self::Closed => "closed",
        })
    }
}

/// One change of a connection's state, from [`Registry::watch`](crate::Registry::watch).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StateChange {
    /// `mysql.main`
    pub connection: String,
    /// The state from now on.
    pub state: State,
    /// Why, when it is [`State::Degraded`].
    pub cause: Option<Error>,
    /// When it changed.
    pub at: SystemTime,
}
