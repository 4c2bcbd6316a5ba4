//! The types of the generated fields: a handle tagged with its place, and one that may be missing.

use crate::connection::Connection;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::status::State;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

/// A handle tagged with its place in the registry: `At<MySql, app_registry::mysql::main>`.
///
/// It derefs to the handle, so a `fn f(db: &MySql)` takes `&db.mysql.main`. The tag has no cost at run time; it lets a
/// model belong to one connection.
pub struct At<H, P> {
    handle: H,
    place: PhantomData<fn() -> P>,
}

impl<H, P> At<H, P> {
    /// Tags a handle. Called by generated code.
    #[doc(hidden)]
    pub const fn new(handle: H) -> Self {
        Self {
            handle,
            place: PhantomData,
        }
    }

    #[cfg(any(feature = "mysql", feature = "sqlite", feature = "postgres"))]
    pub(crate) fn handle_mut(&mut self) -> &mut H {
        &mut self.handle
    }

    #[cfg(any(feature = "mysql", feature = "sqlite", feature = "postgres"))]
    pub(crate) fn into_handle(self) -> H {
        self.handle
    }
}

impl<H: Clone, P> At<H, P> {
    /// A copy of the handle, without the tag: what a spawned task takes along.
    ///
    /// Inherent, because `clone` through `Deref` would differ between `db.mysql.main.clone()` and `(&x).clone()`.
    #[expect(
        clippy::should_implement_trait,
        reason = "it gives the handle, not another tag"
    )]
    #[must_use]
    pub fn clone(&self) -> H {
        self.handle.clone()
    }
}

impl<H, P> Deref for At<H, P> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.handle
    }
}

impl<H: fmt::Debug, P> fmt::Debug for At<H, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

/// A connection with `start = "optional"`: the compiler makes the caller think of the day when it is missing.
pub struct Optional<T>(T);

impl<T> Optional<T> {
    /// Wraps a tagged handle. Called by generated code.
    #[doc(hidden)]
    pub const fn new(tagged: T) -> Self {
        Self(tagged)
    }
}

impl<H: Connection, P> Optional<At<H, P>> {
    /// The connection, when it can be used now.
    ///
    /// It may go away and come back while the application runs: ask each time.
    #[must_use]
    pub fn available(&self) -> Option<&At<H, P>> {
        self.0.base().is_open().then_some(&self.0)
    }

    /// Waits until the connection can be used, up to `deadline`.
    ///
    /// # Errors
    /// Why it is not there, when the deadline passes: the error of the latest attempt, or `Timeout` while the first one
    /// is under way. `Closed` when it was closed.
    ///
    /// # Cancellation
    /// Dropping the future changes nothing: the connection is tried in the background all the time.
    pub async fn wait(&self, deadline: Duration) -> Result<&At<H, P>, Error> {
        let base = self.0.base();
        let ready = base
            .health()
            .until(|state| matches!(state, State::Ready | State::Closing | State::Closed));
        match tokio::time::timeout(deadline, ready).await {
            Ok(condition) if condition.state == State::Ready => Ok(&self.0),
            Ok(_) => Err(base.record(base.closed_error(), "wait")),
            Err(_) => {
                let cause = base.health().condition().cause.map(Error::again);
                let error = cause.unwrap_or_else(|| {
                    Error::new(ErrorKind::Timeout, format!("not open within {deadline:?}"))
                });
                Err(base.record(error, "wait"))
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Optional<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Optional").field(&self.0).finish()
    }
}
