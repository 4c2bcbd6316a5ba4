//! The results of a direct call, as they come: each wait for one has a deadline, and the error that leaves is recorded.

use super::executor::record;
use super::{as_driver_error, closed};
use crate::base::Base;
use crate::error::Error;
use crate::gate::Pass;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Guards a stream of results: opens a lazy connection first, bounds each wait, records the error that leaves.
pub(crate) fn stream<'e, T: Send + 'e>(
    base: Arc<Base>,
    inner: BoxStream<'e, Result<T, sqlx::Error>>,
) -> BoxStream<'e, Result<T, sqlx::Error>> {
    Box::pin(Rows {
        base,
        inner,
        stage: Stage::New,
        limit: None,
    })
}

/// By hand, and no future for each result: of many rows nearly all are there when they are asked for, and only a wait has a
/// deadline.
struct Rows<'e, T> {
    base: Arc<Base>,
    inner: BoxStream<'e, Result<T, sqlx::Error>>,
    stage: Stage,
    /// What ends the wait at hand, where there is one.
    limit: Option<BoxFuture<'static, Error>>,
}

enum Stage {
    /// Nobody has asked yet.
    New,
    /// It waits until the connection can be used.
    Opening(BoxFuture<'static, Result<(), Error>>, Pass),
    Open(#[expect(dead_code, reason = "held as long as the call is inside")] Pass),
    Ended,
}

impl<'e, T: Send + 'e> Rows<'e, T> {
    /// Gives back what it holds.
    fn end(&mut self) {
        self.stage = Stage::Ended;
        self.limit = None;
        self.inner = Box::pin(stream::empty());
    }

    fn fail(&mut self, error: sqlx::Error) -> Poll<Option<Result<T, sqlx::Error>>> {
        self.end();
        Poll::Ready(Some(Err(error)))
    }

    fn recorded(&self, error: Error) -> sqlx::Error {
        as_driver_error(self.base.record(error, "execute"))
    }
}

impl<'e, T: Send + 'e> Stream for Rows<'e, T> {
    type Item = Result<T, sqlx::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Stage::New = this.stage {
            let pass = match this.base.enter("execute") {
                Ok(pass) => pass,
                Err(error) => return this.fail(closed(error)),
            };
            this.stage = if this.base.is_open() {
                Stage::Open(pass)
            } else {
                let base = Arc::clone(&this.base);
                Stage::Opening(Box::pin(async move { base.usable().await }), pass)
            };
        }
        if let Stage::Opening(opening, _) = &mut this.stage {
            let opened = ready!(opening.as_mut().poll(cx));
            match (opened, std::mem::replace(&mut this.stage, Stage::Ended)) {
                (Ok(()), Stage::Opening(_, pass)) => this.stage = Stage::Open(pass),
                (Err(error), _) => {
                    let error = this.recorded(error);
                    return this.fail(error);
                }
                (Ok(()), stage) => this.stage = stage,
            }
        }
        match this.inner.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(item))) => {
                this.limit = None;
                Poll::Ready(Some(Ok(item)))
            }
            Poll::Ready(Some(Err(error))) => {
                let error = record(&this.base, error);
                this.fail(error)
            }
            Poll::Ready(None) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let limit = this.limit.get_or_insert_with(|| limit(&this.base));
                let late = ready!(limit.as_mut().poll(cx));
                let error = this.recorded(this.base.explained(late));
                this.fail(error)
            }
        }
    }
}

/// Ends when a wait that begins now has lasted for as long as it may.
fn limit(base: &Arc<Base>) -> BoxFuture<'static, Error> {
    let base = Arc::clone(base);
    Box::pin(async move {
        let never = base.bounded(std::future::pending::<Infallible>());
        match never.await {
            Err(late) => late,
            Ok(never) => match never {},
        }
    })
}
