//! A recovery storm: ten thousand workers lose their database at the same moment, and it returns after ten minutes.
//!
//! Each worker is a task under paused time, and the pauses of `dbreg` are those of the real master (`dbreg::Backoff`).
//! It prints how often the database is asked, against a master that starts its workers again at once, and against one
//! that waits for five seconds each time. The figures in `docs/recovery.md` are its output, and so is the plot:
//!
//! ```text
//! cargo run --release --example storm -- 500 docs/storm.svg
//! ```
//!
//! The first argument is how many sessions the database opens in a second, one after the other (500); it does not notice
//! that a client has given up. A worker is one process under a master of its own, as in a container; it asks 100 to
//! 300 ms after it was started, and waits for 5 s.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example says what it found"
)]

mod panel;
mod plot;
mod simulation;

use simulation::{Policy, Record, Storm};
use std::process::ExitCode;
use std::time::Duration;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let sessions = arguments.next().map_or(Ok(500), |text| text.parse());
    let Some(sessions) = sessions.ok().filter(|sessions| *sessions > 0) else {
        eprintln!("expected a number of sessions per second, such as 500, and the file of the plot");
        return ExitCode::FAILURE;
    };
    let storm = Storm {
        workers: 10_000,
        outage: Duration::from_secs(600),
        sessions,
    };
    let mut records = Vec::new();
    for policy in Policy::ALL {
        records.push((policy, simulation::run(policy, storm).await));
    }
    print(&records, storm);
    if let Some(path) = arguments.next()
        && let Err(cause) = std::fs::write(&path, plot::svg(&records, storm))
    {
        eprintln!("cannot write {path}: {cause}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn print(records: &[(Policy, Record)], storm: Storm) {
    let returns = usize::try_from(storm.outage.as_secs()).unwrap_or(usize::MAX);
    let row = |what: &str, of: &dyn Fn(&Record) -> String| {
        let cells: String = records
            .iter()
            .map(|(_, record)| format!(" {:>16} |", of(record)))
            .collect();
        println!("| {what:<36} |{cells}");
    };
    let names: String = records
        .iter()
        .map(|(policy, _)| format!(" {:>16} |", policy.name()))
        .collect();
    println!("| {:<36} |{names}", "");
    println!(
        "|{}|{}",
        "-".repeat(38),
        "-----------------:|".repeat(records.len())
    );
    row("attempts in the first second", &|record| {
        record.attempts[0].to_string()
    });
    // After the first minute all has settled.
    let settled = |counts: &[u32]| {
        let counts = counts.get(60..returns).unwrap_or_default();
        f64::from(counts.iter().sum::<u32>()) / counts.len().max(1) as f64
    };
    row("attempts/s, after the first minute", &|record| {
        format!("{:.0}", settled(&record.attempts))
    });
    row("bare connections/s, likewise", &|record| {
        format!("{:.0}", settled(&record.looks))
    });
    for second in [0, 1, 2, 5, 10, 20, 30, 60] {
        row(&format!("attempts, {second} s after the return"), &|record| {
            let count = record.attempts.get(returns + second);
            count.copied().unwrap_or(0).to_string()
        });
    }
    row("sessions opened for nobody", &|record| record.in_vain.to_string());
    for seconds in [5, 15, 30, 60] {
        row(&format!("workers back after {seconds} s"), &|record| {
            let back = record.back.iter().take(returns + seconds);
            back.sum::<u32>().to_string()
        });
    }
    row("all back after", &|record| match record.all_back {
        Some(time) => format!("{:.0} s", time.as_secs_f64()),
        None => format!("not in {} s", simulation::GIVE_UP.as_secs()),
    });
}
