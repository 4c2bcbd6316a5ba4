//! The gate of a connection: counts the calls that are inside, and shuts for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// The top bit says that the gate is shut; the others count the calls inside.
const SHUT: usize = 1 << (usize::BITS - 1);

/// Lets calls in until it is shut, and knows when the last one has left.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    word: AtomicUsize,
    empty: Notify,
}

/// One call inside; leaving is dropping it, also when the call is cancelled.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Gate>);

/// One call inside, as long as the gate is at hand.
#[cfg(feature = "memcached")]
#[derive(Debug)]
pub(crate) struct Visit<'g>(&'g Gate);

impl Gate {
    /// Lets one call in, or nothing once the gate is shut.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Pass> {
        let pass = Pass(Arc::clone(self));
        // The pass exists first: dropping it takes back the count, also on the way out below.
        let before = self.word.fetch_add(1, Ordering::AcqRel);
        (before & SHUT == 0).then_some(pass)
    }

    /// The same for a call that ends before the gate does.
    #[cfg(feature = "memcached")]
    pub(crate) fn visit(&self) -> Option<Visit<'_>> {
        let visit = Visit(self);
        let before = self.word.fetch_add(1, Ordering::AcqRel);
        (before & SHUT == 0).then_some(visit)
    }

    fn leave(&self) {
        if self.word.fetch_sub(1, Ordering::AcqRel) == SHUT | 1 {
            self.empty.notify_waiters();
        }
    }

    /// Shuts it; true when this call did.
    pub(crate) fn shut(&self) -> bool {
        let before = self.word.fetch_or(SHUT, Ordering::AcqRel);
        if before & !SHUT == 0 {
            self.empty.notify_waiters();
        }
        before & SHUT == 0
    }

    /// How many calls are inside.
    pub(crate) fn inside(&self) -> usize {
        self.word.load(Ordering::Acquire) & !SHUT
    }

    /// Waits until nothing is inside. For a gate that is shut; the caller bounds the wait.
    pub(crate) async fn emptied(&self) {
        loop {
            // Registered before the look: a call that leaves in between is not missed.
            let left = self.empty.notified();
            if self.inside() == 0 {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(feature = "memcached")]
impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn empties_when_the_last_call_leaves_and_lets_none_in_afterwards() {
        let gate = Arc::new(Gate::default());
        let (one, two) = (gate.enter().unwrap(), gate.enter().unwrap());
        assert!(gate.shut());
        assert!(!gate.shut(), "shut only once");
        assert!(gate.enter().is_none());
        assert_eq!(gate.inside(), 2);
        let emptied = gate.emptied();
        tokio::pin!(emptied);
        assert!(emptied.as_mut().now_or_never().is_none());
        drop(one);
        assert!(emptied.as_mut().now_or_never().is_none());
        drop(two);
        assert!(emptied.now_or_never().is_some());
    }
}
