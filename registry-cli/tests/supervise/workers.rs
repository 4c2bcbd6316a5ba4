//! Workers that end, hang, never become ready, and leave something behind.

use super::master::{Master, children, lives, python, send, until};
use std::path::PathBuf;
use std::process::Command;

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
fn one_that_is_stopped_or_never_ready_is_replaced() {
    let script = r#"
tell("READY=1")
while True:
    tell("WATCHDOG=1")
    time.sleep(0.02)
"#;
    let master = Master::python(&["--heartbeat", "5s"], script);
    let stopped = until("it is ready", || master.ready());
    send("STOP", stopped);
    master.says("gave no sign of life");
    until("another one is ready", || {
        master.ready().filter(|pid| *pid != stopped)
    });
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

#[test]
fn one_that_fails_a_second_after_it_was_ready_waits_longer_each_time() {
    let script = r#"tell("READY=1"); time.sleep(0.05); sys.exit(101)"#;
    let master = Master::python(&["--floor", "1ms", "--cap", "1h"], script);
    // Each pause is drawn below twice the one before: that it once exceeds 64 times the floor needs seven failures.
    let pause = || {
        let line = master.says("ended with exit code 101");
        let (_, pause) = line.split_once("next attempt in ").unwrap();
        pause.strip_suffix(" ms").and_then(|ms| ms.parse::<u64>().ok())
    };
    until("being ready for a moment is not being healthy", || {
        pause().is_none_or(|ms| ms > 64).then_some(())
    });
}

/// What reads the log may end before the master does.
#[test]
fn a_log_that_nobody_reads_ends_nobody() {
    let broken = r#"
import os, sys
reads, writes = os.pipe()
os.dup2(writes, 2)
os.close(reads)
os.execv(sys.argv[1], sys.argv[1:])
"#;
    let mut program = Command::new("python3");
    program.args(["-c", broken, env!("CARGO_BIN_EXE_dbreg")]);
    let worker = python(r#"tell("READY=1"); signal.pause()"#);
    let mut master = Master::spawn(program, &[], &worker.each_ref().map(String::as_str));
    let first = until("it is ready", || master.ready());
    send("KILL", first);
    until("another one is ready", || {
        master.ready().filter(|pid| *pid != first)
    });
    master.signal("TERM");
    assert_eq!(master.ends().code(), Some(0));
}

/// In a container the master is process 1, and what nobody else collects is its to collect.
#[test]
fn as_process_1_it_collects_every_orphan() {
    let script = r#"
assert os.getppid() == 1
ours, theirs = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(theirs, b"%d" % os.getpid())
        time.sleep(0.05)
    os._exit(0)
os.wait()
orphan = int(os.read(ours, 20))
while os.path.exists(f"/proc/{orphan}"):
    time.sleep(0.01)
tell("STATUS=collected\nREADY=1")
signal.pause()
"#;
    let mut program = Command::new("unshare");
    let namespace = [
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    program.args(namespace).arg(env!("CARGO_BIN_EXE_dbreg"));
    let mut master = Master::spawn(program, &[], &python(script).each_ref().map(String::as_str));
    master.says("is ready");
    assert_eq!(master.status()["pid"], 1);
    assert_eq!(master.status()["workers"][0]["says"], "collected");
    let outside = children(master.process.id());
    let [inside] = outside[..] else {
        panic!("{outside:?}")
    };
    send("TERM", inside);
    assert_eq!(master.ends().code(), Some(0));
    assert!(!lives(inside));
}
