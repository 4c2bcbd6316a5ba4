//! What may be sent: keys and the sizes of values.

use crate::error::Error;
use crate::kind::ErrorKind;

/// The longest key of memcached, in bytes.
pub(super) const KEY_LIMIT: usize = 250;

/// Checks a key before anything is written: a space or a line break in it would be a command of its own. The text of
/// the key is in no message: it may name a person.
pub(super) fn checked<'k>(key: &'k str, prefix: &str) -> Result<&'k str, Error> {
    let length = key.len();
    let limit = KEY_LIMIT.saturating_sub(prefix.len());
    if length == 0 {
        return Err(refused(&format!(
            "expected a key of 1 to {limit} bytes, found an empty one"
        )));
    }
    if length > limit {
        let beside = if prefix.is_empty() {
            ""
        } else {
            " beside the `prefix`"
        };
        let message = format!("expected a key of 1 to {limit} bytes{beside}, found {length}");
        return Err(refused(&message).help("write a digest of the key instead"));
    }
    let is_refused = |byte| byte <= b' ' || byte == 0x7f;
    // First without an end at the first one: so it is many bytes at a time.
    if key.bytes().fold(false, |any, byte| any | is_refused(byte)) {
        let at = key.bytes().position(is_refused).unwrap_or_default();
        return Err(refused(&format!(
            "expected a key without spaces and control characters, found one at byte {at}"
        )));
    }
    Ok(key)
}

/// Checks the size of a value before anything is written.
pub(super) fn fitting(value: &[u8], max_value: usize) -> Result<&[u8], Error> {
    if value.len() > max_value {
        let length = value.len();
        return Err(refused(&format!(
            "expected a value of at most {max_value} bytes, found {length}"
        ))
        .help("the limit is `max_value`; the server has its own, `-I`"));
    }
    Ok(value)
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::Operation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_would_be_a_command() {
        let long = "x".repeat(251);
        for key in ["", "a b", "a\r\nflush_all", "a\n", "\0", "a\x7f", "\t", &long] {
            let error = checked(key, "").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Operation);
            assert!(!error.message().contains("flush_all"), "{error}");
        }
    }

    #[test]
    fn takes_every_other_key() {
        let longest = "x".repeat(250);
        for key in ["a", "user:7", "schlüssel", &longest] {
            assert_eq!(checked(key, "").unwrap(), key);
        }
    }

    #[test]
    fn counts_the_prefix() {
        let (fits, longer) = ("x".repeat(245), "x".repeat(246));
        assert!(checked(&fits, "shop:").is_ok());
        let error = checked(&longer, "shop:").unwrap_err();
        assert_eq!(
            error.message(),
            "expected a key of 1 to 245 bytes beside the `prefix`, found 246"
        );
        assert!(checked("", "shop:").is_err());
    }
}
