//! Migrations of MongoDB.

use crate::project::Project;
use crate::store::Store;
use dbreg::mongodb::bson::{Document, doc};
use dbreg::tasks::{Event, MigrateTo, MigrationState, Verb};

const INDEX: &str = r#"{ "createIndexes": "events", "indexes": [{ "key": { "at": -1 }, "name": "at" }] }"#;

/// What every server refuses.
const REFUSED: &str = r#"{ "renameCollection": "shop.a" }"#;

/// 1 makes an index, 2 two documents and an index, 3 one document.
fn three(project: &Project) {
    project.write("migrations/mongodb.logs/1_events.up.json", INDEX);
    project.write(
        "migrations/mongodb.logs/1_events.down.toml",
        "dropIndexes = \"events\"\nindex = \"*\"\n",
    );
    project.write(
        "migrations/mongodb.logs/2_kinds.up.toml",
        "[[commands]]\ninsert = \"kinds\"\ndocuments = [{ _id = 1, name = \"order\" }, { _id = 2, name = \"visit\" }]\n\
         [[commands]]\ncreateIndexes = \"kinds\"\nindexes = [{ key = { name = 1 }, name = \"name\", unique = true }]\n",
    );
    project.write(
        "migrations/mongodb.logs/2_kinds.down.json",
        r#"{ "drop": "kinds" }"#,
    );
    project.write(
        "migrations/mongodb.logs/3_last.json",
        r#"{ "insert": "last", "documents": [{ "_id": { "$oid": "65a000000000000000000001" } }] }"#,
    );
}

#[tokio::test]
async fn a_server_that_is_away_does_not_stop_create_which_has_nothing_to_do() {
    let project = Project::mongodb(1, "shop");
    project.done(Verb::Create).await;
    let plan = project.tasks().build().unwrap().plan(Verb::Create).await;
    assert!(
        plan.is_clear() && plan.connections[0].steps[0].details.is_empty(),
        "{plan}"
    );
    let report = project.run(Verb::Migrate).await;
    assert_eq!(report.exit_code(), dbreg::EXIT_UNAVAILABLE, "{report}");
}

async fn states(project: &Project) -> Vec<(i64, String)> {
    let tasks = project.tasks().build().unwrap();
    let mut all = tasks.migration_status().await;
    let (label, status) = all.remove(0);
    assert_eq!(label, "mongodb.logs");
    let state = |state: &MigrationState| match state {
        MigrationState::Applied(Some(at)) => {
            assert!(at.ends_with('Z') && at.starts_with("20"), "{at}");
            "applied".to_owned()
        }
        other => other.to_string(),
    };
    let status = status.unwrap();
    status
        .iter()
        .map(|one| (one.version, state(&one.state)))
        .collect()
}

fn of(states: &[&str]) -> Vec<(i64, String)> {
    (1..)
        .zip(states)
        .map(|(version, state)| (version, (*state).to_owned()))
        .collect()
}

#[tokio::test]
async fn commands_are_applied_once_in_order_and_reverted() {
    let store = Store::start().await;
    let project = &store.project;
    three(project);
    assert!(
        project
            .done(Verb::Create)
            .await
            .contains("appears with its first collection"),
        "create has nothing to do, and says why"
    );
    assert_eq!(states(project).await, of(&["pending", "pending", "pending"]));
    assert!(
        store.db.list_collection_names().await.unwrap().is_empty(),
        "a look changes nothing"
    );

    let to = |to| move |tasks: dbreg::tasks::TasksBuilder| tasks.migrate_to(to);
    let words = project.done_with(Verb::Migrate, to(MigrateTo::Version(2))).await;
    assert_eq!(words, "applied 2 migrations, at version 2");
    assert_eq!(states(project).await, of(&["applied", "applied", "pending"]));
    assert_eq!(store.indexes("events").await, ["_id", "at"]);
    assert_eq!(
        store.documents("kinds").await,
        [
            doc! { "_id": 1, "name": "order" },
            doc! { "_id": 2, "name": "visit" }
        ]
    );
    assert_eq!(store.collections().await, ["events", "kinds"]);

    assert_eq!(
        project.done(Verb::Migrate).await,
        "applied 1 migration, at version 3"
    );
    assert_eq!(project.done(Verb::Migrate).await, "at version 3 already");
    let last = store.documents("last").await;
    assert_eq!(
        last[0].get_object_id("_id").unwrap().to_hex(),
        "65a000000000000000000001"
    );
    let mark = store
        .document("_dbreg_metadata", doc! { "_id": "environment" })
        .await;
    assert_eq!(mark.get_str("value").unwrap(), "default");
    assert_eq!(
        store
            .db
            .collection::<Document>("_dbreg_metadata")
            .count_documents(doc! { "_id": "lock" })
            .await
            .unwrap(),
        0,
        "the lock was given back"
    );

    let failed = project
        .failed_with(Verb::Migrate, to(MigrateTo::Version(2)))
        .await;
    assert!(
        failed.starts_with("migration 3 last is applied already, which is above 2"),
        "{failed}"
    );
    let failed = project
        .failed_with(Verb::Migrate, to(MigrateTo::Version(9)))
        .await;
    assert!(failed.starts_with("there is no migration 9 in"), "{failed}");
    let failed = project
        .failed_with(Verb::Migrate, to(MigrateTo::RevertTo(0)))
        .await;
    assert!(
        failed.starts_with("migration 3 last cannot be reverted: it has no `.down` file"),
        "{failed}"
    );
    assert_eq!(
        states(project).await,
        of(&["applied", "applied", "applied"]),
        "nothing was reverted"
    );

    project.remove("migrations/mongodb.logs/3_last.json");
    project.write(
        "migrations/mongodb.logs/3_last.up.json",
        r#"{ "insert": "last", "documents": [{ "_id": { "$oid": "65a000000000000000000001" } }] }"#,
    );
    project.write(
        "migrations/mongodb.logs/3_last.down.json",
        r#"{ "drop": "last" }"#,
    );
    assert_eq!(
        project.done_with(Verb::Migrate, to(MigrateTo::RevertOne)).await,
        "reverted 1 migration, at version 2"
    );
    assert_eq!(states(project).await, of(&["applied", "applied", "pending"]));
    assert_eq!(
        project.done_with(Verb::Migrate, to(MigrateTo::RevertTo(0))).await,
        "reverted 2 migrations, at version 0"
    );
    assert_eq!(states(project).await, of(&["pending", "pending", "pending"]));
    assert_eq!(store.indexes("events").await, ["_id"]);
    assert_eq!(store.collections().await, ["events"]);
    assert_eq!(
        project.done_with(Verb::Migrate, to(MigrateTo::RevertOne)).await,
        "nothing to revert"
    );
}

#[tokio::test]
async fn two_at_once_apply_each_migration_once() {
    let store = Store::start().await;
    let project = &store.project;
    // It is no error for the server to do this twice: only the sum tells.
    let command = r#"{ "update": "counts", "updates": [{ "q": { "_id": 1 }, "u": { "$inc": { "n": 1 } }, "upsert": true }] }"#;
    for version in 1..=5 {
        project.write(&format!("migrations/mongodb.logs/{version}_count.json"), command);
    }
    let reports = futures_util::future::join_all((0..4).map(|_| project.run(Verb::Migrate))).await;
    for report in reports {
        assert!(report.is_success(), "{report}");
    }
    assert_eq!(store.documents("counts").await, [doc! { "_id": 1, "n": 5 }]);
}

#[tokio::test]
async fn a_run_that_was_dropped_gives_its_lock_back() {
    let store = Store::start().await;
    three(&store.project);
    let tasks = store.project.tasks().build().unwrap();
    let applied = tokio::sync::Notify::new();
    let run = tasks.run(Verb::Migrate, |event| {
        if matches!(event, Event::Progress { .. }) {
            applied.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = applied.notified() => {}
        report = run => panic!("it was to be dropped after the first migration: {report}"),
    }
    let metadata = store.db.collection::<Document>("_dbreg_metadata");
    let locks = async || metadata.count_documents(doc! { "_id": "lock" }).await.unwrap();
    assert_eq!(locks().await, 1, "as a crash would leave it");
    tasks.let_go().await;
    assert_eq!(locks().await, 0);
    assert!(store.project.run(Verb::Migrate).await.is_success());
}

#[tokio::test]
async fn a_command_that_is_refused_can_be_corrected_and_goes_on_there() {
    let store = Store::start().await;
    let project = &store.project;
    let file = |second: &str| {
        format!(
            r#"[{{ "insert": "a", "documents": [{{ "_id": 1 }}] }}, {second}, {{ "insert": "a", "documents": [{{ "_id": 3 }}] }}]"#
        )
    };
    project.write("migrations/mongodb.logs/1_a.json", &file(REFUSED));
    let failed = project.failed(Verb::Migrate).await;
    assert!(
        failed.starts_with("command 2 of 3 (`renameCollection`) of `migrations/mongodb.logs/1_a.json`: "),
        "{failed}"
    );
    assert!(
        failed.ends_with("correct it and run this again: it goes on with this command"),
        "{failed}"
    );
    assert_eq!(states(project).await, of(&["half applied"]));
    assert_eq!(store.documents("a").await, [doc! { "_id": 1 }]);

    project.write(
        "migrations/mongodb.logs/1_a.json",
        r#"{ "insert": "b", "documents": [{ "_id": 7 }] }"#,
    );
    let failed = project.failed(Verb::Migrate).await;
    assert!(
        failed.contains("its first commands, which were carried out, have been changed"),
        "{failed}"
    );

    project.write(
        "migrations/mongodb.logs/1_a.json",
        &file(r#"{ "insert": "a", "documents": [{ "_id": 2 }] }"#),
    );
    assert_eq!(
        project.done(Verb::Migrate).await,
        "applied 1 migration, at version 1"
    );
    assert_eq!(
        store.documents("a").await,
        [doc! { "_id": 1 }, doc! { "_id": 2 }, doc! { "_id": 3 }],
        "the first was not carried out again"
    );
}

#[tokio::test]
async fn a_first_command_that_is_refused_leaves_the_migration_pending() {
    let store = Store::start().await;
    let project = &store.project;
    project.write("migrations/mongodb.logs/1_a.json", REFUSED);
    project.failed(Verb::Migrate).await;
    assert_eq!(states(project).await, of(&["pending"]));
}

#[tokio::test]
async fn a_write_that_fails_in_a_reply_that_is_ok_is_a_failure() {
    let store = Store::start().await;
    let project = &store.project;
    let twice = r#"{ "insert": "a", "documents": [{ "_id": 1 }, { "_id": 1 }] }"#;
    project.write("migrations/mongodb.logs/1_a.json", twice);
    let failed = project.failed(Verb::Migrate).await;
    assert!(failed.contains("command 1 of 1 (`insert`)"), "{failed}");
    assert!(
        failed.contains("it is not known whether it was carried out"),
        "{failed}"
    );
    assert_eq!(project.run(Verb::Migrate).await.exit_code(), dbreg::EXIT_CONFIG);
    assert_eq!(states(project).await, of(&["half applied"]));
    let failed = project.failed(Verb::Migrate).await;
    assert!(
        failed.contains("broke off in its command 1 of 1 (`insert`)"),
        "{failed}"
    );
    assert!(
        failed.contains("db._dbreg_migrations.updateOne({ _id: 1 }, { $set: { running: null } })"),
        "{failed}"
    );

    // As a person does who has looked.
    store
        .db
        .collection::<Document>("a")
        .delete_many(doc! {})
        .await
        .unwrap();
    let records = store.db.collection::<Document>("_dbreg_migrations");
    records
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "running": null } })
        .await
        .unwrap();
    project.write(
        "migrations/mongodb.logs/1_a.json",
        r#"{ "insert": "a", "documents": [{ "_id": 1 }] }"#,
    );
    assert_eq!(
        project.done(Verb::Migrate).await,
        "applied 1 migration, at version 1"
    );
    assert_eq!(store.documents("a").await, [doc! { "_id": 1 }]);
}

#[tokio::test]
async fn a_crash_within_a_command_goes_on_where_that_is_safe() {
    let store = Store::start().await;
    let project = &store.project;
    project.write("migrations/mongodb.logs/1_events.json", INDEX);
    project.done(Verb::Migrate).await;
    // As a crash leaves it: the index was made, and its answer never came.
    let records = store.db.collection::<Document>("_dbreg_migrations");
    let crashed = doc! { "$set": { "state": "applying", "running": 0_i64, "done": [] } };
    records.update_one(doc! { "_id": 1 }, crashed).await.unwrap();
    assert_eq!(states(project).await, of(&["half applied"]));
    assert_eq!(
        project.done(Verb::Migrate).await,
        "applied 1 migration, at version 1"
    );
    assert_eq!(store.indexes("events").await, ["_id", "at"]);
}

#[tokio::test]
async fn files_that_were_changed_or_are_gone_say_what_to_do() {
    let store = Store::start().await;
    let project = &store.project;
    three(project);
    project.done(Verb::Migrate).await;
    // Written otherwise, it is the same.
    project.write(
        "migrations/mongodb.logs/1_events.up.json",
        &INDEX.replace(' ', "\n"),
    );
    assert_eq!(states(project).await, of(&["applied", "applied", "applied"]));
    project.write(
        "migrations/mongodb.logs/1_events.up.json",
        &INDEX.replace("-1", "1"),
    );
    project.remove("migrations/mongodb.logs/3_last.json");
    let failed = project.failed(Verb::Migrate).await;
    assert_eq!(
        failed,
        "migration 1 events was applied, and its file was changed since; migration 3 last was applied, and its file is \
         gone; give back the files as they were applied, and write what is to change into a new migration"
    );
    let states = states(project).await;
    assert_eq!(states[0].1, "applied, and its file was changed since");
    assert_eq!(states[2].1, "applied, and its file is gone");
}

#[tokio::test]
async fn mistakes_of_all_files_are_told_before_anything_is_done() {
    let store = Store::start().await;
    let project = &store.project;
    three(project);
    project.write("migrations/mongodb.logs/4_bad.json", "[1,]");
    project.write("migrations/mongodb.logs/5_worse.toml", "dropDatabase = 1");
    let failed = project.failed(Verb::Migrate).await;
    assert!(failed.contains("4_bad.json:1:4: expected value"), "{failed}");
    assert!(
        failed.contains("5_worse.toml:1:1: `dropDatabase` is no migration [bad-command]; the verb `drop`"),
        "{failed}"
    );
    assert!(store.collections().await.is_empty());
}
