//! How many sessions a host has: each holds a place for as long as it lives, or is being opened.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The places that are taken. No lock is needed to give one back, so that a session may end anywhere.
#[derive(Default)]
pub(super) struct Places {
    taken: AtomicUsize,
    given_back: Notify,
}

/// One place; dropping it gives it back.
pub(super) struct Place(Arc<Places>);

impl Places {
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// One more, whatever the limit: the caller looks at it, under the lock of the queue.
    pub(super) fn take(self: &Arc<Self>) -> Place {
        self.taken.fetch_add(1, Ordering::AcqRel);
        Place(Arc::clone(self))
    }

    /// Waits until all are given back. The caller bounds the wait.
    pub(super) async fn emptied(&self) {
        loop {
            // Registered before the look: a place that is given back in between is not missed.
            let one = self.given_back.notified();
            if self.taken() == 0 {
                return;
            }
            one.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.taken.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.given_back.notify_waiters();
        }
    }
}
