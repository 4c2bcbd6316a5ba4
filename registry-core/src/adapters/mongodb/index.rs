//! The indexes that a model declares, and those that a collection has.

use crate::error::Error;
use crate::kind::ErrorKind;
use mongodb::bson::{Bson, Document};
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};
use std::time::Duration;

/// An index of a collection, as `index(…)` of `#[derive(dbreg::Model)]` declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectionIndex {
    keys: &'static [(&'static str, i32)],
    unique: bool,
    sparse: bool,
    expire_after: Option<Duration>,
    name: Option<&'static str>,
}

/// What [`sync_indexes`](crate::At::sync_indexes) did, by the names of the indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncedIndexes {
    /// They were missing.
    pub created: Vec<String>,
    /// They were there with other fields or options, and were dropped and created anew.
    pub replaced: Vec<String>,
    /// They were there as they are declared.
    pub unchanged: Vec<String>,
    /// They are there, and not declared: left alone. One with a partial filter or a collation is never declared, whatever
    /// its fields are. That of `_id` is not among them.
    pub undeclared: Vec<String>,
}

impl CollectionIndex {
    /// An index of these fields, each with 1, or with -1 for descending.
    #[must_use]
    pub const fn new(keys: &'static [(&'static str, i32)]) -> Self {
        Self {
            keys,
            unique: false,
            sparse: false,
            expire_after: None,
            name: None,
        }
    }

    /// No two documents may have the same values.
    #[must_use]
    pub const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// Only documents that have the field are in it.
    #[must_use]
    pub const fn sparse(mut self) -> Self {
        self.sparse = true;
        self
    }

    /// The server deletes a document this long after the date in the field; whole seconds.
    #[must_use]
    pub const fn expire_after(mut self, after: Duration) -> Self {
        self.expire_after = Some(after);
        self
    }

    /// Another name than the server's own, `order_1_at_-1`.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Its name on the server.
    #[must_use]
    pub fn name(&self) -> String {
        if let Some(name) = self.name {
            return name.to_owned();
        }
        let parts: Vec<String> = self
            .keys
            .iter()
            .map(|(field, direction)| format!("{field}_{direction}"))
            .collect();
        parts.join("_")
    }

    fn model(&self) -> IndexModel {
        let keys: Document = self
            .keys
            .iter()
            .map(|(field, direction)| ((*field).to_owned(), Bson::Int32(*direction)))
            .collect();
        let mut options = IndexOptions::default();
        options.name = Some(self.name());
        options.unique = self.unique.then_some(true);
        options.sparse = self.sparse.then_some(true);
        options.expire_after = self.expire_after;
        let mut model = IndexModel::default();
        model.keys = keys;
        model.options = Some(options);
        model
    }

    /// Whether a server's index has the same fields in the same order. Servers give the directions as numbers of any type.
    fn has_keys_of(&self, found: &IndexModel) -> bool {
        let found = found.keys.iter().map(|(field, direction)| {
            let direction = match direction {
                Bson::Int32(number) => Some(f64::from(*number)),
                Bson::Int64(1) => Some(1.0),
                Bson::Int64(-1) => Some(-1.0),
                Bson::Double(number) => Some(*number),
                _ => None,
            };
            (field.as_str(), direction)
        });
        let own = self
            .keys
            .iter()
            .map(|(field, direction)| (*field, Some(f64::from(*direction))));
        own.eq(found)
    }

    /// Whether a server's index does the same, by whatever name: to build one anew for a name's sake is not worth it.
    fn is(&self, found: &IndexModel, usual: Option<&Document>) -> bool {
        let options = found.options.clone().unwrap_or_default();
        self.has_keys_of(found)
            && beyond(found, usual).is_none()
            && options.unique.unwrap_or(false) == self.unique
            && options.sparse.unwrap_or(false) == self.sparse
            && options.expire_after == self.expire_after
    }

    #[cfg(feature = "mongodm")]
    pub(super) fn of_mongodm(&self) -> mongodm::Index {
        use mongodm::{IndexOption, SortOrder};
        let mut index = mongodm::Index::default();
        for (field, direction) in self.keys {
            let direction = if *direction < 0 {
                SortOrder::Descending
            } else {
                SortOrder::Ascending
            };
            index.add_key_with_direction(*field, direction);
        }
        index.add_option(IndexOption::Name(self.name()));
        if self.unique {
            index.add_option(IndexOption::Unique);
        }
        if self.sparse {
            index.add_option(IndexOption::Sparse);
        }
        if let Some(after) = self.expire_after {
            let seconds = i32::try_from(after.as_secs()).unwrap_or(i32::MAX);
            index.add_option(IndexOption::ExpireAfterSeconds(seconds));
        }
        index
    }
}

/// What a server's index has that no declaration can say: somebody made it by hand. `usual` is the collation that the
/// collection gives to every index.
fn beyond(found: &IndexModel, usual: Option<&Document>) -> Option<&'static str> {
    let options = found.options.as_ref()?;
    if options.partial_filter_expression.is_some() {
        return Some("a partial filter");
    }
    (collation(found).as_ref() != usual).then_some("a collation of its own")
}

/// What is to be done with a declared index.
#[derive(Debug)]
enum Fate<'f> {
    Stays,
    /// Of the same fields there may be one that was made by hand.
    Create(Option<&'f IndexModel>),
    Replaces(Vec<&'f IndexModel>),
}

/// What is to be done, before anything is.
fn plan<'f>(declared: &[CollectionIndex], found: &'f [IndexModel]) -> Result<Vec<Fate<'f>>, Error> {
    let usual = usual(found);
    let usual = usual.as_ref();
    let fate = |index: &CollectionIndex| {
        let name = index.name();
        if found.iter().any(|found| index.is(found, usual)) {
            return Ok(Fate::Stays);
        }
        // The server takes neither a second index with this name nor one with these fields, unless one of the two is for
        // other documents, or in another order.
        let in_the_way = found
            .iter()
            .filter(|found| name_of(found) == name || index.has_keys_of(found));
        let (by_hand, others): (Vec<_>, Vec<_>) =
            in_the_way.partition(|found| beyond(found, usual).is_some());
        if let Some(other) = by_hand.iter().find(|found| name_of(found) == name) {
            let has = beyond(other, usual).unwrap_or_default();
            let message = format!("the index `{name}` has {has}, which a model cannot declare");
            let help = "it is left as it is: give the declared one another `name`, or drop it by hand";
            return Err(Error::new(ErrorKind::Config, message).help(help));
        }
        if others.is_empty() {
            return Ok(Fate::Create(by_hand.first().copied()));
        }
        Ok(Fate::Replaces(others))
    };
    let mut fates = declared.iter().map(fate).collect::<Result<Vec<_>, _>>()?;
    let doomed: Vec<String> = fates
        .iter()
        .flat_map(|fate| match fate {
            Fate::Replaces(others) => others.as_slice(),
            _ => &[],
        })
        .map(|other| name_of(other))
        .collect();
    // What one declaration replaces is not there any more for another: swapped names, say.
    for (index, fate) in declared.iter().zip(&mut fates) {
        let is_kept = |found: &IndexModel| index.is(found, usual) && !doomed.contains(&name_of(found));
        if matches!(fate, Fate::Stays) && !found.iter().any(is_kept) {
            *fate = Fate::Create(None);
        }
    }
    Ok(fates)
}

/// The collation of an index that is made without one: that of the collection, as the index of `_id` has it.
fn usual(found: &[IndexModel]) -> Option<Document> {
    collation(found.iter().find(|found| name_of(found) == "_id_")?)
}

/// As the server says it, so that two can be compared.
fn collation(index: &IndexModel) -> Option<Document> {
    let collation = index.options.as_ref()?.collation.as_ref()?;
    mongodb::bson::serialize_to_document(collation).ok()
}

/// Makes the collection's indexes what is declared.
pub(super) async fn sync(
    collection: &Collection<Document>,
    declared: &'static [CollectionIndex],
) -> Result<SyncedIndexes, Error> {
    let mut synced = SyncedIndexes::default();
    let found = existing(collection).await?;
    let mut missing = Vec::new();
    for (index, fate) in declared.iter().zip(plan(declared, &found)?) {
        let name = index.name();
        match fate {
            Fate::Stays => synced.unchanged.push(name),
            Fate::Create(Some(by_hand)) => {
                let created = collection.create_index(index.model()).await;
                created.map_err(|error| beside_another(error, by_hand))?;
                synced.created.push(name);
            }
            Fate::Create(None) => {
                missing.push(index.model());
                synced.created.push(name);
            }
            Fate::Replaces(others) => {
                replace(collection, index, &others).await?;
                synced.replaced.push(name);
            }
        }
    }
    if !missing.is_empty() {
        // All at once: the server reads the collection once for all of them.
        collection.create_indexes(missing).await?;
    }
    let usual = usual(&found);
    let usual = usual.as_ref();
    let is_declared = |found: &&IndexModel| {
        let name = name_of(found);
        let declares = |index: &CollectionIndex| index.name() == name || index.has_keys_of(found);
        name == "_id_" || beyond(found, usual).is_none() && declared.iter().any(declares)
    };
    let undeclared = found.iter().filter(|found| !is_declared(found));
    synced.undeclared = undeclared.map(name_of).collect();
    Ok(synced)
}

/// The error of a server that takes no second index of the same fields, as those before MongoDB 5.0.
fn beside_another(error: mongodb::error::Error, other: &IndexModel) -> Error {
    if !is_code(&error, INDEX_OPTIONS_CONFLICT) && !is_code(&error, INDEX_KEYS_CONFLICT) {
        return error.into();
    }
    let message = format!(
        "the server takes no second index with the fields of `{}`, which was made by hand",
        name_of(other)
    );
    let help = "it is left as it is: drop it by hand, or leave the declaration out";
    Error::new(ErrorKind::Config, message).help(help).caused_by(error)
}

/// Puts an index in the place of others, or leaves them as they were when the server refuses it: the documents may not be
/// unique, say.
async fn replace(
    collection: &Collection<Document>,
    index: &CollectionIndex,
    others: &[&IndexModel],
) -> Result<(), Error> {
    for other in others {
        drop_index(collection, &name_of(other)).await?;
    }
    if let Err(error) = collection.create_index(index.model()).await {
        for other in others {
            // The error that counts is the first.
            let _ = collection.create_index((*other).clone()).await;
        }
        return Err(error.into());
    }
    Ok(())
}

/// The indexes of a collection; none of one that is not there yet.
async fn existing(collection: &Collection<Document>) -> Result<Vec<IndexModel>, Error> {
    let listed = async {
        let mut found = Vec::new();
        let mut cursor = collection.list_indexes().await?;
        while cursor.advance().await? {
            found.push(cursor.deserialize_current()?);
        }
        Ok(found)
    };
    match listed.await {
        Err(error) if is_code(&error, NAMESPACE_NOT_FOUND) => Ok(Vec::new()),
        listed => Ok(listed?),
    }
}

async fn drop_index(collection: &Collection<Document>, name: &str) -> Result<(), Error> {
    match collection.drop_index(name).await {
        // Another process was faster: what was in the way is gone.
        Err(error) if is_code(&error, INDEX_NOT_FOUND) => Ok(()),
        dropped => Ok(dropped?),
    }
}

// From the error codes of the MongoDB manual.
const NAMESPACE_NOT_FOUND: i32 = 26;
const INDEX_NOT_FOUND: i32 = 27;
const INDEX_OPTIONS_CONFLICT: i32 = 85;
const INDEX_KEYS_CONFLICT: i32 = 86;

fn is_code(error: &mongodb::error::Error, code: i32) -> bool {
    matches!(error.kind.as_ref(), mongodb::error::ErrorKind::Command(command) if command.code == code)
}

fn name_of(index: &IndexModel) -> String {
    index
        .options
        .as_ref()
        .and_then(|options| options.name.clone())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    const INDEX: CollectionIndex = CollectionIndex::new(&[("order", 1), ("at", -1)]).unique();

    fn found(keys: Document, unique: bool) -> IndexModel {
        let mut options = IndexOptions::default();
        options.name = Some("order_1_at_-1".to_owned());
        options.unique = Some(unique);
        let mut model = IndexModel::default();
        (model.keys, model.options) = (keys, Some(options));
        model
    }

    #[test]
    fn knows_itself_on_any_server() {
        assert_eq!(INDEX.name(), "order_1_at_-1");
        for keys in [
            doc! { "order": 1, "at": -1 },
            doc! { "order": 1.0, "at": -1.0 },
            doc! { "order": 1_i64, "at": -1_i64 },
        ] {
            assert!(INDEX.is(&found(keys.clone(), true), None), "{keys}");
            assert!(!INDEX.is(&found(keys, false), None));
        }
        for keys in [
            doc! { "at": -1, "order": 1 },
            doc! { "order": 1 },
            doc! { "order": "text", "at": -1 },
        ] {
            assert!(!INDEX.has_keys_of(&found(keys.clone(), true)), "{keys}");
        }
        assert!(INDEX.is(&INDEX.model(), None));
    }

    /// An index as the server lists it.
    fn listed(name: &str, keys: Document, options: Document) -> IndexModel {
        let mut document = doc! { "v": 2, "key": keys, "name": name };
        document.extend(options);
        mongodb::bson::deserialize_from_document(document).unwrap()
    }

    fn of_id(options: Document) -> IndexModel {
        listed("_id_", doc! { "_id": 1 }, options)
    }

    #[test]
    fn what_was_made_by_hand_with_what_no_model_can_say_is_not_replaced() {
        let keys = || doc! { "order": 1, "at": -1 };
        let partial = || doc! { "partialFilterExpression": { "paid": true } };
        let collated = || doc! { "collation": { "locale": "de", "strength": 2 } };
        for options in [partial(), collated()] {
            let found = [of_id(doc! {}), listed("by_hand", keys(), options.clone())];
            let planned = plan(&[INDEX], &found).unwrap();
            assert!(
                matches!(&planned[..], [Fate::Create(Some(other))] if name_of(other) == "by_hand"),
                "{planned:?}"
            );
            // One that is what is declared stands beside it.
            let both = [found[0].clone(), found[1].clone(), INDEX.model()];
            let planned = plan(&[INDEX], &both).unwrap();
            assert!(matches!(planned[..], [Fate::Stays]), "{planned:?}");

            let found = [of_id(doc! {}), listed("order_1_at_-1", keys(), options)];
            let error = plan(&[INDEX], &found).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let words = "the index `order_1_at_-1` has a";
            assert!(error.message().starts_with(words), "{error}");
        }
        let found = [of_id(doc! {}), listed("other", keys(), doc! { "sparse": true })];
        let planned = plan(&[INDEX], &found).unwrap();
        assert!(matches!(&planned[..], [Fate::Replaces(others)] if others.len() == 1));
    }

    #[test]
    fn what_one_declaration_replaces_is_made_anew_for_another() {
        const SWAPPED: [CollectionIndex; 2] = [
            CollectionIndex::new(&[("f", 1)]).named("x"),
            CollectionIndex::new(&[("g", 1)]).named("y"),
        ];
        let found = [of_id(doc! {}), listed("x", doc! { "g": 1 }, doc! {})];
        let planned = plan(&SWAPPED, &found).unwrap();
        assert!(
            matches!(&planned[..], [Fate::Replaces(others), Fate::Create(None)] if name_of(others[0]) == "x"),
            "{planned:?}"
        );
    }

    #[test]
    fn the_collation_of_the_collection_is_none_of_its_own() {
        let keys = || doc! { "order": 1, "at": -1 };
        let collation = || doc! { "collation": { "locale": "de", "strength": 2 } };
        let mut options = collation();
        options.insert("unique", true);
        let found = [of_id(collation()), listed("order_1_at_-1", keys(), options)];
        let planned = plan(&[INDEX], &found).unwrap();
        assert!(matches!(planned[..], [Fate::Stays]), "{planned:?}");
        // That of bytes, which a server does not list, is one of its own there.
        let found = [
            of_id(collation()),
            listed("by_hand", keys(), doc! { "unique": true }),
        ];
        let planned = plan(&[INDEX], &found).unwrap();
        assert!(matches!(planned[..], [Fate::Create(Some(_))]), "{planned:?}");
    }
}
