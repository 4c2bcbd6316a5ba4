//! sqlx errors as errors of dbreg, and back where sqlx's traits fix the type.

use crate::error::Error;
use crate::error::plain;
use crate::kind::ErrorKind;
use std::io;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let ours = match &error {
            // An error that went through an executor of ours comes back as itself.
            sqlx::Error::Io(cause) => match cause.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
                Some(ours) => return ours.clone(),
                None => Self::new(io_kind(cause), plain(cause)),
            },
            sqlx::Error::Database(cause) => {
                #[cfg(feature = "mysql")]
                if let Some(mysql) = cause.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
                    return crate::adapters::mysql::server_error(mysql.number(), mysql.message())
                        .caused_by(error);
                }
                Self::new(ErrorKind::Operation, cause.message()).transient(is_busy(&**cause))
            }
            sqlx::Error::Tls(cause) => Self::new(ErrorKind::Tls, cause.to_string()),
            sqlx::Error::Configuration(cause) => Self::new(ErrorKind::Config, cause.to_string()),
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

/// Whether another session has an SQLite file locked: `SQLITE_BUSY`, `SQLITE_LOCKED` and what extends them.
fn is_busy(cause: &dyn sqlx::error::DatabaseError) -> bool {
    #[cfg(feature = "sqlite")]
    if cause.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        let code = cause.code().and_then(|code| code.parse::<u32>().ok());
        return code.is_some_and(|code| matches!(code & 0xff, 5 | 6));
    }
    let _ = cause;
    false
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
