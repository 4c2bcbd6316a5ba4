//! The report of a start: one line per connection, the same on success and on failure.

use crate::error::Error;
use crate::kind::{EXIT_CONFIG, EXIT_UNAVAILABLE};
use std::fmt;
use std::time::Duration;

/// What a start found. `Display` is the report as it is printed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// One row per connection, in the order of the file's backends.
    pub connections: Vec<ReportRow>,
    /// Mistakes that belong to no single connection: an unknown profile, an unknown variable.
    pub problems: Vec<String>,
    /// How long the start took.
    pub elapsed: Duration,
    /// Where the values came from: `compiled in, profile production, 2 variables`.
    pub values: String,
}

/// One connection in the report.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReportRow {
    /// `mysql.main`
    pub connection: String,
    /// Its hosts, or its path.
    pub hosts: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
}

/// What became of a connection at start.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Open, with what its server said of itself.
    Ready(String),
    /// To be opened at its first use.
    Lazy,
    /// Optional, and not there; the start went on.
    Skipped(Error, String),
    /// Required, and not there. The text names the layer that set the value in question.
    Failed(Error, String),
}

impl Report {
    /// The errors of the connections that the start failed for.
    pub fn failures(&self) -> impl Iterator<Item = &Error> {
        self.connections.iter().filter_map(|row| match &row.outcome {
            Outcome::Failed(error, _) => Some(error),
            _ => None,
        })
    }

    pub(crate) fn is_failure(&self) -> bool {
        !self.problems.is_empty() || self.failures().next().is_some()
    }

    /// What failed, and over what, a text each: `mysql.main: connection refused: …`.
    #[cfg(all(feature = "supervise", unix))]
    pub(crate) fn causes(&self) -> Vec<String> {
        let rows = self.connections.iter().filter_map(|row| match &row.outcome {
            Outcome::Failed(error, _) => Some(format!("{}: {}", row.connection, error.message())),
            _ => None,
        });
        self.problems.iter().cloned().chain(rows).collect()
    }

    /// The connections whose hosts were not to be reached.
    #[cfg(all(feature = "supervise", unix))]
    pub(crate) fn unreachable(&self) -> impl Iterator<Item = &ReportRow> {
        let unreachable = |error: &Error| error.kind() == crate::ErrorKind::Unreachable;
        self.connections
            .iter()
            .filter(move |row| matches!(&row.outcome, Outcome::Failed(error, _) if unreachable(error)))
    }

    /// [`EXIT_CONFIG`] when any failure needs a person, else [`EXIT_UNAVAILABLE`].
    pub(crate) fn exit_code(&self) -> i32 {
        let needs_a_person =
            !self.problems.is_empty() || self.failures().any(|e| e.exit_code() == EXIT_CONFIG);
        if needs_a_person {
            EXIT_CONFIG
        } else {
            EXIT_UNAVAILABLE
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = self
            .connections
            .iter()
            .filter(|row| matches!(row.outcome, Outcome::Ready(_)))
            .count();
        let (all, elapsed) = (self.connections.len(), millis(self.elapsed));
        if all == 0 && !self.problems.is_empty() {
            write!(f, "dbreg: nothing was opened")?;
        } else {
            write!(f, "dbreg: {ready} of {all} connections ready in {elapsed}")?;
        }
        write!(f, "; values: {}", self.values)?;
        for problem in &self.problems {
            for (n, line) in problem.lines().enumerate() {
                write!(f, "\n  {}{line}", if n == 0 { "FAIL  " } else { "      " })?;
            }
        }
        let width =
            |of: fn(&ReportRow) -> &str| self.connections.iter().map(|row| of(row).chars().count()).max();
        // A long list of hosts does not push everything else off the screen.
        let name_width = width(|row| &row.connection).unwrap_or(0);
        let host_width = width(|row| &row.hosts).unwrap_or(0).min(40);
        for ReportRow {
            connection,
            hosts,
            outcome,
            elapsed,
        } in &self.connections
        {
            let word = match outcome {
                Outcome::Ready(_) => "ok",
                Outcome::Lazy => "lazy",
                Outcome::Skipped(..) => "skip",
                Outcome::Failed(..) => "FAIL",
            };
            write!(
                f,
                "\n  {word:<4}  {connection:<name_width$}  {hosts:<host_width$}  "
            )?;
            match outcome {
                Outcome::Ready(detail) => write!(f, "{:>7}  {detail}", millis(*elapsed))?,
                Outcome::Lazy => f.write_str("opens at its first use")?,
                Outcome::Skipped(error, layer) => {
                    write!(f, "{} (optional, retrying)", error.message())?;
                    write_rest(f, error, layer)?;
                }
                Outcome::Failed(error, layer) => {
                    f.write_str(error.message())?;
                    write_rest(f, error, layer)?;
                }
            }
        }
        Ok(())
    }
}

fn write_rest(f: &mut fmt::Formatter<'_>, error: &Error, layer: &str) -> fmt::Result {
    if !layer.is_empty() {
        write!(f, "; {layer}")?;
    }
    if let Some(step) = error.next_step() {
        write!(f, "; {step}")?;
    }
    Ok(())
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// Why an application did not start. `Display` and `Debug` are both the report, because
/// `fn main() -> Result<…>` prints `Debug`.
pub struct StartError(Box<Report>);

impl StartError {
    pub(crate) fn new(report: Report) -> Self {
        Self(Box::new(report))
    }

    /// The report of every connection.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.0
    }

    /// The exit code of a process that ends because of it: [`EXIT_CONFIG`](crate::EXIT_CONFIG) (78) when any failure
    /// cannot pass without a person, else [`EXIT_UNAVAILABLE`](crate::EXIT_UNAVAILABLE) (69).
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        self.0.exit_code()
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StartError {}
