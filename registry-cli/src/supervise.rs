//! `dbreg supervise`: keeps the workers of any program alive.

use crate::exit;
use clap::{Args, ValueEnum};
use registry_core::Readiness;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

/// Keep a program running: several workers, restarts with growing pauses, rolling restarts, sockets that stay open.
///
/// TERM and INT end in order, a second one at once; HUP replaces one worker after the other; USR1 makes them read their
/// secrets again.
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg supervise --workers 4 --listen :8080 -- ./shop
  dbreg supervise --ready alive -- python3 worker.py
  dbreg status shop

Exit codes: 0 after an orderly end, 78 when it cannot begin.")]
pub(crate) struct Arguments {
    /// How many workers.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// A socket for the workers, `127.0.0.1:8080`, `:8080` or `unix:/run/shop.sock`; may be said several times. They
    /// find it by systemd's convention, LISTEN_FDS.
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// The name in the lock, the status and the log. Default: the name of the program.
    #[arg(long)]
    name: Option<String>,
    /// The shortest pause before a worker is started again.
    #[arg(long, value_name = "TIME", default_value = "250ms", value_parser = time)]
    floor: Duration,
    /// The longest pause.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    cap: Duration,
    /// How long a worker has to be ready for its past to be forgotten.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    healthy_after: Duration,
    /// How long a worker may take until it is ready; one that says EXTEND_TIMEOUT_USEC=… has the time that it asks for.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    start_deadline: Duration,
    /// How long a worker may take to end after TERM; then it is killed.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time)]
    grace: Duration,
    /// How long a worker that sends heartbeats may be silent; then it is killed.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time)]
    heartbeat: Duration,
    /// When a worker counts as ready.
    #[arg(long, value_enum, default_value_t = Ready::Notify)]
    ready: Ready,
    /// Start a worker again that ended with 0.
    #[arg(long)]
    restart_on_success: bool,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Ready {
    /// When it says `READY=1` to `$NOTIFY_SOCKET`, which an application with dbreg does by itself.
    Notify,
    /// When it has lived for a second.
    Alive,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let Some((program, rest)) = arguments.command.split_first() else {
        return ExitCode::from(exit::USAGE);
    };
    let mut master = registry_core::supervise()
        .workers(arguments.workers.into())
        .backoff(arguments.floor, arguments.cap)
        .healthy_after(arguments.healthy_after)
        .start_deadline(arguments.start_deadline)
        .grace(arguments.grace)
        .heartbeat(arguments.heartbeat)
        .readiness(match arguments.ready {
            Ready::Notify => Readiness::Notify,
            Ready::Alive => Readiness::Alive,
        });
    if let Some(name) = &arguments.name {
        master = master.name(name);
    }
    if arguments.restart_on_success {
        master = master.restart_on_success();
    }
    for address in &arguments.listen {
        master = master.listen(address);
    }
    master.run_command(program, rest)
}

/// A time as `databases.toml` writes it.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    registry_config::parse_duration(text)
        .ok_or_else(|| "expected a time such as `250ms`, `5s` or `10m`".to_owned())
}
