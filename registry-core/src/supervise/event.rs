//! The words of the machine: what happens, what is to be done, what is worth telling.

use crate::kind::{EXIT_CONFIG, EXIT_UNAVAILABLE};
use std::fmt;
use std::time::Duration;

/// The time since the master began.
pub(crate) type Time = Duration;

/// One process, named by the machine: a process id may come back, this never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(crate) u32);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The master begins.
    Start,
    /// The worker says that it can do its work.
    Ready(Id),
    /// The worker's runtime is alive.
    Beat(Id),
    /// The worker is still at work on its start, and will say so again within this time.
    AtWork(Id, Duration),
    /// The worker is gone.
    Exited(Id, Exit),
    /// The process could not be started at all.
    NotSpawned(Id),
    /// The time that [`Machine::next_deadline`] named has come.
    Tick,
    /// End in order. The second time: at once.
    Stop,
    /// Replace every worker, one after the other.
    Roll,
    /// Read secrets again.
    Reload,
    /// The hosts that a worker ended over answer again.
    HostsBack,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
}

/// What the master has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a worker with this number.
    Spawn {
        id: Id,
        number: usize,
        /// How many before it failed in a row.
        failures: u32,
    },
    /// Ask it to end.
    Terminate(Id),
    /// End it, with its whole process group.
    Kill(Id),
    /// Ask it to read its secrets again.
    Reload(Id),
    /// Tell what happened.
    Say(Word),
    /// All workers are gone: end with this code.
    End(i32),
}

/// What is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Ready {
        number: usize,
        after: Duration,
    },
    Ended {
        number: usize,
        exit: Exit,
        next: Option<Duration>,
        /// It was asked to, or had been healthy: this is no repetition.
        settled: bool,
    },
    NeverReady {
        number: usize,
        after: Duration,
    },
    NoHeartbeat {
        number: usize,
        after: Duration,
    },
    Ignores {
        number: usize,
        after: Duration,
    },
    Rolling,
    Rolled,
    RollFailed {
        number: usize,
    },
    Stopping {
        workers: usize,
    },
    StoppingNow,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(EXIT_UNAVAILABLE) => f.write_str("exit code 69 (unavailable)"),
            Self::Code(EXIT_CONFIG) => f.write_str("exit code 78 (configuration)"),
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What the status shows of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) number: usize,
    /// The process that has the place, newest first.
    pub(crate) id: Option<Id>,
    pub(crate) state: &'static str,
    pub(crate) since: Time,
    pub(crate) restarts: u64,
    pub(crate) last: Option<(Time, Exit)>,
    pub(crate) next: Option<Time>,
}
