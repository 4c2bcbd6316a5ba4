//! The indexes that a model declares, and those that a collection has.

use crate::error::Error;
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
    /// They are there, and not declared: left alone. That of `_id` is not among them.
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
    fn is(&self, found: &IndexModel) -> bool {
        let options = found.options.clone().unwrap_or_default();
        self.has_keys_of(found)
            && options.unique.unwrap_or(false) == self.unique
            && options.sparse.unwrap_or(false) == self.sparse
            && options.expire_after == self.expire_after
            && options.partial_filter_expression.is_none()
            && options.collation.is_none()
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

/// Makes the collection's indexes what is declared.
pub(super) async fn sync(
    collection: &Collection<Document>,
    declared: &'static [CollectionIndex],
) -> Result<SyncedIndexes, Error> {
    let mut synced = SyncedIndexes::default();
    let found = existing(collection).await?;
    let mut create = Vec::new();
    for index in declared {
        let name = index.name();
        if found.iter().any(|found| index.is(found)) {
            synced.unchanged.push(name);
            continue;
        }
        // The server takes neither a second index with this name nor one with these fields.
        let in_the_way = |found: &&IndexModel| name_of(found) == name || index.has_keys_of(found);
        let mut replaces = false;
        for other in found.iter().filter(in_the_way) {
            drop_index(collection, &name_of(other)).await?;
            replaces = true;
        }
        create.push(index.model());
        if replaces {
            synced.replaced.push(name);
        } else {
            synced.created.push(name);
        }
    }
    if !create.is_empty() {
        collection.create_indexes(create).await?;
    }
    let is_declared = |found: &&IndexModel| {
        let name = name_of(found);
        name == "_id_"
            || declared
                .iter()
                .any(|index| index.name() == name || index.has_keys_of(found))
    };
    let undeclared = found.iter().filter(|found| !is_declared(found));
    synced.undeclared = undeclared.map(name_of).collect();
    Ok(synced)
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
            assert!(INDEX.is(&found(keys.clone(), true)), "{keys}");
            assert!(!INDEX.is(&found(keys, false)));
        }
        for keys in [
            doc! { "at": -1, "order": 1 },
            doc! { "order": 1 },
            doc! { "order": "text", "at": -1 },
        ] {
            assert!(!INDEX.has_keys_of(&found(keys.clone(), true)), "{keys}");
        }
        assert!(INDEX.is(&INDEX.model()));
    }
}
