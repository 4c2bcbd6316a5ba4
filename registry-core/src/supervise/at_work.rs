//! What a worker tells of a start that takes its time, and what becomes of it when the worker is to end.

use super::link::{self, Link};
use std::pin::pin;
use std::time::Duration;

/// How often a worker is to give signs of work when the master does not say how long silence may be.
const SIGNS: Duration = Duration::from_secs(15);

/// Whether this process is a worker that was asked to end.
#[cfg(any(
    feature = "mysql",
    feature = "sqlite",
    feature = "postgres",
    feature = "mongodb"
))]
pub(crate) fn is_ending() -> bool {
    link::ENDING.get().is_some_and(|ending| *ending.borrow())
}

impl Link {
    /// What a long work of the start comes to. The master hears meanwhile that this process is at work, from the very task
    /// that does it, and waits. When the worker is asked to end, the work has half of the grace left: what is not done by
    /// then is dropped, and gives nothing.
    pub(crate) async fn at_work<T>(&self, what: &str, work: impl Future<Output = T>) -> Option<T> {
        let silence = self.silence();
        let mut signs = tokio::time::interval(silence / 3);
        let over = async {
            link::ending().await;
            tokio::time::sleep(link::grace() / 2).await;
        };
        let (mut work, mut over) = (pin!(work), pin!(over));
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = &mut over => return None,
                _ = signs.tick() => {
                    let time = silence.as_micros();
                    self.tell(&format!("EXTEND_TIMEOUT_USEC={time}\nSTATUS={what}"));
                }
            }
        }
    }

    /// Says that the rest of the start takes this long at most.
    pub(crate) fn needs(&self, time: Duration) {
        let time = time.saturating_add(self.silence()).as_micros();
        self.tell(&format!("EXTEND_TIMEOUT_USEC={time}\nSTATUS=connecting"));
    }

    /// How long it may be silent.
    fn silence(&self) -> Duration {
        self.heartbeat.unwrap_or(SIGNS).max(Duration::from_millis(3))
    }
}
