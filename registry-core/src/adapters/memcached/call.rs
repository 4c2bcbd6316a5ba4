//! A call of one key on its way: what its caller holds until the answer is there.
//!
//! Setting out is no future: it is done at once, so that the future of a call is little more than the place where its answer
//! will be. Every byte of a future is moved with the task that waits for it, from one processor to the other.

use super::batch::judged;
use super::error::unknown_outcome;
use super::frame::Answer;
use super::host::Host;
use super::lease::{Lease, Refusal};
use super::queue::{Job, Outcome, Reply, Waiting};
use super::write::Write;
use crate::base::Base;
use crate::error::Error;
use crate::gate::Visit;
use futures_util::future::BoxFuture;
use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A value up to this size is copied, to be sent in a batch; a larger one goes from where it is, on a session of its own,
/// so that no small one waits behind it.
const GATHERED_VALUE: usize = 32 * 1024;

/// How an answer comes.
pub(super) enum Way<'c, T> {
    /// In company: the call is in the queue of its host.
    Gathered(&'c Host, oneshot::Receiver<Outcome<T>>),
    /// By whatever else is to be done for it, in a box.
    Alone(BoxFuture<'c, Result<T, Error>>),
}

impl<T> Future for Way<'_, T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Gathered(host, outcome) => {
                let answer = ready!(Pin::new(outcome).poll(cx));
                // A job is dropped without an answer only with the runtime.
                let outcome = answer.unwrap_or_else(|_| Err(host.terms().base.closed_error()));
                Poll::Ready(outcome.map(|(answer, _)| answer))
            }
            Self::Alone(work) => work.as_mut().poll(cx),
        }
    }
}

/// A call: counted, its error recorded. Dropped, it has left at once; what is read away then is its session's affair.
pub(super) struct Call<'c, T> {
    // In this order: while it is inside, a call may give its session back.
    way: Way<'c, T>,
    visit: Option<Visit<'c>>,
    base: &'c Base,
    operation: &'static str,
}

impl<'c, T> Call<'c, T> {
    /// One that was [begun](Base::begin).
    pub(super) fn new(base: &'c Base, visit: Visit<'c>, operation: &'static str, way: Way<'c, T>) -> Self {
        Self {
            way,
            visit: Some(visit),
            base,
            operation,
        }
    }
}

impl<T> Future for Call<'_, T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.way).poll(cx));
        self.visit = None;
        Poll::Ready(self.base.end(self.operation, result))
    }
}

impl Host {
    /// Sets out for the value of a key.
    pub(super) fn get<'c>(self: &'c Arc<Self>, key: Cow<'c, str>) -> Result<Way<'c, Option<Vec<u8>>>, Error> {
        let since = Instant::now();
        match self.take_alone(since)? {
            Some(lease) => Ok(Way::Alone(Box::pin(self.get_alone(lease, since, key)))),
            None => self.gather(since, |reply| {
                let key = key.into();
                Job::Get { key, reply }
            }),
        }
    }

    async fn get_alone(
        self: &Arc<Self>,
        lease: Lease,
        since: Instant,
        key: Cow<'_, str>,
    ) -> Result<Option<Vec<u8>>, Error> {
        match lease.get(since + self.terms().base.timeout(), &key).await {
            Err(Refusal { is_stale: true, .. }) => {
                let key = key.into();
                self.gather(since, |reply| Job::Get { key, reply })?.await
            }
            answer => answer.map_err(|refusal| refusal.error),
        }
    }

    /// Sets out to carry out a command that changes something, for its answer.
    pub(super) fn write<'c>(self: &'c Arc<Self>, write: Write<'c>) -> Result<Way<'c, Answer>, Error> {
        let since = Instant::now();
        if write.value.len() > GATHERED_VALUE {
            return Ok(Way::Alone(Box::pin(async move {
                let lease = self.lease().await?;
                self.write_alone(lease, since, write).await
            })));
        }
        match self.take_alone(since)? {
            Some(lease) => Ok(Way::Alone(Box::pin(self.write_alone(lease, since, write)))),
            None => self.gather(since, |reply| {
                let write = write.packed();
                Job::Write { write, reply }
            }),
        }
    }

    async fn write_alone(&self, lease: Lease, since: Instant, write: Write<'_>) -> Result<Answer, Error> {
        let deadline = since + self.terms().base.timeout();
        let answer = lease.write(deadline, &write).await;
        judged(answer.map_err(|refusal| unknown_outcome(&refusal.error))?)
    }

    /// Puts a job of a call that came then into the queue. Leaving costs nothing: the job is passed over.
    pub(super) fn gather<'c, T: Send + 'static>(
        self: &'c Arc<Self>,
        since: Instant,
        job: impl FnOnce(Reply<T>) -> Job,
    ) -> Result<Way<'c, T>, Error> {
        let (reply, outcome) = oneshot::channel();
        let waiting = Waiting {
            job: job(reply),
            since,
            until: since + self.terms().acquire_timeout,
            again: false,
        };
        let way = Way::Gathered(self, outcome);
        Ok(match self.enqueue(waiting)? {
            None => way,
            Some(waiting) => Way::Alone(Box::pin(async move {
                self.wait_for_room(waiting).await?;
                way.await
            })),
        })
    }
}
