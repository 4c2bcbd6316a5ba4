//! The stream of state changes of all connections.

use crate::status::StateChange;
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// How many changes wait for a slow reader of [`Registry::watch`](crate::Registry::watch); it misses the oldest ones
/// beyond that, never the newest.
pub const WATCH_CAPACITY: usize = 256;

/// State changes of every connection, from [`Registry::watch`](crate::Registry::watch): a `Stream`, with a `next` of its
/// own. It ends when the registry and its handles are gone.
pub struct Watch(BoxStream<'static, StateChange>);

impl Watch {
    pub(crate) fn new(receiver: Receiver<StateChange>) -> Self {
        let changes = stream::unfold(receiver, async |mut receiver| {
            loop {
                match receiver.recv().await {
                    Ok(change) => return Some((change, receiver)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        Self(changes.boxed())
    }

    /// The next change; `None` when there will be none any more.
    ///
    /// # Cancellation
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<StateChange> {
        self.0.next().await
    }
}

impl Stream for Watch {
    type Item = StateChange;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<StateChange>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
