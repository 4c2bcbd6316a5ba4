//! Looking at processes by their ids.

/// Whether the process exists and has not ended. What nobody has collected yet has ended.
pub(crate) fn is_running(pid: u32) -> bool {
    let state = std::process::Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    let state = String::from_utf8(state.stdout).unwrap();
    !state.trim().is_empty() && !state.trim_start().starts_with('Z')
}
