//! Values of fixtures as a column takes them.

use super::dialect::{Column, Dialect};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::Value;

/// A value as the driver takes it for this column.
pub(super) fn for_column(dialect: &dyn Dialect, column: &Column, value: Value) -> Result<Value, Error> {
    if let Value::List(items) = &value
        && let Some(list) = dialect.list(column, items)
    {
        return list;
    }
    let plain = match value {
        // SQL has no other form for them.
        Value::List(_) | Value::Table(_) => Value::Text(json_text(&value)?),
        plain => plain,
    };
    dialect.value(&compared(dialect, column, plain))
}

/// A value as it is compared with this column.
pub(super) fn compared(dialect: &dyn Dialect, column: &Column, value: Value) -> Value {
    match as_text(&value) {
        Some(text) if dialect.compares_as_number(column) => Value::Text(text),
        _ => value,
    }
}

/// Whether two values are the same number, or the text of it: a cell of CSV is a text where TOML has a number.
pub(super) fn is_alike(one: &Value, other: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Bool(_) => None,
        value => as_text(value),
    };
    one == other || number(one).is_some_and(|text| Some(text) == number(other))
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(u8::from(*value).to_string()),
        Value::Integer(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// Whether a column may keep another value than it was given: it rounds, cuts off, or fills up.
pub(super) fn may_change(column: &Column) -> bool {
    const KINDS: [&str; 15] = [
        "float",
        "double",
        "real",
        "decimal",
        "numeric",
        "date",
        "time",
        "year",
        "binary",
        "varbinary",
        "char",
        "bpchar",
        "bit",
        "set",
        "enum",
    ];
    let kind = column.kind.to_ascii_lowercase();
    KINDS.iter().any(|word| kind.starts_with(word))
}

/// A value as JSON.
pub(crate) fn json_text(value: &Value) -> Result<String, Error> {
    Ok(as_json(value)?.to_string())
}

fn as_json(value: &Value) -> Result<serde_json::Value, Error> {
    Ok(match value {
        Value::Bool(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Float(value) if value.is_finite() => (*value).into(),
        Value::Float(value) => return Err(not_in_json(&format!("`{value}`"))),
        Value::Bytes(_) => return Err(not_in_json("bytes")),
        Value::Text(value) | Value::DateTime(value) => value.clone().into(),
        Value::List(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(as_json).collect();
            items?.into()
        }
        Value::Table(entries) => {
            let entry = |(key, value): &(String, Value)| Ok((key.clone(), as_json(value)?));
            serde_json::Value::Object(entries.iter().map(entry).collect::<Result<_, Error>>()?)
        }
        Value::Null | Value::Reference(_) => serde_json::Value::Null,
    })
}

fn not_in_json(found: &str) -> Error {
    let message = format!("a list or a table is written as JSON, which has no form for {found}");
    Error::new(ErrorKind::Config, message).help("write it as a text")
}
