//! The rows of a file as keys with values.

use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{Reference, Row, Value};
use registry_config::{Position, parse_duration, suggest};
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::time::Duration;

/// The table of a file's rows.
const TABLE: &str = "entries";
const COLUMNS: [&str; 3] = ["key", "value", "expiry"];

/// One key to write.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    pub(super) expiry: Option<Duration>,
    pub(super) position: Position,
}

impl Entry {
    /// Whether a value that the key has is that of the entry. A table may have come back from the application, which orders
    /// its fields otherwise.
    pub(super) fn is(&self, found: &[u8]) -> bool {
        let as_json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).ok();
        let structured = self.value.starts_with(b"{") || self.value.starts_with(b"[");
        found == self.value
            || (structured && as_json(&self.value).is_some_and(|own| as_json(found) == Some(own)))
    }

    pub(super) fn has_a_value(&self) -> Error {
        Error::new(ErrorKind::Config, "the key has another value already")
            .at(self.position)
            .help("write `--replace` to write it again, or `clear` first")
    }
}

/// The rows that were read so far, by label.
type Known<'r> = HashMap<&'r str, HashMap<&'r str, Value>>;

/// A mistake of a file. The key itself is in none: it may name a person.
pub(super) type Mistake = (Position, String);

/// The entries of a file.
///
/// # Errors
/// The first mistake in them; [`read`] has all.
pub(super) fn entries(rows: &[Row]) -> Result<Vec<Entry>, Error> {
    let (entries, mistakes) = read(rows);
    match mistakes.into_iter().next() {
        None => Ok(entries),
        Some((position, words)) => Err(Error::new(ErrorKind::Config, words).at(position)),
    }
}

/// The entries of a file that are good, and the mistakes in the others.
pub(super) fn read(rows: &[Row]) -> (Vec<Entry>, Vec<Mistake>) {
    let mut known = Known::new();
    let mut places: HashMap<String, Position> = HashMap::new();
    let mut entries: Vec<Entry> = Vec::with_capacity(rows.len());
    let mut mistakes = Vec::new();
    for row in rows {
        let entry = match entry(row, &mut known) {
            Ok(entry) => entry,
            Err(mistake) => {
                mistakes.push((row.position, mistake));
                continue;
            }
        };
        match places.entry(entry.key.clone()) {
            Slot::Vacant(slot) => {
                slot.insert(row.position);
                entries.push(entry);
            }
            Slot::Occupied(first) => {
                let words = format!("the key stands in line {} too", first.get().line);
                mistakes.push((row.position, words));
            }
        }
    }
    (entries, mistakes)
}

fn entry<'r>(row: &'r Row, known: &mut Known<'r>) -> Result<Entry, String> {
    if row.table != TABLE {
        return Err(format!(
            "expected rows of `{TABLE}`, found one of `{}`; write `[[{TABLE}]]`",
            row.table
        ));
    }
    let mut columns: HashMap<&str, Value> = HashMap::new();
    for (column, value) in &row.values {
        if !COLUMNS.contains(&column.as_str()) {
            let help = suggest(column, COLUMNS).map_or_else(
                || "the columns are `key`, `value` and `expiry`".to_owned(),
                |meant| format!("did you mean `{meant}`"),
            );
            return Err(format!("unknown column `{column}`; {help}"));
        }
        columns.insert(column, resolved(value, known)?);
    }
    let key = match columns.get("key") {
        Some(key @ (Value::Text(_) | Value::Integer(_))) => bytes(key)?,
        Some(_) => return Err("`key` expects text, found something else".to_owned()),
        None => return Err("expected a `key`, found none".to_owned()),
    };
    let value = columns.get("value").ok_or("expected a `value`, found none")?;
    let entry = Entry {
        key: String::from_utf8(key).map_err(|_| "`key` expects text, found bytes".to_owned())?,
        value: bytes(value)?,
        expiry: expiry(columns.get("expiry"))?,
        position: row.position,
    };
    if let Some(label) = &row.label {
        known.insert(label, columns);
    }
    Ok(entry)
}

/// The value, with what a reference leads to in its place.
fn resolved(value: &Value, known: &Known<'_>) -> Result<Value, String> {
    Ok(match value {
        Value::Reference(reference) => {
            let Reference { label, column, .. } = reference;
            let column = column.as_deref().unwrap_or("key");
            let row = known.get(label.as_str());
            let found = row.and_then(|row| row.get(column)).cloned();
            found.ok_or_else(|| {
                format!(
                    "`{reference}` leads to nothing in this file: memcached keeps no record of other files"
                )
            })?
        }
        Value::List(values) => {
            let values = values.iter().map(|value| resolved(value, known));
            Value::List(values.collect::<Result<_, _>>()?)
        }
        Value::Table(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), resolved(value, known)?)));
            Value::Table(entries.collect::<Result<_, String>>()?)
        }
        plain => plain.clone(),
    })
}

/// The bytes of a value: text and numbers as they are written, lists and tables as JSON.
fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    Ok(match value {
        Value::Text(text) | Value::DateTime(text) => text.clone().into_bytes(),
        Value::Bytes(bytes) => bytes.clone(),
        Value::Null => return Err("expected a value, found none; write `\"\"` for an empty one".to_owned()),
        Value::Float(number) => number.to_string().into_bytes(),
        other => {
            let json = other
                .to_json()
                .ok_or("expected what JSON can hold, found bytes or `nan` in it")?;
            json.to_string().into_bytes()
        }
    })
}

fn expiry(value: Option<&Value>) -> Result<Option<Duration>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => parse_duration(text)
            .filter(|expiry| !expiry.is_zero())
            .map(Some)
            .ok_or_else(|| format!("`expiry` expects a length of time such as `10m`, found `{text}`")),
        Some(_) => {
            Err("`expiry` expects a length of time such as `\"10m\"`, found something else".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::Content;
    use crate::tasks::fixture::{Formats, read_folder};

    fn of(text: &str) -> (Vec<Entry>, Vec<Mistake>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("1-a.toml"), text).unwrap();
        let fixtures = read_folder(folder.path(), Formats::Rows).unwrap();
        let Content::Rows(rows) = &fixtures[0].content else {
            panic!("it has rows")
        };
        read(rows)
    }

    #[test]
    fn values_are_bytes_text_or_json() {
        let (entries, _) = of(
            "[[entries]]\n\"#label\" = \"a\"\nkey = \"user:7\"\nvalue = { name = \"Alice\", tags = [1, true] }\nexpiry = \"1h30m\"\n\
             [[entries]]\nkey = \"copy\"\nvalue = { ref = \"entries.a#value\" }\n\
             [[entries]]\nkey = 8\nvalue = { bytes = \"hex:00ff\" }\n\
             [[entries]]\nkey = \"n\"\nvalue = 1.5\n\
             [[entries]]\nkey = \"of\"\nvalue = { of = { ref = \"entries.a\" } }\n",
        );
        let found: Vec<_> = entries
            .into_iter()
            .map(|entry| {
                (
                    entry.key,
                    entry.value,
                    entry.expiry.map(|expiry| expiry.as_secs()),
                )
            })
            .collect();
        let json = br#"{"name":"Alice","tags":[1,true]}"#.to_vec();
        assert_eq!(
            found,
            [
                ("user:7".to_owned(), json.clone(), Some(5_400)),
                ("copy".to_owned(), json, None),
                ("8".to_owned(), vec![0, 255], None),
                ("n".to_owned(), b"1.5".to_vec(), None),
                ("of".to_owned(), br#"{"of":"user:7"}"#.to_vec(), None),
            ]
        );
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let (_, mistakes) = of(
            "[[users]]\nkey = \"a\"\n[[entries]]\nkey = \"a\"\nvalue = 1\n[[entries]]\nkey = \"a\"\nvalue = 1\n\
             [[entries]]\nkye = \"b\"\n[[entries]]\nkey = \"c\"\n[[entries]]\nkey = \"d\"\nvalue = 1\nexpiry = 60\n\
             [[entries]]\nkey = \"e\"\nvalue = 1\nexpiry = \"60\"\n",
        );
        let found: Vec<_> = mistakes
            .iter()
            .map(|(at, words)| (at.line, words.as_str()))
            .collect();
        let expected = [
            (
                1,
                "expected rows of `entries`, found one of `users`; write `[[entries]]`",
            ),
            (6, "the key stands in line 3 too"),
            (9, "unknown column `kye`; did you mean `key`"),
            (11, "expected a `value`, found none"),
            (
                13,
                "`expiry` expects a length of time such as `\"10m\"`, found something else",
            ),
            (17, "`expiry` expects a length of time such as `10m`, found `60`"),
        ];
        assert_eq!(found, expected);
    }
}
