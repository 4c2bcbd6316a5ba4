//! MySQL as a kind of server whose connections may have several hosts.

use super::{server, way};
use crate::adapters::sql;
use crate::adapters::sql::hosts::{Answer, HostWay, Hosted, Position, Replication, Standing};
use crate::error::Error;
use crate::generations::Generations;
use registry_config::Settings;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::pool::PoolOptions;
use sqlx::{Executor as _, MySql, Row as _};
use std::sync::Arc;
use std::time::Duration;

impl Hosted for MySql {
    const BACKEND: &'static str = "mysql";
    const TITLE: &'static str = "MySQL";

    type Memory = ();

    fn hosts(settings: &Settings, _: &str) -> Result<Vec<HostWay<Self>>, Error> {
        way::hosts(settings)
    }

    fn dead_end() -> MySqlConnectOptions {
        way::dead_end()
    }

    fn bare(options: &MySqlConnectOptions) -> MySqlConnectOptions {
        way::bare(options)
    }

    fn pool(generations: &Arc<Generations>, settings: &Settings) -> PoolOptions<Self> {
        sql::options::<Self>(generations, settings, sql::Limits::new(settings))
    }

    fn version(session: &mut MySqlConnection) -> Answer<'_, String> {
        Box::pin(async move {
            let row = sqlx::raw_sql("select version()").fetch_one(session).await?;
            row.try_get(0)
        })
    }

    fn standing(session: &mut MySqlConnection) -> Answer<'_, Standing> {
        Box::pin(server::standing(session))
    }

    fn replication<'s>(session: &'s mut MySqlConnection, (): &'s mut ()) -> Answer<'s, Replication> {
        Box::pin(server::replication(session))
    }

    fn lacks_grant(error: &sqlx::Error) -> Option<&'static str> {
        const NOT_ALLOWED: u16 = 1227;
        let refused =
            matches!(error, sqlx::Error::Database(cause) if server::number(&**cause) == Some(NOT_ALLOWED));
        refused
            .then_some("grant the account `REPLICA MONITOR` (MariaDB) or `REPLICATION CLIENT` (MySQL) on *.*")
    }

    fn read_only(session: &mut MySqlConnection) -> Answer<'_, ()> {
        let statement = sqlx::raw_sql("set session transaction read only");
        Box::pin(async move { session.execute(statement).await.map(drop) })
    }

    fn position(session: &mut MySqlConnection) -> Answer<'_, Position> {
        Box::pin(server::position(session))
    }

    fn is_reached<'s>(
        session: &'s mut MySqlConnection,
        position: &'s Position,
        limit: Duration,
    ) -> Answer<'s, bool> {
        Box::pin(server::is_reached(session, position, limit))
    }
}
