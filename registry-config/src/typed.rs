//! Values from plain text: variables, and the defaults of the backend table.

use crate::backends::backend;
use crate::duration::{self, format_duration};
use crate::host;
use crate::spec::{BackendSpec, KeySpec, Kind};
use crate::url::ConnectionUrl;
use crate::value::{Secret, Value};
use std::borrow::Cow;
use std::fmt::Write as _;

impl KeySpec {
    /// What may stand here, as messages say it: `a port from 1 to 65535`.
    #[must_use]
    pub fn expected(&self) -> String {
        match self.kind {
            Kind::Text => "text".to_owned(),
            Kind::Secret => "a reference".to_owned(),
            Kind::Url => "a URL".to_owned(),
            Kind::Host => "the name or address of a host".to_owned(),
            Kind::Port => "a port from 1 to 65535".to_owned(),
            Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Duration { min, max } => {
                format!(
                    "a length of time from {} to {}",
                    format_duration(min),
                    format_duration(max)
                )
            }
            Kind::Bool => "`true` or `false`".to_owned(),
            Kind::Choice(words) => one_of(words),
            Kind::Hosts => "a list of hosts".to_owned(),
            Kind::KeyPrefix => format!("text of at most {PREFIX_LIMIT} bytes without spaces"),
            Kind::Path => "a path".to_owned(),
        }
    }

    /// The default as a value.
    #[must_use]
    pub fn default_value(&self) -> Option<Value> {
        let text = self.default?;
        // No default is a URL, and only a URL needs to know its backend.
        parse(self, backend("mysql")?, text).ok()
    }
}

/// `` `verify`, `require` or `off` ``.
pub(crate) fn one_of<T: AsRef<str>>(words: &[T]) -> String {
    enumerate(words, " or ")
}

/// `` `host`, `port` and `weight` ``.
pub(crate) fn all_of<T: AsRef<str>>(words: &[T]) -> String {
    enumerate(words, " and ")
}

fn enumerate<T: AsRef<str>>(words: &[T], last: &str) -> String {
    let mut out = String::new();
    for (index, word) in words.iter().enumerate() {
        let between = match index {
            0 => "",
            index if index + 1 == words.len() => last,
            _ => ", ",
        };
        // Writing to a `String` cannot fail.
        let _ = write!(out, "{between}`{}`", word.as_ref());
    }
    out
}

/// Reads the text of a variable or of a default.
///
/// The answer to bad text is what was expected; it never holds the text.
pub(crate) fn parse(key: &KeySpec, spec: &BackendSpec, text: &str) -> Result<Value, String> {
    let owned = || Cow::Owned(text.to_owned());
    let bad = || key.expected();
    match key.kind {
        Kind::Text | Kind::Path | Kind::KeyPrefix if text.is_empty() => {
            Err(format!("{} that is not empty", key.expected()))
        }
        Kind::Text | Kind::Path | Kind::KeyPrefix if text.contains(char::is_control) => {
            Err(format!("{} without control characters", key.expected()))
        }
        Kind::KeyPrefix if !is_key_prefix(text) => Err(bad()),
        Kind::Text | Kind::Path | Kind::KeyPrefix => Ok(Value::Text(owned())),
        Kind::Secret => Ok(Value::Secret(Secret::new(owned()))),
        Kind::Url => {
            let url = ConnectionUrl::parse(text, spec).map_err(|reason| format!("a URL ({reason})"))?;
            if url.lacks_db(spec) {
                return Err(format!(
                    "a URL with a database, such as `{}://host/db`",
                    url.scheme
                ));
            }
            if url.lacks_username(spec) {
                return Err(format!(
                    "a URL with a user, such as `{}://name@host/db`",
                    url.scheme
                ));
            }
            Ok(Value::Secret(Secret::new(owned())))
        }
        Kind::Host => match host::check(text) {
            Ok(()) => Ok(Value::Text(owned())),
            Err((found, help)) => Err(format!(
                "{}, {found}{}",
                key.expected(),
                help.map(|help| format!("; {help}")).unwrap_or_default()
            )),
        },
        Kind::Port => host::port(text).map(Value::Port).ok_or_else(bad),
        Kind::Count { min, max } => {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text
                .parse::<u64>()
                .ok()
                .filter(|number| digits && (min..=max).contains(number));
            number.map(Value::Count).ok_or_else(bad)
        }
        Kind::Duration { min, max } => duration::parse_duration(text)
            .filter(|duration| (min..=max).contains(duration))
            .map(Value::Duration)
            .ok_or_else(|| format!("{}, such as `5s`", key.expected())),
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_| bad()),
        Kind::Choice(words) => words
            .iter()
            .find(|word| **word == text)
            .map(|word| Value::Text(Cow::Borrowed(*word)))
            .ok_or_else(bad),
        Kind::Hosts => host::parse_list(text)
            .map(|hosts| Value::Hosts(Cow::Owned(hosts)))
            .map_err(|expected| format!("a list of hosts such as `db1:3306,db2`, with {expected}")),
    }
}

/// How long what keys begin with may be, in bytes; the rest of the 250 is for the key.
pub(crate) const PREFIX_LIMIT: usize = 200;

/// Whether keys may begin with it: what a space or a line break would end is no key, and some room is left for the key.
pub(crate) fn is_key_prefix(text: &str) -> bool {
    text.len() <= PREFIX_LIMIT && !text.bytes().any(|byte| byte <= b' ' || byte == 0x7f)
}

#[cfg(test)]
mod tests {
    use crate::backends::backends;

    #[test]
    fn every_default_is_a_value_of_its_kind() {
        for spec in backends() {
            for key in spec.keys.iter().chain(spec.host_keys) {
                assert_eq!(
                    key.default.is_some(),
                    key.default_value().is_some(),
                    "{}.{}",
                    spec.name,
                    key.path
                );
                assert!(
                    !key.doc.is_empty() && !key.doc.ends_with('.'),
                    "{}.{}",
                    spec.name,
                    key.path
                );
            }
        }
    }
}
