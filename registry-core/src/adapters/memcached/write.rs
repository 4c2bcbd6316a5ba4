//! The commands that change something: each is answered by one line.

use super::frame::Answer;
use std::borrow::Cow;

/// What is done to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Delete,
    Touch,
    Incr,
    Decr,
}

impl Verb {
    const fn word(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Append => "append",
            Self::Prepend => "prepend",
            Self::Delete => "delete",
            Self::Touch => "touch",
            Self::Incr => "incr",
            Self::Decr => "decr",
        }
    }

    /// Whether this is an answer to it.
    pub(super) fn takes(self, answer: &Answer) -> bool {
        match self {
            _ if matches!(answer, Answer::Refused(_)) => true,
            Self::Set => *answer == Answer::Stored,
            Self::Add | Self::Replace | Self::Append | Self::Prepend => {
                matches!(answer, Answer::Stored | Answer::NotStored)
            }
            Self::Delete => matches!(answer, Answer::Deleted | Answer::NotFound),
            Self::Touch => matches!(answer, Answer::Touched | Answer::NotFound),
            Self::Incr | Self::Decr => matches!(answer, Answer::Number(_) | Answer::NotFound),
        }
    }
}

/// A command that changes something.
#[derive(Debug)]
pub(super) struct Write<'a> {
    pub(super) verb: Verb,
    pub(super) key: Cow<'a, str>,
    pub(super) value: &'a [u8],
    /// The expiry, or what is added or subtracted.
    pub(super) number: u64,
}

/// A command as the server reads it: what waits for a session owns one, and the session has only to send it.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) verb: Verb,
    pub(super) bytes: Vec<u8>,
}

/// What stands in a command beside the key and the value: a verb, three numbers, blanks and the ends of lines.
const FRAME: usize = 48;

impl Write<'_> {
    pub(super) fn packed(&self) -> Packed {
        let mut bytes = Vec::with_capacity(FRAME + self.key.len() + self.value.len());
        self.put(&mut bytes);
        Packed {
            verb: self.verb,
            bytes,
        }
    }

    /// Writes it as the server reads it. Not by the protocol, which asks for no answer to `set`, `append` and `delete`, waits
    /// for that of `incr` and `decr` alone, and does not know the others.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let Self {
            verb,
            key,
            value,
            number,
        } = self;
        for part in [verb.word(), " ", key.as_ref()] {
            out.extend_from_slice(part.as_bytes());
        }
        let mut digits = itoa::Buffer::new();
        match verb {
            Verb::Delete => {}
            Verb::Touch | Verb::Incr | Verb::Decr => {
                out.push(b' ');
                out.extend_from_slice(digits.format(*number).as_bytes());
            }
            Verb::Set | Verb::Add | Verb::Replace | Verb::Append | Verb::Prepend => {
                out.extend_from_slice(b" 0 ");
                out.extend_from_slice(digits.format(*number).as_bytes());
                out.push(b' ');
                out.extend_from_slice(digits.format(value.len()).as_bytes());
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(value);
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}
