//! The numbers of a master.

use std::time::Duration;

/// How many workers, and how patient the master is with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) workers: usize,
    /// The least and the most that a place stays empty.
    pub(crate) floor: Duration,
    pub(crate) cap: Duration,
    /// How long a worker has to be ready for its past to be forgotten.
    pub(crate) healthy_after: Duration,
    /// How long a worker may take until it is ready.
    pub(crate) start_deadline: Duration,
    /// How long a worker may take to end when it is asked to.
    pub(crate) grace: Duration,
    /// How long a worker that sends heartbeats may be silent.
    pub(crate) heartbeat: Duration,
    /// Whether a worker that ended well is started again.
    pub(crate) restart_on_success: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: 1,
            floor: Duration::from_millis(250),
            cap: Duration::from_secs(30),
            healthy_after: Duration::from_secs(60),
            start_deadline: Duration::from_secs(60),
            grace: Duration::from_secs(15),
            heartbeat: Duration::from_secs(15),
            restart_on_success: false,
        }
    }
}
