//! Repeated causes are counted, not repeated: the log of an hour's outage is a dozen lines.

use std::collections::HashMap;

/// How many different causes are kept apart; beyond that all are told.
const LIMIT: usize = 64;

/// How often each cause was met.
#[derive(Debug, Default)]
pub(crate) struct Tally(HashMap<String, u64>);

impl Tally {
    /// Counts a cause. Gives the number when it is to be told: the first, and then at every doubling.
    pub(crate) fn count(&mut self, cause: &str) -> Option<u64> {
        if self.0.len() >= LIMIT && !self.0.contains_key(cause) {
            self.0.clear();
        }
        let count = self.0.entry(cause.to_owned()).or_default();
        *count += 1;
        count.is_power_of_two().then_some(*count)
    }

    /// It is over: the next time is a first one again.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
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
}
