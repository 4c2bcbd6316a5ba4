//! The gate of a connection: counts the calls that are inside, and shuts for good.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// How many threads count apart, where calls are short and many; further ones share.
const STRIPES: usize = 8;

/// How far apart their counters are, in words: 128 bytes, because processors fetch lines of 64 in pairs.
const STRIDE: usize = 16;

/// Where a thread counts the calls that went in by it, and those that left by it, whichever way they came.
const ENTERED: usize = 0;
const LEFT: usize = 1;

/// Lets calls in until it is shut, and knows when the last one has left.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    counters: [AtomicU64; 2],
    /// Those of the threads, in place of them, once it is [widened](Gate::widen).
    stripes: OnceLock<Box<[AtomicU64]>>,
    shut: AtomicBool,
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
    /// Has threads count apart. For calls so short that a counter which all threads write would be a part of their cost: it
    /// is fetched from another processor each time. Before the first call.
    #[cfg(any(test, feature = "memcached"))]
    pub(crate) fn widen(&self) {
        let words = (STRIPES - 1) * STRIDE + self.counters.len();
        let stripes = || (0..words).map(|_| AtomicU64::new(0)).collect();
        self.stripes.get_or_init(stripes);
    }

    /// Lets one call in, or nothing once the gate is shut.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Pass> {
        self.admit().then(|| Pass(Arc::clone(self)))
    }

    /// The same for a call that ends before the gate does.
    #[cfg(feature = "memcached")]
    pub(crate) fn visit(&self) -> Option<Visit<'_>> {
        self.admit().then(|| Visit(self))
    }

    /// Counts a call, and looks then: whoever shuts the gate looks at the counters afterwards, so that one of both sees
    /// the other (`SeqCst`, on both sides).
    fn admit(&self) -> bool {
        self.counter(ENTERED).fetch_add(1, Ordering::SeqCst);
        let open = !self.shut.load(Ordering::SeqCst);
        if !open {
            self.leave();
        }
        open
    }

    fn leave(&self) {
        self.counter(LEFT).fetch_add(1, Ordering::SeqCst);
        if self.shut.load(Ordering::SeqCst) {
            self.empty.notify_waiters();
        }
    }

    /// A call that went past the gate: it counts.
    #[cfg(all(
        feature = "sea-orm",
        any(feature = "mysql", feature = "sqlite", feature = "postgres")
    ))]
    pub(crate) fn passed(&self) {
        self.counter(ENTERED).fetch_add(1, Ordering::SeqCst);
        self.leave();
    }

    /// That of this thread.
    fn counter(&self, which: usize) -> &AtomicU64 {
        thread_local! {
            static NUMBER: usize = {
                static NEXT: AtomicUsize = AtomicUsize::new(0);
                NEXT.fetch_add(1, Ordering::Relaxed)
            };
        }
        let Some(stripes) = self.stripes.get() else {
            return &self.counters[which];
        };
        // Only a thread that ends may have none.
        let number = NUMBER.try_with(|number| *number).unwrap_or_default();
        &stripes[number % STRIPES * STRIDE + which]
    }

    /// Shuts it; true when this call did.
    pub(crate) fn shut(&self) -> bool {
        let did = !self.shut.swap(true, Ordering::SeqCst);
        self.empty.notify_waiters();
        did
    }

    /// How many calls came, those included that were not let in.
    pub(crate) fn entered(&self) -> u64 {
        self.sum(ENTERED)
    }

    /// How many calls are inside.
    pub(crate) fn inside(&self) -> usize {
        // Those that left are counted first: each of them went in before, so that the difference is never too small.
        let left = self.sum(LEFT);
        usize::try_from(self.entered() - left).unwrap_or(usize::MAX)
    }

    fn sum(&self, which: usize) -> u64 {
        let stripes = self.stripes.get().map_or(&[][..], |stripes| stripes);
        let counters = stripes.iter().skip(which).step_by(STRIDE);
        let counters = counters.chain([&self.counters[which]]);
        counters.map(|counter| counter.load(Ordering::SeqCst)).sum()
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

    /// A gate, and one that is widened.
    fn gates() -> [Arc<Gate>; 2] {
        let wide = Gate::default();
        wide.widen();
        [Arc::default(), Arc::new(wide)]
    }

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

    #[test]
    fn a_call_may_leave_on_another_thread_than_it_came_by() {
        for gate in gates() {
            let pass = gate.enter().unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| drop(gate.enter().unwrap()));
                scope.spawn(move || drop(pass));
            });
            assert_eq!((gate.inside(), gate.entered()), (0, 2));
        }
    }

    /// Whoever comes while the gate is being shut is in, and waited for, or was not let in.
    #[test]
    fn nobody_is_inside_of_a_gate_that_is_shut_and_empty() {
        const ROUNDS: usize = 200;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for gate in (0..ROUNDS).flat_map(|_| gates()) {
            let empty = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        while let Some(pass) = gate.enter() {
                            assert!(!empty.load(Ordering::SeqCst), "somebody is in");
                            drop(pass);
                        }
                    });
                }
                gate.shut();
                runtime.block_on(gate.emptied());
                empty.store(true, Ordering::SeqCst);
            });
        }
    }

    /// What goes past the gate is no reason to wait for what is not there.
    #[test]
    #[cfg(all(
        feature = "sea-orm",
        any(feature = "mysql", feature = "sqlite", feature = "postgres")
    ))]
    fn a_statement_that_passes_keeps_nobody_waiting() {
        const ROUNDS: usize = 2_000;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        for _ in 0..ROUNDS {
            let gate = Arc::new(Gate::default());
            std::thread::scope(|scope| {
                scope.spawn(|| (0..100).for_each(|_| gate.passed()));
                gate.shut();
                runtime.block_on(async {
                    let limit = std::time::Duration::from_secs(10);
                    let emptied = tokio::time::timeout(limit, gate.emptied()).await;
                    emptied.expect("nobody is inside");
                });
            });
        }
    }
}
