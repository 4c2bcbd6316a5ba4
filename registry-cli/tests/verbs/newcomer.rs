//! The way of a new user: `init`, `dev`, `build`, `doctor`, and nothing set up before.

use crate::program::{Project, text};
use registry_dev::Kind;

#[tokio::test]
async fn from_nothing_to_databases_that_are_well() {
    for kind in [Kind::MySql, Kind::Postgres, Kind::Memcached] {
        assert!(
            registry_dev::is_installed(kind),
            "{}",
            registry_dev::install_command(&[kind])
        );
    }
    let project = Project::new("");
    std::fs::remove_file(project.path().join("databases.toml")).unwrap();
    let output = project
        .dbreg(&["init", "--backend", "mysql,memcached,sqlite,postgres"], &[])
        .await;
    assert!(output.status.success(), "{}", text(&output));
    for (path, content) in [
        (
            "migrations/mysql.main/1_notes.sql",
            "CREATE TABLE notes (id INT PRIMARY KEY, what TEXT);",
        ),
        (
            "migrations/postgres.main/1_notes.sql",
            "CREATE TABLE notes (id INT PRIMARY KEY, what TEXT);",
        ),
        (
            "migrations/sqlite.local/1_notes.sql",
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, what TEXT);",
        ),
        (
            "fixtures/mysql.main/10-notes.json",
            "{ \"notes\": [{ \"id\": 1, \"what\": \"hello\" }] }",
        ),
        (
            "fixtures/sqlite.local/10-notes.toml",
            "[[notes]]\nid = 1\nwhat = \"hello\"\n",
        ),
    ] {
        project.write(path, content);
    }
    // One server for the whole of it.
    let commands = ["build", "rebuild", "build", "migrate --status", "doctor", "list"];
    let commands = commands.map(|command| format!("\"$PROGRAM\" {command}"));
    let script = format!("set -e; {}", commands.join("; "));
    let path = std::env::var("PATH").unwrap();
    let variables = [
        ("PATH", path.as_str()),
        ("PROGRAM", env!("CARGO_BIN_EXE_dbreg")),
        ("HOME", project.path().to_str().unwrap()),
    ];
    let output = project
        .dbreg(&["dev", "--", "sh", "-c", &script], &variables)
        .await;
    let words = text(&output);
    assert!(output.status.success(), "{words}");
    for line in [
        "mysql.main\t1\tnotes\tapplied",
        "postgres.main\t1\tnotes\tapplied",
        "sqlite.local\t1\tnotes\tapplied",
        "memcached.cache\tquery\tok\t",
        "mysql.main\tclock\tok\t",
    ] {
        assert!(words.contains(line), "{line}: {words}");
    }
}
