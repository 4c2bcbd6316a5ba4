//! What can go wrong while a server is started.

use crate::{Engine, Kind, Missing};
use std::path::PathBuf;
use std::{fmt, io};

/// Why a server is not there.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Neither the server's program nor a replacement is installed. The message holds the command that installs it.
    Missing(Missing),
    /// An engine is not installed.
    NotInstalled {
        /// Which engine.
        engine: Engine,
        /// The command that installs it, where this system has a package of it.
        command: Option<String>,
    },
    /// This user may not install what is missing.
    Refused {
        /// The command to type.
        command: String,
    },
    /// The server was started and is not ready.
    Start {
        /// Which server.
        kind: Kind,
        /// What was seen.
        cause: String,
        /// The log, which is kept.
        log: Option<PathBuf>,
        /// The last lines of the log.
        tail: String,
    },
    /// A command that prepares or asks a server failed.
    Command {
        /// The command, without its arguments where they may hold a password.
        command: String,
        /// What it answered.
        cause: String,
    },
    /// A file, a folder, a port or a process could not be had.
    Io {
        /// What was being done.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    pub(crate) fn command(command: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::Command {
            command: command.into(),
            cause: cause.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => missing.fmt(f),
            Self::NotInstalled {
                engine,
                command: Some(command),
            } => write!(f, "{engine} is not installed; install it with: {command}"),
            Self::NotInstalled {
                engine,
                command: None,
            } => {
                write!(
                    f,
                    "{engine} is not installed, and this system has no package of it"
                )
            }
            Self::Refused { command } => write!(f, "this user may not install servers; run: {command}"),
            Self::Start {
                kind,
                cause,
                log,
                tail,
            } => {
                write!(f, "the {kind} server did not start: {cause}")?;
                if let Some(log) = log {
                    write!(f, "; its log is {}", log.display())?;
                }
                if !tail.is_empty() {
                    write!(f, " and ends with:\n{tail}")?;
                }
                Ok(())
            }
            Self::Command { command, cause } => write!(f, "`{command}` failed: {cause}"),
            Self::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
