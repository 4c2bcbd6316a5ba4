//! A list of a fixture as PostgreSQL writes an array: `{1,NULL,"a b"}`.

use super::session::bytea;
use super::{Dialect, PostgresTasks};
use crate::adapters::sql::tasks::{Column, json_text};
use crate::error::Error;
use crate::tasks::Value;

/// The list as a text, where the column is an array.
pub(super) fn array(tasks: &PostgresTasks, column: &Column, items: &[Value]) -> Option<Result<Value, Error>> {
    let element = column.kind.strip_suffix("[]")?;
    let is_json = element.starts_with("json");
    let mut text = String::new();
    Some(write(tasks, items, is_json, &mut text).map(|()| Value::Text(text)))
}

/// Lists within the list are its dimensions; of JSON they are its elements.
fn write(tasks: &PostgresTasks, items: &[Value], is_json: bool, text: &mut String) -> Result<(), Error> {
    text.push('{');
    for (nth, item) in items.iter().enumerate() {
        if nth > 0 {
            text.push(',');
        }
        match item {
            Value::Null => text.push_str("NULL"),
            item if is_json => quote(&json_text(item)?, text),
            Value::List(items) => write(tasks, items, is_json, text)?,
            Value::Table(_) => quote(&json_text(item)?, text),
            item => match tasks.value(item)? {
                Value::Bool(value) => text.push_str(&value.to_string()),
                Value::Integer(value) => text.push_str(&value.to_string()),
                Value::Float(value) => text.push_str(&value.to_string()),
                Value::Text(value) | Value::DateTime(value) => quote(&value, text),
                Value::Bytes(bytes) => quote(&bytea(&bytes), text),
                // References were followed.
                Value::Null | Value::List(_) | Value::Table(_) | Value::Reference(_) => text.push_str("NULL"),
            },
        }
    }
    text.push('}');
    Ok(())
}

fn quote(element: &str, text: &mut String) {
    text.push('"');
    for c in element.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
}
