//! From the rows of a file to documents: `_id`s for those that have none, and what references lead to.

use super::FIXTURE_DOCUMENTS;
use super::value::{self, Known};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{Fixture, Reference, Row};
use futures_util::TryStreamExt as _;
use mongodb::Database;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use registry_config::Position;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};

/// So many documents travel at once.
pub(super) const BATCH: usize = 1_000;

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
    pub(super) position: Position,
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
    let mut elsewhere = elsewhere(database, folder, rows).await?;
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
                None => elsewhere
                    .remove(reference)
                    .unwrap_or_else(|| Err(not_filled(reference))),
            };
            known.insert(reference.clone(), found.map_err(|message| at_row(row, &message))?);
        }
        let record = match &row.label {
            Some(label) => label_record(folder, &row.table, label),
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
            position: row.position,
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

/// What references to rows of other files lead to, or why they lead nowhere.
type Elsewhere<'r> = HashMap<&'r Reference, Result<Bson, String>>;

/// What these rows refer to in earlier files: all of it at once, and not one question to the server for each row.
async fn elsewhere<'r>(database: &Database, folder: &str, rows: &'r [Row]) -> Result<Elsewhere<'r>, Error> {
    let own = rows
        .iter()
        .filter_map(|row| Some((row.table.as_str(), row.label.as_deref()?)));
    let own: HashSet<(&str, &str)> = own.collect();
    let mut asked = Vec::new();
    for (_, value) in rows.iter().flat_map(|row| &row.values) {
        value::references(value, &mut asked);
    }
    let of_others = asked
        .into_iter()
        .filter(|one| !own.contains(&(&one.table, &one.label)));
    let asked: HashSet<&Reference> = of_others.collect();

    let ids = ids_of(database, folder, &asked).await?;
    let id_of = |one: &Reference| ids.get(&label_record(folder, &one.table, &one.label));
    let is_id = |one: &Reference| one.column.as_deref().is_none_or(|column| column == "_id");
    let in_parts = asked.iter().filter(|one| !is_id(one));
    let documents = in_parts.filter_map(|one| Some((one.table.as_str(), id_of(one)?)));
    let documents = documents_of(database, documents).await?;
    let led = asked.into_iter().map(|one| {
        let found = match id_of(one) {
            None => Err(not_filled(one)),
            Some(id) if is_id(one) => Ok(id.clone()),
            Some(id) => match documents.get(&(one.table.as_str(), id.to_string())) {
                Some(document) => part(document, one),
                None => Err(format!("the document of `{}.{}` is gone", one.table, one.label)),
            },
        };
        (one, found)
    });
    Ok(led.collect())
}

/// The `_id`s of the documents that have these labels, by their records.
async fn ids_of(
    database: &Database,
    folder: &str,
    asked: &HashSet<&Reference>,
) -> Result<HashMap<String, Bson>, Error> {
    let asked = asked
        .iter()
        .map(|one| label_record(folder, &one.table, &one.label));
    let asked: HashSet<String> = asked.collect();
    let asked: Vec<String> = asked.into_iter().collect();
    let records = database.collection::<Document>(FIXTURE_DOCUMENTS);
    let mut ids = HashMap::with_capacity(asked.len());
    for batch in asked.chunks(BATCH) {
        let mut found = records.find(doc! { "_id": { "$in": batch } }).await?;
        while let Some(record) = found.try_next().await? {
            if let (Ok(own), Some(id)) = (record.get_str("_id"), record.get("document")) {
                ids.insert(own.to_owned(), id.clone());
            }
        }
    }
    Ok(ids)
}

/// The documents with these `_id`s, by collection and the text of the `_id`.
async fn documents_of<'r>(
    database: &Database,
    asked: impl Iterator<Item = (&'r str, &Bson)>,
) -> Result<HashMap<(&'r str, String), Document>, Error> {
    // Each once, and by the type of `_id`, see `fill::Recorded`.
    let mut wanted: BTreeMap<(&str, u8), BTreeMap<String, Bson>> = BTreeMap::new();
    for (collection, id) in asked {
        let of_place = wanted.entry((collection, id.element_type() as u8)).or_default();
        of_place.entry(id.to_string()).or_insert_with(|| id.clone());
    }
    let mut documents = HashMap::new();
    for ((collection, _), ids) in wanted {
        let there = database.collection::<Document>(collection);
        let ids: Vec<Bson> = ids.into_values().collect();
        for batch in ids.chunks(BATCH) {
            let mut found = there.find(doc! { "_id": { "$in": batch } }).await?;
            while let Some(document) = found.try_next().await? {
                if let Some(id) = document.get("_id") {
                    documents.insert((collection, id.to_string()), document);
                }
            }
        }
    }
    Ok(documents)
}

/// What the document of a label is recorded under.
fn label_record(folder: &str, table: &str, label: &str) -> String {
    format!("label:{folder}/{table}.{label}")
}

fn not_filled(Reference { table, label, .. }: &Reference) -> String {
    format!("`{table}.{label}` was not filled: fill its file first")
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

/// The error of a row.
pub(super) fn at_row(row: &Row, message: &str) -> Error {
    Error::new(ErrorKind::Config, message).at(row.position)
}
