//! The commands that change something: each is answered by one line.

use super::frame::Answer;
use super::stream::Stream;
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
#[derive(Clone, Debug)]
pub(super) struct Write<'a> {
    pub(super) verb: Verb,
    pub(super) key: Cow<'a, str>,
    pub(super) value: Cow<'a, [u8]>,
    /// The expiry, or what is added or subtracted.
    pub(super) number: u64,
}

impl Write<'_> {
    pub(super) fn into_owned(self) -> Write<'static> {
        Write {
            verb: self.verb,
            key: Cow::Owned(self.key.into_owned()),
            value: Cow::Owned(self.value.into_owned()),
            number: self.number,
        }
    }

    /// Puts it into the stream. Not by the protocol, which asks for no answer to `set`, `append` and `delete`, waits for
    /// that of `incr` and `decr` alone, and does not know the others.
    pub(super) fn put(&self, stream: &mut Stream) {
        let Self {
            verb,
            key,
            value,
            number,
        } = self;
        let word = verb.word();
        match verb {
            Verb::Delete => stream.write_line(format_args!("{word} {key}\r\n"), None),
            Verb::Touch | Verb::Incr | Verb::Decr => {
                stream.write_line(format_args!("{word} {key} {number}\r\n"), None);
            }
            Verb::Set | Verb::Add | Verb::Replace | Verb::Append | Verb::Prepend => {
                let length = value.len();
                stream.write_line(format_args!("{word} {key} 0 {number} {length}\r\n"), Some(value));
            }
        }
    }
}
