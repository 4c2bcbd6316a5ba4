//! What MongoDB and its driver answer, as a kind.

use super::topology;
use crate::error::Error;
use crate::error::plain;
use crate::kind::ErrorKind;
use mongodb::error::ErrorKind as Driver;

impl From<mongodb::error::Error> for Error {
    fn from(error: mongodb::error::Error) -> Self {
        let ours = match error.kind.as_ref() {
            Driver::Authentication { message, .. } => Self::new(ErrorKind::Auth, message),
            Driver::Command(command) => {
                // Codes: the error codes of the MongoDB manual.
                let kind = match command.code {
                    13 | 18 => ErrorKind::Auth,
                    50 | 262 => ErrorKind::Timeout,
                    // A router that did not reach whom it asked, or found nobody fit.
                    6 | 7 | 89 | 133 | 9_001 => ErrorKind::Unreachable,
                    // Not primary, not primary any more, shutting down, recovering: the member is not there for this.
                    91 | 189 | 10_058 | 10_107 | 11_600 | 11_602 | 13_435 | 13_436 => ErrorKind::Unreachable,
                    _ => ErrorKind::Operation,
                };
                Self::new(kind, format!("{} ({})", command.message, command.code))
            }
            Driver::DnsResolve { message, .. } => Self::new(ErrorKind::Unreachable, message),
            Driver::Io(cause) => Self::new(ErrorKind::Unreachable, plain(cause)),
            Driver::ConnectionPoolCleared { message, .. } => Self::new(ErrorKind::Unreachable, message),
            Driver::ServerSelection { message, .. } => topology::explained(message).unwrap_or_else(|| {
                let kind = if topology::is_tls(message) {
                    ErrorKind::Tls
                } else {
                    ErrorKind::Unreachable
                };
                Self::new(kind, message)
            }),
            Driver::InvalidResponse { message, .. } => Self::new(ErrorKind::Protocol, message),
            Driver::InvalidTlsConfig { message, .. } => Self::new(ErrorKind::Tls, message),
            Driver::IncompatibleServer { message, .. } => Self::new(ErrorKind::Config, message),
            Driver::Shutdown => Self::new(ErrorKind::Closed, "the connection was closed by this application"),
            other => Self::new(ErrorKind::Operation, other.to_string()),
        };
        let retry =
            error.contains_label("TransientTransactionError") || error.contains_label("RetryableWriteError");
        let ours = if retry { ours.transient(true) } else { ours };
        ours.caused_by(error)
    }
}
