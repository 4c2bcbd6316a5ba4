//! A running server: start, stop, restart, pause, kill, and the end of it all on drop.

use crate::folder::{Folder, detach};
use crate::launch::{Launch, Place};
use crate::port::Port;
use crate::{Error, Kind, Provider, docker, family, script};
use rustix::process::{Pid, Signal};
use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How often another port is tried when somebody else was faster.
const PORTS: usize = 5;
/// How long a server that gets a word before it is killed may take to end.
const DISCARD: Duration = Duration::from_secs(5);
/// Between two looks at something that will happen in milliseconds.
const POLL: Duration = Duration::from_millis(4);

/// A throw-away server on loopback. It ends when this value is dropped, and when this process ends in any way.
///
/// Everything that waits has a deadline. The methods may be called from several tasks; each waits for the one before.
#[derive(Debug)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    launch: Launch,
    port: Port,
    log: PathBuf,
    state: Mutex<State>,
    /// After the process: dropped last, it removes what the process wrote.
    folder: Folder,
}

#[derive(Default)]
struct State {
    child: Option<Child>,
    container: String,
    starts: u32,
    /// Whether its data stay when it ends.
    kept: bool,
}

impl Server {
    /// Starts a server in a folder that `prepare` fills.
    pub(crate) async fn launch<F>(prepare: F) -> Result<Self, Error>
    where
        F: FnOnce() -> Result<(Launch, Folder), Error> + Send + 'static,
    {
        let inner = blocking(move || {
            let (launch, folder) = prepare()?;
            let log = folder.path().join("server.log");
            let mut inner = Inner {
                launch,
                port: Port::claim()?,
                log,
                state: Mutex::default(),
                folder,
            };
            for attempt in 1.. {
                match inner.start() {
                    Ok(()) => break,
                    Err(_) if attempt < PORTS && inner.lost_its_port() => inner.port = Port::claim()?,
                    Err(error) => {
                        inner.folder.keep_only(&inner.log);
                        return Err(error);
                    }
                }
            }
            Ok(inner)
        });
        Ok(Self {
            inner: Arc::new(inner.await?),
        })
    }

    /// Which server it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.inner.launch.kind
    }

    /// What it runs in.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.inner.launch.provider
    }

    /// `127.0.0.1`.
    #[must_use]
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// Its port, which stays the same for its whole life.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.inner.port.number
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// Its process, or the Docker client that runs its container; `None` while it is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.inner.state().child.as_ref().map(Child::id)
    }

    /// What it printed. The file goes with the server, unless the server failed to start, its test panicked, or it is
    /// [kept](Self::keep).
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.inner.log
    }

    /// Its folder, which goes with it.
    pub(crate) fn folder(&self) -> &Path {
        self.inner.folder.path()
    }

    pub(crate) fn container(&self) -> String {
        self.inner.state().container.clone()
    }

    /// Starts it again after [`stop`](Self::stop) or [`kill`](Self::kill), on the same port with the same data.
    /// Nothing happens when it runs.
    pub async fn start(&self) -> Result<(), Error> {
        self.on(Inner::start).await
    }

    /// Ends it in order: its signal for that, a grace, KILL. Returns when the process is gone.
    pub async fn stop(&self) -> Result<(), Error> {
        self.on(Inner::stop).await
    }

    /// Ends it at once, as a crash would. Returns when the process is gone.
    pub async fn kill(&self) -> Result<(), Error> {
        self.on(|inner| inner.end(&mut inner.state(), Signal::KILL)).await
    }

    /// [`stop`](Self::stop) and [`start`](Self::start).
    pub async fn restart(&self) -> Result<(), Error> {
        self.on(|inner| inner.stop().and_then(|()| inner.start())).await
    }

    /// Freezes it: connections stay open and are accepted by the system, and nothing answers. Returns when it stands.
    pub async fn pause(&self) -> Result<(), Error> {
        self.on(|inner| inner.signal(&inner.state(), Signal::STOP)).await
    }

    /// Ends a [`pause`](Self::pause).
    pub async fn resume(&self) -> Result<(), Error> {
        self.on(|inner| inner.signal(&inner.state(), Signal::CONT)).await
    }

    /// Keeps its data when it ends, with this value or with this process: it ends in order then, and its folder stays. Gives
    /// a shell script in that folder, which starts it again with its data on the same port, in the foreground, until
    /// somebody ends it and removes the folder. `None` for a server in Docker, whose data go with its container.
    ///
    /// memcached has its data in memory: what is kept of it is an empty server.
    ///
    /// # Errors
    /// When the script cannot be written.
    pub async fn keep(&self) -> Result<Option<PathBuf>, Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.keep()).await
    }

    async fn on(&self, act: impl FnOnce(&Inner) -> Result<(), Error> + Send + 'static) -> Result<(), Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || act(&inner)).await
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn place<'a>(&'a self, state: &'a State) -> Place<'a> {
        let pid = state.child.as_ref().map(Child::id);
        Place {
            folder: self.folder.path(),
            port: self.port.number,
            pid,
            container: &state.container,
        }
    }

    fn start(&self) -> Result<(), Error> {
        let mut state = self.state();
        if state
            .child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
        {
            return Ok(());
        }
        state.starts += 1;
        state.container = format!(
            "dbreg-{}-{}-{}",
            std::process::id(),
            self.port.number,
            state.starts
        );
        let open = || File::options().create(true).append(true).open(&self.log);
        let log = open().and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = log.map_err(Error::io(format!("open {}", self.log.display())))?;
        let server = (self.launch.command)(&self.place(&state));
        let mut command = gated(&server);
        command.stdout(out).stderr(err).current_dir(self.folder.path());
        detach(&mut command);
        if let Some(account) = self.launch.account {
            account.runs(&mut command);
        }
        let mut child = command.spawn().map_err(Error::io("run `/bin/sh`"))?;
        let container = (self.launch.provider == Provider::Docker).then_some(state.container.as_str());
        self.folder
            .guard(Some(child.id()), container, self.discard(&state));
        if let Some(mut gate) = child.stdin.take() {
            // Where it has ended already, the next look at it says so.
            let _ = gate.write_all(b"go\n");
        }
        state.child = Some(child);
        self.await_ready(&mut state)
    }

    /// What ends it with us.
    fn discard(&self, state: &State) -> Signal {
        if state.kept {
            self.launch.stop
        } else {
            self.launch.discard
        }
    }

    fn keep(&self) -> Result<Option<PathBuf>, Error> {
        if self.launch.provider == Provider::Docker {
            return Ok(None);
        }
        let mut state = self.state();
        let script = self.folder.path().join("serve");
        if state.kept {
            return Ok(Some(script));
        }
        let place = Place {
            // Whoever has a file of this name starts as somebody else.
            container: "serve",
            ..self.place(&state)
        };
        let command = (self.launch.command)(&place);
        let pid = state.child.as_ref().map(Child::id);
        let text = script::of(
            &command,
            self.launch.account,
            self.folder.path(),
            pid.map(|pid| (pid, self.launch.grace)),
        );
        std::fs::write(&script, text).map_err(Error::io(format!("write {}", script.display())))?;
        state.kept = true;
        self.folder.keep();
        self.folder.grace(self.launch.grace);
        self.folder.guard(pid, None, self.launch.stop);
        Ok(Some(script))
    }

    fn await_ready(&self, state: &mut State) -> Result<(), Error> {
        let deadline = Instant::now() + self.launch.start;
        loop {
            let child = state.child.as_mut().expect("the caller has just started it");
            if let Ok(Some(status)) = child.try_wait() {
                state.child = None;
                self.folder.guard(None, None, Signal::KILL);
                return Err(self.failure(format!("it ended with {status}")));
            }
            let answer = (self.launch.probe)(&self.place(state));
            match answer {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() < deadline => std::thread::sleep(POLL),
                Err(error) => {
                    self.end(state, Signal::KILL)?;
                    let seconds = self.launch.start.as_secs();
                    return Err(self.failure(format!("it was not ready after {seconds} s ({error})")));
                }
            }
        }
    }

    fn failure(&self, cause: String) -> Error {
        Error::Start {
            kind: self.launch.kind,
            cause,
            log: Some(self.log.clone()),
            tail: self.tail(),
        }
    }

    /// The last lines of the log.
    fn tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    fn lost_its_port(&self) -> bool {
        let tail = self.tail().to_lowercase();
        [
            "address already in use",
            "address in use",
            "port is already allocated",
        ]
        .iter()
        .any(|t| tail.contains(t))
    }

    fn signal(&self, state: &State, signal: Signal) -> Result<(), Error> {
        let Some(child) = &state.child else { return Ok(()) };
        if self.launch.provider == Provider::Docker {
            return docker::signal(&state.container, signal);
        }
        let pid = Pid::from_child(child);
        let sent = match signal {
            Signal::STOP => family::pause(pid),
            Signal::CONT => family::resume(pid),
            Signal::KILL => family::kill(pid),
            other => family::signal(pid, other),
        };
        let failed = |error: rustix::io::Errno| {
            Error::io(format!("send {signal:?} to process {}", child.id()))(error.into())
        };
        sent.map_err(failed)
    }

    fn stop(&self) -> Result<(), Error> {
        let mut state = self.state();
        self.end_by(&mut state, self.launch.stop, self.launch.grace)
    }

    /// A word, a grace, KILL.
    fn end_by(&self, state: &mut State, word: Signal, grace: Duration) -> Result<(), Error> {
        self.signal(state, word)?;
        // A paused server takes the signal when it goes on.
        self.signal(state, Signal::CONT)?;
        let deadline = Instant::now() + grace;
        while let Some(child) = state.child.as_mut() {
            match child.try_wait() {
                Ok(None) if Instant::now() < deadline => std::thread::sleep(POLL),
                Ok(None) => return self.end(state, Signal::KILL),
                _ => self.forget(state),
            }
        }
        Ok(())
    }

    fn end(&self, state: &mut State, signal: Signal) -> Result<(), Error> {
        let sent = self.signal(state, signal);
        if let Some(child) = state.child.as_mut() {
            if sent.is_err() {
                // The Docker client at least; its container is the watchdog's.
                let _ = child.kill();
            }
            // KILL cannot be refused: this wait is short.
            let _ = child.wait();
            self.forget(state);
        }
        sent
    }

    fn forget(&self, state: &mut State) {
        state.child = None;
        self.folder.guard(None, None, Signal::KILL);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut state = std::mem::take(&mut *self.state());
        // Where the data are thrown away, an orderly end would only cost time.
        let _ = match self.discard(&state) {
            Signal::KILL => self.end(&mut state, Signal::KILL),
            word if state.kept => self.end_by(&mut state, word, self.launch.grace),
            word => self.end_by(&mut state, word, DISCARD),
        };
        if std::thread::panicking() && !state.kept {
            self.folder.keep_only(&self.log);
            keeps(&self.log);
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "it belongs to the report of the panic, which is on stderr too"
)]
fn keeps(log: &Path) {
    eprintln!("the server's log is kept: {}", log.display());
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Launch { kind, provider, .. } = &self.launch;
        f.debug_struct("Server")
            .field("kind", kind)
            .field("provider", provider)
            .field("port", &self.port.number)
            .finish()
    }
}

/// The server behind a gate: it begins when it is told to, after the watchdog knows of it. When we end in between,
/// the gate ends too, and no server without a guard was ever there.
fn gated(server: &Command) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "read -r go && exec \"$@\" </dev/null", "dbreg-server"]);
    command
        .arg(server.get_program())
        .args(server.get_args())
        .stdin(Stdio::piped());
    for (name, value) in server.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
}

/// Runs what blocks on the runtime's threads for that. A future that is dropped leaves the work to come to its end,
/// and whatever it started is dropped with its result.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::io("finish the work on a server")(std::io::Error::other(
            error,
        ))),
    }
}
