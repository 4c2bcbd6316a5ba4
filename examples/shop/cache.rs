//! Summaries, in memcached first.

use crate::AppRegistry;
use crate::model::Summary;
use crate::orders;
use dbreg::{CacheModel as _, Error, WriteToken};

/// Where a summary came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    let cache = &db.memcached.cache;
    // A cache that does not answer costs time and no customer: its errors are in `errors()`.
    if let Ok(Some(summary)) = cache.fetch::<Summary>(number).await {
        return Ok((summary, Source::Cache));
    }
    let summary = orders::summary(db, number, written).await?;
    let _ = cache.store(&summary).await;
    Ok((summary, Source::Database))
}

/// Forgets what an earlier run of the shop left under this number.
pub(crate) async fn forget(db: &AppRegistry, number: i64) {
    let _ = db.memcached.cache.forget::<Summary>(number).await;
}

/// The host of the fleet that keeps the summary. It takes no server to know.
pub(crate) fn host(db: &AppRegistry, number: i64) -> Result<String, Error> {
    let host = db.memcached.cache.host_of(Summary::write_key(number))?;
    Ok(host.to_string())
}
