//! Which cores this program may use.

use std::process::Command;

/// Keeps every thread of this program, and what is started from now on, to one of the cores that it may use, counted from
/// 0. Gives the cores that it may use otherwise; none where there is no such core, or no such tool.
#[must_use]
pub fn keep_to(index: usize) -> Option<String> {
    let all = taskset(&[])?;
    // `pid 7's current affinity list: 0,1`, or `0-3`.
    let all = all.lines().next()?.rsplit(' ').next()?.to_owned();
    let core = nth(&all, index)?.to_string();
    taskset(&[&core])?;
    Some(all)
}

fn nth(list: &str, index: usize) -> Option<usize> {
    let parts = list.split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<usize>().ok()?..=last.parse().ok()?)
    });
    parts.flatten().nth(index)
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

#[cfg(test)]
mod tests {
    use super::nth;

    #[test]
    fn a_list_has_numbers_and_ranges() {
        let cores = |list| (0..5).map_while(|index| nth(list, index)).collect::<Vec<_>>();
        assert_eq!(cores("0,1"), [0, 1]);
        assert_eq!(cores("2-4,7"), [2, 3, 4, 7]);
        assert_eq!(cores("3"), [3]);
    }
}
