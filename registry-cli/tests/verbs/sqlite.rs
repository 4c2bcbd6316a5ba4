//! On SQLite: every verb, and what each leaves.

use crate::program::{Project, status, text};
use registry_core::sqlx::{self, Connection as _, SqliteConnection};
use serde_json::Value;
use std::path::Path;

/// A project with a migration of two tables, one that can be taken back, and two users.
pub(crate) fn shop(databases: &str) -> Project {
    let project = Project::new(databases);
    let users = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n";
    project.write("migrations/sqlite.local/1_users.sql", users);
    project.write(
        "migrations/sqlite.local/2_notes.up.sql",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY);\n",
    );
    project.write("migrations/sqlite.local/2_notes.down.sql", "DROP TABLE notes;\n");
    let fixture = "[users.alice]\nname = \"Alice\"\n[users.bob]\nname = \"Bob\"\n";
    project.write("fixtures/sqlite.local/10-users.toml", fixture);
    project
}

pub(crate) const LOCAL: &str = "[sqlite.local]\npath = \"app.db\"\n";

/// The names of the users; nothing where there is no such table.
pub(crate) async fn users(folder: &Path) -> Option<Vec<String>> {
    let mut session = open(folder).await?;
    let names = sqlx::query_scalar("SELECT name FROM users ORDER BY id")
        .fetch_all(&mut session)
        .await;
    session.close().await.expect("it is closed");
    names.ok()
}

async fn tables(folder: &Path) -> Vec<String> {
    let Some(mut session) = open(folder).await else {
        return Vec::new();
    };
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' \
        AND name NOT LIKE 'sqlite%' ORDER BY name";
    let names = sqlx::query_scalar(sql)
        .fetch_all(&mut session)
        .await
        .expect("it can be read");
    session.close().await.expect("it is closed");
    names
}

/// The database, where its file is there.
async fn open(folder: &Path) -> Option<SqliteConnection> {
    let path = folder.join("app.db");
    if !path.exists() {
        return None;
    }
    let url = format!("sqlite:{}", path.display());
    Some(SqliteConnection::connect(&url).await.expect("it is a database"))
}

async fn run(project: &Project, arguments: &[&str]) -> (String, i32) {
    let output = project.dbreg(arguments, &[]).await;
    (text(&output), status(&output))
}

/// The report or the plan.
async fn object(project: &Project, arguments: &[&str]) -> (Value, i32) {
    project.json(arguments, &[]).await
}

#[tokio::test]
async fn a_dry_run_says_it_and_changes_nothing() {
    let project = shop(LOCAL);
    let (plan, code) = object(&project, &["build", "--dry-run"]).await;
    assert_eq!((&plan["clear"], code), (&Value::Bool(true), 0), "{plan:#}");
    let steps = plan["connections"][0]["steps"].as_array().unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, ["create", "migrate", "fill"]);
    assert!(!project.path().join("app.db").exists());
    let (words, code) = run(&project, &["build", "--dry-run"]).await;
    assert_eq!(code, 0, "{words}");
    insta::assert_snapshot!(words);
}

#[tokio::test]
async fn each_verb_leaves_what_it_says() {
    let project = shop(LOCAL);
    let folder = project.path();
    let everybody = Some(vec!["Alice".to_owned(), "Bob".to_owned()]);

    let (report, code) = object(&project, &["build"]).await;
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["success"], true);
    assert_eq!(users(folder).await, everybody);
    assert_eq!(tables(folder).await, ["notes", "users"]);

    let (words, code) = run(&project, &["fill"]).await;
    assert!(
        words.contains("10-users.toml") && code == 78,
        "a second time is an error: {words}"
    );
    assert_eq!(users(folder).await, everybody);
    assert_eq!(run(&project, &["fill", "--replace"]).await.1, 0);
    assert_eq!(users(folder).await, everybody);

    assert_eq!(run(&project, &["clear"]).await.1, 0);
    assert_eq!(users(folder).await, Some(Vec::new()));
    assert_eq!(run(&project, &["refill", "sqlite.local"]).await.1, 0);
    assert_eq!(users(folder).await, everybody);

    assert_eq!(run(&project, &["purge", "sqlite"]).await.1, 0);
    assert_eq!(users(folder).await, None);
    assert!(folder.join("app.db").exists());

    assert_eq!(run(&project, &["rebuild"]).await.1, 0);
    assert_eq!(users(folder).await, everybody);

    let (plan, _) = object(&project, &["drop", "--dry-run"]).await;
    let details = |plan: &Value| plan["connections"][0]["steps"][0]["details"].clone();
    assert_eq!(details(&plan).as_array().map(Vec::len), Some(1), "{plan:#}");
    assert_eq!(run(&project, &["drop"]).await.1, 0);
    assert!(!folder.join("app.db").exists());
    let (plan, _) = object(&project, &["drop", "--dry-run"]).await;
    assert_eq!(details(&plan), serde_json::json!([]), "nothing is left to drop");
    assert_eq!(run(&project, &["create"]).await.1, 0);
    assert!(folder.join("app.db").exists());
}

#[tokio::test]
async fn migrations_go_up_and_down_and_their_state_is_told() {
    let project = shop(LOCAL);
    assert_eq!(run(&project, &["create"]).await.1, 0);
    let states = async || -> Vec<String> {
        let (array, code) = object(&project, &["migrate", "--status"]).await;
        assert_eq!(code, 0, "{array:#}");
        let migrations = array[0]["migrations"].as_array().unwrap();
        migrations
            .iter()
            .map(|one| one["state"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(states().await, ["pending", "pending"]);
    assert_eq!(run(&project, &["migrate", "--to", "1"]).await.1, 0);
    assert_eq!(tables(project.path()).await, ["users"]);
    assert_eq!(states().await, ["applied", "pending"]);
    assert_eq!(run(&project, &["migrate"]).await.1, 0);
    assert_eq!(states().await, ["applied", "applied"]);
    assert_eq!(run(&project, &["migrate", "--revert"]).await.1, 0);
    assert_eq!(tables(project.path()).await, ["users"]);

    let (words, code) = run(&project, &["migrate", "status", "sqlite.local"]).await;
    assert_eq!((words.lines().count(), code), (2, 0), "{words}");
    assert!(words.ends_with("sqlite.local\t2\tnotes\tpending\n"), "{words}");

    // A migration that was changed after it was applied is nothing that passes.
    project.write(
        "migrations/sqlite.local/1_users.sql",
        "CREATE TABLE users (id INTEGER PRIMARY KEY);\n",
    );
    let (array, code) = object(&project, &["migrate", "--status"]).await;
    assert_eq!(
        (array[0]["migrations"][0]["state"].as_str(), code),
        (Some("changed"), 78),
        "{array:#}"
    );
    assert_eq!(run(&project, &["migrate"]).await.1, 78);
    for wrong in [
        &["migrate", "--to", "0"][..],
        &["migrate", "--status", "--revert"],
        &["migrate", "--to", "x"],
    ] {
        assert_eq!(run(&project, wrong).await.1, 2, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_partial_failure_names_what_was_done_and_can_be_run_again() {
    let project = shop("[sqlite.local]\npath = \"app.db\"\n[sqlite.other]\npath = \"other.db\"\n");
    project.write(
        "migrations/sqlite.other/1_a.sql",
        "CREATE TABEL a (id INTEGER);\n",
    );
    let (report, code) = object(&project, &["build"]).await;
    assert_eq!(
        (&report["success"], code != 0),
        (&Value::Bool(false), true),
        "{report:#}"
    );
    let outcomes = |at: usize| -> Vec<&str> {
        let steps = report["connections"][at]["steps"].as_array().unwrap();
        steps
            .iter()
            .map(|step| step["outcome"].as_str().unwrap())
            .collect()
    };
    assert_eq!(outcomes(1), ["done", "failed", "not-begun"], "{report:#}");
    assert!(
        outcomes(0).iter().all(|outcome| *outcome != "failed"),
        "{report:#}"
    );
    project.write(
        "migrations/sqlite.other/1_a.sql",
        "CREATE TABLE a (id INTEGER);\n",
    );
    let (report, code) = object(&project, &["build"]).await;
    assert_eq!((&report["success"], code), (&Value::Bool(true), 0), "{report:#}");
    assert_eq!(users(project.path()).await.map(|names| names.len()), Some(2));
}

#[tokio::test]
async fn migrations_and_fixtures_stand_beside_the_file_wherever_it_is() {
    let project = Project::new("");
    let table = "CREATE TABLE users (id INTEGER PRIMARY KEY);\n";
    project.write("app/databases.toml", LOCAL);
    project.write("app/migrations/sqlite.local/1_users.sql", table);
    for file in ["app/databases.toml", "app"] {
        let (words, code) = run(&project, &["build", "--file", file]).await;
        assert!(
            code == 0 && words.contains("at version 1"),
            "--file {file}: {words}"
        );
    }
    let (words, code) = run(&project, &["migrate", "--file", "nowhere/databases.toml"]).await;
    assert!(
        code == 2 && words.contains("nowhere/databases.toml") && !words.contains("--root"),
        "{words}"
    );
    // Its record says that the folder is the wrong one.
    let (words, code) = run(&project, &["migrate", "--file", "app", "--root", "."]).await;
    assert!(
        code == 78 && words.contains("no file of the folder has this version"),
        "{words}"
    );
}

#[tokio::test]
async fn a_wrong_name_is_answered_with_the_nearest_right_one() {
    let project = shop(LOCAL);
    let (words, code) = run(&project, &["create", "sqlite.locla"]).await;
    assert!(
        words.contains("did you mean `sqlite.local`") && code == 2,
        "{words}"
    );
    let (words, code) = run(&project, &["drop", "--i-know-this-destroys", "sqlite"]).await;
    assert!(words.contains("exact name") && code == 2, "{words}");
    let (words, code) = run(&project, &["create", "--profile", "live"]).await;
    assert!(words.contains("profile") && code == 78, "{words}");
    for option in ["--root", "--migrations"] {
        let (words, code) = run(&project, &["migrate", option, "nowhere"]).await;
        let expected = format!("dbreg: there is no folder `nowhere`; `{option}` is the one with ");
        assert!(words.starts_with(&expected) && code == 2, "{words}");
    }
}
