//! Summaries of orders: from the cache, or from MySQL and then into the cache.

use crate::AppRegistry;
use crate::orders::{self, Summary};
use dbreg::{Error, WriteToken};
use std::time::Duration;

const KEPT: Duration = Duration::from_secs(60);

/// Where a summary came from.
pub(crate) enum Source {
    Cache,
    Database,
}

/// The summary of an order that was written before this token.
pub(crate) async fn summary(
    db: &AppRegistry,
    number: i64,
    written: &WriteToken,
) -> Result<(Summary, Source), Error> {
    let (cache, key) = (&db.memcached.cache, key(number));
    // A cache that does not answer costs time and no customer: its errors are in `errors()`.
    if let Ok(Some(summary)) = cache.get_as(&key).await {
        return Ok((summary, Source::Cache));
    }
    let summary = orders::summary(&db.mysql.main, number, written).await?;
    let _ = cache.set_as(&key, &summary, KEPT).await;
    Ok((summary, Source::Database))
}

/// Forgets what an earlier run of the shop left under this number.
pub(crate) async fn forget(db: &AppRegistry, number: i64) {
    let _ = db.memcached.cache.delete(key(number)).await;
}

/// The host of the fleet that keeps the summary. It takes no server to know.
pub(crate) fn host(db: &AppRegistry, number: i64) -> Result<String, Error> {
    Ok(db.memcached.cache.host_of(key(number))?.to_string())
}

fn key(number: i64) -> String {
    format!("order:{number}")
}
