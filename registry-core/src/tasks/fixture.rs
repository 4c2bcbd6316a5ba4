//! Fixtures: the files that `fill` reads, as rows or as SQL.
//!
//! `fixtures/<backend>.<connection>/<group>-<name>.{toml,json,csv,sql}`, by ascending group and then by name. What stands
//! in the files is the same for every backend; what a value becomes is the backend's matter. docs/fixtures.md is the
//! format for those who write them.
//!
//! 1. `folder` lists and reads the files, each within its bounds.
//! 2. TOML and JSON give the same tree, which `rows` turns into rows; `csv` gives rows at once.
//! 3. `labels` follows the references over all files: each leads to an earlier row.
//!
//! Every mistake of every file is told at once.

mod csv;
mod folder;
mod labels;
#[cfg(any(
    feature = "mysql",
    feature = "sqlite",
    feature = "postgres",
    feature = "mongodb"
))]
mod renamed;
mod rows;
#[cfg(test)]
mod tests;

#[cfg(feature = "mongodb")]
pub(crate) use rows::literal;

#[cfg(any(
    feature = "mysql",
    feature = "sqlite",
    feature = "postgres",
    feature = "mongodb"
))]
pub(crate) use renamed::renamed;

pub use folder::{FILE_LIMIT, FILES_LIMIT, Formats, read_folder};

use registry_config::Position;
use std::fmt;
use std::path::PathBuf;

/// One file of fixtures, read and checked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fixture {
    /// The file, as messages name it.
    pub path: PathBuf,
    /// The number that its name begins with: files are filled in ascending order of it.
    pub group: u32,
    /// Its name without the number and the extension: `users` of `10-users.toml`.
    pub name: String,
    /// SHA-256 of its bytes, in 64 hexadecimal digits.
    pub checksum: String,
    /// What stands in it.
    pub content: Content,
}

impl Fixture {
    /// A mistake in it, with its place.
    #[cfg(any(feature = "mongodb", feature = "memcached"))]
    pub(crate) fn mistake(&self, position: Position, words: &str) -> String {
        format!("{}:{position}: {words}", self.path.display())
    }

    /// What it is recorded under, `mongodb.logs/10-events.json`: two connections may lead to one database.
    pub(crate) fn recorded_as(&self) -> String {
        let mut parts = self.path.iter().rev().take(2);
        let (file, folder) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("{}/{}", folder.to_string_lossy(), file.to_string_lossy())
    }
}

/// A file that was filled under another name, as both are recorded: `mysql.main/10-users.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Renamed {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// What a file of fixtures holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Rows, in the order of the file: of toml, json and csv.
    Rows(Vec<Row>),
    /// The text of a `.sql` file.
    Sql(String),
}

/// One row, document or entry.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// The table, or the collection. Any name without control characters.
    pub table: String,
    /// What later rows call it by. No two rows of a table have the same, in all files of a connection.
    pub label: Option<String>,
    /// Its columns, each once, in the order of the file. May be none.
    pub values: Vec<(String, Value)>,
    /// Where it stands in its file.
    pub position: Position,
}

/// A value of a fixture.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// No value: `null` of JSON, an empty cell without quotes of CSV. TOML has none.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or an exponent; in TOML also `nan` and `inf`.
    Float(f64),
    /// Text.
    Text(String),
    /// `{ hex = "00ff" }` or `{ base64 = "AP8=" }`.
    Bytes(Vec<u8>),
    /// TOML's own dates and times, as RFC 3339 writes them; the date or the time or the offset may be missing.
    DateTime(String),
    /// A list.
    List(Vec<Self>),
    /// A table within the row: a document of MongoDB, or JSON.
    Table(Vec<(String, Self)>),
    /// A value of an earlier row.
    Reference(Reference),
}

impl Value {
    /// The value as JSON; `None` where it has no place in it: bytes, a reference, `nan`.
    #[cfg(any(feature = "mongodb", feature = "memcached"))]
    pub(crate) fn to_json(&self) -> Option<serde_json::Value> {
        Some(match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(flag) => (*flag).into(),
            Self::Integer(number) => (*number).into(),
            Self::Float(number) => serde_json::Number::from_f64(*number)?.into(),
            Self::Text(text) | Self::DateTime(text) => text.clone().into(),
            Self::List(values) => values
                .iter()
                .map(Self::to_json)
                .collect::<Option<Vec<_>>>()?
                .into(),
            Self::Table(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| Some((key.clone(), value.to_json()?)));
                serde_json::Value::Object(entries.collect::<Option<_>>()?)
            }
            Self::Bytes(_) | Self::Reference(_) => return None,
        })
    }
}

/// `users.alice`, or `users.alice#email`: a value of an earlier row, of the same file or of an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The row's table.
    pub table: String,
    /// The row's label.
    pub label: String,
    /// The column; without it the row's key, which the server may have generated.
    pub column: Option<String>,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, label, column } = self;
        write!(f, "{table}.{label}")?;
        column.iter().try_for_each(|column| write!(f, "#{column}"))
    }
}
