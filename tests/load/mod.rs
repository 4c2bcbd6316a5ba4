//! Writers and readers at work while servers are killed, hang, fall behind and change their roles: what was
//! acknowledged is there afterwards, and nothing is there twice.

use dbreg::sqlx;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Between two polls: whoever asks without a pause takes a core from those that it waits for.
const POLL: Duration = Duration::from_millis(3);

const WRITERS: usize = 4;
const READERS: usize = 3;
/// What has to succeed after each event before the next.
const PROGRESS: usize = 100;

/// Asks until the answer is yes.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    until_some(what, async || condition().await.then_some(())).await;
}

/// Tries until it gives something.
pub(crate) async fn until_some<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Checks again and again for this long.
pub(crate) async fn all_the_while(time: Duration, mut check: impl AsyncFnMut()) {
    let started = Instant::now();
    while started.elapsed() < time {
        check().await;
        tokio::time::sleep(POLL).await;
    }
}

/// What a read of a replica gave; nothing where that was too slow for once. A look that takes more than a second has it away
/// until the next.
pub(crate) fn in_time<T>(read: Result<T, sqlx::Error>) -> Option<T> {
    let error = match read {
        Ok(found) => return Some(found),
        Err(error) => dbreg::Error::from(error),
    };
    let slow = ["no answer from ", " gives no session within "];
    assert!(
        slow.iter().any(|words| error.message().contains(words)),
        "{error}"
    );
    None
}

/// Tasks that write each number once, and tasks that read.
pub(crate) struct Load {
    tally: Arc<Tally>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    next: AtomicI64,
    acknowledged: Mutex<BTreeSet<i64>>,
    failed: Mutex<BTreeSet<i64>>,
    reads: AtomicU64,
    failed_reads: AtomicU64,
    slowest: Mutex<Duration>,
}

impl Tally {
    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().expect("nobody panicked").len()
    }

    fn took(&self, since: Instant) {
        let mut slowest = self.slowest.lock().expect("nobody panicked");
        *slowest = since.elapsed().max(*slowest);
    }
}

impl Load {
    /// Starts it: `write` gives whether the write of this number was acknowledged, `read` whether the read succeeded.
    pub(crate) fn start<W, R>(write: W, read: R) -> Self
    where
        W: Fn(i64) -> BoxFuture<'static, bool> + Clone + Send + 'static,
        R: Fn() -> BoxFuture<'static, bool> + Clone + Send + 'static,
    {
        let tally = Arc::new(Tally::default());
        let mut tasks = JoinSet::new();
        for _ in 0..WRITERS {
            tasks.spawn(writes(write.clone(), Arc::clone(&tally)));
        }
        for _ in 0..READERS {
            tasks.spawn(reads(read.clone(), Arc::clone(&tally)));
        }
        Self { tally, tasks }
    }

    /// Returns when writes and reads go on.
    pub(crate) async fn goes_on(&self, what: &str) {
        let (writes, reads) = (self.tally.acknowledged(), self.tally.reads.load(Ordering::SeqCst));
        until(&format!("writes and reads go on after {what}"), async || {
            let reads_now = self.tally.reads.load(Ordering::SeqCst);
            self.tally.acknowledged() >= writes + PROGRESS && reads_now >= reads + PROGRESS as u64
        })
        .await;
    }

    /// Returns when reads go on, whatever becomes of writes.
    pub(crate) async fn is_read(&self, what: &str) {
        let reads = self.tally.reads.load(Ordering::SeqCst);
        until(&format!("reads go on {what}"), async || {
            self.tally.reads.load(Ordering::SeqCst) >= reads + PROGRESS as u64
        })
        .await;
    }

    /// Ends the load; gives what it did.
    pub(crate) async fn end(mut self) -> Done {
        self.tally.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no writer and no reader panics");
        }
        let tally = &self.tally;
        let done = Done {
            acknowledged: tally.acknowledged.lock().expect("nobody panicked").clone(),
            failed: tally.failed.lock().expect("nobody panicked").clone(),
        };
        assert!(
            !done.failed.is_empty(),
            "the faults were felt, or this test shows nothing"
        );
        let slowest = *tally.slowest.lock().expect("nobody panicked");
        // `timeout` is 10 s: this is for calls without a deadline.
        assert!(slowest < PATIENCE, "a call took {slowest:?}");
        tell(&format!(
            "{} acknowledged, {} failed, {} read, {} reads failed, the slowest call took {slowest:?}",
            done.acknowledged.len(),
            done.failed.len(),
            tally.reads.load(Ordering::SeqCst),
            tally.failed_reads.load(Ordering::SeqCst)
        ));
        done
    }
}

/// What a load did.
pub(crate) struct Done {
    acknowledged: BTreeSet<i64>,
    failed: BTreeSet<i64>,
}

impl Done {
    /// Whether a server has what was acknowledged, nothing twice, and nothing that nobody wrote: a number in each line.
    pub(crate) fn is_on(&self, index: usize, found: &str) {
        let mut times: BTreeMap<i64, usize> = BTreeMap::new();
        for n in found.lines() {
            *times.entry(n.parse().expect("a number")).or_default() += 1;
        }
        let acknowledged = &self.acknowledged;
        let lost: Vec<_> = acknowledged.iter().filter(|n| !times.contains_key(n)).collect();
        assert!(
            lost.is_empty(),
            "server {index} lost {lost:?} of {}",
            acknowledged.len()
        );
        let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "server {index} has more than once: {twice:?}");
        let strange = times
            .keys()
            .find(|n| !acknowledged.contains(n) && !self.failed.contains(n));
        assert_eq!(strange, None, "server {index} has what nobody wrote");
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the figures of a run, for who asks for them with --nocapture"
)]
fn tell(figures: &str) {
    println!("{figures}");
}

async fn writes(write: impl Fn(i64) -> BoxFuture<'static, bool>, tally: Arc<Tally>) {
    while !tally.stop.load(Ordering::SeqCst) {
        let n = tally.next.fetch_add(1, Ordering::SeqCst);
        let began = Instant::now();
        let written = write(n).await;
        tally.took(began);
        // Once, whatever came of it: a write that failed may have happened.
        let told = if written {
            &tally.acknowledged
        } else {
            &tally.failed
        };
        told.lock().expect("nobody panicked").insert(n);
        if !written {
            tokio::task::yield_now().await;
        }
    }
}

async fn reads(read: impl Fn() -> BoxFuture<'static, bool>, tally: Arc<Tally>) {
    while !tally.stop.load(Ordering::SeqCst) {
        let began = Instant::now();
        let told = if read().await {
            &tally.reads
        } else {
            &tally.failed_reads
        };
        told.fetch_add(1, Ordering::SeqCst);
        tally.took(began);
        tokio::task::yield_now().await;
    }
}
