//! A batch: calls that were gathered, spoken on one session in one packet, and each given its own part of the answer.

use super::error::{of_io, refused, unknown_outcome};
use super::frame::{Answer, Fault};
use super::host::Host;
use super::key::Key;
use super::queue::{Found, Job, Reply, Waiting, spent};
use super::session::Session;
use super::wire;
use super::write::Packed;
use crate::error::Error;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What the calls of a batch want, by kind. A runner uses one again and again.
#[derive(Default)]
pub(super) struct Batch {
    writes: Vec<(Packed, Reply<Answer>)>,
    gets: Vec<(Key, Reply<Option<Vec<u8>>>)>,
    multis: Vec<(Vec<String>, Reply<Found>)>,
    /// When the first of them came.
    since: Option<Instant>,
    /// It failed before, in company.
    again: bool,
}

/// The keys of a batch, each once, and who asked for which.
struct Question<'b> {
    keys: Vec<&'b [u8]>,
    /// The place in `keys` of each key that was asked for, in the order of the calls.
    places: Vec<usize>,
    /// How many asked for each.
    uses: Vec<usize>,
}

/// Why a batch failed.
pub(super) enum Failure {
    Io(io::Error),
    Late,
}

impl Batch {
    pub(super) fn add(&mut self, waiting: Waiting) {
        let first = self.since.map_or(waiting.since, |since| since.min(waiting.since));
        self.since = Some(first);
        self.again |= waiting.again;
        match waiting.job {
            Job::Get { key, reply } => self.gets.push((key, reply)),
            Job::GetMulti { keys, reply } => self.multis.push((keys, reply)),
            Job::Write { write, reply } => self.writes.push((write, reply)),
            // The queue gives these away one by one.
            Job::Lease { .. } => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    fn clear(&mut self) {
        self.since = None;
        self.again = false;
    }

    /// When the first of its calls reaches its deadline.
    pub(super) fn deadline(&self, timeout: Duration) -> Instant {
        self.since.unwrap_or_else(Instant::now) + timeout
    }

    /// Speaks it: the commands that change something first, in the order of the calls, then all keys in one command.
    pub(super) async fn speak(&mut self, session: &mut Session) -> io::Result<()> {
        let stream = &mut session.stream;
        for (write, _) in &mut self.writes {
            stream.put_command(&mut write.bytes);
        }
        let question = self.question();
        let values = if question.keys.is_empty() {
            stream.finish_lines().await?;
            Vec::new()
        } else {
            wire::get_each(stream, &question.keys).await?
        };
        let (places, uses) = (question.places, question.uses);
        if !stream.is_settled() {
            return Err(super::frame::garbled(
                "the server sent more than one answer to one command",
            ));
        }
        session.served(Instant::now());
        self.give_answers(session.stream.take_answers());
        if !self.writes.is_empty() {
            return Err(super::frame::unexpected());
        }
        self.give_values(values, &places, uses);
        self.clear();
        Ok(())
    }

    /// Gives the answers that came to those that asked, in order, up to the first that answers something else: from
    /// there on it is not known which answer belongs to whom.
    fn give_answers(&mut self, answers: Vec<Answer>) {
        let fitting = self.writes.iter().zip(&answers);
        let fitting = fitting
            .take_while(|((write, _), answer)| write.verb.takes(answer))
            .count();
        for ((write, reply), answer) in self.writes.drain(..fitting).zip(answers) {
            // Who has left wants no answer.
            let _ = reply.send(judged(answer).map(|answer| (answer, spent(write.bytes))));
        }
    }

    /// What is asked for: every key once.
    fn question(&self) -> Question<'_> {
        let single = self.gets.iter().map(|(key, _)| key.bytes());
        let several = self
            .multis
            .iter()
            .flat_map(|(keys, _)| keys)
            .map(String::as_bytes);
        let count = self.gets.len() + self.multis.iter().map(|(keys, _)| keys.len()).sum::<usize>();
        let mut question = Question {
            keys: Vec::with_capacity(count),
            places: Vec::with_capacity(count),
            uses: Vec::with_capacity(count),
        };
        let mut known = HashMap::with_capacity_and_hasher(count, RandomState::default());
        for key in single.chain(several) {
            let place = *known.entry(key).or_insert(question.keys.len());
            if place == question.keys.len() {
                question.keys.push(key);
                question.uses.push(0);
            }
            question.uses[place] += 1;
            question.places.push(place);
        }
        question
    }

    /// Gives each call its part. A value that several asked for is copied for all but the last.
    fn give_values(&mut self, mut values: Vec<Option<Vec<u8>>>, places: &[usize], mut uses: Vec<usize>) {
        let mut places = places.iter();
        let mut value = || {
            let place = *places.next()?;
            uses[place] -= 1;
            if uses[place] == 0 {
                values[place].take()
            } else {
                values[place].clone()
            }
        };
        for (key, reply) in self.gets.drain(..) {
            let _ = reply.send(Ok((value(), spent(key.into_spent()))));
        }
        for (keys, reply) in self.multis.drain(..) {
            let found = keys.into_iter().filter_map(|key| Some((key, value()?)));
            let _ = reply.send(Ok((found.collect(), Vec::new())));
        }
    }

    /// Ends what is left of it after a failure on this session. What only reads is tried once more, on another session
    /// where the fault is the session's, and alone where it is the company's; it is given back for that. Else the failure
    /// is counted, before anybody hears of it: who calls again then knows of a host that this was too much for.
    pub(super) fn fail(
        &mut self,
        host: &Arc<Host>,
        session: &mut Session,
        failure: &Failure,
    ) -> Vec<Waiting> {
        self.give_answers(session.stream.take_answers());
        let error = match failure {
            Failure::Io(cause) => of_io(host.address(), cause),
            Failure::Late => host.deadline_error(),
        };
        let reads = !self.gets.is_empty() || !self.multis.is_empty();
        let again = reads
            && !self.again
            && match failure {
                Failure::Io(cause) => {
                    (session.used && is_end(cause)) || (self.is_company() && is_of_one(cause))
                }
                Failure::Late => false,
            };
        if !again {
            host.failed(&error);
        }
        for (_, reply) in self.writes.drain(..) {
            let _ = reply.send(Err(unknown_outcome(&error)));
        }
        let gets = self.gets.drain(..).map(|(key, reply)| Job::Get { key, reply });
        let multis = self
            .multis
            .drain(..)
            .map(|(keys, reply)| Job::GetMulti { keys, reply });
        let jobs = gets.chain(multis);
        let since = self.since.unwrap_or_else(Instant::now);
        if !again {
            jobs.for_each(|job| job.fail(error.clone()));
            return Vec::new();
        }
        // No session of its own making: it waits for one as long as a call may take.
        let until = since + host.terms().base.timeout();
        jobs.map(|job| Waiting {
            job,
            since,
            until,
            again: true,
        })
        .collect()
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<String> {
        let text = |key: &Key| String::from_utf8(key.bytes().to_vec()).expect("a key is a text");
        self.gets.iter().map(|(key, _)| text(key)).collect()
    }

    fn is_company(&self) -> bool {
        self.gets.len() + self.multis.len() > 1
    }
}

/// What a fitting answer means to the call that it belongs to.
pub(super) fn judged(answer: Answer) -> Result<Answer, Error> {
    match answer {
        Answer::Refused(text) => Err(refused(&text)),
        answer => Ok(answer),
    }
}

/// The server ended the session: it may have done so before it saw the command.
pub(super) fn is_end(cause: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        cause.kind(),
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe
    )
}

/// The fault of one key of many: a proxy refuses the whole command when the server of one is away, and a value that is
/// larger than is taken ends it.
fn is_of_one(cause: &io::Error) -> bool {
    let fault = cause.get_ref().and_then(|inner| inner.downcast_ref::<Fault>());
    matches!(fault, Some(Fault::Refused(_) | Fault::TooLarge(..)))
}
