//! What may be sent: keys and the sizes of values.

use crate::error::Error;
use crate::kind::ErrorKind;
use std::borrow::Cow;

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
    let (words, rest) = key.as_bytes().as_chunks();
    let mut last = [b'-'; 8];
    last[..rest.len()].copy_from_slice(rest);
    if words.iter().any(any_refused) || any_refused(&last) {
        let at = key.bytes().position(is_refused).unwrap_or_default();
        return Err(refused(&format!(
            "expected a key without spaces and control characters, found one at byte {at}"
        )));
    }
    Ok(key)
}

fn is_refused(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

/// Whether one of eight bytes is refused, all at once: every call has its key looked at. ("Bit Twiddling Hacks", `hasless` and
/// `haszero`.)
fn any_refused(bytes: &[u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let word = u64::from_ne_bytes(*bytes);
    let below = word.wrapping_sub(ONES * 0x21) & !word;
    let other = word ^ (ONES * 0x7f);
    let deletes = other.wrapping_sub(ONES) & !other;
    (below | deletes) & HIGH != 0
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

/// How long a key may be to stay where it is: as long as a UUID, in no more room than a command has that changes something.
const SHORT: usize = 38;

/// A key on its way to a server. Most are short, and nobody allocates for those.
#[derive(Debug)]
pub(super) enum Key {
    Short([u8; SHORT], u8),
    Long(Vec<u8>),
}

impl Key {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(bytes, length) => &bytes[..usize::from(*length)],
            Self::Long(bytes) => bytes,
        }
    }

    /// What was allocated for it.
    pub(super) fn into_spent(self) -> Vec<u8> {
        match self {
            Self::Short(..) => Vec::new(),
            Self::Long(bytes) => bytes,
        }
    }
}

impl From<Cow<'_, str>> for Key {
    fn from(key: Cow<'_, str>) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..key.len()), u8::try_from(key.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(key.as_bytes());
                Self::Short(bytes, length)
            }
            _ => Self::Long(key.into_owned().into_bytes()),
        }
    }
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
    fn eight_bytes_at_once_are_judged_as_each_of_them() {
        for (beside, at, byte) in [b'!', b'~', 0x80, 0xff]
            .into_iter()
            .flat_map(|beside| (0..8).map(move |at| (beside, at)))
            .flat_map(|(beside, at)| (0..=u8::MAX).map(move |byte| (beside, at, byte)))
        {
            let mut bytes = [beside; 8];
            bytes[at] = byte;
            assert_eq!(any_refused(&bytes), is_refused(byte), "{bytes:?}");
        }
    }

    #[test]
    fn a_key_that_waits_is_the_same_however_long() {
        for length in 1..=KEY_LIMIT {
            let text = "0123456789".repeat(25)[..length].to_owned();
            let key = Key::from(Cow::Borrowed(text.as_str()));
            assert_eq!(key.bytes(), text.as_bytes());
            assert_eq!(matches!(key, Key::Short(..)), length <= SHORT, "{length}");
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
