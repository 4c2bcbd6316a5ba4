//! What a bench found, as a file: what the tables and plots of `docs/performance.md` are drawn from.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Everything that one bench found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// What was measured, in order.
    pub cases: Vec<Case>,
    /// What it was to reach.
    pub goals: Vec<Goal>,
}

/// One contest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// `get 100 B, 64 tasks`
    pub title: String,
    /// Of `Row::median`: `ops/s`, `ms`.
    pub unit: String,
    /// The entrants, with medians.
    pub rows: Vec<Row>,
}

/// One entrant of a contest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// The entrant.
    pub name: String,
    /// Its median over the rounds.
    pub median: f64,
    /// Half of the calls took at most this many microseconds, where latency was asked for.
    pub p50: Option<f64>,
    /// 99 of 100 calls took at most this many microseconds.
    pub p99: Option<f64>,
    /// How many times as fast as this one the first entrant was, by the median over the rounds, where that was noted.
    #[serde(default)]
    pub of_first: Option<f64>,
    /// Values that were not those of their key, over all rounds.
    pub wrong: u64,
    /// Calls that failed, over all rounds.
    pub failed: u64,
}

/// A figure to reach.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Goal {
    /// `get 100 B at 64 tasks against memcache-async in a pool of 8`
    pub what: String,
    /// `at least 6 x`
    pub wanted: String,
    /// `6.4 x`
    pub found: String,
    /// Whether it is reached.
    pub met: bool,
    /// The bench that gives it, as an argument of `cargo performance`.
    pub bench: String,
}

impl Case {
    /// The row of an entrant.
    ///
    /// # Panics
    /// When nobody of this name took part.
    #[must_use]
    pub fn row(&self, name: &str) -> &Row {
        let row = self.rows.iter().find(|row| row.name == name);
        row.unwrap_or_else(|| panic!("nobody is called `{name}` in `{}`", self.title))
    }

    /// How many times the median of `other` that of `name` is; of the first entrant, by round, where that was noted.
    #[must_use]
    pub fn ratio(&self, name: &str, other: &str) -> f64 {
        let (one, other) = (self.row(name), self.row(other));
        let noted = other.of_first.filter(|_| one.name == self.rows[0].name);
        noted.unwrap_or(one.median / other.median)
    }

    /// Prints a line per entrant of a contest of throughput.
    #[expect(clippy::print_stdout, reason = "a bench says what it found")]
    pub fn print(&self) {
        println!("{}", self.title);
        let ours = self.rows[0].median;
        for row in &self.rows {
            let Row {
                name,
                median,
                wrong,
                failed,
                ..
            } = row;
            let (p50, p99) = (row.p50.unwrap_or(f64::NAN), row.p99.unwrap_or(f64::NAN));
            let ratio = row.of_first.unwrap_or(ours / median);
            println!(
                "  {name:<38} {median:>9.0} /s   ours {ratio:>6.2} x   p50 {p50:>6.0} us   p99 {p99:>6.0} us   wrong {wrong}  failed {failed}"
            );
        }
    }

    /// The peer that the first entrant is fastest beside by the least, of those whose names are not among these.
    ///
    /// # Panics
    /// When nobody else took part.
    #[must_use]
    pub fn best_but(&self, names: &[&str]) -> &Row {
        let ratio = |row: &Row| self.ratio(&self.rows[0].name, &row.name);
        let others = self.rows[1..]
            .iter()
            .filter(|row| !names.contains(&row.name.as_str()));
        others
            .min_by(|one, other| ratio(one).total_cmp(&ratio(other)))
            .expect("a contest has a peer")
    }
}

impl Goal {
    /// A ratio that is to be at least this.
    pub fn at_least(bench: &str, what: impl Into<String>, wanted: f64, found: f64) -> Self {
        Self {
            what: what.into(),
            wanted: format!("at least {wanted} ×"),
            found: ratio(found, wanted),
            met: found >= wanted,
            bench: bench.to_owned(),
        }
    }

    /// A ratio that is to be at most this.
    pub fn at_most(bench: &str, what: impl Into<String>, wanted: f64, found: f64) -> Self {
        Self {
            what: what.into(),
            wanted: format!("at most {wanted} ×"),
            found: ratio(found, wanted),
            met: found <= wanted,
            bench: bench.to_owned(),
        }
    }

    /// A number that is to be at most this, in the words of its unit.
    pub fn number(bench: &str, what: impl Into<String>, wanted: f64, found: f64, unit: &str) -> Self {
        let words = |number: f64| format!("{number:.1}").trim_end_matches(".0").to_owned() + unit;
        Self {
            what: what.into(),
            wanted: if wanted == 0.0 {
                words(wanted)
            } else {
                format!("at most {}", words(wanted))
            },
            found: words(found),
            met: found <= wanted,
            bench: bench.to_owned(),
        }
    }
}

/// In hundredths, or, where that would read as what was wanted, in thousandths.
fn ratio(found: f64, wanted: f64) -> String {
    let hundredths = format!("{found:.2}");
    if hundredths == format!("{wanted:.2}") {
        format!("{found:.3} ×")
    } else {
        format!("{hundredths} ×")
    }
}

impl Outcome {
    /// Writes it where `cargo performance` looks for it: cases and goals of other runs stay, those of the same name are
    /// replaced. So a part of a bench may be run again.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn save(self, bench: &str) -> io::Result<()> {
        let folder = folder();
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{bench}.json"));
        let mut all = Self::load(&path).unwrap_or_default();
        for case in self.cases {
            match all.cases.iter_mut().find(|known| known.title == case.title) {
                Some(known) => *known = case,
                None => all.cases.push(case),
            }
        }
        for goal in self.goals {
            match all.goals.iter_mut().find(|known| known.what == goal.what) {
                Some(known) => *known = goal,
                None => all.goals.push(goal),
            }
        }
        std::fs::write(path, serde_json::to_string_pretty(&all)?)
    }

    /// Reads what a bench left.
    ///
    /// # Errors
    /// When it left nothing, or something else.
    pub fn load(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }

    /// Prints the goals.
    #[expect(clippy::print_stdout, reason = "a bench says what it found")]
    pub fn print_goals(&self) {
        for goal in &self.goals {
            let mark = if goal.met { "reached" } else { "MISSED" };
            println!("{mark:<8} {}: {}, found {}", goal.what, goal.wanted, goal.found);
        }
    }
}

/// `target/performance`, beside whatever cargo built this program into.
///
/// # Panics
/// When the program is not where cargo puts programs.
#[must_use]
pub fn folder() -> PathBuf {
    let program = std::env::current_exe().expect("the system knows which program runs");
    let mut folders = program.ancestors();
    // target/PROFILE/deps/PROGRAM or target/PROFILE/PROGRAM
    let target = folders.find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target
        .expect("cargo marks the folder that it builds into")
        .join("performance")
}
