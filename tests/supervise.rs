//! An application under its own master: no worker without its database, and one soon after its return.
//!
//! This file is both: the test, and, started by it, the application. So it has no harness.

#![expect(
    clippy::print_stdout,
    reason = "a test without a harness says itself what it found"
)]

use dbreg::DbRegistry;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = "[memcached.cache]\nhost = \"127.0.0.1\"\nconnect_timeout = \"1s\"\n")]
struct App;

/// The variable that makes this program the application; its value is where to listen.
const ADDRESS: &str = "SUPERVISED_ADDRESS";
const PATIENCE: Duration = Duration::from_secs(20);
/// How soon a worker is ready when its database is back. Usually it is a second.
const SOON: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match std::env::var(ADDRESS) {
        Ok(address) => application(&address),
        Err(_) => {
            test();
            println!("test an_outage_heals_itself ... ok");
            ExitCode::SUCCESS
        }
    }
}

/// Answers each client with its number and a value of the cache.
fn application(address: &str) -> ExitCode {
    dbreg::supervise()
        .name("application")
        .workers(2)
        .listen(address)
        .run(async |mut worker| {
            let db = App::connect_or_exit().await;
            let listener = worker.take_tcp_listener(0).expect("a TCP socket");
            let listener = tokio::net::TcpListener::from_std(listener.expect("the first of one"));
            let listener = listener.expect("a socket for tokio");
            let serve = async {
                loop {
                    let Ok((client, _)) = listener.accept().await else {
                        continue;
                    };
                    let visits = db.memcached.cache.incr("visits", 1).await;
                    let answer = format!("{} {visits:?}", worker.number());
                    let client = client.into_std().expect("a socket of std");
                    client.set_nonblocking(false).expect("a socket that blocks");
                    let _ = (&client).write_all(answer.as_bytes());
                }
            };
            tokio::select! {
                () = serve => {}
                () = worker.shutdown() => {}
            }
            let _ = db.close().await;
        })
}

/// Ends the master, whatever becomes of the test.
struct Master(Child);

impl Master {
    /// How it ended; nothing where it does not within the test's patience.
    fn ends(&mut self) -> Option<ExitStatus> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(ended) = self.0.try_wait().expect("a child") {
                return Some(ended);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = Command::new("kill").arg(self.0.id().to_string()).status();
            if self.ends().is_none() {
                let _ = self.0.kill();
                let _ = self.0.wait();
            }
        }
    }
}

fn test() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime
        .block_on(registry_dev::memcached())
        .expect("memcached starts");
    runtime.block_on(server.stop()).expect("memcached stops");
    let folder = tempfile::tempdir().expect("a folder");
    let port = registry_dev::Port::claim().expect("a free port");
    let address = format!("127.0.0.1:{}", port.number());
    let process = Command::new(std::env::current_exe().expect("this program"))
        .env(ADDRESS, &address)
        .env("XDG_RUNTIME_DIR", folder.path())
        .env("DBREG_MEMCACHED__CACHE__PORT", server.port().to_string())
        .stderr(Stdio::piped())
        .spawn();
    let mut master = Master(process.expect("the application starts"));
    let lines = BufReader::new(master.0.stderr.take().expect("its log")).lines();
    let (sender, log) = channel();
    std::thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
            .ok()
    });
    let says = |words: &str| {
        let (began, mut told) = (Instant::now(), Vec::new());
        while let Ok(line) = log.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
            if line.contains(words) {
                return;
            }
            told.push(line);
        }
        panic!("it did not say `{words}`, but {told:?}");
    };
    let words = "ended with exit code 69 (unavailable): memcached.cache: connection refused";
    says(words);
    says(words);

    runtime.block_on(server.start()).expect("memcached starts again");
    let began = Instant::now();
    says("is ready after");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    says("is ready after");
    let ask = || {
        let mut stream = TcpStream::connect(&address).expect("the socket stays open");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    assert!(ask().contains("Ok("), "it serves with its cache");

    // An outage under workers that run: they stay, fail fast, and work again.
    runtime.block_on(server.restart()).expect("memcached restarts");
    let began = Instant::now();
    while !ask().contains("Ok(") {
        assert!(began.elapsed() < PATIENCE, "it never recovered");
        std::thread::sleep(Duration::from_millis(5));
    }
    Command::new("kill")
        .arg(master.0.id().to_string())
        .status()
        .expect("TERM");
    says("ending 2 workers");
    assert_eq!(master.ends().expect("it ends").code(), Some(0));
}
