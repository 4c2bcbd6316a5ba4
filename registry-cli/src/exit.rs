//! Exit codes, and words for people on standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

/// All is well.
pub(crate) const SUCCESS: u8 = 0;
/// `check` found mistakes.
pub(crate) const FINDINGS: u8 = 1;
/// The command line is wrong, or the file cannot be read. clap's own code, too.
pub(crate) const USAGE: u8 = 2;
/// A server is not there (`EX_UNAVAILABLE`).
pub(crate) const UNAVAILABLE: u8 = 69;
/// The file is wrong (`EX_CONFIG`).
pub(crate) const CONFIG: u8 = 78;
/// The command cannot be run, and is not there, as the shell has it.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
pub(crate) const NOT_FOUND: u8 = 127;
/// Added to the number of the signal that ended the command, as the shell has it.
pub(crate) const SIGNAL: u8 = 128;

/// A line on standard error. Nobody is left to be told when that is closed.
pub(crate) fn say(message: impl Display) {
    let _ = writeln!(std::io::stderr(), "dbreg: {message}");
}

/// Puts the output of a command out, and gives the status that it ends with: that of the command itself, unless all is well but
/// the output could not be written.
pub(crate) fn print(output: impl AsRef<[u8]>, status: u8) -> u8 {
    let mut out = io::stdout().lock();
    written(out.write_all(output.as_ref()).and_then(|()| out.flush()), status)
}

/// The same for what was written already.
pub(crate) fn written(written: io::Result<()>, status: u8) -> u8 {
    match written {
        // Whoever reads us may have seen enough.
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
            say(format_args!("cannot write to standard output: {cause}"));
            if status == SUCCESS { USAGE } else { status }
        }
        _ => status,
    }
}

/// An exit status, and a message where it has not been said yet.
pub(crate) struct Failure(pub(crate) u8, pub(crate) Option<String>);

impl Failure {
    /// Says it, and gives the status.
    pub(crate) fn tell(self) -> u8 {
        if let Some(message) = self.1 {
            say(message);
        }
        self.0
    }
}

impl From<registry_dev::Error> for Failure {
    fn from(error: registry_dev::Error) -> Self {
        Self(UNAVAILABLE, Some(error.to_string()))
    }
}

/// The status that a command ends with; what it failed with is said here.
pub(crate) fn status(result: Result<u8, Failure>) -> u8 {
    result.unwrap_or_else(Failure::tell)
}

/// The status of a command on live connections that failed with these: the gravest counts.
pub(crate) fn of_errors<'e>(errors: impl Iterator<Item = &'e registry_core::Error>) -> u8 {
    let codes = errors.map(|error| u8::try_from(error.exit_code()).unwrap_or(UNAVAILABLE));
    codes.max().unwrap_or(SUCCESS)
}
