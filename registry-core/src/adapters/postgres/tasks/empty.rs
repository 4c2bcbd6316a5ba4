//! `clear` and `purge`.

use super::{PostgresTasks, run, sql};
use crate::adapters::sql::tasks::{KEPT_BY_CLEAR, Session as _, counted};
use crate::error::Error;
use crate::tasks::{Done, FIXTURES, METADATA};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

impl PostgresTasks {
    pub(super) async fn clear_all(&self) -> Result<Done, Error> {
        let mut locked = self.inside().await?;
        // Nobody migrates or fills meanwhile. The lock ends with the session.
        locked.lock().await?;
        let mut session = locked.session;
        let found = things(&mut session, sql::THINGS).await?;
        let of = |wanted: &'static [&'static str]| {
            found
                .iter()
                .filter(move |thing| wanted.contains(&thing.kind.as_str()))
        };
        let kept = |thing: &&Thing| !KEPT_BY_CLEAR.contains(&thing.name.as_str());
        let tables: Vec<&Thing> = of(&["table"]).filter(kept).collect();
        let mut statements = Vec::new();
        if !tables.is_empty() {
            // All in one: then it does not matter who refers to whom.
            let names: Vec<&str> = tables.iter().map(|table| table.quoted.as_str()).collect();
            statements.push(format!("truncate {} restart identity", names.join(", ")));
        }
        statements
            .extend(of(&["sequence"]).map(|sequence| format!("alter sequence {} restart", sequence.quoted)));
        statements.extend(
            of(&["materialized view"]).map(|view| format!("refresh materialized view {}", view.quoted)),
        );
        in_transaction(&mut session, statements).await?;
        let _ = session.close().await;
        let count = tables.iter().filter(|table| table.name != FIXTURES);
        Ok(counted("cleared", count.count()))
    }

    pub(super) async fn purge_all(&self) -> Result<Done, Error> {
        let mut locked = self.inside().await?;
        // Nobody migrates or fills meanwhile. The lock ends with the session.
        locked.lock().await?;
        let mut session = locked.session;
        let found = things(&mut session, sql::THINGS).await?;
        let goes = |thing: &&Thing| thing.name != METADATA;
        let going: Vec<&Thing> = found.iter().filter(goes).collect();
        let mut statements: Vec<String> = things(&mut session, sql::OTHER_SCHEMAS)
            .await?
            .iter()
            .map(|schema| format!("drop schema {} cascade", schema.quoted))
            .collect();
        let dropped = |thing: &&Thing| format!("drop {} if exists {} cascade", thing.kind, thing.quoted);
        statements.extend(going.iter().map(dropped));
        for query in [sql::ROUTINES, sql::TYPES] {
            statements.extend(
                things(&mut session, query)
                    .await?
                    .iter()
                    .map(|thing| dropped(&thing)),
            );
        }
        in_transaction(&mut session, statements).await?;
        let _ = session.close().await;
        let tables = going.iter().filter(|thing| thing.kind == "table");
        Ok(counted("purged", tables.count()))
    }
}

/// Something that the database holds.
struct Thing {
    /// As `drop` wants it: `table`, `view`.
    kind: String,
    name: String,
    /// With its schema, as SQL.
    quoted: String,
}

async fn things(session: &mut PgConnection, sql: &'static str) -> Result<Vec<Thing>, Error> {
    let rows = sqlx::query(sql).fetch_all(session).await?;
    let thing = |row: &sqlx::postgres::PgRow| {
        Ok(Thing {
            kind: row.try_get(0)?,
            name: row.try_get(1)?,
            quoted: row.try_get(2)?,
        })
    };
    let things: Result<Vec<_>, sqlx::Error> = rows.iter().map(thing).collect();
    Ok(things?)
}

/// All or nothing. What is not committed is rolled back at the end of the session.
async fn in_transaction(session: &mut PgConnection, statements: Vec<String>) -> Result<(), Error> {
    run(session, "begin").await?;
    for statement in statements {
        run(session, &statement).await?;
    }
    run(session, "commit").await
}
