//! The errors of a session, as errors of dbreg.

use super::stream::Fault;
use crate::cause::unreachable_words;
use crate::error::Error;
use crate::kind::ErrorKind;
use std::io;

/// What went wrong on a session with this server. What the server sent is shown only where it is its own error text:
/// on a session out of step it may be somebody's value.
pub(super) fn of_io(host: &str, port: u16, cause: &io::Error) -> Error {
    if let Some(fault) = cause.get_ref().and_then(|inner| inner.downcast_ref::<Fault>()) {
        let kind = match fault {
            Fault::Refused(text) if text.contains("Too many open connections") => {
                return Error::new(ErrorKind::TooManyConnections, fault.to_string())
                    .help("the limit is the server's option `-c`");
            }
            Fault::Refused(_) => ErrorKind::Operation,
            Fault::Garbled(_) => ErrorKind::Protocol,
        };
        return Error::new(kind, fault.to_string());
    }
    match cause.kind() {
        // The protocol's own verdicts.
        io::ErrorKind::InvalidData | io::ErrorKind::Other if cause.raw_os_error().is_none() => Error::new(
            ErrorKind::Protocol,
            format!("{host}:{port} answered something that is not memcached's protocol"),
        ),
        _ => Error::new(ErrorKind::Unreachable, unreachable_words(host, port, cause)),
    }
}
