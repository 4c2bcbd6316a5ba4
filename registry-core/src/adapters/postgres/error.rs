//! What a PostgreSQL server answers, as a kind.

use crate::adapters::sql::{NO_DATABASE, NO_TABLE};
use crate::error::Error;
use crate::kind::ErrorKind;

/// The kind of a server's SQLSTATE. Codes: appendix A of PostgreSQL's documentation.
pub(crate) fn server_error(code: &str, message: &str) -> Error {
    let kind = match code {
        // Too many connections: of the server, the database, the role.
        "53300" => ErrorKind::TooManyConnections,
        // A role that is unknown or may not log in, a wrong password, a privilege that is missing.
        "28000" | "28P01" | "42501" => ErrorKind::Auth,
        // It does not exist, or was dropped under the session.
        "3D000" | "57P04" => ErrorKind::UnknownDatabase,
        // The server is going down, crashed or is not up yet, or it ended a session that was idle.
        "57P01" | "57P02" | "57P03" | "57P05" => ErrorKind::Unreachable,
        // Limits of the server's own: of a statement, of an idle transaction.
        "57014" if message.contains("timeout") => ErrorKind::Timeout,
        "25P03" => ErrorKind::Timeout,
        "08P01" => of_pooler(message).unwrap_or(ErrorKind::Protocol),
        _ if code.starts_with("08") => ErrorKind::Unreachable,
        _ => ErrorKind::Operation,
    };
    let error = Error::new(kind, format!("{message} ({code})"));
    match code {
        "53300" => error.help("lower `pool.max`, the number of workers, or raise the server's limit"),
        "3D000" => error.help(NO_DATABASE),
        // `missing FROM-clause entry` has the same code, and is a mistake of the query.
        "42P01" if message.starts_with("relation ") => error.help(NO_TABLE),
        "08P01" if message.starts_with("unsupported startup parameter") => {
            error.help("write `ignore_startup_parameters = extra_float_digits` into PgBouncer's file")
        }
        "28000" if message.contains("no encryption") => {
            error.help("the server may want TLS: write `tls = \"verify\"`, or mend its pg_hba.conf")
        }
        // A serialization failure, a deadlock, a lock that is not free; a statement that somebody cancelled: the server
        // says to try again. What somebody else uses; short of memory or of another limit: a disk that is full is no such
        // thing.
        "40001" | "40P01" | "55P03" | "57014" | "55006" | "53000" | "53200" | "53400" => {
            error.transient(true)
        }
        // A standby, or a session or transaction that is read only.
        "25006" => error.by_read_only_server(),
        _ => error,
    }
}

/// What PgBouncer says itself, all with the code of a message that is none of the protocol: by its words.
fn of_pooler(message: &str) -> Option<ErrorKind> {
    let kinds = [
        ("server login has been failing", ErrorKind::Unreachable),
        ("server conn crashed", ErrorKind::Unreachable),
        ("pgbouncer cannot connect to server", ErrorKind::Unreachable),
        ("query_wait_timeout", ErrorKind::Timeout),
        ("no more connections allowed", ErrorKind::TooManyConnections),
        ("authentication failed", ErrorKind::Auth),
        ("no such database", ErrorKind::UnknownDatabase),
        ("unsupported startup parameter", ErrorKind::Config),
    ];
    let found = kinds.into_iter().find(|(words, _)| message.contains(words));
    found.map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_what_servers_answer() {
        for (code, kind, transient) in [
            ("53300", ErrorKind::TooManyConnections, true),
            ("28000", ErrorKind::Auth, false),
            ("28P01", ErrorKind::Auth, false),
            ("42501", ErrorKind::Auth, false),
            ("3D000", ErrorKind::UnknownDatabase, false),
            ("57P01", ErrorKind::Unreachable, true),
            ("57P03", ErrorKind::Unreachable, true),
            ("08006", ErrorKind::Unreachable, true),
            ("08P01", ErrorKind::Protocol, true),
            ("25P03", ErrorKind::Timeout, true),
            ("57014", ErrorKind::Operation, true),
            ("40001", ErrorKind::Operation, true),
            ("40P01", ErrorKind::Operation, true),
            ("25006", ErrorKind::Operation, true),
            ("55006", ErrorKind::Operation, true),
            ("53200", ErrorKind::Operation, true),
            ("53100", ErrorKind::Operation, false),
            ("42601", ErrorKind::Operation, false),
            ("23505", ErrorKind::Operation, false),
        ] {
            let error = server_error(code, "words");
            assert_eq!((error.kind(), error.is_transient()), (kind, transient), "{code}");
        }
        let message = "canceling statement due to statement timeout";
        assert_eq!(server_error("57014", message).kind(), ErrorKind::Timeout);
        for (message, kind) in [
            (
                "server login has been failing, try again later (server_login_retry)",
                ErrorKind::Unreachable,
            ),
            ("query_wait_timeout", ErrorKind::Timeout),
            (
                "no more connections allowed (max_client_conn)",
                ErrorKind::TooManyConnections,
            ),
            ("SASL authentication failed", ErrorKind::Auth),
            ("no such database: shop", ErrorKind::UnknownDatabase),
            (
                "unsupported startup parameter: extra_float_digits",
                ErrorKind::Config,
            ),
            ("invalid message format", ErrorKind::Protocol),
        ] {
            assert_eq!(server_error("08P01", message).kind(), kind, "{message}");
        }
    }
}
