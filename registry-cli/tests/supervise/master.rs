//! A master in a process of its own, as the tests see it.

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at something that will happen soon.
const POLL: Duration = Duration::from_millis(5);

/// A worker that says it is ready, by systemd's protocol, and then waits.
const READY: &str = r#"
import os, signal, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
tell = lambda text: s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
"#;

/// A master in a folder of its own, killed with its workers when the test ends.
pub(crate) struct Master {
    pub(crate) process: Child,
    lines: Receiver<String>,
    pub(crate) folder: tempfile::TempDir,
}

impl Master {
    pub(crate) fn start(options: &[&str], command: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_dbreg")), options, command)
    }

    /// The same with a program, and variables, of one's own before it.
    pub(crate) fn spawn(mut program: Command, options: &[&str], command: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        program.args(["supervise", "--name", "test"]);
        if !options.contains(&"--floor") {
            program.args(["--floor", "20ms", "--cap", "200ms"]);
        }
        let mut process = program
            .args(options)
            .arg("--")
            .args(command)
            .env("XDG_RUNTIME_DIR", folder.path())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let lines = lines_of(process.stderr.take().unwrap());
        Self {
            process,
            lines,
            folder,
        }
    }

    /// A master of workers in Python, which begin with [`READY`].
    pub(crate) fn python(options: &[&str], script: &str) -> Self {
        Self::start(options, &python(script).each_ref().map(String::as_str))
    }

    /// A master with variables of its own.
    pub(crate) fn python_with(variables: &[(&str, &OsStr)], options: &[&str], script: &str) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_dbreg"));
        program.envs(variables.iter().copied());
        Self::spawn(program, options, &python(script).each_ref().map(String::as_str))
    }

    /// Reads its log up to a line with these words.
    pub(crate) fn says(&self, words: &str) -> String {
        line_with(&self.lines, words)
    }

    pub(crate) fn signal(&self, signal: &str) {
        send(signal, self.process.id());
    }

    /// Asked again until it answers: one that is still starting, or is slow.
    pub(crate) fn status(&self) -> Value {
        until("it tells its status", || {
            let output = Command::new(env!("CARGO_BIN_EXE_dbreg"))
                .args(["status", "test", "--json"])
                .env("XDG_RUNTIME_DIR", self.folder.path())
                .output()
                .unwrap();
            let answered = output.status.success();
            answered.then(|| serde_json::from_slice(&output.stdout).unwrap())
        })
    }

    /// The process of its one worker, if that is ready. Of one status: it may have ended by the time of a second.
    pub(crate) fn ready(&self) -> Option<u32> {
        let status = self.status();
        let pid = status["workers"][0]["pid"].as_u64();
        u32::try_from(pid?).ok().filter(|_| status["ready"] == 1)
    }

    pub(crate) fn pid_of(&self, worker: usize) -> u32 {
        let pid = self.status()["workers"][worker]["pid"].as_u64();
        u32::try_from(pid.expect("it has a process")).unwrap()
    }

    pub(crate) fn ends(&mut self) -> ExitStatus {
        until("the master ends", || self.process.try_wait().unwrap())
    }

    /// What lies in its folder, without the lock, which stays.
    pub(crate) fn left_behind(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join("dbreg")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_none_or(|extension| extension != "lock"))
            .collect()
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        // Twice is at once; and whatever becomes of it, it is collected.
        for _ in 0..2 {
            if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
                self.signal("TERM");
            }
        }
        let began = Instant::now();
        while self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            if began.elapsed() > PATIENCE {
                let _ = self.process.kill();
            }
            std::thread::sleep(POLL);
        }
    }
}

/// What is written there, line by line, for who waits with a limit. It ends with the processes that hold the other end.
pub(crate) fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

/// Reads up to a line with these words.
pub(crate) fn line_with(lines: &Receiver<String>, words: &str) -> String {
    let began = Instant::now();
    let mut seen = Vec::new();
    loop {
        let left = PATIENCE.saturating_sub(began.elapsed());
        match lines.recv_timeout(left) {
            Ok(line) if line.contains(words) => return line,
            Ok(line) => seen.push(line),
            Err(_) => panic!("it never said `{words}`, but {seen:#?}"),
        }
    }
}

/// The command of a worker in Python.
pub(crate) fn python(script: &str) -> [String; 3] {
    ["python3".to_owned(), "-c".to_owned(), format!("{READY}{script}")]
}

pub(crate) fn send(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(status.unwrap().success(), "{signal} to {pid}");
}

pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(POLL);
    }
}

/// Whether the process is there and no zombie.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// The processes that it started and that are there.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}
