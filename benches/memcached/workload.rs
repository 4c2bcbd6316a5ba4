//! The keys, the values that hold them, and what one call of a contest is.

use crate::peers::{Cache, Pooled};
use registry_bench::{Answer, Call};
use std::future::Future;
use std::time::Duration;

/// How many keys there are. Few enough for the server's own caches: the clients are what is measured.
pub(crate) const KEYS: usize = 1_000;

/// How many keys a `get_multi` asks for.
pub(crate) const MULTI: usize = 64;

/// Keys, each with a value that begins with it.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) bytes: usize,
    keys: Vec<String>,
    values: Vec<Vec<u8>>,
}

impl Workload {
    /// One that lives as long as the program: no task counts who uses it.
    pub(crate) fn new(bytes: usize) -> &'static Self {
        let keys: Vec<String> = (0..KEYS).map(|at| format!("key:{bytes}:{at:06}")).collect();
        let value = |key: &String| {
            let mut value = format!("{key}=").into_bytes();
            value.resize(bytes, b'.');
            value
        };
        let values = keys.iter().map(value).collect();
        Box::leak(Box::new(Self { bytes, keys, values }))
    }

    /// Stores all of it.
    pub(crate) async fn fill(&self, cache: &impl Cache) {
        for (key, value) in self.keys.iter().zip(&self.values) {
            cache.set(key, value).await.expect("the server stores it");
        }
    }

    /// The first key of which something is true, with its value.
    pub(crate) fn find(&self, wanted: impl Fn(&str) -> bool) -> (&str, &[u8]) {
        let at = self.keys.iter().position(|key| wanted(key));
        let at = at.expect("every host has keys");
        (&self.keys[at], &self.values[at])
    }

    /// The numbers of those keys of which something is true.
    pub(crate) fn numbers(&self, wanted: impl Fn(&str) -> bool) -> Vec<u64> {
        let numbers = 0..KEYS as u64;
        numbers.filter(|number| wanted(self.at(*number).0)).collect()
    }

    fn at(&self, number: u64) -> (&str, &[u8]) {
        let at = usize::try_from(number).unwrap_or(0) % KEYS;
        (&self.keys[at], &self.values[at])
    }

    /// Whether a value is that of the key. Its beginning tells, and its length: to look at every byte would measure that.
    fn judge(&self, key: &str, value: &[u8]) -> Answer {
        let rest = value.strip_prefix(key.as_bytes());
        if value.len() == self.bytes && rest.is_some_and(|rest| rest.starts_with(b"=")) {
            Answer::Right
        } else {
            Answer::Wrong
        }
    }
}

/// `get` of one key after the other.
#[derive(Clone)]
pub(crate) struct Gets<C> {
    pub(crate) cache: C,
    pub(crate) load: &'static Workload,
    /// So many of a thousand calls are given up before they are answered.
    pub(crate) cancelled: u64,
}

impl<C: Cache> Call for Gets<C> {
    async fn call(&self, number: u64) -> Answer {
        let (key, _) = self.load.at(number);
        match unless_cancelled(self.cache.get(key), number, self.cancelled).await {
            None => Answer::Cancelled,
            Some(Ok(Some(value))) => self.load.judge(key, &value),
            Some(_) => Answer::Failed,
        }
    }
}

/// `get` of some keys, one after the other.
#[derive(Clone)]
pub(crate) struct GetsOf<C> {
    pub(crate) cache: C,
    pub(crate) load: &'static Workload,
    /// The numbers of the keys.
    pub(crate) numbers: Vec<u64>,
    /// After each call.
    pub(crate) pause: Option<Duration>,
}

impl<C: Cache> Call for GetsOf<C> {
    async fn call(&self, number: u64) -> Answer {
        let at = usize::try_from(number).unwrap_or(0) % self.numbers.len();
        let (key, _) = self.load.at(self.numbers[at]);
        let answer = match self.cache.get(key).await {
            Ok(Some(value)) => self.load.judge(key, &value),
            _ => Answer::Failed,
        };
        if let Some(pause) = self.pause {
            tokio::time::sleep(pause).await;
        }
        answer
    }
}

/// `set` of one key after the other, each of them acknowledged.
#[derive(Clone)]
pub(crate) struct Sets<C> {
    pub(crate) cache: C,
    pub(crate) load: &'static Workload,
}

impl<C: Cache> Call for Sets<C> {
    async fn call(&self, number: u64) -> Answer {
        let (key, value) = self.load.at(number);
        stored(self.cache.set(key, value).await)
    }
}

/// The baseline's `set` without a reply. Every 64th call of a task waits until the server has done what was sent on its
/// connection: a queue that only grows is no throughput.
#[derive(Clone)]
pub(crate) struct SetsWithoutReply {
    pub(crate) cache: Pooled,
    pub(crate) load: &'static Workload,
}

impl Call for SetsWithoutReply {
    async fn call(&self, number: u64) -> Answer {
        let (key, value) = self.load.at(number);
        let drained = number.is_multiple_of(64);
        stored(self.cache.set_without_reply(key, value, drained).await)
    }
}

/// `get_multi` of [`MULTI`] keys that follow each other.
#[derive(Clone)]
pub(crate) struct Multis<C> {
    pub(crate) cache: C,
    pub(crate) load: &'static Workload,
}

impl<C: Cache> Call for Multis<C> {
    async fn call(&self, number: u64) -> Answer {
        let from = usize::try_from(number).unwrap_or(0) % (KEYS - MULTI);
        let keys = &self.load.keys[from..from + MULTI];
        let Ok(found) = self.cache.get_multi(keys).await else {
            return Answer::Failed;
        };
        let wrong = |(key, value): (&String, &Vec<u8>)| self.load.judge(key, value) != Answer::Right;
        if found.iter().any(wrong) {
            Answer::Wrong
        } else if keys.iter().all(|key| found.contains_key(key)) {
            Answer::Right
        } else {
            Answer::Failed
        }
    }
}

fn stored(answer: Result<(), ()>) -> Answer {
    answer.map_or(Answer::Failed, |()| Answer::Right)
}

/// The answer, unless this call is one of those that are given up: after none, one, two or three turns of the other
/// tasks, so that some have been sent and some not.
async fn unless_cancelled<T>(call: impl Future<Output = T>, number: u64, per_thousand: u64) -> Option<T> {
    // Numbers that follow each other, spread over all of u64 (Fibonacci hashing).
    let chance = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    if chance % 1_000 >= per_thousand {
        return Some(call.await);
    }
    tokio::select! {
        biased;
        answer = call => Some(answer),
        () = turns(chance / 1_000 % 4) => None,
    }
}

async fn turns(count: u64) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}
