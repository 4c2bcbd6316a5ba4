//! The example `serve` under its master, with its databases taken away and given back.
//!
//! This file is both: the tests, and, started by them, the application. So it has no harness. The scenarios run one
//! after the other, on the same servers; `cargo test --test outage -- NAME` runs one.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test without a harness says what it found, and states its expectations by panicking"
)]

mod application;
mod databases;
mod moments;
mod processes;
mod rolling;
mod rotation;
#[path = "../../examples/serve/main.rs"]
#[expect(dead_code, reason = "its `main` is here")]
mod serve;

use application::{APPLICATION, Servers};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a worker may be silent.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Between two looks at something that will happen soon.
const POLL: Duration = Duration::from_millis(5);

type Scenario = (&'static str, fn(&Servers));

const SCENARIOS: [Scenario; 11] = [
    (
        "an_outage_under_running_workers",
        databases::under_running_workers,
    ),
    ("a_database_that_is_killed", databases::killed),
    ("a_database_that_is_stopped", databases::stopped),
    ("twenty_outages_leave_nothing", databases::twenty_cycles),
    ("a_worker_that_is_killed_or_stopped", processes::worker),
    ("a_worker_that_panics", processes::panicking),
    ("a_worker_that_blocks_its_runtime", processes::blocked),
    ("a_master_that_is_killed", processes::master),
    ("a_rolling_restart_loses_no_request", rolling::under_load),
    ("a_password_rotated_under_load", rotation::under_load),
    ("term_at_every_moment_of_the_start", moments::term),
];

fn main() -> ExitCode {
    match std::env::var(APPLICATION).as_deref() {
        // Outages follow each other here faster than a worker can prove itself for a minute; and a heartbeat that is
        // shorter than an outage tells the two apart.
        Ok("serves") => {
            let master = serve::master().healthy_after(Duration::ZERO);
            return master.heartbeat(HEARTBEAT).run(serve::serve);
        }
        Ok("panics") => return processes::that_panics(),
        Ok(_) => return processes::that_blocks(),
        Err(_) => {}
    }
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    if std::env::args().any(|argument| argument == "--list") {
        SCENARIOS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let chosen = |name: &str| {
        filter
            .as_ref()
            .is_none_or(|filter| name.contains(filter.as_str()))
    };
    let servers = Servers::start();
    for (name, scenario) in SCENARIOS.into_iter().filter(|(name, _)| chosen(name)) {
        let began = Instant::now();
        // A panic ends this process as a failure, and with it the servers.
        scenario(&servers);
        println!("test {name} ... ok ({:.1} s)", began.elapsed().as_secs_f32());
    }
    ExitCode::SUCCESS
}

/// Ends those who ask all the while, however the scenario ends: one that fails must not wait for them.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Looks until there is something; gives how long that took.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> (T, Duration) {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return (found, began.elapsed());
        }
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(POLL);
    }
}
