//! Commands that run to their end: their output, or what they complained about.

use crate::Error;
use crate::folder::detach;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{ErrorKind, Read, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long what a command wrote may take to arrive, once it has ended.
const REST: Duration = Duration::from_secs(5);

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
    if let (Some(mut stdin), Some(input)) = (stdin, input.map(str::to_owned)) {
        // A child that does not want its input says so by its exit status.
        std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    }
    let (out, err) = (reader(out), reader(err));
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
    let (out, err) = (all(&out), all(&err));
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

/// What comes through the pipe, as it comes.
fn reader(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(mut pipe) = pipe {
        std::thread::spawn(move || {
            let mut bytes = vec![0; 16 * 1024];
            loop {
                let read = match pipe.read(&mut bytes) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    // What came before an error is all there is.
                    Err(_) | Ok(0) => return,
                    Ok(read) => read,
                };
                // Perhaps nobody waits for it any more.
                if sender.send(bytes[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

/// All that the child wrote: it has ended, and what it left behind may keep the pipe open for as long as it likes.
fn all(receiver: &Receiver<Vec<u8>>) -> String {
    let (mut bytes, ended) = (Vec::new(), Instant::now());
    while let Ok(more) = receiver.recv_timeout(REST.saturating_sub(ended.elapsed())) {
        bytes.extend(more);
        // Somebody who was left behind may write for ever.
        if ended.elapsed() > REST * 10 {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// MySQL's servers refuse to run as root unless told to.
pub(crate) fn owner() -> Option<&'static str> {
    rustix::process::getuid().is_root().then_some("--user=root")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_command_that_leaves_somebody_behind_has_ended_all_the_same() {
        let began = Instant::now();
        let limit = Duration::from_secs(60);
        let pid = output(shell("sleep 600 & echo $!"), None, limit).unwrap();
        assert!(began.elapsed() < limit);
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }

    #[test]
    fn a_command_that_does_not_end_is_ended_with_its_children() {
        let mut limit = Duration::from_millis(50);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let error = loop {
            // A shell that had no time to start it is no test.
            let error = output(shell(&script), Some("nobody reads it"), limit).unwrap_err();
            if std::fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n')) {
                break error;
            }
            limit *= 2;
            assert!(limit < Duration::from_secs(60), "a shell that does nothing");
        };
        assert!(error.to_string().contains("no end within"), "{error}");
        let pid = std::fs::read_to_string(&file).unwrap();
        let began = Instant::now();
        loop {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            if state.is_err() || state.is_ok_and(|stat| stat.contains(") Z ")) {
                break;
            }
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "the child of the shell is still there"
            );
            std::thread::yield_now();
        }
    }

    #[test]
    fn both_pipes_may_be_filled_at_once() {
        let script = "head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero | tr '\\0' y >&2; cat";
        let out = output(shell(script), Some("z"), Duration::from_secs(60)).unwrap();
        assert_eq!((out.len(), out.ends_with("xz")), (300_001, true));
    }
}
