//! A point that two tests reach together.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Longer than any preparation of a test takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// As a `Barrier` for two, but one whose partner never comes fails and does not hang.
pub(crate) struct Meeting {
    arrivals: Mutex<usize>,
    arrived: Condvar,
}

impl Meeting {
    pub(crate) const fn new() -> Self {
        Self {
            arrivals: Mutex::new(0),
            arrived: Condvar::new(),
        }
    }

    /// Waits for the other.
    pub(crate) fn wait(&self) {
        let mut arrivals = self.arrivals.lock().unwrap();
        *arrivals += 1;
        self.arrived.notify_all();
        let both = arrivals.next_multiple_of(2);
        let waited = self
            .arrived
            .wait_timeout_while(arrivals, PATIENCE, |arrivals| *arrivals < both);
        let is_alone = waited.unwrap().1.timed_out();
        assert!(
            !is_alone,
            "the other test did not come within {PATIENCE:?}: it failed"
        );
    }
}
