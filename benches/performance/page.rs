//! `docs/performance.md`: the parts between its marks are written from what the benches left, the rest is by hand.

use registry_bench::{Case, Goal, Outcome};
use std::fmt::Write as _;

/// What the clients of memcached are compared with.
const BASELINE: &str = "memcache-async, deadpool of 8";

/// How the goals begin that every contest of memcached has.
const WRONG: &str = "wrong values and failed calls";

/// One operation at several numbers of tasks: for each entrant its calls per second at each.
pub(crate) struct Series {
    pub(crate) tasks: Vec<u32>,
    pub(crate) entrants: Vec<(String, Vec<Option<f64>>)>,
}

impl Series {
    /// The contests whose titles are this and a number of tasks.
    pub(crate) fn of(outcome: &Outcome, title: &str) -> Option<Self> {
        let cases = outcome
            .cases
            .iter()
            .filter_map(|case| Some((tasks(case, title)?, case)));
        let cases: Vec<(u32, &Case)> = cases.collect();
        let names = cases.first()?.1.rows.iter().map(|row| row.name.clone());
        let rate = |case: &Case, name: &str| {
            case.rows
                .iter()
                .find(|row| row.name == name)
                .map(|row| row.median)
        };
        let entrants = names.map(|name| {
            let rates = cases.iter().map(|(_, case)| rate(case, &name)).collect();
            (name, rates)
        });
        Some(Self {
            entrants: entrants.collect(),
            tasks: cases.iter().map(|(tasks, _)| *tasks).collect(),
        })
    }

    /// A table: the baseline in calls per second, everyone as a multiple of it.
    fn table(&self) -> String {
        let mut out = String::from("| tasks |");
        for tasks in &self.tasks {
            let _ = write!(out, " {tasks} |");
        }
        let _ = writeln!(out, "\n|---|{}", "---:|".repeat(self.tasks.len()));
        let baseline = self.entrants.iter().find(|(name, _)| name == BASELINE);
        let Some((_, baseline)) = baseline else { return out };
        let _ = write!(out, "| {BASELINE}, calls/s |");
        for rate in baseline {
            let _ = write!(out, " {:.0} k |", rate.unwrap_or_default() / 1e3);
        }
        out.push('\n');
        for (name, rates) in self.entrants.iter().filter(|(name, _)| name != BASELINE) {
            let _ = write!(out, "| {name} |");
            for (rate, base) in rates.iter().zip(baseline) {
                let ratio = rate.zip(*base).map_or(f64::NAN, |(rate, base)| rate / base);
                let _ = write!(out, " {ratio:.2} |");
            }
            out.push('\n');
        }
        out
    }
}

/// The tasks in a title such as `get 100 B, 64 tasks`.
fn tasks(case: &Case, title: &str) -> Option<u32> {
    let rest = case.title.strip_prefix(title)?.strip_prefix(", ")?;
    let number = rest
        .strip_suffix(" tasks")
        .or_else(|| rest.strip_suffix(" task"))?;
    number.parse().ok()
}

/// The page with its parts written anew. A part whose bench has left nothing stays as it is.
pub(crate) fn redraw(page: &str, outcomes: &[(&str, Outcome)]) -> String {
    let mut page = page.to_owned();
    let goals: Vec<&Goal> = outcomes.iter().flat_map(|(_, outcome)| &outcome.goals).collect();
    if !goals.is_empty() {
        replace(&mut page, "goals", &goal_table(&goals));
    }
    for (name, outcome) in outcomes {
        let mut part = String::new();
        let series = ["get 100 B", "set 100 B"];
        for title in series {
            if let Some(series) = Series::of(outcome, title) {
                let _ = writeln!(
                    part,
                    "{title}, as multiples of the first line:\n\n{}",
                    series.table()
                );
            }
        }
        let in_series = |case: &Case| series.iter().any(|title| tasks(case, title).is_some());
        for case in outcome.cases.iter().filter(|case| !in_series(case)) {
            part.push_str(&case_table(case));
        }
        if !part.is_empty() {
            replace(&mut page, name, part.trim_end());
        }
    }
    page
}

fn goal_table(goals: &[&Goal]) -> String {
    let mut out = String::from("| what | wanted | found | | by |\n|---|---|---|---|---|\n");
    let mark = |met: bool| if met { "yes" } else { "**no**" };
    // One line for all that went right, and one for each that did not.
    let right = |goal: &&&Goal| goal.what.starts_with(WRONG) && goal.met;
    for goal in goals.iter().filter(|goal| !right(goal)) {
        let Goal {
            what,
            wanted,
            found,
            bench,
            met,
        } = goal;
        let _ = writeln!(
            out,
            "| {what} | {wanted} | {found} | {} | `{bench}` |",
            mark(*met)
        );
    }
    let count = goals.iter().filter(right).count();
    if count > 0 {
        let _ = writeln!(
            out,
            "| {WRONG}, in {count} contests | 0 | 0 | {} | `memcached` |",
            mark(true)
        );
    }
    out.trim_end().to_owned()
}

fn case_table(case: &Case) -> String {
    let latency = case.rows.iter().any(|row| row.p99.is_some());
    let mut out = format!("{}:\n\n| | {} |", case.title, case.unit);
    if latency {
        out.push_str(" p50, us | p99, us | wrong | failed |");
    }
    let _ = writeln!(
        out,
        "\n|---|---:|{}",
        if latency { "---:|---:|---:|---:|" } else { "" }
    );
    for row in &case.rows {
        let median = match row.median {
            large if large >= 1_000.0 => format!("{large:.0}"),
            small => format!("{small:.2}").trim_end_matches(".00").to_owned(),
        };
        let _ = write!(out, "| {} | {median} |", row.name);
        if latency {
            let (p50, p99) = (row.p50.unwrap_or(f64::NAN), row.p99.unwrap_or(f64::NAN));
            let _ = write!(out, " {p50:.0} | {p99:.0} | {} | {} |", row.wrong, row.failed);
        }
        out.push('\n');
    }
    out.push('\n');
    out
}

/// Writes a part between `<!-- NAME -->` and `<!-- end of NAME -->`.
fn replace(page: &mut String, name: &str, part: &str) {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let from = page.find(&begin).map(|at| at + begin.len());
    let to = page.find(&end);
    if let (Some(from), Some(to)) = (from, to)
        && from <= to
    {
        page.replace_range(from..to, &format!("\n{part}\n\n"));
    }
}
