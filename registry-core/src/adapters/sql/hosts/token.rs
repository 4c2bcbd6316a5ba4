//! Tokens: how far the primary was when something had been written.

use crate::error::Error;
use crate::kind::ErrorKind;
use std::fmt;
use std::str::FromStr;

/// The longest token, in bytes: a cookie holds about as much.
const LONGEST: usize = 4_000;

/// A moment in the life of a primary: whoever has reached it has every write that was acknowledged before the token was
/// asked for. From `write_token` of a MySQL or PostgreSQL handle, for its `read_after`.
///
/// As text, by `Display` and `FromStr`, it travels in a cookie or a header: `mariadb:0-1-42`, `postgres:0/3000148`. It holds
/// no secret, and is not proof against forgery: a reader that is given a moment that never comes waits half a second and
/// reads from the primary, and so does one that is given a token of another kind of server, without the wait. At most 4,000
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteToken(Position);

/// How far a server is, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// The server counts no transactions: only the primary is sure to have them.
    Unknown,
    /// `domain-server-sequence`, one for each domain.
    MariaDb(Box<str>),
    /// `uuid:first-last`, or more of them.
    MySql(Box<str>),
    /// The place in the log, as two hexadecimal numbers: `16/B374D848`.
    Postgres(Box<str>),
}

impl WriteToken {
    pub(super) fn new(position: Position) -> Self {
        Self(position)
    }

    pub(super) fn position(&self) -> &Position {
        &self.0
    }
}

impl Position {
    /// Numbers of MariaDB: `0-1-42,1-1-7`.
    pub(crate) fn mariadb(text: &str) -> Option<Self> {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        // Domain and server have 32 bits, the sequence has 64.
        let is_short =
            |part: Option<&str>| part.is_some_and(|part| digits(part) && part.parse::<u32>().is_ok());
        let is_long =
            |part: Option<&str>| part.is_some_and(|part| digits(part) && part.parse::<u64>().is_ok());
        let is_gtid = |text: &str| {
            let mut parts = text.split('-');
            is_short(parts.next())
                && is_short(parts.next())
                && is_long(parts.next())
                && parts.next().is_none()
        };
        let valid = text.len() <= LONGEST && text.split(',').all(is_gtid);
        valid.then(|| Self::MariaDb(text.into()))
    }

    /// Sets of MySQL: `3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:8`, perhaps with tags, and in several lines.
    pub(crate) fn mysql(text: &str) -> Option<Self> {
        let text: String = text.split_whitespace().collect();
        let is_part = |part: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !part.is_empty() && part.bytes().all(known)
        };
        let is_set = |text: &str| text.split(':').count() >= 2 && text.split(':').all(is_part);
        let valid = text.len() <= LONGEST && text.split(',').all(is_set);
        valid.then(|| Self::MySql(text.into()))
    }

    /// A `pg_lsn` of PostgreSQL: `16/B374D848`.
    pub(crate) fn postgres(text: &str) -> Option<Self> {
        let is_half =
            |half: &str| (1..=8).contains(&half.len()) && half.bytes().all(|byte| byte.is_ascii_hexdigit());
        let valid = text
            .split_once('/')
            .is_some_and(|(high, low)| is_half(high) && is_half(low));
        valid.then(|| Self::Postgres(text.into()))
    }
}

/// The answer of a server of another kind than that of the token.
pub(crate) fn foreign() -> sqlx::Error {
    sqlx::Error::Protocol("the token is of another kind of server".to_owned())
}

impl fmt::Display for WriteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Position::Unknown => f.write_str("primary"),
            Position::MariaDb(position) => write!(f, "mariadb:{position}"),
            Position::MySql(position) => write!(f, "mysql:{position}"),
            Position::Postgres(position) => write!(f, "postgres:{position}"),
        }
    }
}

impl FromStr for WriteToken {
    type Err = Error;

    /// # Errors
    /// `Config` for text that is no token; it is not repeated in the message, because it may come from anyone.
    fn from_str(text: &str) -> Result<Self, Error> {
        let position = match text.split_once(':') {
            None if text == "primary" => Some(Position::Unknown),
            Some(("mariadb", position)) => Position::mariadb(position),
            Some(("mysql", position)) => Position::mysql(position),
            Some(("postgres", position)) => Position::postgres(position),
            _ => None,
        };
        position.map(Self).ok_or_else(|| {
            let message = "expected the text of a write token such as `mariadb:0-1-42`, found something else";
            Error::new(ErrorKind::Config, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_there_and_back() {
        for text in [
            "primary",
            "mariadb:0-1-42",
            "mariadb:0-1-42,7-4294967295-18446744073709551615",
            "mysql:3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:8",
            "mysql:3e11fa47-71ca-11e1-9e33-c80aa9429562:tag:1-5,4e11fa47-71ca-11e1-9e33-c80aa9429562:1",
            "postgres:0/0",
            "postgres:16/B374D848",
            "postgres:FFFFFFFF/ffffffff",
        ] {
            assert_eq!(text.parse::<WriteToken>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nothing_else_is_a_token() {
        let long = format!("mariadb:{}", vec!["0-1-42"; 700].join(","));
        for text in [
            "",
            "mariadb:",
            "mariadb:0-1",
            "mariadb:0-1-",
            "mariadb:0-1-2-3",
            "mariadb:0-1-x",
            "mariadb:4294967296-1-1",
            "mariadb:0-1-99999999999999999999",
            "mariadb:0-1-42,",
            "mariadb:0-1-42' or 1",
            "mysql:",
            "mysql:1-5",
            "mysql:a:1;b",
            "postgres:",
            "postgres:16",
            "postgres:16/",
            "postgres:16/B374D8480",
            "postgres:16/x",
            "postgres:+1/2",
            "postgres:1/2/3",
            "oracle:1",
            &long,
        ] {
            let error = text.parse::<WriteToken>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            // What was found may come from anyone, and is not repeated.
            assert!(
                error.message().ends_with("found something else"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn the_servers_own_texts_are_read() {
        assert_eq!(Position::mariadb(""), None, "no binary log");
        let several = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,\n4e11fa47-71ca-11e1-9e33-c80aa9429562:1";
        let read = Position::mysql(several).unwrap();
        assert!(!WriteToken(read).to_string().contains('\n'));
    }
}
