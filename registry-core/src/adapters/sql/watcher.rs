//! Looks at the files of secrets once in a while. A call through the handle looks by itself before it may need a session;
//! this is for those who hold the bare pool, so that `instance` of a handle has nothing to do but to give it.

use crate::background;
use std::sync::Weak;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// How long a secret that was rotated may be unknown to the bare pool.
const PAUSE: Duration = Duration::from_secs(1);

/// The task; it ends with this value, and with the last handle.
#[derive(Debug)]
pub(crate) struct Watcher(AbortHandle);

impl Watcher {
    /// Starts to look. Inside a runtime, as the pool.
    pub(crate) fn start<T: Send + Sync + 'static>(
        inner: Weak<T>,
        look: impl Fn(&T) + Send + 'static,
    ) -> Self {
        let looking = async move {
            loop {
                tokio::time::sleep(PAUSE).await;
                match inner.upgrade() {
                    Some(inner) => look(&inner),
                    None => return,
                }
            }
        };
        Self(background::spawn(&Handle::current(), looking))
    }

    pub(crate) fn end(&self) {
        self.0.abort();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end();
    }
}
