//! What to do about a failure.

use registry_core::{Error, ErrorKind};

/// The next step: the one that the error knows, else the one of its kind.
pub(crate) fn step(error: &Error, title: &str) -> String {
    // What an application says of a missing database knows nothing of this program.
    let known = error.next_step();
    if let Some(known) = known.filter(|_| error.kind() != ErrorKind::UnknownDatabase) {
        return known.to_owned();
    }
    let message = error.message();
    match error.kind() {
        ErrorKind::Unreachable if message.contains("does not resolve") => {
            "mend the name, or the name server of this machine".to_owned()
        }
        ErrorKind::Unreachable if message.contains("refused") || message.contains("no socket") => {
            "start the server, or mend the address; `dbreg dev` has throw-away ones".to_owned()
        }
        ErrorKind::Unreachable | ErrorKind::Timeout => {
            "see whether the server is up, and whether a firewall is between".to_owned()
        }
        ErrorKind::Auth => format!("mend the login; `dbreg explain {title}` shows where it comes from"),
        ErrorKind::UnknownDatabase => format!("`dbreg create {title}`, or mend `db`"),
        ErrorKind::TooManyConnections => {
            "lower `pool.max` or the number of workers, or raise the server's limit".to_owned()
        }
        ErrorKind::Tls => format!("mend `tls` or `tls_ca` under [{title}], or the server's certificate"),
        ErrorKind::Config if message.starts_with("the environment variable") => {
            "set it; under `dbreg dev -- COMMAND` none is needed".to_owned()
        }
        ErrorKind::Config => format!("mend the value; `dbreg explain {title}` shows where it comes from"),
        ErrorKind::Protocol => "see what listens there: it does not answer as this backend does".to_owned(),
        _ => "see the server's log".to_owned(),
    }
}
