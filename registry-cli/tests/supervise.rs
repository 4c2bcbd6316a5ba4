//! `dbreg supervise` and `dbreg status` on real processes.

#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A worker that says it is ready, by systemd's protocol, and then waits.
const READY: &str = r#"
import os, socket, signal, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
tell = lambda text: s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
"#;

/// A master in a folder of its own, killed with its workers when the test ends.
struct Master {
    process: Child,
    lines: Receiver<String>,
    folder: tempfile::TempDir,
}

impl Master {
    fn start(options: &[&str], command: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_dbreg"))
            .args(["supervise", "--name", "test", "--floor", "20ms", "--cap", "200ms"])
            .args(options)
            .arg("--")
            .args(command)
            .env("XDG_RUNTIME_DIR", folder.path())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let errors = BufReader::new(process.stderr.take().unwrap());
        let (sender, lines) = channel();
        // It ends with the pipe, which ends with the processes that hold it.
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self {
            process,
            lines,
            folder,
        }
    }

    /// A master of workers in Python, which begin with [`READY`].
    fn python(options: &[&str], script: &str) -> Self {
        Self::start(options, &["python3", "-c", &format!("{READY}{script}")])
    }

    /// Reads its log up to a line with these words.
    fn says(&self, words: &str) -> String {
        let began = Instant::now();
        let mut seen = Vec::new();
        loop {
            let left = PATIENCE.saturating_sub(began.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("it never said `{words}`, but {seen:#?}"),
            }
        }
    }

    fn signal(&self, signal: &str) {
        send(signal, self.process.id());
    }

    fn status(&self) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_dbreg"))
            .args(["status", "test", "--json"])
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    fn pid_of(&self, worker: usize) -> u32 {
        let pid = self.status()["workers"][worker]["pid"].as_u64();
        u32::try_from(pid.expect("it has a process")).unwrap()
    }

    fn ends(&mut self) -> ExitStatus {
        until("the master ends", || self.process.try_wait().unwrap())
    }

    /// What lies in its folder, without the lock, which stays.
    fn left_behind(&self) -> Vec<PathBuf> {
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
            std::thread::yield_now();
        }
    }
}

fn send(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(status.unwrap().success(), "{signal} to {pid}");
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

/// Whether the process is there and no zombie.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}

#[test]
fn a_worker_that_ends_is_started_again_with_its_cause_told() {
    let script = r#"tell("STATUS=mysql.main: connection refused"); sys.exit(69)"#;
    let mut master = Master::python(&[], script);
    let line = master.says("ended with exit code 69 (unavailable): mysql.main: connection refused");
    assert!(line.contains("next attempt in"), "{line}");
    master.says("times so far");
    let status = until("restarts are counted", || {
        let status = master.status();
        (status["workers"][0]["restarts"].as_u64() > Some(2)).then_some(status)
    });
    let cause = &status["workers"][0]["last_exit"]["cause"];
    assert_eq!(cause, "mysql.main: connection refused");
    master.signal("TERM");
    assert_eq!(master.ends().code(), Some(0));
    assert_eq!(master.left_behind(), Vec::<PathBuf>::new());
}

#[test]
fn a_worker_that_is_killed_is_replaced_and_term_ends_all_in_order() {
    let mut master = Master::python(&["--workers", "2"], r#"tell("READY=1"); time.sleep(600)"#);
    master.says("is ready");
    master.says("is ready");
    let (first, second) = (master.pid_of(0), master.pid_of(1));
    send("KILL", first);
    master.says("worker 0 ended with signal 9");
    master.says("worker 0 is ready");
    let third = master.pid_of(0);
    assert!(third != first && !lives(first) && lives(second));
    master.signal("TERM");
    assert_eq!(master.ends().code(), Some(0));
    assert!(!lives(second) && !lives(third));
    assert_eq!(master.left_behind(), Vec::<PathBuf>::new());
}

#[test]
fn workers_end_when_their_master_is_killed() {
    let mut master = Master::python(&["--workers", "2"], r#"tell("READY=1"); time.sleep(600)"#);
    master.says("is ready");
    master.says("is ready");
    let pids = [master.pid_of(0), master.pid_of(1)];
    master.process.kill().unwrap();
    master.process.wait().unwrap();
    until("the workers end", || {
        (!pids.iter().any(|pid| lives(*pid))).then_some(())
    });
    // The name is free again, and what was left is swept.
    let second = Command::new(env!("CARGO_BIN_EXE_dbreg"))
        .args(["supervise", "--name", "test", "--ready", "alive", "--", "true"])
        .env("XDG_RUNTIME_DIR", master.folder.path())
        .status();
    assert_eq!(second.unwrap().code(), Some(0));
    assert_eq!(master.left_behind(), Vec::<PathBuf>::new());
}

#[test]
fn one_that_ignores_term_is_killed_after_the_grace_and_at_once_by_a_second_signal() {
    let script = r#"signal.signal(signal.SIGTERM, signal.SIG_IGN); tell("READY=1"); time.sleep(600)"#;
    let mut master = Master::python(&["--grace", "100ms"], script);
    master.says("is ready");
    master.signal("TERM");
    master.says("did not end within 100 ms of TERM");
    assert_eq!(master.ends().code(), Some(0));

    let mut patient = Master::python(&["--grace", "1h"], script);
    patient.says("is ready");
    let worker = patient.pid_of(0);
    patient.signal("INT");
    patient.says("ending 1 workers");
    patient.signal("INT");
    assert_eq!(patient.ends().code(), Some(0));
    assert!(!lives(worker));
}

#[test]
fn one_that_is_stopped_or_never_ready_is_replaced() {
    let script = r#"
tell("READY=1")
while True:
    tell("WATCHDOG=1")
    time.sleep(0.02)
"#;
    let master = Master::python(&["--heartbeat", "1s"], script);
    master.says("is ready");
    let stopped = master.pid_of(0);
    send("STOP", stopped);
    master.says("gave no sign of life");
    master.says("is ready");
    assert!(!lives(stopped));

    let never = Master::python(&["--start-deadline", "200ms"], "time.sleep(600)");
    never.says("was not ready within 200 ms");
    never.says("ended with signal 15");
}

#[test]
fn a_second_master_of_the_name_is_refused_and_told_who_has_it() {
    let master = Master::python(&[], r#"tell("READY=1"); time.sleep(600)"#);
    master.says("is ready");
    let second = Command::new(env!("CARGO_BIN_EXE_dbreg"))
        .args(["supervise", "--name", "test", "--", "true"])
        .env("XDG_RUNTIME_DIR", master.folder.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(78));
    let words = String::from_utf8(second.stderr).unwrap();
    let holder = format!("process {}", master.process.id());
    assert!(words.contains(&holder), "{words}");
}

#[test]
fn a_rolling_restart_refuses_no_client() {
    let folder = tempfile::tempdir().unwrap();
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    drop(folder);
    // Answers each client with its process, and ends its last answer before it goes.
    let script = r#"
assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "1"
listener = socket.socket(fileno=3)
listener.settimeout(0.05)
going = []
signal.signal(signal.SIGTERM, lambda *_: going.append(1))
tell("READY=1")
while not going:
    try:
        client, _ = listener.accept()
    except TimeoutError:
        continue
    client.sendall(b"%d\n" % os.getpid())
    client.close()
"#;
    let address = format!("127.0.0.1:{port}");
    let mut master = Master::python(&["--workers", "2", "--listen", &address], script);
    master.says("is ready");
    master.says("is ready");
    let old = [master.pid_of(0), master.pid_of(1)];
    master.signal("HUP");
    let (mut answers, mut seen) = (0, std::collections::BTreeSet::new());
    let began = Instant::now();
    loop {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"?").unwrap();
        let mut text = String::new();
        // A server that closes with our byte unread may reset after its answer.
        let _ = stream.read_to_string(&mut text);
        let pid: u32 = text.trim().parse().expect("every client is answered");
        seen.insert(pid);
        answers += 1;
        if answers > 500 && !old.iter().any(|pid| lives(*pid)) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "not replaced");
    }
    master.says("every worker has been replaced");
    assert!(seen.iter().any(|pid| !old.contains(pid)), "{seen:?}");
    master.signal("TERM");
    assert_eq!(master.ends().code(), Some(0));
}

#[test]
fn what_a_worker_leaves_behind_ends_with_it_and_is_collected() {
    let script = r#"
import subprocess
child = subprocess.Popen(["sleep", "600"])
tell("READY=1\nSTATUS=%d" % child.pid)
time.sleep(600)
"#;
    let master = Master::python(&[], script);
    master.says("is ready");
    let grandchild = until("it says its child", || {
        master.status()["workers"][0]["says"]
            .as_str()?
            .parse::<u32>()
            .ok()
    });
    assert!(lives(grandchild));
    send("KILL", master.pid_of(0));
    until("the grandchild ends", || (!lives(grandchild)).then_some(()));
    until("and is no zombie", || {
        (!std::path::Path::new(&format!("/proc/{grandchild}")).exists()).then_some(())
    });
}
