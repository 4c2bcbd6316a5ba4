//! Servers whose parent is interrupted or killed, and a parent without any server on its `PATH`.
//!
//! Not under the harness: the program starts itself as the parent, with what it shall do as its argument.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, and its child's words to it"
)]

mod process;

use process::is_running;
use registry_dev::Kind;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many a parent holds.
const SERVERS: usize = 3;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("hold") => hold(),
        Some("report-missing") => report_missing(),
        _ => {
            a_parent_that_ends_by_a_signal_leaves_no_server("KILL");
            a_parent_that_ends_by_a_signal_leaves_no_server("INT");
            a_parent_that_ends_by_a_signal_leaves_no_server("TERM");
            processes_that_start_at_once_share_the_templates();
            what_is_missing_is_said_with_the_command();
            println!("test result: ok");
        }
    }
}

/// Starts servers, says their processes and folders, and waits.
#[tokio::main(flavor = "current_thread")]
async fn hold() {
    let (mysql, memcached, postgres) = tokio::try_join!(
        registry_dev::mysql(),
        registry_dev::memcached(),
        registry_dev::postgres()
    )
    .unwrap();
    for server in [&*mysql, &*memcached, &*postgres] {
        println!(
            "{} {}",
            server.pid().unwrap(),
            server.log_path().parent().unwrap().display()
        );
    }
    std::future::pending::<()>().await;
}

#[tokio::main(flavor = "current_thread")]
async fn report_missing() {
    println!("{}", registry_dev::memcached().await.unwrap_err());
    println!("{}", registry_dev::mysql().await.unwrap_err());
    let mut out = Vec::new();
    match registry_dev::install(&[Kind::Memcached], &mut out) {
        Ok(()) => println!("installed"),
        Err(error) => println!("{error}"),
    }
}

fn again(word: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(word).stdout(Stdio::piped());
    command
}

fn servers_of(child: &mut Child) -> Vec<(u32, PathBuf)> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(SERVERS);
    let server = |line: std::io::Result<String>| {
        let line = line.unwrap();
        let (pid, folder) = line.split_once(' ').unwrap();
        (pid.parse().unwrap(), PathBuf::from(folder))
    };
    lines.map(server).collect()
}

fn a_parent_that_ends_by_a_signal_leaves_no_server(signal: &str) {
    let mut parent = again("hold").spawn().unwrap();
    let servers = servers_of(&mut parent);
    assert_eq!(servers.len(), SERVERS);
    assert!(
        servers
            .iter()
            .all(|(pid, folder)| is_running(*pid) && folder.is_dir())
    );
    let kill = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("kill -{signal} {}", parent.id()))
        .status();
    assert!(kill.unwrap().success());
    let deadline = Instant::now() + Duration::from_secs(20);
    while parent.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            // A shell that starts a job in the background has it ignore INT, and so do all that it starts.
            parent.kill().unwrap();
            parent.wait().unwrap();
            panic!("{signal} did not end the parent: is it ignored by whoever started this test?");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while servers
        .iter()
        .any(|(pid, folder)| is_running(*pid) || folder.exists())
    {
        assert!(Instant::now() < deadline, "after {signal}: {servers:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn processes_that_start_at_once_share_the_templates() {
    let cache = tempfile::tempdir().unwrap();
    let start = || again("hold").env("XDG_CACHE_HOME", cache.path()).spawn().unwrap();
    let mut parents = [start(), start(), start()];
    for parent in &mut parents {
        assert_eq!(servers_of(parent).len(), SERVERS);
    }
    for mut parent in parents {
        parent.kill().unwrap();
        parent.wait().unwrap();
    }
    let entries = std::fs::read_dir(cache.path().join("dbreg"))
        .unwrap()
        .map(|entry| entry.unwrap());
    let folders: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    // One for each server that has data.
    assert_eq!(folders.len(), 2, "{folders:?}");
}

fn what_is_missing_is_said_with_the_command() {
    let output = again("report-missing").env("PATH", "/nowhere").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    let no_memcached = "no memcached server: `memcached` is not installed, and no Docker engine answers; ";
    assert!(
        lines[0].starts_with(no_memcached) && lines[0].contains("install"),
        "{said}"
    );
    assert!(lines[1].starts_with("no MySQL server: "), "{said}");
    assert!(
        lines[2].starts_with("this user may not install servers; run: "),
        "{said}"
    );
}
