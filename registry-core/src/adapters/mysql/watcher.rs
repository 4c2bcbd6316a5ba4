//! Looks at the files of secrets once in a while. A call through the handle looks by itself before it may need a session;
//! this is for those who hold the bare pool, so that [`instance`](super::MySql::instance) has nothing to do but to give it.

use super::Inner;
use std::sync::Weak;
use std::time::Duration;
use tokio::task::AbortHandle;

/// How long a secret that was rotated may be unknown to the bare pool.
const PAUSE: Duration = Duration::from_secs(1);

/// The task; it ends with this value, and with the last handle.
#[derive(Debug)]
pub(super) struct Watcher(AbortHandle);

impl Watcher {
    /// Starts to look. Inside a runtime, as the pool.
    pub(super) fn start(inner: Weak<Inner>) -> Self {
        let looking = async move {
            loop {
                tokio::time::sleep(PAUSE).await;
                match inner.upgrade().as_deref().map(|inner| &inner.target) {
                    // What cannot be read now leaves everything as it was.
                    Some(Ok(target)) => drop(target.refresh()),
                    _ => return,
                }
            }
        };
        Self(tokio::spawn(looking).abort_handle())
    }

    pub(super) fn end(&self) {
        self.0.abort();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end();
    }
}
