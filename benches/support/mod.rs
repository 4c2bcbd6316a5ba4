//! Contests: what is measured and its peers take turns in one run, so that a change of the machine's mood meets all of
//! them, and the outcome is a ratio.

use std::time::Duration;

/// What one entrant took, in each round.
pub(crate) struct Entrant {
    /// As the table shows it.
    pub(crate) name: String,
    rounds: Vec<Duration>,
}

/// Entrants that take turns. The first is the one that the others are compared with.
pub(crate) struct Contest {
    title: String,
    entrants: Vec<Entrant>,
}

impl Contest {
    /// A contest with the names of its entrants, ours first.
    pub(crate) fn new(title: impl Into<String>, names: &[&str]) -> Self {
        let entrants = names.iter().map(|name| Entrant {
            name: (*name).to_owned(),
            rounds: Vec::new(),
        });
        Self {
            title: title.into(),
            entrants: entrants.collect(),
        }
    }

    /// Notes what an entrant took in this round.
    pub(crate) fn took(&mut self, entrant: usize, time: Duration) {
        self.entrants[entrant].rounds.push(time);
    }

    /// The median time of an entrant.
    pub(crate) fn median(&self, entrant: usize) -> Duration {
        let mut rounds = self.entrants[entrant].rounds.clone();
        rounds.sort_unstable();
        rounds.get(rounds.len() / 2).copied().unwrap_or_default()
    }

    /// Prints one line per entrant: median, and its ratio to ours.
    pub(crate) fn print(&self) {
        let ours = self.median(0).as_secs_f64();
        println!("{} ({} rounds)", self.title, self.entrants[0].rounds.len());
        for (index, entrant) in self.entrants.iter().enumerate() {
            let median = self.median(index).as_secs_f64();
            println!(
                "  {:<44} {:>10.3} ms   {:>6.2} x ours",
                entrant.name,
                median * 1e3,
                median / ours
            );
        }
    }
}
