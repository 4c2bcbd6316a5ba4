//! Commands that run to their end: their output, or what they complained about.

use crate::Error;
use crate::folder::detach;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the command printed. An error holds the end of its standard error; `input` and arguments are in no message.
pub(crate) fn output(mut command: Command, input: Option<&str>, limit: Duration) -> Result<String, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that the children of a script end with it at the deadline.
    detach(&mut command);
    let mut child = command.spawn().map_err(Error::io(format!("run `{name}`")))?;
    let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let deadline = Instant::now() + limit;
    // Each pipe has a thread: a child that fills one while we read the other would stand still.
    let (out, err, status) = std::thread::scope(|scope| {
        scope.spawn(move || {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // A child that does not want its input says so by its exit status.
                let _ = stdin.write_all(input.as_bytes());
            }
        });
        let out = scope.spawn(move || read(out));
        let err = scope.spawn(move || read(err));
        let status = loop {
            match child.try_wait() {
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
                Ok(None) => {
                    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                    let _ = child.wait();
                    break Ok(None);
                }
                Ok(Some(status)) => break Ok(Some(status)),
                Err(error) => break Err(error),
            }
        };
        (
            out.join().unwrap_or_default(),
            err.join().unwrap_or_default(),
            status,
        )
    });
    match status.map_err(Error::io(format!("wait for `{name}`")))? {
        Some(status) if status.success() => Ok(out),
        Some(status) => {
            let err = if err.trim().is_empty() { out } else { err };
            let lines: Vec<&str> = err.trim().lines().collect();
            let end = lines[lines.len().saturating_sub(12)..].join("\n");
            Err(Error::command(name, format!("{status}: {end}")))
        }
        None => Err(Error::command(
            name,
            format!("no end within {} s", limit.as_secs()),
        )),
    }
}

fn read(pipe: Option<impl std::io::Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What came before an error is all there is.
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// MySQL's servers refuse to run as root unless told to.
pub(crate) fn owner() -> Option<&'static str> {
    rustix::process::getuid().is_root().then_some("--user=root")
}
