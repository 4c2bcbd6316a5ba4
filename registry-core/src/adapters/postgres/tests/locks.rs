//! The lock of migrations, and who waits for it.

use super::place::Place;
use crate::tasks::{TasksReport, Verb};
use sqlx::migrate::Migrate as _;
use std::time::Duration;

/// Far above what anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until a session of the verbs has come to a statement.
async fn reaches(place: &Place, statement: &str) {
    let ask = format!(
        "select count(*) from pg_stat_activity where application_name = 'dbreg tasks' and query ilike '{statement}'"
    );
    let asked = async { while place.sql(&ask).await != "1\n" {} };
    tokio::time::timeout(LIMIT, asked).await.expect(statement);
}

fn run(place: &Place, verb: Verb) -> tokio::task::JoinHandle<TasksReport> {
    let tasks = place.tasks();
    tokio::spawn(async move { tasks.run(verb, |_| ()).await })
}

#[tokio::test]
async fn who_waits_for_the_lock_stops_no_index_that_is_made_concurrently() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    place.file(
        "migrations/postgres.main/2_index.sql",
        "-- no-transaction\ncreate index concurrently ix on numbered (n);",
    );
    // The index waits for whoever writes to the table.
    let mut writer = place.session().await;
    let write = "begin; insert into numbered (n) values (5)";
    sqlx::raw_sql(write).execute(&mut writer).await.unwrap();
    let first = run(&place, Verb::Migrate);
    reaches(&place, "%create index concurrently%").await;
    let second = run(&place, Verb::Migrate);
    reaches(&place, "%advisory_lock%").await;
    sqlx::raw_sql("commit").execute(&mut writer).await.unwrap();
    for done in [first, second] {
        let report = done.await.unwrap();
        assert!(report.is_success(), "{report}");
    }
    let valid = "select indisvalid from pg_index where indexrelid = 'ix'::regclass";
    assert_eq!(place.sql(valid).await, "t\n");
}

#[tokio::test]
async fn every_verb_that_writes_waits_for_sqlx_too() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    for (verb, left) in [
        (Verb::Migrate, "2\t1\n"),
        (Verb::Clear, "0\t1\n"),
        (Verb::Purge, "\n"),
    ] {
        let mut other = place.session().await;
        other.lock().await.unwrap();
        let mut running = run(&place, verb);
        tokio::select! {
            report = &mut running => panic!("{verb:?} did not wait: {report:?}"),
            () = reaches(&place, "%advisory_lock%") => {}
        }
        assert_eq!(
            place.sql("select count(*) > 0 from _sqlx_migrations").await,
            "t\n"
        );
        other.unlock().await.unwrap();
        let report = running.await.unwrap();
        assert!(report.is_success(), "{report}");
        let counts = "select (select count(*) from users), (select count(*) from _sqlx_migrations)";
        let counts = match verb {
            Verb::Purge => "select to_regclass('users')",
            _ => counts,
        };
        assert_eq!(place.sql(counts).await, left, "{verb:?}");
    }
}
