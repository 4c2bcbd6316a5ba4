//! What a server may send: lines, answers and the headers of values, checked before anything else reads them.

use super::key::KEY_LIMIT;
use memchr::memchr;
use std::fmt;
use std::io;
use std::ops::Range;

/// The longest line that a server sends: a header with a key, an error with its text, a statistic.
pub(super) const LINE_LIMIT: usize = 2048 + KEY_LIMIT;

/// The refusal of one command's content after which the server goes on with the next one in step.
const NOT_A_NUMBER: &[u8] = b"CLIENT_ERROR cannot increment or decrement non-numeric value";

/// Why the stream broke off; travels inside an [`io::Error`].
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The server's own `ERROR`, `CLIENT_ERROR …` or `SERVER_ERROR …`.
    Refused(String),
    /// A value that is larger than `max_value`: its bytes, and the limit.
    TooLarge(usize, usize),
    /// What came is not memcached's protocol.
    Garbled(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(text) => write!(f, "the server answered {}", text.trim_end()),
            Self::TooLarge(size, limit) => {
                write!(f, "the value has {size} bytes, and `max_value` is {limit}")
            }
            Self::Garbled(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::other(fault)
    }
}

pub(super) fn garbled(what: &'static str) -> io::Error {
    Fault::Garbled(what).into()
}

pub(super) fn other_key() -> io::Error {
    garbled("the server answered with another key than was asked for")
}

pub(super) fn unexpected() -> io::Error {
    garbled("the server answered something that is no answer to this command")
}

/// The answer of one line to a command that changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Stored,
    NotStored,
    Exists,
    NotFound,
    Deleted,
    Touched,
    Number(u64),
    /// This command was refused; the session is in step.
    Refused(String),
}

impl Answer {
    /// The number, when it is one.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Reads a line, with its end.
    pub(super) fn read(line: &[u8]) -> io::Result<Self> {
        let text = whole(line)?;
        Ok(match text {
            b"STORED" => Self::Stored,
            b"NOT_STORED" => Self::NotStored,
            b"EXISTS" => Self::Exists,
            b"NOT_FOUND" => Self::NotFound,
            b"DELETED" => Self::Deleted,
            b"TOUCHED" => Self::Touched,
            _ if is_in_step(text) => Self::Refused(String::from_utf8_lossy(text).into_owned()),
            _ => {
                refusal(text)?;
                // It may have blanks behind it.
                let number = number(text.trim_ascii_end());
                Self::Number(number.ok_or_else(unexpected)?)
            }
        })
    }
}

/// Whether a refusal is of this command alone: memcached's and a proxy's own trouble with it, such as a value too large or
/// a server behind the proxy that is away. The greeting of a server that has no connection to give is no answer to it.
fn is_in_step(text: &[u8]) -> bool {
    let trouble = text.starts_with(b"SERVER_ERROR ") && !text.ends_with(b"Too many open connections");
    trouble || text == NOT_A_NUMBER
}

fn whole(line: &[u8]) -> io::Result<&[u8]> {
    line.strip_suffix(b"\r\n")
        .ok_or_else(|| garbled("the server sent a line that does not end in CR LF"))
}

fn refusal(text: &[u8]) -> io::Result<()> {
    let refused = [&b"ERROR"[..], b"CLIENT_ERROR", b"SERVER_ERROR"]
        .iter()
        .any(|word| {
            text.strip_prefix(*word)
                .is_some_and(|rest| rest.is_empty() || rest[0] == b' ')
        });
    if refused {
        return Err(Fault::Refused(String::from_utf8_lossy(text).into_owned()).into());
    }
    Ok(())
}

/// How the header of a value begins; its key follows.
const VALUE: &[u8] = b"VALUE ";

/// The header of a value: `VALUE key flags size [token]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Where its key is in the line.
    pub(super) key: Range<usize>,
    /// How long the value is.
    pub(super) size: usize,
}

/// Checks one line of an answer that has more than one; gives the header of a value, if it is one.
pub(super) fn check(line: &[u8], max_value: usize) -> io::Result<Option<Header>> {
    let text = whole(line)?;
    if !text.starts_with(VALUE) {
        refusal(text)?;
        return Ok(None);
    }
    match header(text) {
        Some(header) if header.size <= max_value => Ok(Some(header)),
        Some(header) => Err(Fault::TooLarge(header.size, max_value).into()),
        None => Err(garbled(
            "the server announced a value with a header that cannot be read",
        )),
    }
}

/// By bytes: this is looked at for every value that comes.
fn header(text: &[u8]) -> Option<Header> {
    let key = VALUE.len()..VALUE.len() + memchr(b' ', &text[VALUE.len()..])?;
    let mut parts = text[key.end + 1..].split(|byte| *byte == b' ');
    let (flags, size) = (parts.next()?, parts.next()?);
    let (_token, none) = (parts.next(), parts.next());
    number(flags)?;
    let size = usize::try_from(number(size)?).ok()?;
    (!key.is_empty() && none.is_none()).then_some(Header { key, size })
}

/// The length of a header at the beginning of what came, its end of line included, and the size that it says; where it is
/// that of this key, and plain. Whatever else it may be, [`check`] says.
pub(super) fn plain_header(bytes: &[u8], key: &[u8]) -> Option<(usize, usize)> {
    let rest = bytes.strip_prefix(VALUE)?.strip_prefix(key)?.strip_prefix(b" ")?;
    let (_flags, rest) = leading_number(rest)?;
    let (size, rest) = leading_number(rest.strip_prefix(b" ")?)?;
    let rest = rest.strip_prefix(b"\r\n")?;
    Some((bytes.len() - rest.len(), size))
}

/// A number that begins a text, and the rest of it.
fn leading_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    // So many digits are of 32 bits, whatever they are.
    const DIGITS: usize = 9;
    let (mut number, mut count) = (0, 0);
    while let Some(digit) = bytes.get(count).map(|byte| byte.wrapping_sub(b'0'))
        && digit < 10
        && count < DIGITS
    {
        number = number * 10 + usize::from(digit);
        count += 1;
    }
    (count > 0).then(|| (number, &bytes[count..]))
}

/// A number in decimal digits and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    let add = |sum: u64, digit: &u8| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        sum.checked_mul(10)?.checked_add(digit.into())
    };
    if digits.is_empty() {
        None
    } else {
        digits.iter().try_fold(0, add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_words_numbers_or_refusals() {
        assert_eq!(Answer::read(b"STORED\r\n").unwrap(), Answer::Stored);
        assert_eq!(Answer::read(b"15  \r\n").unwrap(), Answer::Number(15));
        let refused = Answer::read(b"SERVER_ERROR object too large for cache\r\n").unwrap();
        assert!(matches!(refused, Answer::Refused(_)));
        for line in [
            &b"STORED\n"[..],
            b"stored\r\n",
            b"\r\n",
            b"+1\r\n",
            b"1 2\r\n",
            b"ERROR\r\n",
            b"CLIENT_ERROR bad data chunk\r\n",
            b"18446744073709551616\r\n",
        ] {
            assert!(Answer::read(line).is_err(), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_plain_header_is_one_that_is_taken_otherwise_too() {
        assert_eq!(plain_header(b"VALUE k 0 5\r\nhello\r\n", b"k"), Some((13, 5)));
        assert_eq!(
            plain_header(b"VALUE k 4294 999999999\r\n", b"k"),
            Some((24, 999_999_999))
        );
        for line in [
            &b"VALUE k 0 5"[..],
            b"VALUE k 0 5\r",
            b"VALUE k 0 5\n",
            b"VALUE k 0 5 99\r\n",
            b"VALUE k 0 \r\n",
            b"VALUE k  5\r\n",
            b"VALUE k -1 5\r\n",
            b"VALUE k 0 +5\r\n",
            b"VALUE k 0 9999999999\r\n",
            b"VALUE kk 0 5\r\n",
            b"VALUE  0 5\r\n",
            b"END\r\n",
            b"",
        ] {
            assert_eq!(
                plain_header(line, b"k"),
                None,
                "{}",
                String::from_utf8_lossy(line)
            );
        }
    }

    #[test]
    fn headers_have_four_or_five_parts() {
        let header = Some(Header { key: 6..7, size: 5 });
        assert_eq!(check(b"VALUE k 0 5\r\n", 10).unwrap(), header);
        assert_eq!(check(b"VALUE k 0 5 99\r\n", 10).unwrap(), header);
        assert_eq!(check(b"END\r\n", 10).unwrap(), None);
        for line in [
            &b"VALUE k 0\r\n"[..],
            b"VALUE k 0 +5\r\n",
            b"VALUE k 0 5 9 9\r\n",
            b"VALUE  0 5\r\n",
            b"VALUE \r\n",
            b"VALUE k\r\n",
            b"VALUE k x 5\r\n",
            b"VALUE k 0 11\r\n",
            b"SERVER_ERROR\r\n",
        ] {
            assert!(check(line, 10).is_err(), "{}", String::from_utf8_lossy(line));
        }
    }
}
