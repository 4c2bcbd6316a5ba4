//! Signals to the master.

use super::master::{Master, PATIENCE, lives, until};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

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
fn int_ends_in_order() {
    let script = r#"
def end(*_):
    tell("STATUS=asked to end")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
tell("READY=1")
while True:
    signal.pause()
"#;
    let mut master = Master::python(&["--workers", "2"], script);
    master.says("is ready");
    master.says("is ready");
    let workers = [master.pid_of(0), master.pid_of(1)];
    master.signal("INT");
    master.says("ending 2 workers");
    master.says("ended with exit code 0");
    master.says("ended with exit code 0");
    assert_eq!(master.ends().code(), Some(0));
    assert!(!workers.iter().any(|pid| lives(*pid)));
    assert_eq!(master.left_behind(), Vec::<PathBuf>::new());
}

/// One that does not take it would be ended by it.
#[test]
fn usr1_goes_to_the_workers_that_take_it() {
    let script = r#"
if os.environ["REGISTRY_WORKER"].startswith("0:"):
    signal.signal(signal.SIGUSR1, lambda *_: tell("STATUS=read again"))
    tell("X_DBREG_RELOADS=1\nREADY=1")
else:
    tell("READY=1")
while True:
    signal.pause()
"#;
    let master = Master::python(&["--workers", "2"], script);
    master.says("is ready");
    master.says("is ready");
    let workers = [master.pid_of(0), master.pid_of(1)];
    master.signal("USR1");
    until("the first reads again", || {
        (master.status()["workers"][0]["says"] == "read again").then_some(())
    });
    assert_eq!([master.pid_of(0), master.pid_of(1)], workers);
    assert!(workers.iter().all(|pid| lives(*pid)));
}

/// A worker that is ready, unless there is a file: then it fails, or hangs.
fn unless(flag: &Path, then: &str) -> String {
    format!(
        r#"
if os.path.exists({flag:?}):
    {then}
tell("READY=1")
while True:
    signal.pause()
"#
    )
}

#[test]
fn a_rolling_restart_whose_first_worker_fails_leaves_the_old_ones_alone() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    let master = Master::python(&["--workers", "2"], &unless(&broken, "sys.exit(1)"));
    master.says("is ready");
    master.says("is ready");
    let workers = [master.pid_of(0), master.pid_of(1)];
    std::fs::write(&broken, "").unwrap();
    master.signal("HUP");
    master.says("did not come up: the old ones stay");
    assert_eq!([master.pid_of(0), master.pid_of(1)], workers);
    // Mended, it goes through.
    std::fs::remove_file(&broken).unwrap();
    master.signal("HUP");
    master.says("every worker has been replaced");
    assert!(!workers.iter().any(|pid| lives(*pid)));
}

#[test]
fn term_during_a_rolling_restart_ends_the_old_and_the_new() {
    let folder = tempfile::tempdir().unwrap();
    let (slow, pid) = (folder.path().join("slow"), folder.path().join("pid"));
    let then = format!("open({pid:?}, 'w').write(str(os.getpid())); time.sleep(600)");
    let mut master = Master::python(&[], &unless(&slow, &then));
    master.says("is ready");
    let old = master.pid_of(0);
    std::fs::write(&slow, "").unwrap();
    master.signal("HUP");
    let new = until("the new one starts", || {
        std::fs::read_to_string(&pid).ok()?.parse().ok()
    });
    assert!(lives(old) && lives(new));
    master.signal("TERM");
    assert_eq!(master.ends().code(), Some(0));
    assert!(!lives(old) && !lives(new));
    assert_eq!(master.left_behind(), Vec::<PathBuf>::new());
}

#[test]
fn a_rolling_restart_refuses_no_client() {
    let port = registry_dev::Port::claim().unwrap();
    let address = format!("127.0.0.1:{}", port.number());
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
        let replaced = !old.iter().any(|pid| lives(*pid)) && seen.iter().any(|pid| !old.contains(pid));
        if replaced && answers > 50 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "not replaced");
    }
    master.says("every worker has been replaced");
    master.signal("TERM");
    assert_eq!(master.ends().code(), Some(0));
}
