//! `clear` and `purge`.

use super::things::{self, listed, things};
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
            let triggers = listed(&mut session, things::TRUNCATE_TRIGGERS).await?;
            let (before, after) = without_triggers(&names, &triggers);
            statements.extend(before);
            // All in one: then it does not matter who refers to whom.
            statements.push(format!("truncate {} restart identity", names.join(", ")));
            statements.extend(after);
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

/// What keeps the triggers of `truncate` from these tables, and what makes each again what it was.
fn without_triggers(tables: &[&str], triggers: &[[String; 3]]) -> (Vec<String>, Vec<String>) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for [state, trigger, table] in triggers {
        if !tables.contains(&table.as_str()) {
            continue;
        }
        // At once the lock that `truncate` takes: who takes a weaker one first can be in another's way, and he in ours.
        before.push(format!("lock table {table} in access exclusive mode"));
        before.push(format!("alter table only {table} disable trigger {trigger}"));
        after.push(format!("alter table only {table} {state} trigger {trigger}"));
    }
    (before, after)
}
