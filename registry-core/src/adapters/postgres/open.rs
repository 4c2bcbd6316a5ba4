//! Opening a PostgreSQL connection: the bare attempt, the proof, the pool.

use super::target::Target;
use super::way::Way;
use crate::adapters::sql;
use crate::cause::with_cause;
use crate::connection::Opened;
use crate::error::Error;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use std::time::Duration;

/// One bare attempt, the proof by a command, then the pool's first sessions.
pub(super) async fn open(target: &Target, limit: Duration) -> Result<Opened, Error> {
    // What cannot be read now leaves the way as it was; without one, this is the error.
    let refreshed = target.refresh();
    let way = target.way().or_else(|error| refreshed.and(Err(error)))?;
    let attempt = async {
        let version = prove(&way, target.from_file).await?;
        target.set_there(&way);
        sql::fill(&target.pool, target.min).await?;
        Ok(version)
    };
    let hosts: Vec<(String, u16)> = way.place.clone().into_iter().collect();
    let version = with_cause(&hosts, limit, "PostgreSQL", |_| None, attempt).await?;
    Ok(Opened {
        detail: format!("PostgreSQL {version}"),
    })
}

/// Proves that the host answers, by a session of its own and a command on it. Gives the server's version.
async fn prove(way: &Way, from_file: bool) -> Result<String, Error> {
    let attempt = async {
        let mut session = way.options.connect().await?;
        let row = sqlx::raw_sql("show server_version")
            .fetch_one(&mut session)
            .await?;
        let version: String = row.try_get(0)?;
        // The server has answered; how the session ends tells nothing.
        let _ = session.close().await;
        Ok(version)
    };
    let version = attempt
        .await
        .map_err(|error| sql::explain(error, way.place.as_ref(), from_file))?;
    // `15.18 (Debian 15.18-0+deb12u1)`
    Ok(version.split_whitespace().take(1).collect())
}
