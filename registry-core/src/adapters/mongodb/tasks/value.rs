//! Values of files as BSON.

use crate::tasks::{Reference, Value};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document};
use serde::Deserialize as _;
use std::collections::HashMap;

/// The keys of MongoDB's Extended JSON, by which a table is a value: `{ "$oid": "…" }`.
const EXTENDED: &[&str] = &[
    "$oid",
    "$date",
    "$numberInt",
    "$numberLong",
    "$numberDouble",
    "$numberDecimal",
    "$binary",
    "$uuid",
    "$regularExpression",
    "$timestamp",
    "$minKey",
    "$maxKey",
    "$code",
    "$symbol",
    "$undefined",
    "$dbPointer",
];

/// What references lead to.
pub(super) type Known = HashMap<Reference, Bson>;

/// The value as BSON, with references replaced by what they lead to. A whole number is one of 32 bits where it fits, as in
/// Extended JSON.
///
/// # Errors
/// Why it cannot be, in words.
pub(super) fn bson(value: &Value, known: &Known) -> Result<Bson, String> {
    Ok(match value {
        Value::Null => Bson::Null,
        Value::Bool(flag) => Bson::Boolean(*flag),
        Value::Integer(number) => i32::try_from(*number).map_or(Bson::Int64(*number), Bson::Int32),
        Value::Float(number) => Bson::Double(*number),
        Value::Text(text) => Bson::String(text.clone()),
        Value::Bytes(bytes) => Bson::Binary(Binary {
            subtype: BinarySubtype::Generic,
            bytes: bytes.clone(),
        }),
        Value::DateTime(text) => DateTime::parse_rfc3339_str(text).map(Bson::DateTime).map_err(|_| {
            format!("expected a date and time with an offset, found `{text}`; write `2024-01-31T00:00:00Z` or text")
        })?,
        Value::List(values) => Bson::Array(values.iter().map(|value| bson(value, known)).collect::<Result<_, _>>()?),
        Value::Table(entries) => match entries.first() {
            Some((key, _)) if EXTENDED.contains(&key.as_str()) => {
                let json = value.to_json().ok_or("expected Extended JSON, found a reference or bytes in it")?;
                Bson::deserialize(json).map_err(|error| format!("expected Extended JSON such as {{ \"{key}\": … }}: {error}"))?
            }
            _ => Bson::Document(document(entries, known)?),
        },
        Value::Reference(reference) => known
            .get(reference)
            .cloned()
            .ok_or_else(|| format!("`{reference}` leads to nothing"))?,
    })
}

/// A table as a document.
pub(super) fn document(entries: &[(String, Value)], known: &Known) -> Result<Document, String> {
    let entries = entries
        .iter()
        .map(|(key, value)| Ok((key.clone(), bson(value, known)?)));
    entries.collect()
}

/// Every reference in a value.
pub(super) fn references<'v>(value: &'v Value, found: &mut Vec<&'v Reference>) {
    match value {
        Value::Reference(reference) => found.push(reference),
        Value::List(values) => values.iter().for_each(|value| references(value, found)),
        Value::Table(entries) => entries.iter().for_each(|(_, value)| references(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;
    use mongodb::bson::oid::ObjectId;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn table(key: &str, value: Value) -> Value {
        Value::Table(vec![(key.to_owned(), value)])
    }

    #[test]
    fn extended_json_is_a_value_and_operators_are_not() {
        let id = "65a000000000000000000001";
        let known = Known::new();
        let oid = bson(&table("$oid", text(id)), &known).unwrap();
        assert_eq!(oid, Bson::ObjectId(ObjectId::parse_str(id).unwrap()));
        let date = bson(&table("$date", text("2024-01-31T00:00:00Z")), &known).unwrap();
        assert_eq!(date.as_datetime().unwrap().timestamp_millis(), 1_706_659_200_000);
        let long = bson(&table("$numberLong", text("7")), &known).unwrap();
        assert_eq!(long, Bson::Int64(7));
        let operator = bson(&table("$gt", Value::Integer(1)), &known).unwrap();
        assert_eq!(operator, Bson::Document(doc! { "$gt": 1 }));
        let error = bson(&table("$oid", text("short")), &known).unwrap_err();
        assert!(
            error.starts_with("expected Extended JSON such as { \"$oid\": … }"),
            "{error}"
        );
    }

    #[test]
    fn numbers_dates_and_bytes() {
        let known = Known::new();
        let large = i64::from(i32::MAX) + 1;
        assert_eq!(bson(&Value::Integer(7), &known).unwrap(), Bson::Int32(7));
        assert_eq!(bson(&Value::Integer(large), &known).unwrap(), Bson::Int64(large));
        let date = bson(&Value::DateTime("2024-01-31T01:00:00+01:00".to_owned()), &known).unwrap();
        assert_eq!(date.as_datetime().unwrap().timestamp_millis(), 1_706_659_200_000);
        let error = bson(&Value::DateTime("2024-01-31".to_owned()), &known).unwrap_err();
        assert!(error.contains("with an offset"), "{error}");
    }

    #[test]
    fn references_are_found_at_any_depth() {
        let reference = Reference::parse("users.alice").unwrap();
        let value = Value::List(vec![table("x", Value::Reference(reference.clone()))]);
        let mut found = Vec::new();
        references(&value, &mut found);
        assert_eq!(found, [&reference]);
        assert!(bson(&value, &Known::new()).unwrap_err().contains("`users.alice`"));
        let known = Known::from([(reference, Bson::Int32(7))]);
        assert_eq!(
            bson(&value, &known).unwrap(),
            Bson::Array(vec![doc! { "x": 7 }.into()])
        );
    }
}
