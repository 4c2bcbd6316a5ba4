//! The one table: kind of error, whether it passes by itself, and the exit code it leads to.

use std::fmt;

/// Exit code of an orderly end.
pub const EXIT_OK: i32 = 0;
/// Exit code "service unavailable" (`EX_UNAVAILABLE` of sysexits.h): an outage, which passes without a person.
pub const EXIT_UNAVAILABLE: i32 = 69;
/// Exit code "configuration error" (`EX_CONFIG` of sysexits.h): it does not pass without a person.
pub const EXIT_CONFIG: i32 = 78;

/// Why an operation failed. Closed: every failure of every backend is one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing answers at that address: refused, reset, no route, no such name.
    Unreachable,
    /// A deadline passed.
    Timeout,
    /// The server refused the credential, or what the account may do.
    Auth,
    /// The server has no such database.
    UnknownDatabase,
    /// The server or the account has no connection left to give.
    TooManyConnections,
    /// No encrypted session could be had.
    Tls,
    /// A value of the configuration cannot work.
    Config,
    /// The connection was closed by this application.
    Closed,
    /// The server answered something that is no answer.
    Protocol,
    /// The server understood and refused the operation.
    Operation,
}

impl ErrorKind {
    /// name, passes by itself, exit code
    const fn row(self) -> (&'static str, bool, i32) {
        match self {
            Self::Unreachable => ("unreachable", true, EXIT_UNAVAILABLE),
            Self::Timeout => ("timeout", true, EXIT_UNAVAILABLE),
            Self::Auth => ("auth", false, EXIT_CONFIG),
            Self::UnknownDatabase => ("unknown-database", false, EXIT_CONFIG),
            Self::TooManyConnections => ("too-many-connections", true, EXIT_UNAVAILABLE),
            Self::Tls => ("tls", false, EXIT_CONFIG),
            Self::Config => ("config", false, EXIT_CONFIG),
            Self::Closed => ("closed", false, EXIT_UNAVAILABLE),
            Self::Protocol => ("protocol", true, EXIT_UNAVAILABLE),
            Self::Operation => ("operation", false, EXIT_UNAVAILABLE),
        }
    }

    /// The kind in kebab-case, as in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// Whether the same operation may succeed later without anyone's doing.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        self.row().1
    }

    /// The exit code of a process that cannot start because of it.
    #[must_use]
    pub const fn exit_code(self) -> i32 {
        self.row().2
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
