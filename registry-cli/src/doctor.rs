//! `dbreg doctor`: each connection step by step, on the live servers.

mod exam;
mod facts;
mod network;
pub(crate) mod next;

use crate::exit::{self, Failure};
use crate::live::{self, Subject};
use crate::paint::{Ink, Paint};
use crate::start::Start;
use crate::table::Table;
use clap::Args;
use exam::{Exam, Mark, examine};
use futures_util::StreamExt as _;
use registry_core::Inspection;
use serde_json::{Value as Json, json};

/// Examine the connections on their live servers: resolve, connect, log in, query
///
/// Each step is told with its time, and the first that fails with its cause and with what to do next. Every connection
/// that is asked for counts, whatever the file says of its start. Nothing is written.
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg doctor
  dbreg doctor mysql.main --profile production
  dbreg doctor --json | jq '.[] | select(.ok | not) | .error'
  dbreg dev -- dbreg doctor                 # of throw-away servers

Exit status: 0 all is well; 78 a failure does not pass without a person, 69 what failed is an outage; 2 no such
connection or the file cannot be read")]
pub(crate) struct Arguments {
    /// `mysql.main`, or `mysql` for all of a backend. Default: every connection
    #[arg(value_name = "CONNECTION")]
    connections: Vec<String>,
    /// Print JSON: an array of objects
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    start: Start,
}

pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let shape = arguments.start.shape()?;
    let inspection = arguments.start.inspect(&shape)?;
    live::runtime()?.block_on(async {
        let subjects = live::subjects(&inspection, &arguments.connections)?;
        let exams: Vec<Exam> = futures_util::stream::iter(&subjects)
            .map(examine)
            .buffered(live::AT_ONCE)
            .collect()
            .await;
        live::close(&subjects).await;
        let pairs: Vec<(&Subject<'_>, &Exam)> = subjects.iter().zip(&exams).collect();
        let text = if arguments.json {
            let array = pairs
                .iter()
                .map(|(subject, exam)| object(subject, exam, &inspection));
            format!("{:#}\n", array.collect::<Json>())
        } else {
            page(&pairs, &inspection, Paint::of(&std::io::stdout()))
        };
        let errors = exams.iter().filter_map(|exam| exam.error.as_ref());
        Ok(exit::print(text, exit::of_errors(errors)))
    })
}

/// A block for each connection on a terminal; in a pipe the connection is the first cell of each line.
fn page(pairs: &[(&Subject<'_>, &Exam)], inspection: &Inspection<'_>, paint: Paint) -> String {
    let mut out = String::new();
    for (subject, exam) in pairs {
        let mut table = Table::new(&[]);
        for step in &exam.steps {
            let (ink, word) = match step.mark {
                Mark::Good => (Ink::Good, "ok"),
                Mark::Doubtful => (Ink::Doubtful, "warn"),
                Mark::Bad => (Ink::Bad, "FAIL"),
            };
            let time = step.time.map_or_else(String::new, live::millis);
            let cells = [
                (Ink::Plain, subject.title.clone()),
                (Ink::Plain, step.name.to_owned()),
                (ink, word.to_owned()),
                (Ink::Faint, time),
                (Ink::Plain, step.detail.clone()),
            ];
            table.row(cells.into_iter().skip(usize::from(paint.terminal)));
        }
        let told = exam.error.as_ref().map(|error| {
            let layer = subject.layer(error, inspection);
            [("from", layer), ("next", next::step(error, &subject.title))]
        });
        for (name, text) in told.into_iter().flatten().filter(|(_, text)| !text.is_empty()) {
            let none = || (Ink::Plain, String::new());
            let cells = [
                (Ink::Plain, subject.title.clone()),
                (Ink::Plain, name.to_owned()),
                none(),
                none(),
                (Ink::Plain, text),
            ];
            table.row(cells.into_iter().skip(usize::from(paint.terminal)));
        }
        let rows = table.render(paint);
        if !paint.terminal {
            out += &rows;
            continue;
        }
        let (ink, verdict) = match &exam.error {
            None => (Ink::Good, "well"),
            Some(_) => (Ink::Bad, "not well"),
        };
        out += &paint.draw(Ink::Head, &subject.title);
        out += &format!(" is {}", paint.draw(ink, verdict));
        out.extend(rows.lines().map(|line| format!("\n  {line}")));
        out += "\n\n";
    }
    out
}

fn object(subject: &Subject<'_>, exam: &Exam, inspection: &Inspection<'_>) -> Json {
    let steps = exam.steps.iter().map(|step| {
        json!({
            "step": step.name,
            "ok": step.mark != Mark::Bad,
            "milliseconds": step.time.map(live::milliseconds),
            "detail": step.detail,
        })
    });
    let facts = &exam.facts;
    json!({
        "connection": subject.title,
        "ok": exam.error.is_none(),
        "steps": steps.collect::<Json>(),
        "latency_milliseconds": exam.latency.map(live::milliseconds),
        "version": facts.version,
        "tls": facts.tls,
        "clock_difference_seconds": facts.clock,
        "error": exam.error.as_ref().map(|error| live::error_json(error, subject, inspection)),
    })
}

#[cfg(test)]
mod tests {
    use super::exam::Step;
    use super::*;
    use registry_core::{Error, ErrorKind, Given};
    use std::time::Duration;

    /// A connection that is well, and one whose server is away.
    fn drawn(paint: Paint) -> String {
        let text = "[mysql.main]\nhost = \"db1\"\n[mysql.reports]\nhost = \"db7\"\n";
        let shape = registry_config::load(text, "databases.toml").shape;
        let inspection = Inspection::new(&shape, "DBREG_TEST_NONE", Given::default());
        let subject = |at: usize| {
            let connection = &inspection.shape().connections[at];
            Subject {
                title: crate::selection::title(connection),
                backend: connection.backend,
                settings: inspection.settings(connection),
                places: Ok(Vec::new()),
                handle: None,
            }
        };
        let step = |name, mark, micros: Option<u64>, detail: &str| Step {
            name,
            mark,
            time: micros.map(Duration::from_micros),
            detail: detail.to_owned(),
        };
        let well = Exam {
            steps: vec![
                step("values", Mark::Good, None, "db1:3306"),
                step("login", Mark::Good, Some(2_340), ""),
                step("clock", Mark::Doubtful, None, "7 s behind this machine"),
            ],
            ..Exam::default()
        };
        let message = "connection refused: nothing listens at db7:3306";
        let away = Exam {
            steps: vec![step("connect", Mark::Bad, None, message)],
            error: Some(Error::new(ErrorKind::Unreachable, message)),
            ..Exam::default()
        };
        page(&[(&subject(0), &well), (&subject(1), &away)], &inspection, paint)
    }

    #[test]
    fn a_block_for_each_connection_on_a_terminal() {
        insta::assert_snapshot!(drawn(Paint::TERMINAL));
    }

    #[test]
    fn a_line_for_each_step_in_a_pipe() {
        insta::assert_snapshot!(drawn(Paint::NONE));
    }
}
