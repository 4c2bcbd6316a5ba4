//! A worker that migrates at its start, under its master: it has the time that it needs, and ends when it is asked to.
//!
//! This file is both: the test, and, started by it, the application. So it has no harness.

#![expect(
    clippy::print_stdout,
    reason = "a test without a harness says itself what it found"
)]

use dbreg::DbRegistry;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = "[sqlite.local]\npath = \"app.db\"\n")]
struct App;

/// The variable that makes this program the application.
const IS_APPLICATION: &str = "SUPERVISED_MIGRATIONS";
/// How long the master waits for a worker that gives no sign of work.
const START_DEADLINE: Duration = Duration::from_secs(5);
/// How long a start may take that nobody holds up.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest that an orderly end takes.
const GRACE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    if std::env::var_os(IS_APPLICATION).is_some() {
        return application();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let migrations = folder.path().join("migrations/sqlite.local");
    std::fs::create_dir_all(&migrations).expect("a folder of migrations");
    let write = |name: &str, text: &str| std::fs::write(migrations.join(name), text).expect("a migration");
    write("1_a.sql", "create table a (id integer primary key)");
    File::create(folder.path().join("app.db")).expect("a database");

    a_worker_that_migrates_is_waited_for(folder.path());
    println!("test a_worker_that_migrates_is_waited_for ... ok");
    write("2_b.sql", "create table b (id integer primary key)");
    a_worker_that_migrates_ends_when_it_is_asked_to(folder.path());
    println!("test a_worker_that_migrates_ends_when_it_is_asked_to ... ok");
    ExitCode::SUCCESS
}

fn application() -> ExitCode {
    dbreg::supervise()
        .name("migrating")
        .start_deadline(START_DEADLINE)
        .grace(GRACE)
        .run(async |worker| {
            let db = App::builder().migrate(true).connect_or_exit().await;
            worker.shutdown().await;
            let _ = db.close().await;
        })
}

/// The master of the application, which is ended whatever becomes of the test, and the lines of its log.
struct Master {
    process: Child,
    log: Receiver<String>,
}

impl Master {
    fn start(folder: &Path) -> Self {
        let process = Command::new(std::env::current_exe().expect("this program"))
            .env(IS_APPLICATION, "1")
            .env("XDG_RUNTIME_DIR", folder)
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn();
        let mut process = process.expect("the application starts");
        let lines = BufReader::new(process.stderr.take().expect("its log")).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
                .ok()
        });
        Self { process, log }
    }

    /// Reads the log up to a line with these words.
    fn says(&self, words: &str) {
        let mut told = Vec::new();
        let began = Instant::now();
        while let Ok(line) = self.log.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
            if line.contains(words) {
                return;
            }
            told.push(line);
        }
        panic!("it did not say `{words}`, but {told:?}");
    }

    fn is_asked_to_end(&self) {
        let pid = self.process.id().to_string();
        Command::new("kill").arg(pid).status().expect("TERM");
    }

    /// The code that it ends with.
    /// The code it ends with; nothing where it does not within the test's patience.
    fn ends(&mut self) -> Option<i32> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(ended) = self.process.try_wait().expect("a child") {
                return ended.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.is_asked_to_end();
            if self.ends().is_none() {
                let _ = self.process.kill();
                let _ = self.process.wait();
            }
        }
    }
}

/// Holds the lock of migrations, as another process that migrates does.
fn locked(folder: &Path) -> File {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("app.db-dbreg-lock"));
    let file = file.expect("the lock");
    file.lock().expect("nobody else has it");
    file
}

fn a_worker_that_migrates_is_waited_for(folder: &Path) {
    let lock = locked(folder);
    let mut master = Master::start(folder);
    let early = master.log.recv_timeout(START_DEADLINE * 3 / 2);
    assert_eq!(early, Err(RecvTimeoutError::Timeout), "it is waited for");
    drop(lock);
    master.says("worker 0 is ready after");
    master.is_asked_to_end();
    assert_eq!(master.ends(), Some(0));
}

fn a_worker_that_migrates_ends_when_it_is_asked_to(folder: &Path) {
    let lock = locked(folder);
    let mut master = Master::start(folder);
    let early = master.log.recv_timeout(START_DEADLINE * 3 / 2);
    assert_eq!(early, Err(RecvTimeoutError::Timeout), "it is waited for");
    master.is_asked_to_end();
    master.says("ending 1 workers");
    // What is said of its end: that it was killed, or that it ended by itself.
    master.says("worker 0 ended with exit code 69 (unavailable)");
    assert_eq!(master.ends(), Some(0));
    drop(lock);
}
