//! sqlx errors as errors of dbreg, and back where sqlx's traits fix the type.

use crate::error::Error;
use crate::error::{plain, printable};
use crate::kind::ErrorKind;
use sqlx::error::DatabaseError;
use std::io;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Configuration(cause) = &error {
            let ours = configuration(cause.as_ref());
            // Of what is said in other words, the driver's are not to be seen.
            return match ours.message() == printable(&cause.to_string()) {
                true => ours.caused_by(error),
                false => ours,
            };
        }
        let ours = match &error {
            // An error that went through an executor of ours comes back as itself.
            sqlx::Error::Io(cause) => match cause.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
                Some(ours) => return ours.clone(),
                None => Self::new(io_kind(cause), plain(cause)),
            },
            sqlx::Error::Database(cause) => server_error(cause.as_ref()),
            sqlx::Error::Tls(cause) => Self::new(ErrorKind::Tls, cause.to_string()),
            sqlx::Error::Protocol(cause) => Self::new(ErrorKind::Protocol, cause),
            sqlx::Error::PoolTimedOut => Self::new(
                ErrorKind::Timeout,
                "no session of the pool came free in time: all are in use, or the server does not answer",
            )
            .help("the limits are `acquire_timeout` and `max` of `pool`"),
            sqlx::Error::PoolClosed => {
                Self::new(ErrorKind::Closed, "the connection was closed by this application")
            }
            other => Self::new(ErrorKind::Operation, other.to_string()),
        };
        ours.caused_by(error)
    }
}

/// What to do about a database that a server does not have.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) const NO_DATABASE: &str = "`dbreg build` makes it and prepares it; or mend `db`";

/// What to do about a table that a database does not have: the likeliest cause is that nobody prepared it.
pub(crate) const NO_TABLE: &str = "`dbreg migrate` applies what is pending, and `dbreg build` prepares a database for development; or mend the name of the table";

/// Whether an SQLite file has no such table, which has no code of its own.
fn is_missing_table(cause: &dyn DatabaseError) -> bool {
    #[cfg(feature = "sqlite")]
    if cause.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return cause.message().starts_with("no such table: ");
    }
    let _ = cause;
    false
}

/// Whether an SQLite file may not be written: `SQLITE_READONLY` and what extends it.
fn is_read_only(cause: &dyn DatabaseError) -> bool {
    sqlite_code(cause).is_some_and(|code| code & 0xff == 8)
}

/// SQLite's own code of an error, extended.
fn sqlite_code(cause: &dyn DatabaseError) -> Option<u32> {
    #[cfg(feature = "sqlite")]
    if cause.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return cause.code().and_then(|code| code.parse().ok());
    }
    let _ = cause;
    None
}

/// Whether another session has an SQLite file locked: `SQLITE_BUSY`, `SQLITE_LOCKED` and what extends them.
fn is_busy(cause: &dyn DatabaseError) -> bool {
    sqlite_code(cause).is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// What the driver finds wrong with its options. It shows a character of a password that it cannot send.
pub(crate) fn configuration(cause: &(dyn std::error::Error + Send + Sync)) -> Error {
    let words = cause.to_string();
    if words.contains("saslprep password") {
        let message = "the password has a character that the driver cannot send";
        let help = "set one of printable characters on the server: no control characters among them";
        return Error::new(ErrorKind::Config, message).help(help);
    }
    Error::new(ErrorKind::Config, words)
}

/// What a server answered, as the kind that its backend makes of it.
pub(crate) fn server_error(cause: &dyn DatabaseError) -> Error {
    #[cfg(feature = "mysql")]
    if let Some(mysql) = cause.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return crate::adapters::mysql::server_error(mysql.number(), mysql.message());
    }
    #[cfg(feature = "postgres")]
    if let Some(postgres) = cause.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        return crate::adapters::postgres::server_error(postgres.code(), postgres.message());
    }
    let error = Error::new(ErrorKind::Operation, cause.message()).transient(is_busy(cause));
    match () {
        () if is_missing_table(cause) => error.help(NO_TABLE),
        () if is_read_only(cause) => {
            error.help("this user must be allowed to write the file, and its folder")
        }
        () => error,
    }
}

/// The error of a session that could not be made, with the cause and the next step. `place` is name and port; a socket
/// has none.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn explain(error: sqlx::Error, place: Option<&(String, u16)>, from_file: bool) -> Error {
    const TLS_STEP: &str = "write `tls_ca = \"path\"` for a private authority, `tls = \"require\"` to encrypt without \
        checking who answers, or `tls = \"off\"` if this network is yours";
    const NO_TLS_STEP: &str =
        "give the server a certificate, or write `tls = \"off\"` if this network is yours";
    // A certificate that is refused comes as an I/O error with the verdict of the TLS library in it.
    if let sqlx::Error::Io(cause) = &error
        && cause.kind() == std::io::ErrorKind::InvalidData
    {
        return Error::new(ErrorKind::Tls, cause.to_string())
            .caused_by(error)
            .help(TLS_STEP);
    }
    if let (sqlx::Error::Io(cause), Some((host, port))) = (&error, place) {
        return Error::new(
            ErrorKind::Unreachable,
            crate::cause::unreachable_words(host, *port, cause),
        )
        .caused_by(error);
    }
    let without_tls =
        matches!(&error, sqlx::Error::Tls(cause) if cause.to_string().contains("does not support TLS"));
    let error = Error::from(error);
    match error.kind() {
        ErrorKind::Auth if from_file => error.with_credential_file(),
        ErrorKind::Tls if without_tls => error.help(NO_TLS_STEP),
        ErrorKind::Tls => error.help(TLS_STEP),
        _ => error,
    }
}

fn io_kind(cause: &io::Error) -> ErrorKind {
    if cause.kind() == io::ErrorKind::TimedOut {
        ErrorKind::Timeout
    } else {
        ErrorKind::Unreachable
    }
}

/// An error of ours where a trait of sqlx wants sqlx's own type.
pub(crate) fn as_driver_error(error: Error) -> sqlx::Error {
    let kind = match error.kind() {
        ErrorKind::Timeout => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::Other,
    };
    sqlx::Error::Io(io::Error::new(kind, error))
}

/// What a call on a closed connection fails with.
pub(crate) fn closed(_: Error) -> sqlx::Error {
    sqlx::Error::PoolClosed
}
