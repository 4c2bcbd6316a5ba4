//! Looking at processes by their ids.

use std::process::{Command, Stdio};

/// Whether the process exists and has not ended. What nobody has collected yet has ended.
pub(crate) fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let zombie = stat
        .rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim_start().starts_with('Z'));
    let mut kill = Command::new("/bin/sh");
    kill.arg("-c").arg(format!("kill -0 {pid}")).stderr(Stdio::null());
    !zombie && kill.status().expect("there is a shell").success()
}
