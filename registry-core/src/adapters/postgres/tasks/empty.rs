//! `clear` and `purge`.

use super::things::{self, things};
use super::{PostgresTasks, run};
use crate::adapters::sql::tasks::{KEPT_BY_CLEAR, Session as _, counted};
use crate::error::Error;
use crate::tasks::{Done, FIXTURES, METADATA};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

impl PostgresTasks {
    pub(super) async fn clear_all(&self) -> Result<Done, Error> {
        let mut locked = self.inside().await?;
        // Nobody migrates or fills meanwhile. The lock ends with the session.
        locked.lock().await?;
        let mut session = locked.session;
        let found = things(&mut session, things::RELATIONS).await?;
        let of = |wanted: &'static str| found.iter().filter(move |thing| thing.kind == wanted);
        let tables: Vec<_> = of("table")
            .filter(|table| !KEPT_BY_CLEAR.contains(&table.name.as_str()))
            .collect();
        let names: Vec<&str> = tables.iter().map(|table| table.quoted.as_str()).collect();
        let mut statements = Vec::new();
        if !names.is_empty() {
            // All in one: then it does not matter who refers to whom.
            statements.push(format!("truncate {} restart identity", names.join(", ")));
        }
        let sequences = of("sequence").map(|sequence| format!("alter sequence {} restart", sequence.quoted));
        statements.extend(sequences);
        let views = things(&mut session, things::MATERIALIZED_VIEWS).await?;
        let refreshed = views
            .iter()
            .map(|view| format!("refresh materialized view {} {}", view.quoted, view.kind));
        statements.extend(refreshed);
        run(&mut session, "begin").await?;
        run_all(&mut session, &statements).await?;
        run(&mut session, "commit").await?;
        let _ = session.close().await;
        let count = tables.iter().filter(|table| table.name != FIXTURES);
        Ok(counted("cleared", count.count()))
    }

    pub(super) async fn purge_all(&self) -> Result<Done, Error> {
        let mut locked = self.inside().await?;
        // Nobody migrates or fills meanwhile. The lock ends with the session.
        locked.lock().await?;
        let mut session = locked.session;
        // All or nothing. What is not committed is rolled back at the end of the session.
        run(&mut session, "begin").await?;
        let relations = things(&mut session, things::RELATIONS).await?;
        let tables = relations
            .iter()
            .filter(|thing| thing.kind == "table" && thing.name != METADATA);
        let count = tables.count();
        // Each is asked for when those before it are gone: what is left then is of the schemas that stay.
        for query in [things::OTHER_SCHEMAS, things::RELATIONS, things::OTHERS] {
            let going = things(&mut session, query).await?;
            let statements: Vec<String> = going
                .iter()
                .filter(|thing| thing.name != METADATA)
                .map(|thing| format!("drop {} if exists {} cascade", thing.kind, thing.quoted))
                .collect();
            run_all(&mut session, &statements).await?;
        }
        run(&mut session, "commit").await?;
        let _ = session.close().await;
        Ok(counted("purged", count))
    }
}

async fn run_all(session: &mut PgConnection, statements: &[String]) -> Result<(), Error> {
    for statement in statements {
        run(session, statement).await?;
    }
    Ok(())
}
