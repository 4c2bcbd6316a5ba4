//! Whether a host of a fleet is there: failures in a row make it dead, and a probe brings it back.

use super::host::Host;
use crate::background;
use crate::backoff::Backoff;
use crate::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::task::AbortHandle;

/// Pauses between the probes of a dead host.
const PROBE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How alive a host is.
pub(super) struct Vitality {
    /// So many failures in a row make it dead; never where it is the only one: then the connection's own health knows.
    limit: Option<u32>,
    failures: AtomicU32,
    is_dead: AtomicBool,
    death: Mutex<Death>,
}

#[derive(Default)]
struct Death {
    cause: Option<Error>,
    probe: Option<AbortHandle>,
    ended: bool,
}

impl Vitality {
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self {
            limit,
            failures: AtomicU32::new(0),
            is_dead: AtomicBool::new(false),
            death: Mutex::default(),
        }
    }

    /// A good answer: failures count from none.
    pub(super) fn succeeded(&self) {
        // A look costs less than a write, which every other processor would have to hear of.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a failure; true when there were as many in a row as make a host dead.
    pub(super) fn failed_too_often(&self) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.limit.is_some_and(|limit| failures >= limit)
    }

    /// Why it is dead; nothing while it is not.
    pub(super) fn cause_of_death(&self) -> Option<Error> {
        if !self.is_dead.load(Ordering::Acquire) {
            return None;
        }
        self.death().cause.clone().map(Error::again)
    }

    /// Takes it for dead and begins to probe; false when it was dead before.
    pub(super) fn die(&self, host: &Arc<Host>, cause: Error) -> bool {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return false;
        };
        let words = cause.message().to_owned();
        {
            let mut death = self.death();
            if death.ended || self.is_dead.swap(true, Ordering::AcqRel) {
                return false;
            }
            death.cause = Some(cause);
            death.probe = Some(background::spawn(&runtime, probe(Arc::downgrade(host))));
        }
        let (label, address) = (host.terms().base.label(), host.address());
        tracing::warn!(connection = label, host = %address, "taken for dead: {words}");
        true
    }

    /// It answers: its keys are its own again.
    pub(super) fn revive(&self, host: &Host) {
        {
            let mut death = self.death();
            death.cause = None;
            if let Some(probe) = death.probe.take() {
                // Where it is the probe itself that found it well, it has nothing left to wait for.
                probe.abort();
            }
            self.failures.store(0, Ordering::Relaxed);
            self.is_dead.store(false, Ordering::Release);
        }
        let (label, address) = (host.terms().base.label(), host.address());
        tracing::info!(connection = label, host = %address, "answers again");
    }

    /// Whether it is dead and nobody looks any more: its probe has ended with the runtime that it ran on.
    pub(super) fn is_forgotten(&self) -> bool {
        self.is_dead.load(Ordering::Acquire)
            && self.death().probe.as_ref().is_none_or(AbortHandle::is_finished)
    }

    /// Ends the probe for good.
    pub(super) fn end_probe(&self) {
        let mut death = self.death();
        death.ended = true;
        if let Some(probe) = death.probe.take() {
            probe.abort();
        }
    }

    fn death(&self) -> MutexGuard<'_, Death> {
        self.death.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at a dead host with growing pauses until it answers. It keeps nothing alive, and `end_probe` ends it.
async fn probe(host: Weak<Host>) {
    let mut backoff = Backoff::new(PROBE.0, PROBE.1);
    loop {
        tokio::time::sleep(backoff.next_pause()).await;
        let Some(host) = host.upgrade() else { return };
        let limit = host.terms().base.connect_timeout();
        match tokio::time::timeout(limit, host.prove()).await {
            Ok(Ok(_)) => {
                host.vitality().revive(&host);
                return;
            }
            Ok(Err(error)) => host.vitality().death().cause = Some(error),
            // It hangs: the cause of its death stays.
            Err(_) => {}
        }
    }
}
