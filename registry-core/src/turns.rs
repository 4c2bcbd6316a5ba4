//! Turns: how many connections of a registry open at the same time.
//!
//! A file with a thousand connections would otherwise greet one server with a thousand handshakes at once, and the
//! queue of those that it has not accepted yet is short: 80 for a MariaDB with its defaults. What finds it full is tried
//! again by the kernel after a second, and the start takes longer than in turns.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections open at the same time, unless the builder or the variable `DBREG_STARTUP_CONCURRENCY` says
/// otherwise.
pub const STARTUP_CONCURRENCY: usize = 64;

/// The turns of one registry. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

/// One of them; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// At least one, or nothing would ever open.
    pub(crate) fn new(at_once: usize) -> Self {
        let at_once = at_once.clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// Waits for a turn, first come, first served. The caller bounds the wait.
    pub(crate) async fn take(&self) -> Turn {
        // Nobody closes the semaphore; if somebody did, opening would go on without turns.
        let permit = Arc::clone(&self.0).acquire_owned().await.ok();
        Turn { _permit: permit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn are_as_many_as_wanted_and_one_at_least() {
        for (wanted, at_once) in [(0, 1), (1, 1), (3, 3), (usize::MAX, 100)] {
            let turns = Turns::new(wanted);
            let mut taken: Vec<Turn> = Vec::new();
            while taken.len() < at_once {
                taken.push(turns.take().now_or_never().expect("there is a turn left"));
            }
            if wanted == usize::MAX {
                continue;
            }
            let mut next = Box::pin(turns.take());
            assert!(next.as_mut().now_or_never().is_none());
            taken.pop();
            assert!(next.now_or_never().is_some());
        }
    }
}
