//! What reads take: a session of the right host, and the time that they have on it.

use super::router::{Held, Place};
use super::token::WriteToken;
use super::{Hosted, Inner};
use crate::adapters::sql::executor::copy_of;
use crate::adapters::sql::{as_driver_error, closed};
use crate::gate::Pass;
use crate::kind::ErrorKind;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What a reader is made of.
pub(crate) struct Reading<DB: Hosted> {
    pub(crate) inner: Arc<Inner<DB>>,
    pub(crate) after: Option<WriteToken>,
}

impl<DB: Hosted> Clone for Reading<DB> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            after: self.after.clone(),
        }
    }
}

impl<DB: Hosted> Reading<DB> {
    pub(crate) fn new(inner: &Arc<Inner<DB>>, after: Option<&WriteToken>) -> Self {
        Self {
            inner: Arc::clone(inner),
            after: after.cloned(),
        }
    }

    /// A call comes in.
    pub(crate) fn enter(&self) -> Result<Pass, sqlx::Error> {
        self.inner.base.enter("read").map_err(closed)
    }

    /// When a call that begins now has to end.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.inner.base.timeout()
    }

    /// A session, within the deadline; the error is recorded.
    pub(crate) async fn held(&self, deadline: Instant) -> Result<Held<DB>, sqlx::Error> {
        let base = &self.inner.base;
        let held = self.inner.session_to_read(self.after.as_ref(), deadline);
        // Whoever waits in there has a look at what it waits for.
        let held = base.patient_with(deadline, held, || {}).await;
        let held = held.unwrap_or_else(|| Err(base.deadline_error()));
        held.map_err(|error| as_driver_error(base.write_down(error, "read").0))
    }

    /// The result of work on a session, within the deadline; its error is recorded. With a look at the host when it
    /// takes long, or fails in a way that the host's loss could explain.
    pub(crate) async fn on<T>(
        &self,
        place: &Place<DB>,
        deadline: Instant,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let base = &self.inner.base;
        match base.patient_with(deadline, work, || place.suspect(base)).await {
            Some(result) => result.map_err(|error| self.failed(error, place)),
            None => Err(self.late(place)),
        }
    }

    /// The driver's error of a query.
    fn failed(&self, error: sqlx::Error, place: &Place<DB>) -> sqlx::Error {
        let copy = copy_of(&error);
        let kind = copy.kind();
        if kind == ErrorKind::Unreachable {
            place.replica.generations.lost();
        }
        // That a write is refused here is our own doing, and says nothing of the primary.
        if place.primary && !copy.is_by_read_only_server() {
            let _ = self.inner.base.record(copy, "read");
            return error;
        }
        let _ = self.inner.base.write_down(copy, "read");
        if matches!(kind, ErrorKind::Unreachable | ErrorKind::Timeout) {
            place.replica.look_soon();
        }
        error
    }

    /// The error of a query that its deadline ended.
    fn late(&self, place: &Place<DB>) -> sqlx::Error {
        let base = &self.inner.base;
        place.replica.generations.deadline_fired();
        let error = base.deadline_error();
        if place.primary {
            return as_driver_error(base.record(error, "read"));
        }
        place.replica.look_soon();
        as_driver_error(base.write_down(error, "read").0)
    }
}

/// What a future hands over, as a stream that drives it.
pub(crate) fn driven<'e, T: Send + 'e>(
    work: BoxFuture<'e, ()>,
    mut received: mpsc::Receiver<T>,
) -> BoxStream<'e, T> {
    let mut work = Some(work);
    let items = stream::poll_fn(move |context| {
        if let Some(running) = &mut work
            && running.poll_unpin(context).is_ready()
        {
            // Dropped here, and its session with it: the stream's last item may be taken long after.
            work = None;
        }
        received.poll_recv(context)
    });
    items.boxed()
}

/// Hands over one item. The stream that takes it may be gone; then this future is about to be, too.
pub(crate) async fn tell<T>(rows: &mpsc::Sender<T>, item: T) {
    let _ = rows.send(item).await;
}
