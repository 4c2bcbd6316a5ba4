//! What waits for a session of a host, in the order in which it came, and what rests.

use super::batch::Batch;
use super::frame::Answer;
use super::key::Key;
use super::lease::Lease;
use super::place::{Place, Places};
use super::session::{Session, Terms};
use super::write::Packed;
use crate::error::Error;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How many calls may wait for a session of one host; further ones wait for a place.
pub(super) const QUEUE_LIMIT: usize = 4096;

/// How many bytes of values a batch asks for, or carries, if the first call alone does not exceed it.
const BATCH_BYTES: usize = 1 << 20;

/// The outcome of a call: its answer, and the bytes that its question was in. They go back to where they were allocated,
/// one by one, as the next question needs them: a runner would free those of a batch at once, more than an allocator keeps
/// at hand. See [`spent`].
pub(super) type Outcome<T> = Result<(T, Vec<u8>), Error>;

/// More than this is freed at once: an answer may wait for its caller for long.
const SPENT: usize = 1024;

/// What goes back of the bytes of a question.
pub(super) fn spent(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.capacity() <= SPENT {
        bytes
    } else {
        Vec::new()
    }
}

/// Where the outcome of a call goes. When the call was dropped, nobody is there to take it, and that is all.
pub(super) type Reply<T> = oneshot::Sender<Outcome<T>>;

/// Values by key.
pub(super) type Found = HashMap<String, Vec<u8>>;

/// What a call wants of its host. It owns all that it needs: its caller may leave at any time.
pub(super) enum Job {
    Get {
        key: Key,
        reply: Reply<Option<Vec<u8>>>,
    },
    GetMulti {
        keys: Vec<String>,
        reply: Reply<Found>,
    },
    Write {
        write: Packed,
        reply: Reply<Answer>,
    },
    /// A session for the caller's own use.
    Lease {
        reply: Reply<Lease>,
    },
}

impl Job {
    /// Whether its caller has left.
    pub(super) fn is_dropped(&self) -> bool {
        match self {
            Self::Get { reply, .. } => reply.is_closed(),
            Self::GetMulti { reply, .. } => reply.is_closed(),
            Self::Write { reply, .. } => reply.is_closed(),
            Self::Lease { reply } => reply.is_closed(),
        }
    }

    /// Ends it without an answer.
    pub(super) fn fail(self, error: Error) {
        // Whoever has left wants no error either.
        match self {
            Self::Get { reply, .. } => drop(reply.send(Err(error))),
            Self::GetMulti { reply, .. } => drop(reply.send(Err(error))),
            Self::Write { reply, .. } => drop(reply.send(Err(error))),
            Self::Lease { reply } => drop(reply.send(Err(error))),
        }
    }

    /// How many calls' worth of work it is, and how many bytes; `typical` is the size of a value of late.
    fn size(&self, typical: usize) -> (usize, usize) {
        match self {
            Self::Get { .. } => (1, typical),
            Self::GetMulti { keys, .. } => (keys.len(), keys.len().saturating_mul(typical)),
            Self::Write { write, .. } => (1, write.bytes.len()),
            Self::Lease { .. } => (1, 0),
        }
    }
}

/// A job in the queue.
pub(super) struct Waiting {
    pub(super) job: Job,
    /// When the call came.
    pub(super) since: Instant,
    /// How long it waits for a session.
    pub(super) until: Instant,
    /// It was part of a batch that failed, and goes alone now, once.
    pub(super) again: bool,
}

/// The sessions of a host that rest, and the calls that wait for one.
#[derive(Default)]
pub(super) struct Queue {
    /// The one that was used last is used next, so that the others grow old.
    #[expect(clippy::vec_box, reason = "they come and go in their boxes")]
    pub(super) idle: Vec<Box<Session>>,
    pub(super) waiting: VecDeque<Waiting>,
    /// The sessions that there are, those that are being opened included.
    pub(super) places: Arc<Places>,
    /// After a session could not be opened beside others, none is tried before.
    pub(super) not_before: Option<Instant>,
    pub(super) closed: bool,
    /// How many calls wait for a place in the queue.
    pub(super) crowd: usize,
    /// Ends what waits too long; it lives while something waits.
    pub(super) usher: Option<AbortHandle>,
}

/// What a session that came free has to do.
pub(super) enum Next {
    /// Speak the batch.
    Batch,
    /// Go to somebody who wants it for himself.
    Lease(Reply<Lease>),
    /// Rest.
    Rest,
}

impl Queue {
    /// Takes what a session that came free has to do; calls to speak for, up to a limit, are put into the batch, which is empty.
    pub(super) fn next(&mut self, typical: usize, limit: usize, batch: &mut Batch) -> Next {
        let (mut calls, mut bytes) = (0, 0);
        while let Some(waiting) = self.waiting.front() {
            if waiting.job.is_dropped() {
                self.waiting.pop_front();
                continue;
            }
            let (more_calls, more_bytes) = waiting.job.size(typical);
            let full = calls + more_calls > limit || bytes + more_bytes > BATCH_BYTES;
            let alone = waiting.again || matches!(waiting.job, Job::Lease { .. });
            if !batch.is_empty() && (full || alone) {
                break;
            }
            let Some(waiting) = self.waiting.pop_front() else {
                break;
            };
            let again = waiting.again;
            if let Job::Lease { reply } = waiting.job {
                return Next::Lease(reply);
            }
            batch.add(waiting);
            calls += more_calls;
            bytes += more_bytes;
            if again {
                break;
            }
        }
        if batch.is_empty() { Next::Rest } else { Next::Batch }
    }

    /// Takes the first call, if it is there still and wants a session for itself.
    pub(super) fn take_lease(&mut self) -> Option<Reply<Lease>> {
        let first = self
            .waiting
            .pop_front_if(|first| matches!(&first.job, Job::Lease { reply } if !reply.is_closed()));
        match first?.job {
            Job::Lease { reply } => Some(reply),
            _ => None,
        }
    }

    /// Lets a session rest, and ends those that have rested too long: they are at the bottom.
    pub(super) fn rest(&mut self, mut session: Box<Session>, terms: &Terms) {
        let now = Instant::now();
        session.rest(now);
        if self.idle.first().is_some_and(|oldest| oldest.is_past(terms, now)) {
            self.idle.remove(0);
        }
        self.idle.push(session);
    }

    /// A place for another session, for what waits now.
    pub(super) fn may_open(&mut self, max: usize) -> Option<Place> {
        let open = self.places.taken();
        let pause = open > 0 && self.not_before.is_some_and(|moment| Instant::now() < moment);
        let may = !self.closed && open < max && !self.waiting.is_empty() && !pause;
        may.then(|| self.places.take())
    }

    /// When the first of those that wait has waited long enough.
    pub(super) fn first_end(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    /// Takes what has waited long enough by now.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Waiting> {
        let all = std::mem::take(&mut self.waiting).into_iter();
        let (expired, waiting): (VecDeque<_>, _) = all.partition(|waiting| waiting.until <= now);
        self.waiting = waiting;
        expired.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    const BATCH_LIMIT: usize = 64;

    fn get(key: &str) -> (Waiting, oneshot::Receiver<Outcome<Option<Vec<u8>>>>) {
        let (reply, receiver) = oneshot::channel();
        let key = Cow::Borrowed(key).into();
        let job = Job::Get { key, reply };
        (waiting(job), receiver)
    }

    fn waiting(job: Job) -> Waiting {
        Waiting {
            job,
            since: Instant::now(),
            until: Instant::now(),
            again: false,
        }
    }

    /// The keys of the next batch; none where there is none.
    fn keys(queue: &mut Queue, typical: usize) -> Vec<String> {
        let mut batch = Batch::default();
        queue.next(typical, BATCH_LIMIT, &mut batch);
        batch.keys()
    }

    fn next(queue: &mut Queue) -> Next {
        queue.next(0, BATCH_LIMIT, &mut Batch::default())
    }

    #[test]
    fn gathers_in_order_up_to_the_limits_and_leaves_out_who_has_left() {
        let mut queue = Queue::default();
        let mut receivers = Vec::new();
        for number in 0..100 {
            let (job, receiver) = get(&number.to_string());
            queue.waiting.push_back(job);
            if number != 1 {
                receivers.push(receiver);
            }
        }
        let first = keys(&mut queue, 100);
        assert_eq!(first.len(), BATCH_LIMIT);
        assert_eq!(first[..2], ["0", "2"]);
        // Values of half a batch each.
        assert_eq!(keys(&mut queue, BATCH_BYTES / 2), ["65", "66"]);
        // Larger ones than a batch go alone, and go.
        assert_eq!(keys(&mut queue, BATCH_BYTES * 2), ["67"]);
        assert_eq!(keys(&mut queue, 0).len(), 32);
        assert!(matches!(next(&mut queue), Next::Rest));
    }

    #[test]
    fn who_wants_a_session_has_his_turn() {
        let mut queue = Queue::default();
        let (one, _first) = get("one");
        let (reply, _lease) = oneshot::channel();
        let (two, _second) = get("two");
        queue.waiting.extend([one, waiting(Job::Lease { reply }), two]);
        assert_eq!(keys(&mut queue, 0), ["one"]);
        assert!(matches!(next(&mut queue), Next::Lease(_)));
        assert_eq!(keys(&mut queue, 0), ["two"]);
    }

    #[test]
    fn a_session_goes_from_hand_to_hand_only_where_the_first_wants_one_and_is_there() {
        let mut queue = Queue::default();
        let lease = || {
            let (reply, receiver) = oneshot::channel();
            (waiting(Job::Lease { reply }), receiver)
        };
        let ((there, mut heir), (one, _first), (gone, left)) = (lease(), get("one"), lease());
        drop(left);
        queue.waiting.extend([there, one, gone]);
        drop(queue.take_lease().expect("the first wants a session"));
        assert!(heir.try_recv().is_err(), "it was the first's reply");
        assert!(queue.take_lease().is_none(), "somebody else is first");
        assert_eq!(keys(&mut queue, 0), ["one"]);
        assert!(queue.take_lease().is_none(), "who has left wants none");
    }

    #[test]
    fn what_failed_in_company_goes_alone() {
        let mut queue = Queue::default();
        let ((mut one, _first), (two, _second), (mut three, _third)) = (get("one"), get("two"), get("three"));
        (one.again, three.again) = (true, true);
        queue.waiting.extend([one, two, three]);
        assert_eq!(keys(&mut queue, 0), ["one"]);
        assert_eq!(keys(&mut queue, 0), ["two"]);
        assert_eq!(keys(&mut queue, 0), ["three"]);
    }
}
