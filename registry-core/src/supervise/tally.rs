//! Repeated causes are counted, not repeated: the log of an hour's outage is a dozen lines.

use std::collections::HashMap;

/// How many different causes are kept apart; beyond that all are told.
const LIMIT: usize = 64;

/// How often each cause was met, and each worker became ready.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    causes: HashMap<String, u64>,
    ready: HashMap<usize, u64>,
}

impl Tally {
    /// Counts a cause. Gives the number when it is to be told: the first, and then at every doubling.
    pub(crate) fn count(&mut self, cause: &str) -> Option<u64> {
        if self.causes.len() >= LIMIT && !self.causes.contains_key(cause) {
            self.causes.clear();
        }
        let count = self.causes.entry(cause.to_owned()).or_default();
        doubled(count)
    }

    /// Counts that a worker is ready, likewise. When that is told, the next cause is a first one again.
    pub(crate) fn ready(&mut self, number: usize) -> Option<u64> {
        let told = doubled(self.ready.entry(number).or_default());
        if told.is_some() {
            self.causes.clear();
        }
        told
    }

    /// It is over: the next time is a first one again.
    pub(crate) fn forget(&mut self) {
        self.causes.clear();
        self.ready.clear();
    }
}

fn doubled(count: &mut u64) -> Option<u64> {
    *count += 1;
    count.is_power_of_two().then_some(*count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_one_cause_is_a_few_lines() {
        let mut tally = Tally::default();
        let told: Vec<u64> = (0..1_000).filter_map(|_| tally.count("refused")).collect();
        assert_eq!(told, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(tally.count("another"), Some(1));
        tally.forget();
        assert_eq!(tally.count("refused"), Some(1));
    }

    #[test]
    fn one_that_is_ready_and_fails_again_and_again_is_a_few_lines_too() {
        let mut tally = Tally::default();
        let rounds = (0..1_000).map(|_| [tally.ready(0), tally.count("panicked")]);
        let told = rounds.flatten().flatten().count();
        assert!((20..80).contains(&told), "{told}");
        tally.forget();
        assert_eq!((tally.ready(0), tally.count("panicked")), (Some(1), Some(1)));
    }
}
