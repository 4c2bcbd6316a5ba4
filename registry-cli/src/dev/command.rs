//! The user's command: its environment, the signals that it gets, its exit status.

use super::plan::Plan;
use super::variables::PLACE;
use crate::exit;
use rustix::process::{Pid, kill_process};
use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask us to end. From the first of these on they no longer end us by themselves.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    quit: Signal,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Terminate,
    Interrupt,
    HangUp,
    Quit,
}

impl Asked {
    fn signal(self) -> rustix::process::Signal {
        match self {
            Self::Terminate => rustix::process::Signal::TERM,
            Self::Interrupt => rustix::process::Signal::INT,
            Self::HangUp => rustix::process::Signal::HUP,
            Self::Quit => rustix::process::Signal::QUIT,
        }
    }

    pub(crate) fn number(self) -> u8 {
        u8::try_from(self.signal().as_raw()).expect("the numbers of these signals are small")
    }
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Terminate,
            _ = self.interrupt.recv() => Asked::Interrupt,
            _ = self.hang_up.recv() => Asked::HangUp,
            _ = self.quit.recv() => Asked::Quit,
        }
    }
}

/// Runs the command to its end, and gives its exit status as a shell would.
pub(crate) async fn run(
    words: &[OsString],
    variables: &[(String, String)],
    plan: &Plan,
    signals: &mut Signals,
) -> u8 {
    let Some((program, arguments)) = words.split_first() else {
        return exit::USAGE;
    };
    let mut command = Command::new(program);
    command.args(arguments);
    // Of `cargo run --package registry-cli -- dev -- cargo run`.
    for name in registry_dev::cargo_variables(env!("CARGO_PKG_NAME")) {
        command.env_remove(name);
    }
    for planned in &plan.connections {
        for key in PLACE {
            command.env_remove(format!("{}{key}", planned.stem));
        }
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            exit::say(format_args!(
                "cannot run `{}`: {error}",
                program.to_string_lossy()
            ));
            return if error.kind() == ErrorKind::NotFound {
                exit::NOT_FOUND
            } else {
                exit::NOT_EXECUTABLE
            };
        }
    };
    let mut asked_before = false;
    loop {
        tokio::select! {
            ended = child.wait() => return ended.map_or(exit::UNAVAILABLE, status),
            asked = signals.next() => {
                pass_on(&child, asked, asked_before);
                asked_before |= asked == Asked::Terminate;
            }
        }
    }
}

/// A terminal sends its signals to the command itself, as to all of its group. A second TERM is a KILL.
fn pass_on(child: &Child, asked: Asked, asked_before: bool) {
    let from_terminal = matches!(asked, Asked::Interrupt | Asked::Quit) && io::stdin().is_terminal();
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid.filter(|_| !from_terminal) {
        let again = asked_before && asked == Asked::Terminate;
        // It may have ended just now: then there is nobody to tell.
        let _ = kill_process(
            pid,
            if again {
                rustix::process::Signal::KILL
            } else {
                asked.signal()
            },
        );
    }
}

fn status(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| Some(i32::from(exit::SIGNAL) + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
