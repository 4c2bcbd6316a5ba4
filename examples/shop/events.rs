//! What happened in the shop, in MongoDB.

use crate::AppRegistry;
use crate::model::Event;
use dbreg::Error;
use dbreg::mongodb::bson::{DateTime, doc};

pub(crate) async fn write(db: &AppRegistry, what: &str, order: i64) -> Result<(), Error> {
    let event = Event {
        at: DateTime::now(),
        what: what.to_owned(),
        order,
    };
    db.mongodb.logs.insert(&event).await?;
    Ok(())
}

/// What happened to one order, the oldest first.
pub(crate) async fn of_order(db: &AppRegistry, order: i64) -> Result<Vec<String>, Error> {
    let found = db.mongodb.logs.find::<Event>(doc! { "order": order });
    let events = found.sort(doc! { "at": 1, "_id": 1 }).all().await?;
    Ok(events.into_iter().map(|event| event.what).collect())
}
