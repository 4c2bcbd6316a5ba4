//! An order as customers see it: a value of memcached.

use crate::app_registry;
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, dbreg::Model)]
#[model(app_registry::memcached::cache, key = "order:{number}", expiry = "1m")]
pub(crate) struct Summary {
    pub(crate) number: i64,
    pub(crate) customer: String,
    pub(crate) articles: i64,
    pub(crate) cents: i64,
}
