//! A batch: calls that were gathered, spoken on one session in one packet, and each given its own part of the answer.

use super::error::{of_io, refused, unknown_outcome};
use super::frame::{Answer, Fault};
use super::host::Host;
use super::queue::{Found, Job, Reply, Waiting};
use super::session::Session;
use super::wire;
use super::write::Write;
use crate::error::Error;
use std::io;
use std::time::Duration;

/// What the calls of a batch want, by kind.
pub(super) struct Batch {
    writes: Vec<(Write<'static>, Reply<Answer>)>,
    gets: Vec<(String, Reply<Option<Vec<u8>>>)>,
    multis: Vec<(Vec<String>, Reply<Found>)>,
    /// When the first of them came.
    since: tokio::time::Instant,
    /// It failed before, in company.
    again: bool,
}

/// Why a batch failed.
pub(super) enum Failure {
    Io(io::Error),
    Late,
}

impl Batch {
    pub(super) fn new(waiting: Vec<Waiting>) -> Self {
        let now = tokio::time::Instant::now();
        let mut batch = Self {
            writes: Vec::new(),
            gets: Vec::new(),
            multis: Vec::new(),
            since: waiting.first().map_or(now, |first| first.since),
            again: waiting.first().is_some_and(|first| first.again),
        };
        for waiting in waiting {
            match waiting.job {
                Job::Get { key, reply } => batch.gets.push((key, reply)),
                Job::GetMulti { keys, reply } => batch.multis.push((keys, reply)),
                Job::Write { write, reply } => batch.writes.push((write, reply)),
                // The queue gives these away one by one.
                Job::Lease { .. } => {}
            }
        }
        batch
    }

    /// When the first of its calls reaches its deadline.
    pub(super) fn deadline(&self, timeout: Duration) -> tokio::time::Instant {
        self.since + timeout
    }

    /// Speaks it: the commands that change something first, in the order of the calls, then all keys in one command.
    pub(super) async fn speak(&mut self, session: &mut Session) -> io::Result<()> {
        let stream = &mut session.stream;
        stream.cork(true);
        for (write, _) in &self.writes {
            write.put(stream).await?;
        }
        stream.cork(false);
        let single = self.gets.iter().map(|(key, _)| key.as_str());
        let several = self.multis.iter().flat_map(|(keys, _)| keys).map(String::as_str);
        let mut keys: Vec<&str> = single.chain(several).collect();
        let asked = keys.len();
        keys.sort_unstable();
        keys.dedup();
        let all_different = keys.len() == asked;
        let values = if keys.is_empty() {
            stream.finish_lines().await?;
            Found::new()
        } else {
            wire::get_multi(stream, &keys).await?
        };
        if !stream.is_settled() {
            return Err(super::frame::garbled(
                "the server sent more than one answer to one command",
            ));
        }
        session.used = true;
        self.give_answers(session.stream.take_answers());
        if !self.writes.is_empty() {
            return Err(super::frame::unexpected());
        }
        self.give_values(values, all_different);
        Ok(())
    }

    /// Gives the answers that came to those that asked, in order, up to the first that answers something else: from
    /// there on it is not known which answer belongs to whom.
    fn give_answers(&mut self, answers: Vec<Answer>) {
        let fitting = self.writes.iter().zip(&answers);
        let fitting = fitting
            .take_while(|((write, _), answer)| write.verb.takes(answer))
            .count();
        for ((_, reply), answer) in self.writes.drain(..fitting).zip(answers) {
            // Who has left wants no answer.
            let _ = reply.send(judged(answer));
        }
    }

    fn give_values(&mut self, mut values: Found, all_different: bool) {
        // A value that several asked for is copied for each.
        let mut value = |key: &str| {
            if all_different {
                values.remove(key)
            } else {
                values.get(key).cloned()
            }
        };
        for (key, reply) in self.gets.drain(..) {
            let _ = reply.send(Ok(value(&key)));
        }
        for (keys, reply) in self.multis.drain(..) {
            let found = keys.into_iter().filter_map(|key| Some((value(&key)?, key)));
            let found = found.map(|(value, key)| (key, value)).collect();
            let _ = reply.send(Ok(found));
        }
    }

    /// Ends what is left of it after a failure on this session. What only reads is tried once more, on another session
    /// where the fault is the session's, and alone where it is the company's; it is given back for that.
    pub(super) fn fail(mut self, host: &Host, session: &mut Session, failure: &Failure) -> Vec<Waiting> {
        self.give_answers(session.stream.take_answers());
        let error = match failure {
            Failure::Io(cause) => of_io(host.address(), cause),
            Failure::Late => host.terms().base.deadline_error(),
        };
        for (_, reply) in self.writes.drain(..) {
            let _ = reply.send(Err(unknown_outcome(&error)));
        }
        let again = !self.again
            && match failure {
                Failure::Io(cause) => {
                    (session.used && is_end(cause)) || (self.is_company() && is_refusal(cause))
                }
                Failure::Late => false,
            };
        let gets = self.gets.drain(..).map(|(key, reply)| Job::Get { key, reply });
        let multis = self
            .multis
            .drain(..)
            .map(|(keys, reply)| Job::GetMulti { keys, reply });
        let jobs = gets.chain(multis);
        if !again {
            jobs.for_each(|job| job.fail(error.clone()));
            return Vec::new();
        }
        let since = self.since;
        jobs.map(|job| Waiting {
            job,
            since,
            again: true,
        })
        .collect()
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

/// A proxy refuses a whole command when one of its keys belongs to a server that is away.
fn is_refusal(cause: &io::Error) -> bool {
    let fault = cause.get_ref().and_then(|inner| inner.downcast_ref::<Fault>());
    matches!(fault, Some(Fault::Refused(_)))
}
