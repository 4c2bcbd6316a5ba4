//! Something that happened in the shop: a document of MongoDB.

use crate::app_registry;
use dbreg::mongodb::bson::DateTime;
use serde::{Deserialize, Serialize};

// The index is made by migrations/mongodb.logs; a test holds the two together.
#[derive(Serialize, Deserialize, dbreg::Model)]
#[model(app_registry::mongodb::logs, collection = "events", index("order", "at"))]
pub(crate) struct Event {
    pub(crate) at: DateTime,
    pub(crate) what: String,
    pub(crate) order: i64,
}
