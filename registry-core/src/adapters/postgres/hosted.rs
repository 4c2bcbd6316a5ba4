//! PostgreSQL as a kind of server whose connections may have several hosts.

use super::standby::Standby;
use super::{server, way};
use crate::adapters::sql;
use crate::adapters::sql::hosts::{Answer, HostWay, Hosted, Position, Replication, Standing};
use crate::error::Error;
use crate::generations::Generations;
use registry_config::Settings;
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Executor as _, Postgres, Row as _};
use std::sync::Arc;
use std::time::Duration;

impl Hosted for Postgres {
    const BACKEND: &'static str = "postgres";
    const TITLE: &'static str = "PostgreSQL";

    type Memory = Standby;

    fn hosts(settings: &Settings, label: &str) -> Result<Vec<HostWay<Self>>, Error> {
        way::hosts(settings, label)
    }

    fn dead_end() -> PgConnectOptions {
        way::dead_end()
    }

    fn bare(options: &PgConnectOptions) -> PgConnectOptions {
        options.clone()
    }

    fn pool(generations: &Arc<Generations>, settings: &Settings) -> PoolOptions<Self> {
        sql::options::<Self>(generations, settings, sql::Limits::new(settings))
    }

    fn version(session: &mut PgConnection) -> Answer<'_, String> {
        Box::pin(async move {
            let row = sqlx::raw_sql("show server_version").fetch_one(session).await?;
            let version: String = row.try_get(0)?;
            // `15.18 (Debian 15.18-0+deb12u1)`
            let number = version.split_whitespace().next().unwrap_or_default();
            Ok(format!("PostgreSQL {number}"))
        })
    }

    fn standing(session: &mut PgConnection) -> Answer<'_, Standing> {
        Box::pin(server::standing(session))
    }

    fn replication<'s>(session: &'s mut PgConnection, memory: &'s mut Standby) -> Answer<'s, Replication> {
        Box::pin(server::replication(session, memory))
    }

    /// What a look asks for, everybody may ask.
    fn lacks_grant(_: &sqlx::Error) -> Option<&'static str> {
        None
    }

    fn read_only(session: &mut PgConnection) -> Answer<'_, ()> {
        let statement = sqlx::raw_sql("set session characteristics as transaction read only");
        Box::pin(async move { session.execute(statement).await.map(drop) })
    }

    fn position(session: &mut PgConnection) -> Answer<'_, Position> {
        Box::pin(server::position(session))
    }

    fn is_reached<'s>(
        session: &'s mut PgConnection,
        position: &'s Position,
        limit: Duration,
    ) -> Answer<'s, bool> {
        Box::pin(server::is_reached(session, position, limit))
    }
}
