//! `dbreg status`.

use super::master::{Master, PATIENCE, line_with, lines_of, send, until};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

#[test]
fn the_status_tells_each_worker_and_its_last_exit() {
    let script = r#"
if os.environ["REGISTRY_WORKER"].startswith("1:"):
    tell("STATUS=mysql.main: connection refused")
    sys.exit(69)
tell("READY=1")
signal.pause()
"#;
    let master = Master::python(&["--workers", "2", "--floor", "1h", "--cap", "1h"], script);
    master.says("ended with exit code 69");
    // The first, when it is ready, has the second tried once more.
    let status = until("the first is ready, and the second waits", || {
        let status = master.status();
        (status["ready"] == 1 && status["workers"][1]["state"] == "waiting").then_some(status)
    });
    assert_eq!(status["name"], "test");
    assert_eq!(status["pid"], master.process.id());
    assert_eq!(status["stopping"], false);
    let [first, second] = [&status["workers"][0], &status["workers"][1]];
    assert_eq!(first["state"], "ready");
    assert_eq!(first["restarts"], 0);
    assert_eq!(first["last_exit"], json!(null));
    assert_eq!(second["pid"], json!(null));
    assert!(
        [1, 2].map(Some).contains(&second["restarts"].as_u64()),
        "{second}"
    );
    assert_eq!(second["last_exit"]["how"], "exit code 69 (unavailable)");
    assert_eq!(second["last_exit"]["cause"], "mysql.main: connection refused");
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    let next = second["next_attempt"].as_u64().unwrap();
    assert!((now + 3_500..=now + 3_600).contains(&next), "{second}");
    for worker in [first, second] {
        let since = Duration::from_secs(worker["since"].as_u64().unwrap());
        let ago = UNIX_EPOCH.elapsed().unwrap().saturating_sub(since);
        assert!(ago < PATIENCE, "{worker}");
    }
    let socket = master.folder.path().join("dbreg/test.sock");
    let mode = std::fs::metadata(socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let table = Command::new(env!("CARGO_BIN_EXE_dbreg"))
        .args(["status", "test"])
        .env("XDG_RUNTIME_DIR", master.folder.path())
        .output()
        .unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("1 of 2 workers ready"), "{table}");
    assert!(
        table.contains("exit code 69 (unavailable): mysql.main: connection refused"),
        "{table}"
    );
}

#[test]
fn watch_follows_on_a_terminal() {
    let master = Master::python(&[], r#"tell("READY=1"); signal.pause()"#);
    master.says("is ready");
    let first = master.pid_of(0).to_string();
    let terminal = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]))";
    let mut watch = Command::new("python3")
        .args([
            "-c",
            terminal,
            env!("CARGO_BIN_EXE_dbreg"),
            "status",
            "test",
            "--watch",
        ])
        .env("XDG_RUNTIME_DIR", master.folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines_of(watch.stdout.take().unwrap());
    let shows = |words: &str| line_with(&lines, words);
    assert!(
        shows("workers ready").contains("\x1b[H\x1b[J"),
        "each page begins at the top"
    );
    shows(&first);
    send("KILL", first.parse().unwrap());
    shows("signal 9");
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn without_a_master_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let none = Command::new(env!("CARGO_BIN_EXE_dbreg"))
        .args(["status", "nobody"])
        .env("XDG_RUNTIME_DIR", folder.path())
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(69));
    let words = String::from_utf8(none.stderr).unwrap();
    assert!(words.contains("nobody"), "{words}");
}
