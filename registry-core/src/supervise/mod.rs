//! The master that keeps its workers alive.
//!
//! The first act of an application is to connect its databases. When it cannot, the worker ends in an orderly way, and
//! its master starts it again, with growing pauses, for ever: an outage heals itself.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     registry_core::supervise().workers(2).listen("127.0.0.1:8080").run(async |mut worker| {
//!         // let db = App::connect_or_exit().await; tells the master that the worker is ready
//!         let listener = worker.take_tcp_listener(0).expect("a TCP socket").expect("the first of one");
//!         println!("worker {} serves {:?}", worker.number(), listener.local_addr());
//!         worker.shutdown().await;
//!     })
//! }
//! ```
//!
//! The same binary is master and worker: `run` executes the program again, and returns in the master only when all is
//! over. It has to be called before a runtime is started and before anything is opened.
//!
//! How it works: `machine` decides, without any process, clock or randomness of its own; `master` does what it says;
//! `process` starts a worker in two stages, so that it ends with its master; `link` is what the worker tells.

#[cfg(feature = "tasks")]
pub(crate) mod at_work;
mod control;
mod event;
mod folder;
pub(crate) mod link;
mod listen;
mod live;
mod machine;
mod master;
mod notify;
mod probe;
mod process;
mod settings;
mod tally;
mod words;
mod worker;

pub use control::{names as master_names, status as master_status};
pub use master::Readiness;
pub use worker::Worker;

use crate::startup::LONGEST;
use folder::Folder;
use listen::{Address, Listener};
use master::Master;
use process::{Program, Spawner};
use settings::Settings;
use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitCode, Termination};
use std::time::Duration;

/// A master with the defaults: one worker, pauses from 250 ms to 30 s.
pub fn supervise() -> Supervise {
    Supervise {
        name: None,
        addresses: Vec::new(),
        readiness: Readiness::Notify,
        settings: Settings::default(),
    }
}

/// How a master keeps its workers, from [`supervise`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens until `run`"]
pub struct Supervise {
    name: Option<String>,
    addresses: Vec<String>,
    readiness: Readiness,
    settings: Settings,
}

impl Supervise {
    /// The master's name, in the lock, the status and the log. One master per name and user. Default: the name of the
    /// program.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many workers. Default: 1; at least 1.
    pub fn workers(mut self, workers: usize) -> Self {
        self.settings.workers = workers.max(1);
        self
    }

    /// A socket that the master opens, keeps open and hands to every worker: `127.0.0.1:8080`, `:8080` or
    /// `unix:/run/shop.sock`. May be said several times. Clients wait while workers come and go; none is refused. Sockets
    /// that the master itself was started with (`LISTEN_FDS`, from a `.socket` unit of systemd) come before these.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// The least and the most that the place of a worker stays empty after it ended; in between it doubles, with full
    /// jitter. Default: 250 ms and 30 s.
    pub fn backoff(mut self, floor: Duration, cap: Duration) -> Self {
        (self.settings.floor, self.settings.cap) = (floor.min(LONGEST), cap.max(floor).min(LONGEST));
        self
    }

    /// How long a worker has to be ready until the pauses begin anew at the floor. Default: 60 s.
    pub fn healthy_after(mut self, time: Duration) -> Self {
        self.settings.healthy_after = time.min(LONGEST);
        self
    }

    /// How long a worker may take until it is ready; then it is ended. Default: 60 s. One that migrates, or says
    /// `EXTEND_TIMEOUT_USEC=…` as a service of systemd does, has the time that it asks for.
    pub fn start_deadline(mut self, deadline: Duration) -> Self {
        self.settings.start_deadline = deadline.min(LONGEST);
        self
    }

    /// How long a worker may take to end after TERM; then it is killed. Default: 15 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace.min(LONGEST);
        self
    }

    /// How long a worker may be silent that sends heartbeats, as every application with a registry does; then it is
    /// killed. Default: 15 s. A database that is slow does not make it silent.
    pub fn heartbeat(mut self, limit: Duration) -> Self {
        self.settings.heartbeat = limit.min(LONGEST);
        self
    }

    /// Starts a worker again that ended with 0. Default: it has done its work.
    pub fn restart_on_success(mut self) -> Self {
        self.settings.restart_on_success = true;
        self
    }

    /// When a worker counts as ready. Default: [`Readiness::Notify`].
    pub fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// In the master: keeps the workers until all is over. In a worker: runs `work` on a tokio runtime of many threads.
    ///
    /// TERM and INT end every worker in order, a second one at once; HUP replaces one worker after the other, each when
    /// its successor is ready; USR1 makes the workers read their secrets again.
    ///
    /// The exit code of the master is 0 after an orderly end, 69 or 78 when it could not begin.
    pub fn run<F, Fut>(self, work: F) -> ExitCode
    where
        F: FnOnce(Worker) -> Fut,
        Fut: Future,
        Fut::Output: Termination,
    {
        if let Some(link) = worker::link() {
            return worker::run(link, work);
        }
        self.keep(&Program::Itself)
    }

    /// The same for another program, which finds the sockets by systemd's convention (`LISTEN_FDS`).
    pub fn run_command(
        self,
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> ExitCode {
        let program = program.into();
        let arguments = arguments.into_iter().map(Into::into).collect();
        self.keep(&Program::Command { program, arguments })
    }

    fn keep(self, program: &Program) -> ExitCode {
        process::become_worker(program);
        let name = self.name.clone().unwrap_or_else(|| name_of(program));
        match self.master(name, program) {
            Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
            Err(words) => refuse(&words),
        }
    }

    fn master(self, name: String, _program: &Program) -> Result<i32, String> {
        let folder = Folder::claim(&name).map_err(|cause| cause.to_string())?;
        let mut listeners = listen::inherited()
            .map_err(|cause| format!("cannot use the sockets that it was started with: {cause}"))?;
        for text in &self.addresses {
            let address = Address::parse(text)?;
            let listener =
                Listener::bind(&address).map_err(|cause| format!("cannot listen on {address}: {cause}"))?;
            listeners.push(listener);
        }
        let spawner = Spawner {
            executable: std::env::current_exe()
                .map_err(|cause| format!("cannot find this program: {cause}"))?,
            listeners,
            master: folder.socket(),
            grace: self.settings.grace,
            heartbeat: self.settings.heartbeat,
        };
        process::adopt_orphans();
        // One thread: the system takes the end of the thread that started a worker for the end of its parent.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|cause| format!("cannot start the runtime: {cause}"))?;
        let master = Master::new(name, folder, spawner, self.readiness, self.settings);
        let code = runtime.block_on(async { master.run().await.map_err(|cause| cause.to_string()) });
        // A name that is still being looked up must not hold up the end.
        runtime.shutdown_background();
        code
    }
}

/// The name of a program's file.
fn name_of(program: &Program) -> String {
    let path = match program {
        Program::Itself => std::env::current_exe().unwrap_or_default().into_os_string(),
        Program::Command { program, .. } => program.clone(),
    };
    let name = Path::new(&path).file_stem().unwrap_or_default().to_string_lossy();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.chars().filter(|c| fits(*c)).take(48).collect();
    if name.is_empty() { "dbreg".to_owned() } else { name }
}

/// A master, or a worker, that cannot begin.
fn refuse(words: &str) -> ExitCode {
    #[expect(clippy::print_stderr, reason = "a process that ends because of it")]
    {
        eprintln!("dbreg master: {words}");
    }
    ExitCode::from(u8::try_from(crate::EXIT_CONFIG).unwrap_or(1))
}
