//! `cargo performance`: runs the benches and writes `docs/performance.md` and its plots anew.
//!
//! `cargo performance memcached lookup` runs these alone, `cargo performance draw` none; the other figures are those of
//! the last run. `compile` takes a quarter of an hour and runs only when it is named.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod page;
#[path = "../../examples/storm/panel.rs"]
mod panel;
mod plot;

use registry_bench::Outcome;
use std::path::Path;
use std::process::{Command, ExitCode};

const BENCHES: [&str; 5] = ["memcached", "startup", "calls", "lookup", "compile"];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(word) = words
        .iter()
        .find(|word| word.as_str() != "draw" && !BENCHES.contains(&word.as_str()))
    {
        eprintln!(
            "expected `draw` or names of benches, found `{word}`; there are: {}",
            BENCHES.join(", ")
        );
        return ExitCode::from(2);
    }
    let wanted =
        |bench: &str| words.iter().any(|word| word == bench) || (words.is_empty() && bench != "compile");
    for bench in BENCHES.into_iter().filter(|bench| wanted(bench)) {
        println!("== {bench}");
        if !run(bench) {
            eprintln!("the bench `{bench}` failed");
            return ExitCode::FAILURE;
        }
    }
    match draw() {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("cannot draw: {cause}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the benches are a folder of the workspace")
}

fn run(bench: &str) -> bool {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "bench",
        "--quiet",
        "--package",
        "registry-bench",
        "--bench",
        bench,
    ]);
    if bench == "compile" {
        command.args(["--", "now"]);
    }
    let status = command.current_dir(root()).status();
    status.is_ok_and(|status| status.success())
}

/// Writes the page and the plots.
fn draw() -> std::io::Result<()> {
    let load = |bench| {
        let path = registry_bench::folder().join(format!("{bench}.json"));
        Some((bench, Outcome::load(&path).ok()?))
    };
    let outcomes: Vec<(&str, Outcome)> = BENCHES.into_iter().filter_map(load).collect();
    let docs = root().join("docs");
    if let Some((_, memcached)) = outcomes.iter().find(|(name, _)| *name == "memcached") {
        for operation in ["get", "set"] {
            let title = format!("{operation} 100 B");
            if let Some(series) = page::Series::of(memcached, &title) {
                let plot = plot::svg(&format!("memcached, {title}: calls per second"), &series);
                std::fs::write(docs.join(format!("performance-{operation}.svg")), plot)?;
            }
        }
    }
    let path = docs.join("performance.md");
    let page = page::redraw(&std::fs::read_to_string(&path)?, &outcomes);
    std::fs::write(&path, page)?;
    println!("docs/performance.md is drawn from {} benches", outcomes.len());
    Ok(())
}
