//! A fleet of ten thousand workers loses its database, which returns after a minute: how many sessions are asked for, and
//! when every worker works again.
//!
//! Each worker is a task under paused time. Nine of ten go on running, and reconnect with the pauses of dbreg's keeper;
//! one of ten ended, and is started again with those of dbreg's master (`dbreg::Backoff`, both). The calls of each keep
//! two sessions busy. The figures in `docs/scaling.md` are its output, and so is the plot:
//!
//! ```text
//! cargo run --release --example fleet -- docs/fleet.svg
//! ```

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example says what it found"
)]

#[path = "../storm/panel.rs"]
mod panel;
mod plot;
mod simulation;

use simulation::{Fleet, Record};
use std::process::ExitCode;
use std::time::Duration;

/// What a database opens in a second, how many it may have open, and how many seconds the workers wait.
const DATABASES: [(u32, usize, u64); 6] = [
    (500, 25_000, 5),
    (500, 25_000, 60),
    (2_000, 25_000, 5),
    (2_000, 25_000, 15),
    (5_000, 25_000, 5),
    (5_000, 15_000, 5),
];

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> ExitCode {
    let mut records = Vec::new();
    for (sessions, limit, patience) in DATABASES {
        let fleet = Fleet {
            running: 9_000,
            starting: 1_000,
            busy: 2,
            outage: Duration::from_secs(60),
            sessions,
            limit,
            patience: Duration::from_secs(patience),
        };
        records.push((fleet, simulation::run(fleet).await));
    }
    print(&records);
    if let Some(path) = std::env::args().nth(1)
        && let Err(cause) = std::fs::write(&path, plot::svg(&records))
    {
        eprintln!("cannot write {path}: {cause}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn print(records: &[(Fleet, Record)]) {
    let row = |what: &str, of: &dyn Fn(&Fleet, &Record) -> String| {
        let cells: String = records
            .iter()
            .map(|(fleet, record)| format!(" {:>9} |", of(fleet, record)))
            .collect();
        println!("| {what:<41} |{cells}");
    };
    row("sessions that the database opens/s", &|fleet, _| {
        fleet.sessions.to_string()
    });
    println!("|{}|{}", "-".repeat(43), "----------:|".repeat(records.len()));
    row("`max_connections`", &|fleet, _| fleet.limit.to_string());
    row("`connect_timeout`, `pool.acquire_timeout`", &|fleet, _| {
        format!("{} s", fleet.patience.as_secs())
    });
    let returns = |fleet: &Fleet| usize::try_from(fleet.outage.as_secs()).unwrap_or(usize::MAX);
    row("asked for in a second of the outage", &|fleet, record| {
        // The first seconds, in which the pauses grow, apart.
        let settled = record.asked.get(10..returns(fleet)).unwrap_or_default();
        let mean = f64::from(settled.iter().sum::<u32>()) / settled.len().max(1) as f64;
        format!("{mean:.0}")
    });
    for second in [0, 1, 5] {
        row(
            &format!("asked for {second} s after the return"),
            &|fleet, record| {
                let count = record.asked.get(returns(fleet) + second);
                count.copied().unwrap_or(0).to_string()
            },
        );
    }
    row("opened for nobody", &|_, record| record.in_vain.to_string());
    row("refused, too many open", &|_, record| record.refused.to_string());
    row("the most that were open", &|_, record| record.open.to_string());
    for seconds in [5, 15, 60] {
        row(&format!("workers back after {seconds} s"), &|fleet, record| {
            let back = record.back.iter().take(returns(fleet) + seconds);
            back.sum::<u32>().to_string()
        });
    }
    row("all back after", &|_, record| match record.all_back {
        Some(time) => format!("{:.0} s", time.as_secs_f64()),
        None => "never".to_owned(),
    });
}
