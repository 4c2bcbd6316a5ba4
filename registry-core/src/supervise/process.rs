//! Workers as processes: the start in two stages, signals, the collection of those that ended.

use super::event::Exit;
use super::link::{FAILURES, GRACE, MASTER, WORKER};
use super::listen::Listener;
use super::notify;
use command_fds::{CommandFdExt as _, FdMapping};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, wait};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The variable that makes a process the first stage of a worker: the master's process id and the worker's number.
const STAGE: &str = "REGISTRY_STAGE";
/// The first descriptor of systemd's socket activation (sd_listen_fds(3)).
const FIRST_FD: i32 = 3;

/// What a worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// This program itself, with its own arguments.
    Itself,
    /// Another one.
    Command {
        program: OsString,
        arguments: Vec<OsString>,
    },
}

/// What every worker of a master is started with.
#[derive(Debug)]
pub(crate) struct Spawner {
    /// Where this program is: a path, not the running file, so that a rolling restart runs what was installed since.
    pub(crate) executable: PathBuf,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) master: PathBuf,
    pub(crate) grace: Duration,
    pub(crate) heartbeat: Duration,
}

impl Spawner {
    /// Starts the first stage of a worker, in a process group of its own.
    pub(crate) fn spawn(&self, number: usize, failures: u32, notify_socket: &Path) -> io::Result<Pid> {
        let mut command = Command::new(&self.executable);
        command
            .args(std::env::args_os().skip(1))
            .env(STAGE, format!("{}:{number}", std::process::id()))
            .env(MASTER, &self.master)
            .env(FAILURES, failures.to_string())
            .env(GRACE, self.grace.as_millis().to_string())
            .env(notify::SOCKET, notify_socket)
            .env(notify::WATCHDOG, self.heartbeat.as_micros().to_string())
            .stdin(Stdio::null())
            .process_group(0);
        let mut mappings = Vec::new();
        for (listener, child_fd) in self.listeners.iter().zip(FIRST_FD..) {
            let parent_fd = listener.share()?;
            mappings.push(FdMapping { parent_fd, child_fd });
        }
        command.env("LISTEN_FDS", mappings.len().to_string());
        // The names of the sockets that the master itself was started with; there may be others now.
        command.env_remove("LISTEN_FDNAMES");
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        // Collected by `reap`, as every other child is.
        let child = command.spawn()?;
        Ok(Pid::from_child(&child))
    }
}

/// The first stage of a worker: when this process is one it does not return. It makes sure that the process ends with
/// its master, and then becomes the program; the process id stays the same.
pub(crate) fn become_worker(program: &Program) {
    let Ok(stage) = std::env::var(STAGE) else { return };
    let Err(words) = exec(&stage, program);
    #[expect(clippy::print_stderr, reason = "there is no other way to tell it")]
    {
        eprintln!("dbreg worker: {words}");
    }
    std::process::exit(127);
}

fn exec(stage: &str, program: &Program) -> Result<Infallible, String> {
    let parts = stage
        .split_once(':')
        .and_then(|(master, number)| Some((master.parse().ok()?, number)));
    let (master, number): (i32, &str) = parts.ok_or("the master left no word")?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(|cause| format!("cannot tie itself to its master: {cause}"))?;
    // The master may have ended before the line above: then nobody would send the signal any more.
    if rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get()) != Some(master) {
        return Err("the master is gone".to_owned());
    }
    let own = std::process::id().to_string();
    let mut command = match program {
        Program::Itself => {
            let path = std::env::current_exe().map_err(|cause| cause.to_string())?;
            let mut command = Command::new(path);
            let mut arguments = std::env::args_os();
            if let Some(name) = arguments.next() {
                command.arg0(name);
            }
            command.args(arguments);
            command
        }
        Program::Command { program, arguments } => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
    };
    command
        .env_remove(STAGE)
        .env(WORKER, format!("{number}:{own}"))
        .env("LISTEN_PID", &own)
        .env(notify::WATCHDOG_PID, &own);
    let cause = command.exec();
    Err(format!(
        "cannot run `{}`: {cause}",
        command.get_program().display()
    ))
}

/// Asks a process to end; one that is gone already is none to ask.
pub(crate) fn terminate(pid: Pid) {
    signal(kill_process(pid, Signal::TERM));
}

/// Asks a process to read its secrets again.
pub(crate) fn reload(pid: Pid) {
    signal(kill_process(pid, Signal::USR1));
}

/// Ends a process and what it started, without asking.
pub(crate) fn kill(pid: Pid) {
    kill_group(pid);
    signal(kill_process(pid, Signal::KILL));
}

/// Ends what a process left in its group. The process itself is collected, and its number may be another's by now.
pub(crate) fn kill_group(pid: Pid) {
    signal(kill_process_group(pid, Signal::KILL));
}

fn signal(result: rustix::io::Result<()>) {
    if let Err(cause) = result
        && cause != Errno::SRCH
    {
        tracing::warn!("cannot send a signal: {cause}");
    }
}

/// Collects one process that ended, of the workers or of what was orphaned by them.
pub(crate) fn reap() -> Option<(Pid, Exit)> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                if let Some(code) = status.exit_status() {
                    return Some((pid, Exit::Code(code)));
                }
                if let Some(signal) = status.terminating_signal() {
                    return Some((pid, Exit::Signal(signal)));
                }
            }
            Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Makes the processes that workers leave behind children of this one, so that they are collected.
pub(crate) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    if let Err(cause) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
        tracing::warn!("orphans of workers will not be collected here: {cause}");
    }
}
