//! Tokens: how far the primary was when something had been written.

use crate::error::Error;
use crate::kind::ErrorKind;
use sqlx::mysql::MySqlConnection;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The longest token, in bytes: a cookie holds about as much.
const LONGEST: usize = 4_000;

/// A moment in the life of a primary: whoever has reached it has every write that was acknowledged before the token was
/// asked for. From [`MySql::write_token`](super::MySql::write_token), for [`MySql::read_after`](super::MySql::read_after).
///
/// As text, by `Display` and `FromStr`, it travels in a cookie or a header: `mariadb:0-1-42`. It holds no secret, and
/// is not proof against forgery: a reader that is given a moment that never comes waits half a second and reads from
/// the primary. At most 4,000 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteToken(Position);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Position {
    /// The server counts no transactions: only the primary is sure to have them.
    Unknown,
    /// `domain-server-sequence`, one for each domain.
    MariaDb(Box<str>),
    /// `uuid:first-last`, or more of them.
    MySql(Box<str>),
}

impl WriteToken {
    /// What the server of this session has now.
    pub(super) async fn of(session: &mut MySqlConnection) -> Result<Self, sqlx::Error> {
        const UNKNOWN_VARIABLE: u16 = 1193;
        let found = sqlx::query_scalar::<_, String>("select @@global.gtid_binlog_pos")
            .fetch_one(&mut *session)
            .await;
        let position = match found {
            Ok(text) => Position::mariadb(&text),
            // MySQL, whose name of it is another.
            Err(sqlx::Error::Database(error)) if super::lag::number(&*error) == Some(UNKNOWN_VARIABLE) => {
                let text = sqlx::query_scalar::<_, String>("select @@global.gtid_executed");
                Position::mysql(&text.fetch_one(session).await?)
            }
            Err(error) => return Err(error),
        };
        // A server without a binary log counts nothing.
        Ok(Self(position.unwrap_or(Position::Unknown)))
    }

    /// Waits until the server of this session has it; false after `limit`, and at once when it could not be told.
    pub(super) async fn is_reached(
        &self,
        session: &mut MySqlConnection,
        limit: Duration,
    ) -> Result<bool, sqlx::Error> {
        let (statement, position) = match &self.0 {
            Position::Unknown => return Ok(false),
            Position::MariaDb(position) => ("select master_gtid_wait(?, ?)", position),
            Position::MySql(position) => ("select wait_for_executed_gtid_set(?, ?)", position),
        };
        let waited = sqlx::query_scalar::<_, Option<i64>>(statement)
            .bind(&**position)
            .bind(limit.as_secs_f64())
            .fetch_one(session)
            .await?;
        Ok(waited == Some(0))
    }
}

impl Position {
    /// Numbers of MariaDB: `0-1-42,1-1-7`.
    fn mariadb(text: &str) -> Option<Self> {
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
    fn mysql(text: &str) -> Option<Self> {
        let text: String = text.split_whitespace().collect();
        let is_part = |part: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !part.is_empty() && part.bytes().all(known)
        };
        let is_set = |text: &str| text.split(':').count() >= 2 && text.split(':').all(is_part);
        let valid = text.len() <= LONGEST && text.split(',').all(is_set);
        valid.then(|| Self::MySql(text.into()))
    }
}

impl fmt::Display for WriteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Position::Unknown => f.write_str("primary"),
            Position::MariaDb(position) => write!(f, "mariadb:{position}"),
            Position::MySql(position) => write!(f, "mysql:{position}"),
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
