//! What empties a database: its documents, or its collections. dbreg's own mark stays in either case.

use super::lock::{Held, Lock};
use super::{FIXTURE_DOCUMENTS, OWN, collections};
use crate::error::Error;
use crate::tasks::{Done, FIXTURES, METADATA};
use futures_util::TryStreamExt as _;
use mongodb::Database;
use mongodb::bson::{Document, doc};

/// Removes every document; collections, their indexes and the record of migrations stay.
pub(super) async fn clear(held: &Held, database: &Database) -> Result<Done, Error> {
    if collections(database).await?.is_empty() {
        return Ok(Done::nothing("nothing to clear: there is no such database"));
    }
    Lock::hold(held, database, async {
        let mut removed = 0;
        for name in with_documents(database).await? {
            removed += empty(database, &name).await?;
        }
        // Last: when this breaks off before, what stands there is still known to be filled, and not filled twice.
        for own in [FIXTURE_DOCUMENTS, FIXTURES] {
            empty(database, own).await?;
        }
        Ok(match removed {
            0 => Done::nothing("nothing to clear: there are no documents"),
            1 => Done::changed("removed 1 document"),
            _ => Done::changed(format!("removed {removed} documents")),
        })
    })
    .await
}

async fn empty(database: &Database, name: &str) -> Result<u64, Error> {
    let removed = database.collection::<Document>(name).delete_many(doc! {}).await;
    let named = |error: mongodb::error::Error| {
        let error = Error::from(error);
        let message = format!("the documents of `{name}`: {}", error.message());
        Error::new(error.kind(), message).transient(error.is_transient())
    };
    Ok(removed.map_err(named)?.deleted_count)
}

/// The collections that the application has documents in; what views show is in others.
async fn with_documents(database: &Database) -> Result<Vec<String>, Error> {
    // Not by the driver's own method: it wants to know more of each than a server need say.
    let list = doc! { "listCollections": 1, "nameOnly": true };
    let all: Vec<Document> = database.run_cursor_command(list).await?.try_collect().await?;
    let theirs = all
        .iter()
        .filter(|one| one.get_str("type").is_ok_and(|kind| kind != "view"));
    let mut names: Vec<String> = theirs
        .filter_map(|one| one.get_str("name").ok().map(str::to_owned))
        .filter(|name| !name.starts_with("system.") && !name.starts_with(OWN))
        .collect();
    names.sort();
    Ok(names)
}

/// Removes every collection and view, and the records of migrations and fixtures with them.
pub(super) async fn purge(held: &Held, database: &Database) -> Result<Done, Error> {
    if collections(database).await?.is_empty() {
        return Ok(Done::nothing("nothing to purge: there is no such database"));
    }
    Lock::hold(held, database, async {
        // Listed under the lock: who held it before may have made more.
        let mut names = collections(database).await?;
        names.retain(|name| name != METADATA);
        // dbreg's own last: as long as something of the application is there, it is known what was done to it.
        names.sort_by_key(|name| name.starts_with(OWN));
        let mut removed = 0_usize;
        for name in names {
            database.collection::<Document>(&name).drop().await?;
            removed += usize::from(!name.starts_with(OWN));
        }
        Ok(match removed {
            0 => Done::nothing("nothing to purge: there are no collections"),
            1 => Done::changed("removed 1 collection"),
            _ => Done::changed(format!("removed {removed} collections")),
        })
    })
    .await
}
