//! What happened in the shop, in MongoDB.

use dbreg::mongodb::bson::{DateTime, doc};
use dbreg::{Error, MongoDb};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Event {
    at: DateTime,
    what: String,
    order: i64,
}

pub(crate) async fn write(mongodb: &MongoDb, what: &str, order: i64) -> Result<(), Error> {
    let event = Event {
        at: DateTime::now(),
        what: what.to_owned(),
        order,
    };
    mongodb.collection::<Event>("events").insert_one(event).await?;
    Ok(())
}

/// What happened to one order, the oldest first.
pub(crate) async fn of_order(mongodb: &MongoDb, order: i64) -> Result<Vec<String>, Error> {
    // Over all of it, the reading of the cursor included, stands the connection's `timeout`.
    mongodb
        .process(async |database| {
            let mut found = database
                .collection::<Event>("events")
                .find(doc! { "order": order })
                .sort(doc! { "at": 1, "_id": 1 })
                .await?;
            let mut events = Vec::new();
            while found.advance().await? {
                events.push(found.deserialize_current()?.what);
            }
            Ok(events)
        })
        .await
}
