//! Servers in containers of the local Docker, for machines without the servers themselves.

use crate::launch::Place;
use crate::{Error, find};
use rustix::process::Signal;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(10);

/// Whether a Docker engine answers. A client without an engine is no Docker.
pub(crate) fn is_there() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let Some(docker) = find::program(&["docker"]) else {
            return false;
        };
        let mut command = Command::new(docker);
        command.args(["info", "--format", "{{.ServerVersion}}"]);
        finishes(command)
    })
}

/// The client's command that runs `image` in the foreground with its port on loopback.
pub(crate) fn run(
    place: &Place<'_>,
    port: u16,
    mount: Option<(&str, &str)>,
    more: &[&str],
    image: &str,
) -> Command {
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--name", place.container]);
    command
        .arg("--publish")
        .arg(format!("127.0.0.1:{}:{port}", place.port));
    if let Some((folder, inside)) = mount {
        command
            .arg("--volume")
            .arg(volume(&place.folder.join(folder), inside));
    }
    command.args(more).arg(image);
    command
}

fn volume(outside: &Path, inside: &str) -> std::ffi::OsString {
    let mut volume = outside.as_os_str().to_owned();
    volume.push(":");
    volume.push(inside);
    volume
}

/// Sends a signal to the server in the container.
pub(crate) fn signal(container: &str, signal: Signal) -> Result<(), Error> {
    let mut command = Command::new("docker");
    command.args(["kill", "--signal", &signal.as_raw().to_string(), container]);
    if finishes(command) {
        return Ok(());
    }
    Err(Error::command(
        format!("docker kill --signal {} {container}", signal.as_raw()),
        "it did not succeed",
    ))
}

/// Runs a command without output to its end, which must come soon and be a success.
fn finishes(mut command: Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    let deadline = Instant::now() + DEADLINE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}
