//! What a MySQL server answers, as a kind.

use crate::adapters::sql::{NO_DATABASE, NO_TABLE};
use crate::error::Error;
use crate::kind::ErrorKind;

/// The kind of a server's error number. Numbers: the server error reference of MySQL and MariaDB.
pub(crate) fn server_error(number: u16, message: &str) -> Error {
    let kind = match number {
        // Too many connections; a host, an account over its limit; max_user_connections.
        1040 | 1203 | 1226 => ErrorKind::TooManyConnections,
        // Access denied: to the database, the account, without a plugin's blessing; expired; locked; blocked.
        1044 | 1045 | 1698 | 1820 | 1862 | 3118 | 3955 | 4151 => ErrorKind::Auth,
        // This host may not connect at all.
        1130 => ErrorKind::Auth,
        // A right that the account does not have: on a table, a column, a routine, or of the server.
        1142 | 1143 | 1227 | 1370 => ErrorKind::Auth,
        1049 => ErrorKind::UnknownDatabase,
        // The server is going down, or is not up yet; it lets this host in no more after too many failed attempts, until
        // somebody flushes its list.
        1129 => ErrorKind::Unreachable,
        1053 | 1152 | 1184 => ErrorKind::Unreachable,
        // Connections using insecure transport are prohibited.
        3159 => ErrorKind::Tls,
        _ => ErrorKind::Operation,
    };
    let error = Error::new(kind, format!("{message} ({number})"));
    match number {
        1040 | 1203 | 1226 => {
            error.help("lower `pool.max`, the number of workers, or raise the server's limit")
        }
        1129 => error.help("run `flush hosts` on the server, or raise its `max_connect_errors`"),
        1130 => error.help("no account of the server may come from this host: create one, `'name'@'%'`, say"),
        1142 | 1143 | 1227 | 1370 => error.help("grant the account the right that it lacks"),
        1820 | 1862 => error.help("the account's password has expired: set a new one on the server"),
        4151 => error.help("the account is locked: unlock it on the server"),
        1049 => error.help(NO_DATABASE),
        1146 => error.help(NO_TABLE),
        3159 => error.help("the server wants TLS: write `tls = \"verify\"`"),
        // `--read-only`, and other options that forbid a statement.
        1290 if message.contains("read-only") || message.contains("read_only") => error.by_read_only_server(),
        // InnoDB's own read-only mode.
        1836 => error.by_read_only_server(),
        // A deadlock, and a lock that took too long: the server rolled back, and says to try again.
        1205 | 1213 => error.transient(true),
        // A node of Galera that is not ready; a statement that somebody ended, or that took longer than the server's limit.
        1047 if message.contains("WSREP") => error.transient(true),
        1317 | 1969 | 3024 => error.transient(true),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_what_servers_answer() {
        for (number, kind, transient) in [
            (1040, ErrorKind::TooManyConnections, true),
            (1044, ErrorKind::Auth, false),
            (1045, ErrorKind::Auth, false),
            (1129, ErrorKind::Unreachable, true),
            (1130, ErrorKind::Auth, false),
            (1142, ErrorKind::Auth, false),
            (1049, ErrorKind::UnknownDatabase, false),
            (1226, ErrorKind::TooManyConnections, true),
            (1698, ErrorKind::Auth, false),
            (1820, ErrorKind::Auth, false),
            (4151, ErrorKind::Auth, false),
            (1213, ErrorKind::Operation, true),
            (1317, ErrorKind::Operation, true),
            (3024, ErrorKind::Operation, true),
            (1047, ErrorKind::Operation, false),
            (1064, ErrorKind::Operation, false),
        ] {
            let error = server_error(number, "words");
            assert_eq!(
                (error.kind(), error.is_transient()),
                (kind, transient),
                "{number}"
            );
        }
    }
}
