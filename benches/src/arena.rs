//! Contests of throughput: each entrant is called by a number of tasks at once for a time, and the entrants take turns.
//!
//! A time, not a number of calls, so that a slow entrant does not stretch the run; and every answer is looked at, because
//! the fastest way to be wrong is no merit.

use crate::outcome::{Case, Row};
use futures_util::future::{BoxFuture, FutureExt as _};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// One call of this many is timed: a look at the clock costs as much as a part of a fast call.
const TIMED: u64 = 16;

/// A task that has not come back this long after the end of a round hangs, and is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As it must be.
    Right,
    /// Given up on purpose before it was answered: it counts for nothing.
    Cancelled,
    /// The value of another key.
    Wrong,
    /// An error, or nothing where something was.
    Failed,
}

/// What one round of an entrant gave.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Right answers.
    pub right: u64,
    /// Values that belong to another key.
    pub wrong: u64,
    /// Errors; a task that hangs is one.
    pub failed: u64,
    /// From the start of the round to the last answer.
    pub elapsed: Duration,
    /// Some of the calls' times, in nanoseconds.
    pub times: Vec<u64>,
}

impl Tally {
    fn count(&mut self, answer: Answer) {
        match answer {
            Answer::Right => self.right += 1,
            Answer::Wrong => self.wrong += 1,
            Answer::Failed => self.failed += 1,
            Answer::Cancelled => {}
        }
    }

    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.wrong += other.wrong;
        self.failed += other.failed;
        self.times.extend(other.times);
    }

    /// Right answers in a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.right as f64 / self.elapsed.as_secs_f64()
    }
}

/// Who takes part: a name, and how a round of it is run.
pub struct Entrant {
    name: String,
    round: Box<dyn Fn(usize, Duration) -> BoxFuture<'static, Tally> + Send + Sync>,
}

/// What an entrant does again and again. Each task has a clone of its own: what tasks share is written by all of them at
/// each call, and would be measured along with the client.
pub trait Call: Clone + Send + Sync + 'static {
    /// One call; the number differs between calls.
    fn call(&self, number: u64) -> impl Future<Output = Answer> + Send;
}

impl Entrant {
    /// An entrant by what one call of it is.
    pub fn new(name: &str, call: impl Call) -> Self {
        Self::of_rounds(name, move |tasks, window| {
            round(call.clone(), tasks, window).boxed()
        })
    }

    /// An entrant that runs its rounds itself: another program, say.
    pub fn of_rounds(
        name: &str,
        round: impl Fn(usize, Duration) -> BoxFuture<'static, Tally> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            round: Box::new(round),
        }
    }
}

impl Entrant {
    /// One round: so many tasks at once, for so long.
    pub async fn round(&self, tasks: usize, window: Duration) -> Tally {
        (self.round)(tasks, window).await
    }
}

/// One round: so many tasks, each calling again and again until the time is over.
async fn round(call: impl Call, tasks: usize, window: Duration) -> Tally {
    let stop = Arc::new(AtomicBool::new(false));
    let mut running = JoinSet::new();
    let began = Instant::now();
    for task in 0..tasks as u64 {
        let (call, stop) = (call.clone(), Arc::clone(&stop));
        running.spawn(async move {
            let mut tally = Tally::default();
            // Far apart, so that the tasks do not go through the same keys side by side.
            let mut number = task * 7_919;
            while !stop.load(Ordering::Relaxed) {
                let timed = number.is_multiple_of(TIMED).then(Instant::now);
                let answer = call.call(number).await;
                if let (Some(began), Answer::Right) = (timed, answer) {
                    let nanoseconds = began.elapsed().as_nanos();
                    tally.times.push(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
                }
                tally.count(answer);
                number += 1;
            }
            tally
        });
    }
    tokio::time::sleep(window).await;
    stop.store(true, Ordering::Relaxed);
    let mut sum = Tally::default();
    let joined = tokio::time::timeout(PATIENCE, async {
        while let Some(ended) = running.join_next().await {
            match ended {
                Ok(tally) => sum.add(tally),
                Err(_) => sum.failed += 1,
            }
        }
    });
    if joined.await.is_err() {
        sum.failed += running.len() as u64;
        // Those that hang have lost what they counted; the time that they were waited for is not the entrant's.
        sum.elapsed = window;
        running.shutdown().await;
    } else {
        sum.elapsed = began.elapsed();
    }
    sum
}

/// Where the entrants meet.
#[derive(Clone, Copy, Debug)]
pub struct Arena {
    /// How long a round of one entrant is.
    pub window: Duration,
    /// How many rounds are counted; one more goes before them.
    pub rounds: usize,
}

impl Arena {
    /// Lets the entrants take turns, each called by `tasks` tasks at once, and prints what they reached.
    pub async fn contest(self, title: impl Into<String>, tasks: usize, entrants: &[Entrant]) -> Case {
        let title = title.into();
        let mut tallies = vec![Vec::new(); entrants.len()];
        for round in 0..=self.rounds {
            for turn in 0..entrants.len() {
                // Another one begins each time: whoever comes after a busy neighbour is not always the same.
                let index = (turn + round) % entrants.len();
                let tally = entrants[index].round(tasks, self.window).await;
                if round > 0 {
                    tallies[index].push(tally);
                }
            }
        }
        let rows = entrants.iter().zip(&tallies).map(|(entrant, own)| Row {
            of_first: tallies.first().and_then(|first| paired(first, own)),
            ..row(&entrant.name, own)
        });
        let case = Case {
            title,
            unit: "ops/s".to_owned(),
            rows: rows.collect(),
        };
        case.print();
        case
    }
}

/// The median over the rounds of the first's rate by that of another in the same round: a drift of the machine is in both,
/// and falls out.
fn paired(first: &[Tally], other: &[Tally]) -> Option<f64> {
    let pairs = first.iter().zip(other);
    median(pairs.map(|(first, other)| first.rate() / other.rate()).collect())
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What the rounds of an entrant come to.
#[must_use]
pub fn row(name: &str, tallies: &[Tally]) -> Row {
    // The median over the rounds of each round's percentile: one slow round is one slow round.
    let percentile = |hundredths: usize| {
        let each = tallies.iter().filter_map(|tally| {
            let mut times = tally.times.clone();
            times.sort_unstable();
            let at = (times.len() * hundredths / 100).min(times.len().checked_sub(1)?);
            Some(times[at] as f64 / 1e3)
        });
        median(each.collect())
    };
    Row {
        name: name.to_owned(),
        median: median(tallies.iter().map(Tally::rate).collect()).unwrap_or_default(),
        p50: percentile(50),
        p99: percentile(99),
        of_first: None,
        wrong: tallies.iter().map(|tally| tally.wrong).sum(),
        failed: tallies.iter().map(|tally| tally.failed).sum(),
    }
}
