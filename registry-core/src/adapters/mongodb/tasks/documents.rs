//! From the rows of a file to documents: `_id`s for those that have none, and what references lead to.

use super::FIXTURE_DOCUMENTS;
use super::value::{self, Known};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{Fixture, Reference, Row};
use mongodb::Database;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

/// A document that is to be written.
#[derive(Debug)]
pub(super) struct New {
    pub(super) collection: String,
    pub(super) id: Bson,
    /// Whether the file says the `_id`: a document that has it may be there already.
    pub(super) id_is_given: bool,
    pub(super) document: Document,
    /// The `_id` of its record.
    pub(super) record: String,
    pub(super) line: u32,
}

/// The documents of a file, in its order.
///
/// A row without `_id` gets one that follows from its label, or from its place in the file: the same in every run and
/// every database, so that what refers to it stays right when it is written again.
pub(super) async fn documents(
    database: &Database,
    fixture: &Fixture,
    key: &str,
    rows: &[Row],
) -> Result<Vec<New>, Error> {
    // A label is one of the connection's: another connection to the same database may have the same.
    let folder = key.split_once('/').map_or(key, |(folder, _)| folder);
    let mut known = Known::new();
    let mut labels: HashMap<(&str, &str), usize> = HashMap::new();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut made: Vec<New> = Vec::with_capacity(rows.len());
    for row in rows {
        let mut references = Vec::new();
        row.values
            .iter()
            .for_each(|(_, value)| value::references(value, &mut references));
        for reference in references {
            if known.contains_key(reference) {
                continue;
            }
            let found = match labels.get(&(reference.table.as_str(), reference.label.as_str())) {
                Some(at) => part(&made[*at].document, reference),
                None => elsewhere(database, folder, reference).await?,
            };
            known.insert(reference.clone(), found.map_err(|message| at_row(row, &message))?);
        }
        let record = match &row.label {
            Some(label) => format!("label:{folder}/{}.{label}", row.table),
            None => {
                let count = counts.entry(&row.table).or_default();
                *count += 1;
                format!("row:{key}:{}:{count}", row.table)
            }
        };
        let values = value::document(&row.values, &known).map_err(|message| at_row(row, &message))?;
        let given = values.get("_id").cloned();
        let id = given.clone().unwrap_or_else(|| Bson::ObjectId(id_of(&record)));
        let mut document = doc! { "_id": id.clone() };
        document.extend(values);
        if let Some(label) = &row.label {
            labels.insert((&row.table, label), made.len());
        }
        made.push(New {
            collection: row.table.clone(),
            id,
            id_is_given: given.is_some(),
            document,
            record,
            line: row.position.line,
        });
    }
    debug_assert_eq!(made.len(), rows.len(), "{}", fixture.path.display());
    Ok(made)
}

/// What is wrong with the values of a row, whatever its references lead to.
pub(super) fn mistakes(row: &Row) -> impl Iterator<Item = String> {
    let mut references = Vec::new();
    row.values
        .iter()
        .for_each(|(_, value)| value::references(value, &mut references));
    let references = references.into_iter();
    let known: Known = references
        .map(|reference| (reference.clone(), Bson::Null))
        .collect();
    row.values.iter().filter_map(move |(key, value)| {
        let message = value::bson(value, &known).err()?;
        Some(format!("`{key}`: {message}"))
    })
}

/// The value of a row of an earlier file.
async fn elsewhere(
    database: &Database,
    folder: &str,
    reference: &Reference,
) -> Result<Result<Bson, String>, Error> {
    let Reference { table, label, column } = reference;
    let records = database.collection::<Document>(FIXTURE_DOCUMENTS);
    let record = records
        .find_one(doc! { "_id": format!("label:{folder}/{table}.{label}") })
        .await?;
    let Some(id) = record.and_then(|record| record.get("document").cloned()) else {
        return Ok(Err(format!(
            "`{table}.{label}` was not filled: fill its file first"
        )));
    };
    if column.as_deref().is_none_or(|column| column == "_id") {
        return Ok(Ok(id));
    }
    let document = database
        .collection::<Document>(table)
        .find_one(doc! { "_id": id })
        .await?;
    Ok(match document {
        Some(document) => part(&document, reference),
        None => Err(format!("the document of `{table}.{label}` is gone")),
    })
}

/// What a reference means of its document: a path of keys, with dots.
fn part(document: &Document, reference: &Reference) -> Result<Bson, String> {
    let path = reference.column.as_deref().unwrap_or("_id");
    let mut keys = path.split('.');
    let first = keys.next().and_then(|key| document.get(key));
    let found = keys.fold(first, |found, key| found?.as_document()?.get(key));
    found.cloned().ok_or_else(|| {
        format!(
            "the document of `{}.{}` has no `{path}`",
            reference.table, reference.label
        )
    })
}

/// An `_id` that is the same for the same record.
fn id_of(record: &str) -> ObjectId {
    let digest = Sha256::digest(record.as_bytes());
    let mut bytes = [0; 12];
    bytes.copy_from_slice(&digest[..12]);
    ObjectId::from_bytes(bytes)
}

/// The error of a row, with its place in front.
pub(super) fn at_row(row: &Row, message: &str) -> Error {
    let message = format!("line {}: {message}", row.position.line);
    Error::new(ErrorKind::Config, message)
}
