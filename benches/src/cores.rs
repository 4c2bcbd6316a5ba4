//! Which cores this program may use.

use std::process::Command;

/// Keeps every thread of this program, and what is started from now on, to the first core that it may use. Gives the
/// cores that it may use otherwise; none where the system has no such tool.
#[must_use]
pub fn keep_to_first() -> Option<String> {
    let all = taskset(&[])?;
    // `pid 7's current affinity list: 0,1`, or `0-3`.
    let all = all.lines().next()?.rsplit(' ').next()?.to_owned();
    let first = all.split([',', '-']).next()?;
    taskset(&[first])?;
    Some(all)
}

/// Gives the cores back.
///
/// # Panics
/// When the system's tool, which worked a moment ago, does not.
pub fn give_back(all: &str) {
    taskset(&[all]).expect("it worked a moment ago");
}

fn taskset(cores: &[&str]) -> Option<String> {
    let me = std::process::id().to_string();
    let done = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid"])
        .args(cores)
        .arg(me)
        .output();
    let done = done.ok().filter(|done| done.status.success())?;
    String::from_utf8(done.stdout).ok()
}
