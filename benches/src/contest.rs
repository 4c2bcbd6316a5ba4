//! Contests of times: entrants that take turns, each round one time for each.

use crate::outcome::{Case, Row};
use futures_util::future::BoxFuture;
use std::time::{Duration, Instant};

/// Runs so many calls of an entrant, one after the other.
pub type Batch = Box<dyn Fn(usize) -> BoxFuture<'static, ()>>;

/// Entrants that take turns. The first is the one that the others are compared with.
#[derive(Debug)]
pub struct Contest {
    title: String,
    entrants: Vec<(String, Vec<Duration>)>,
}

impl Contest {
    /// A contest with the names of its entrants, ours first.
    pub fn new(title: impl Into<String>, names: &[&str]) -> Self {
        let entrants = names.iter().map(|name| ((*name).to_owned(), Vec::new()));
        Self {
            title: title.into(),
            entrants: entrants.collect(),
        }
    }

    /// Lets the entrants run a batch of calls each, in turns; one round more than is counted goes before.
    pub async fn race(&mut self, rounds: usize, calls: usize, batches: &[Batch]) {
        for round in 0..=rounds {
            for turn in 0..batches.len() {
                // Another one begins each time: whoever comes after a busy neighbour is not always the same.
                let index = (turn + round) % batches.len();
                let began = Instant::now();
                batches[index](calls).await;
                if round > 0 {
                    self.took(index, began.elapsed());
                }
            }
        }
    }

    /// Notes what an entrant took in this round.
    pub fn took(&mut self, entrant: usize, time: Duration) {
        self.entrants[entrant].1.push(time);
    }

    /// The median time of an entrant.
    #[must_use]
    pub fn median(&self, entrant: usize) -> Duration {
        let mut rounds = self.entrants[entrant].1.clone();
        rounds.sort_unstable();
        rounds.get(rounds.len() / 2).copied().unwrap_or_default()
    }

    /// The median over the rounds of one's time by another's in the same round: a drift of the machine is in both, and
    /// falls out.
    #[must_use]
    pub fn ratio(&self, one: usize, other: usize) -> f64 {
        let pairs = self.entrants[one].1.iter().zip(&self.entrants[other].1);
        let mut ratios: Vec<f64> = pairs
            .map(|(one, other)| one.as_secs_f64() / other.as_secs_f64())
            .collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The case as it is kept, each median divided by `per` and by the length of the unit.
    #[must_use]
    pub fn case(&self, per: f64, (unit, length): (&str, Duration)) -> Case {
        let rows = self.entrants.iter().enumerate().map(|(index, (name, _))| Row {
            name: name.clone(),
            median: self.median(index).as_secs_f64() / length.as_secs_f64() / per,
            ..Row::default()
        });
        Case {
            title: self.title.clone(),
            unit: unit.to_owned(),
            rows: rows.collect(),
        }
    }

    /// Prints a case of it: one line per entrant, with its ratio to ours.
    #[expect(clippy::print_stdout, reason = "a bench says what it found")]
    pub fn print(&self, case: &Case) {
        let ours = case.rows[0].median;
        println!("{} ({} rounds)", self.title, self.entrants[0].1.len());
        for Row { name, median, .. } in &case.rows {
            let (unit, ratio) = (&case.unit, median / ours);
            println!("  {name:<44} {median:>10.3} {unit:<6} {ratio:>7.3} x ours");
        }
    }
}
