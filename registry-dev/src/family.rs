//! A server's process and its children: PostgreSQL has one for each session, in process groups of their own.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process};
use std::process::Command;
use std::time::{Duration, Instant};

/// Between two looks at something that will happen in milliseconds.
const POLL: Duration = Duration::from_millis(4);
/// How long a process may take to stand still after STOP.
const STANDS: Duration = Duration::from_secs(5);

/// Sends a signal to the process alone.
pub(crate) fn signal(pid: Pid, signal: Signal) -> Result<(), Errno> {
    match kill_process(pid, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        other => other,
    }
}

/// Freezes the process, then its children, which are no more by then.
pub(crate) fn pause(pid: Pid) -> Result<(), Errno> {
    signal(pid, Signal::STOP)?;
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let stands = || matches!(rustix::process::waitid(WaitId::Pid(pid), options), Ok(Some(_)));
    let deadline = Instant::now() + STANDS;
    while !stands() && Instant::now() < deadline {
        std::thread::sleep(POLL);
    }
    to_all(&children(pid), Signal::STOP)
}

/// Ends a [`pause`].
pub(crate) fn resume(pid: Pid) -> Result<(), Errno> {
    to_all(&children(pid), Signal::CONT)?;
    signal(pid, Signal::CONT)
}

/// Kills the process and its children: those that are paused would not see that their parent is gone. Returns when the
/// children are gone too: as long as one lives, PostgreSQL's memory is in use, and no other server starts on its data.
pub(crate) fn kill(pid: Pid) -> Result<(), Errno> {
    // It has no more children from here on.
    signal(pid, Signal::STOP)?;
    let children = children(pid);
    signal(pid, Signal::KILL)?;
    to_all(&children, Signal::KILL)?;
    let deadline = Instant::now() + STANDS;
    while children.iter().any(|child| is_at_work(*child)) && Instant::now() < deadline {
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Whether a process is there and has not ended: one that nobody has waited for yet holds nothing any more.
fn is_at_work(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    match stat {
        Ok(stat) => !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X'])),
        // Elsewhere than on Linux there is no such file.
        Err(_) => cfg!(not(target_os = "linux")) && rustix::process::test_kill_process(pid).is_ok(),
    }
}

fn to_all(pids: &[Pid], word: Signal) -> Result<(), Errno> {
    pids.iter().try_for_each(|pid| signal(*pid, word))
}

/// The children of a process.
pub(crate) fn children(pid: Pid) -> Vec<Pid> {
    let number = pid.as_raw_nonzero();
    // Linux; where this file is not there, the command is.
    let list = std::fs::read_to_string(format!("/proc/{number}/task/{number}/children"));
    let list = list.or_else(|_| {
        let mut command = Command::new("pgrep");
        let output = command.arg("-P").arg(number.to_string()).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    });
    let list = list.unwrap_or_default();
    let numbers = list.split_whitespace().filter_map(|word| word.parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}
