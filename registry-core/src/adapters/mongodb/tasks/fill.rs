//! Fixtures as documents.
//!
//! In [`FIXTURES`] there is a document for each file, in [`FIXTURE_DOCUMENTS`] one for each document that a file has
//! written. The record of a document is written before the document itself, and the state `filling` of the file before all
//! of them: what broke off is seen, and taken away before the file is filled again.

use super::documents::{self, BATCH, New};
use super::journal::now;
use super::{FIXTURE_DOCUMENTS, OWN};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{self, Before, Content, FIXTURES, Filled, Fixture, Refill, Renamed, Row};
use futures_util::TryStreamExt as _;
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};
use std::collections::{BTreeMap, HashSet};

/// Writes one file.
pub(super) async fn fill(database: &Database, fixture: &Fixture, policy: Refill) -> Result<Filled, Error> {
    let rows = rows_of(fixture)?;
    let key = fixture.recorded_as();
    let files = database.collection::<Document>(FIXTURES);
    let before = before(database, fixture).await?;
    let was_filled = before.is_some();
    if let Some(before) = before.filter(|_| policy == Refill::Never) {
        return Ok(Filled::Already(before));
    }
    // Everything that can be wrong is found before anything is changed.
    let stem = stem(database, fixture).await?;
    let new = documents::documents(database, fixture, &stem, rows).await?;
    let mut old = recorded(database, &key).await?;
    let others = take_over(database, &key, &new, &mut old, policy).await?;
    refuse_taken(database, &new, &old).await?;

    let begun = doc! { "state": "filling", "checksum": &fixture.checksum, "stem": stem, "at": now() };
    let begun = doc! { "$set": begun };
    files.update_one(doc! { "_id": &key }, begun).upsert(true).await?;
    if !others.is_empty() {
        // What stands there is not what they were filled from any more.
        let changed = doc! { "$set": { "checksum": "" } };
        files
            .update_many(doc! { "_id": { "$in": others } }, changed)
            .await?;
    }
    remove(database, &key, old).await?;
    if let Err((error, disowned)) = write(database, &key, &new).await {
        // As after a crash, only sooner. When it fails too, the next run does it.
        let taken_away = disowned && undo(database, &key).await.is_ok();
        let error = if was_filled && taken_away {
            error.help("what the file had written before is taken away; correct it, and fill again")
        } else {
            error
        };
        return Err(error);
    }
    let rows = i64::try_from(new.len()).unwrap_or(i64::MAX);
    let done = doc! { "$set": { "state": "filled", "rows": rows, "at": now() } };
    files.update_one(doc! { "_id": &key }, done).await?;
    let rows = Some(new.len() as u64);
    Ok(if was_filled {
        Filled::Replaced { rows }
    } else {
        Filled::Written { rows }
    })
}

/// The rows of a file, none of them for dbreg's own collections.
fn rows_of(fixture: &Fixture) -> Result<&[Row], Error> {
    let Content::Rows(rows) = &fixture.content else {
        return Err(Error::new(ErrorKind::Config, "MongoDB runs no SQL"));
    };
    match rows.iter().find_map(|row| Some((row, foreign(row)?))) {
        Some((row, message)) => Err(documents::at_row(row, &message)),
        None => Ok(rows),
    }
}

/// What is wrong with files, as far as they tell: all of it, each with its place.
pub(super) fn mistakes(fixtures: &[Fixture]) -> Vec<String> {
    let mut mistakes = Vec::new();
    for fixture in fixtures {
        let Content::Rows(rows) = &fixture.content else {
            continue;
        };
        for row in rows {
            let told = |words: String| fixture.mistake(row.position, &words);
            mistakes.extend(foreign(row).map(told));
            mistakes.extend(documents::mistakes(row).map(told));
        }
    }
    mistakes
}

/// Why a row is none that a file may have.
fn foreign(row: &Row) -> Option<String> {
    let is_own = row.table.starts_with(OWN);
    is_own.then(|| format!("`{}` is a collection of dbreg itself", row.table))
}

/// What is recorded of a file, if all of it was filled.
pub(super) async fn before(database: &Database, fixture: &Fixture) -> Result<Option<Before>, Error> {
    rows_of(fixture)?;
    let files = database.collection::<Document>(FIXTURES);
    let head = files.find_one(doc! { "_id": fixture.recorded_as() }).await?;
    let is_filled = |head: &Document| head.get_str("state").is_ok_and(|state| state == "filled");
    Ok(head.filter(is_filled).map(|head| Before {
        at: head.get_str("at").unwrap_or("before").to_owned(),
        changed: !head
            .get_str("checksum")
            .is_ok_and(|known| known == fixture.checksum),
    }))
}

/// What the `_id`s of a file's rows follow from, where rows have neither label nor `_id`: the name that it was first filled
/// under, so that they stay what they are when it is renamed; something else where a file of that name was renamed before.
async fn stem(database: &Database, fixture: &Fixture) -> Result<String, Error> {
    let own = fixture.recorded_as();
    let files = database.collection::<Document>(FIXTURES);
    if let Some(head) = files.find_one(doc! { "_id": &own }).await? {
        return Ok(head.get_str("stem").unwrap_or(&own).to_owned());
    }
    match files.find_one(doc! { "stem": &own }).await? {
        Some(_) => Ok(format!("{own}#{}", fixture.checksum)),
        None => Ok(own),
    }
}

/// The files that were filled, or begun, under another name.
pub(super) async fn renamed(database: &Database, fixtures: &[Fixture]) -> Result<Vec<Renamed>, Error> {
    let files = database.collection::<Document>(FIXTURES);
    let mut heads = files.find(doc! {}).sort(doc! { "_id": 1 }).await?;
    let mut recorded = Vec::new();
    while let Some(head) = heads.try_next().await? {
        if let (Ok(name), Ok(checksum)) = (head.get_str("_id"), head.get_str("checksum")) {
            recorded.push((name.to_owned(), checksum.to_owned()));
        }
    }
    Ok(tasks::renamed(fixtures, &recorded))
}

/// Records them under the names that they have now.
pub(super) async fn rename(database: &Database, fixtures: &[Fixture]) -> Result<Vec<Renamed>, Error> {
    let renamed = renamed(database, fixtures).await?;
    let away = renamed.iter().map(|one| (&one.from, one.between(), &one.from));
    let away: Vec<_> = away.collect();
    for (from, to, stem) in away {
        rename_one(database, from, &to, stem).await?;
    }
    for one in &renamed {
        rename_one(database, &one.between(), &one.to, &one.from).await?;
    }
    Ok(renamed)
}

/// What ends it in its middle leaves a file that was not filled, whose documents are known: the next fill takes them away
/// first.
async fn rename_one(database: &Database, from: &str, to: &str, stem: &str) -> Result<(), Error> {
    let files = database.collection::<Document>(FIXTURES);
    let Some(mut head) = files.find_one(doc! { "_id": from }).await? else {
        return Ok(());
    };
    let records = database.collection::<Document>(FIXTURE_DOCUMENTS);
    let documents = doc! { "$set": { "fixture": to } };
    records.update_many(doc! { "fixture": from }, documents).await?;
    files.delete_one(doc! { "_id": from }).await?;
    head.insert("_id", to);
    if !head.contains_key("stem") {
        head.insert("stem", stem);
    }
    files.insert_one(head).await?;
    Ok(())
}

/// The documents that a file has written, or was about to write: by collection, and by the type of `_id`, because
/// `nx-27017` takes a number for something else in a list that holds an ObjectId too. Each with the `_id` of its record.
type Recorded = BTreeMap<(String, u8), Vec<(Bson, String)>>;

async fn recorded(database: &Database, key: &str) -> Result<Recorded, Error> {
    let mut recorded = Recorded::new();
    add_recorded(database, doc! { "fixture": key }, &mut recorded).await?;
    Ok(recorded)
}

async fn add_recorded(database: &Database, which: Document, recorded: &mut Recorded) -> Result<(), Error> {
    let records = database.collection::<Document>(FIXTURE_DOCUMENTS);
    let mut found = records.find(which).await?;
    while let Some(record) = found.try_next().await? {
        if let (Ok(own), Ok(collection), Some(id)) = (
            record.get_str("_id"),
            record.get_str("collection"),
            record.get("document"),
        ) {
            let place = (collection.to_owned(), id.element_type() as u8);
            let of_place = recorded.entry(place).or_default();
            of_place.push((id.clone(), own.to_owned()));
        }
    }
    Ok(())
}

/// Takes the documents of labels that stand in this file now, and stood in another when that was filled: no other file has
/// them any more, because a label stands but once. Gives those others, as they are recorded.
async fn take_over(
    database: &Database,
    key: &str,
    new: &[New],
    old: &mut Recorded,
    policy: Refill,
) -> Result<Vec<Bson>, Error> {
    let records = database.collection::<Document>(FIXTURE_DOCUMENTS);
    let mut others = Vec::new();
    for batch in new.chunks(BATCH) {
        let ids: Vec<&str> = batch.iter().map(|new| new.record.as_str()).collect();
        let of_others = doc! { "_id": { "$in": ids }, "fixture": { "$ne": key } };
        if policy != Refill::Never {
            others.extend(records.distinct("fixture", of_others.clone()).await?);
            add_recorded(database, of_others, old).await?;
            continue;
        }
        let Some(record) = records.find_one(of_others).await? else {
            continue;
        };
        let own = |new: &&New| record.get_str("_id").is_ok_and(|id| id == new.record);
        let one = batch.iter().find(own).unwrap_or(&batch[0]);
        let other = record.get_str("fixture").unwrap_or("another file");
        let message = format!("the row with this label was filled by `{other}`");
        let error = Error::new(ErrorKind::Operation, message).at(one.position);
        return Err(error.help("`fill --replace` moves it here"));
    }
    Ok(others)
}

/// Refuses when a document that the file would write is there already, and is not of the file: it would be taken for the
/// file's own after a crash. That may be one with an `_id` of dbreg's making, where its record is gone.
async fn refuse_taken(database: &Database, new: &[New], old: &Recorded) -> Result<(), Error> {
    let own: HashSet<(&str, String)> = old
        .iter()
        .flat_map(|((collection, _), ids)| ids.iter().map(|(id, _)| (collection.as_str(), id.to_string())))
        .collect();
    let mut seen: HashSet<(&str, String)> = HashSet::new();
    let taken = |new: &New, why: &str| {
        let message = format!("the `_id` {} of `{}` {why}", new.id, new.collection);
        Error::new(ErrorKind::Operation, message).at(new.position)
    };
    let mut asked: BTreeMap<(&str, u8), Vec<&New>> = BTreeMap::new();
    for one in new {
        let place = (one.collection.as_str(), one.id.to_string());
        if !own.contains(&place) {
            let place = (one.collection.as_str(), one.id.element_type() as u8);
            asked.entry(place).or_default().push(one);
        }
        if !seen.insert(place) {
            return Err(taken(one, "stands twice in this file"));
        }
    }
    for ((collection, _), asked) in asked {
        for batch in asked.chunks(BATCH) {
            let ids: Vec<Bson> = batch.iter().map(|new| new.id.clone()).collect();
            let there = database.collection::<Document>(collection);
            let found = there
                .find_one(doc! { "_id": { "$in": ids } })
                .projection(doc! { "_id": 1 })
                .await?;
            let Some(id) = found.as_ref().and_then(|found| found.get("_id")) else {
                continue;
            };
            let one = batch.iter().find(|new| new.id == *id).unwrap_or(&batch[0]);
            let help = if one.id_is_given {
                "remove that document, or give this one another `_id`"
            } else {
                "it was written by a fixture whose record is gone: remove that document, or `refill`, which clears all"
            };
            return Err(taken(one, "is there already").help(help));
        }
    }
    Ok(())
}

/// Takes the recorded documents away, and then their records.
async fn remove(database: &Database, key: &str, recorded: Recorded) -> Result<(), Error> {
    let records = database.collection::<Document>(FIXTURE_DOCUMENTS);
    for ((collection, _), recorded) in recorded {
        let collection = database.collection::<Document>(&collection);
        for batch in recorded.chunks(BATCH) {
            let (documents, own): (Vec<_>, Vec<_>) = batch.iter().cloned().unzip();
            collection
                .delete_many(doc! { "_id": { "$in": documents } })
                .await?;
            records.delete_many(doc! { "_id": { "$in": own } }).await?;
        }
    }
    records.delete_many(doc! { "fixture": key }).await?;
    Ok(())
}

/// Writes the documents, each batch after its records. An error comes with whether all that is recorded is of the file: what
/// was not written may be a document of somebody else's.
async fn write(database: &Database, key: &str, new: &[New]) -> Result<(), (Error, bool)> {
    let records = database.collection::<Document>(FIXTURE_DOCUMENTS);
    for run in new.chunk_by(|one, next| one.collection == next.collection) {
        for batch in run.chunks(BATCH) {
            let record = |new: &New| {
                doc! { "_id": &new.record, "fixture": key, "collection": &new.collection, "document": new.id.clone() }
            };
            records
                .insert_many(batch.iter().map(record))
                .await
                .map_err(|error| (Error::from(error), true))?;
            let collection = database.collection::<Document>(&batch[0].collection);
            let documents = batch.iter().map(|new| &new.document);
            if let Err(error) = collection.insert_many(documents).await {
                // They are written in order, up to the first that is refused.
                let unwritten =
                    first_refused(&error).map_or(&[][..], |(at, _)| batch.get(at..).unwrap_or_default());
                let ids: Vec<&str> = unwritten.iter().map(|new| new.record.as_str()).collect();
                let disowned =
                    ids.is_empty() || records.delete_many(doc! { "_id": { "$in": ids } }).await.is_ok();
                return Err((placed(error, batch), disowned));
            }
        }
    }
    Ok(())
}

/// The place in its batch of the first document that the server refused, and why.
fn first_refused(error: &mongodb::error::Error) -> Option<(usize, &str)> {
    use mongodb::error::ErrorKind as Driver;
    let Driver::InsertMany(errors) = error.kind.as_ref() else {
        return None;
    };
    let first = errors.write_errors.iter().flatten().min_by_key(|one| one.index)?;
    Some((first.index, &first.message))
}

/// The error of a batch, with the place of the row that it is about.
fn placed(error: mongodb::error::Error, batch: &[New]) -> Error {
    let Some((at, words)) = first_refused(&error) else {
        let is_unread = matches!(
            error.kind.as_ref(),
            mongodb::error::ErrorKind::InvalidResponse { .. }
        );
        let first = batch.first().filter(|_| is_unread);
        return first.map_or_else(|| error.into(), unread);
    };
    let refused = Error::new(ErrorKind::Operation, words);
    match batch.get(at) {
        Some(new) => refused.at(new.position),
        None => refused,
    }
}

/// The server's refusal, where the driver cannot read it.
fn unread(first: &New) -> Error {
    let collection = &first.collection;
    let message =
        format!("the server refused what is written to `{collection}`, in words that the driver cannot read");
    Error::new(ErrorKind::Operation, message)
        .at(first.position)
        .help("a stand-in such as `nx-27017` takes no collection whose name is a word of SQL, or has a dot or a space")
}

/// Takes away what was written of a file, and that it was begun.
async fn undo(database: &Database, key: &str) -> Result<(), Error> {
    let recorded = recorded(database, key).await?;
    remove(database, key, recorded).await?;
    let files = database.collection::<Document>(FIXTURES);
    files.delete_one(doc! { "_id": key }).await?;
    Ok(())
}
