//! `dbreg status`: what the masters of this user are doing.

use crate::exit;
use clap::Args;
use serde_json::Value;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, UNIX_EPOCH};

/// Show the masters of this user and their workers.
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg status                # every master
  dbreg status shop --watch   # one of them, again and again
  dbreg status shop --json

Exit codes: 0, or 69 when no such master is running.")]
pub(crate) struct Arguments {
    /// The name of a master. Default: every one.
    name: Option<String>,
    /// Print JSON, one document per master and line.
    #[arg(long)]
    json: bool,
    /// Show it again every second, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

/// The pause of `--watch`.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) fn run(arguments: &Arguments) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(show(arguments)),
        Err(cause) => {
            exit::say(format_args!("cannot start the runtime: {cause}"));
            exit::UNAVAILABLE
        }
    }
}

async fn show(arguments: &Arguments) -> u8 {
    loop {
        let (text, code) = page(arguments).await;
        let mut out = std::io::stdout().lock();
        if arguments.watch && !arguments.json && out.is_terminal() {
            // Home, and clear what is below.
            let _ = write!(out, "\x1b[H\x1b[J");
        }
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        if written.is_err() || !arguments.watch {
            return exit::written(written, code);
        }
        drop(out);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn page(arguments: &Arguments) -> (String, u8) {
    let names = match &arguments.name {
        Some(name) => vec![name.clone()],
        None => registry_core::master_names().unwrap_or_default(),
    };
    let (mut text, mut found, mut problems) = (String::new(), false, Vec::new());
    for name in &names {
        match registry_core::master_status(name).await {
            Ok(status) if arguments.json => {
                found = true;
                text += &format!("{status}\n");
            }
            Ok(status) => {
                found = true;
                text += &table(&status);
            }
            Err(cause) => problems.push(cause.to_string()),
        }
    }
    if found {
        return (text, exit::SUCCESS);
    }
    if arguments.name.is_none() {
        problems = vec!["no master is running".to_owned()];
    }
    // With `--watch` it is part of the page; else it goes where errors go.
    if arguments.watch {
        return (problems.join("\n") + "\n", exit::UNAVAILABLE);
    }
    problems.iter().for_each(exit::say);
    (String::new(), exit::UNAVAILABLE)
}

/// A master as a table.
fn table(status: &Value) -> String {
    let word = |value: &Value| printable(value.as_str().unwrap_or("-"));
    let number = |value: &Value| value.as_u64().map_or("-".to_owned(), |number| number.to_string());
    let stopping = if status["stopping"] == true {
        ", ending"
    } else {
        ""
    };
    let now = UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs());
    let workers = status["workers"].as_array().map_or(&[][..], Vec::as_slice);
    let mut text = format!(
        "{}: process {}, {} of {} workers ready{stopping}\n",
        word(&status["name"]),
        number(&status["pid"]),
        number(&status["ready"]),
        workers.len()
    );
    text += &format!(
        "  {:>6}  {:<9} {:>8} {:>8} {:>9} {:>8}  {}\n",
        "WORKER", "STATE", "PID", "FOR", "RESTARTS", "NEXT", "LAST EXIT"
    );
    for worker in workers {
        let next = worker["next_attempt"].as_u64();
        let next = next.map_or("-".to_owned(), |next| time(next.saturating_sub(now)));
        let since = worker["since"].as_u64();
        let last = &worker["last_exit"];
        let last = match (last["how"].as_str(), last["cause"].as_str()) {
            (Some(how), Some(cause)) => printable(&format!("{how}: {cause}")),
            (Some(how), None) => printable(how),
            _ => "-".to_owned(),
        };
        text += &format!(
            "  {:>6}  {:<9} {:>8} {:>8} {:>9} {:>8}  {last}\n",
            number(&worker["worker"]),
            word(&worker["state"]),
            number(&worker["pid"]),
            since.map_or("-".to_owned(), |since| time(now.saturating_sub(since))),
            number(&worker["restarts"]),
            next
        );
    }
    text
}

/// What another user's master says cannot steer this terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}
