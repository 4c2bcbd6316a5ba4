//! The hosts of a connection, as an application sees them.

use crate::error::Error;
use crate::status::Sessions;
use std::fmt;
use std::time::Duration;

/// One host of a `[mysql.…]` or a `[postgres.…]`, from `hosts` of its handle: a snapshot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqlHost {
    /// `db1:3306`
    pub address: String,
    /// What it is used for now.
    pub role: SqlHostRole,
    /// Whether it can be used.
    pub state: SqlHostState,
    /// How far it is behind, as it said when it was last looked at.
    pub lag: Option<Duration>,
    /// How long it takes to answer: the time of a light query, smoothed.
    pub latency: Option<Duration>,
    /// The sessions of the pools to it, those of its readers and, of the primary, those of writes; nothing while it
    /// was never needed.
    pub sessions: Option<Sessions>,
    /// Why it cannot be used, when it cannot.
    pub cause: Option<Error>,
}

/// What a host is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SqlHostRole {
    /// Writes go to it: the host with this role, or that of a list without roles that is in use.
    Primary,
    /// Reads may go to it.
    Replica,
}

/// Whether a host can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum SqlHostState {
    /// It was not looked at yet: nobody has read.
    Unknown,
    /// It can be used.
    Fit,
    /// It is a replica that is further behind than `max_lag`.
    Behind,
    /// It is no working replica: it does not replicate, or its lag is not to be had.
    Halted,
    /// It does not answer.
    Away,
}

impl fmt::Display for SqlHostRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        })
    }
}

impl fmt::Display for SqlHostState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Fit => "fit",
            Self::Behind => "behind",
            Self::Halted => "halted",
            Self::Away => "away",
        })
    }
}
