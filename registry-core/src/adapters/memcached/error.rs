//! The errors of a session, as errors of dbreg.

use super::address::HostAddress;
use super::frame::Fault;
use crate::cause::unreachable_words;
use crate::error::Error;
use crate::kind::ErrorKind;
use std::io;

/// What went wrong on a session with this server. What the server sent is shown only where it is its own error text:
/// on a session out of step it may be somebody's value.
pub(super) fn of_io(address: &HostAddress, cause: &io::Error) -> Error {
    if let Some(fault) = cause.get_ref().and_then(|inner| inner.downcast_ref::<Fault>()) {
        let kind = match fault {
            Fault::Refused(text) if text.contains("Too many open connections") => {
                return Error::new(ErrorKind::TooManyConnections, fault.to_string())
                    .help("the limit is the server's option `-c`");
            }
            Fault::TooLarge(..) => {
                return Error::new(ErrorKind::Operation, fault.to_string())
                    .help("raise `max_value`, or remove the key: whoever stored it has a higher limit");
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
            format!("{address} answered something that is not memcached's protocol"),
        ),
        _ => Error::new(
            ErrorKind::Unreachable,
            unreachable_words(&address.host, address.port, cause),
        ),
    }
}

/// The error of a command that changes something and whose bytes had left.
pub(super) fn unknown_outcome(error: &Error) -> Error {
    let words = format!("{}; whether it was carried out is not known", error.message());
    let unknown = Error::new(error.kind(), words);
    match error.next_step() {
        Some(step) => unknown.help(step),
        None => unknown,
    }
}

/// The error of a command that the server refused, in step. Its own trouble passes: memory that is short, a server behind a
/// proxy that is away. A value that is too large stays so.
pub(super) fn refused(text: &str) -> Error {
    let passes = text.starts_with("SERVER_ERROR") && !text.contains("too large");
    Error::new(ErrorKind::Operation, Fault::Refused(text.to_owned()).to_string()).transient(passes)
}
