//! A file of values that is named at the start: by the builder, or by `DBREG_CONFIG`.

#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

use dbreg::{Builder, DbRegistry, EXIT_CONFIG, StartError, sqlx};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(DbRegistry)]
#[registry(toml = r#"
[sqlite.local]
path = "/no/such/folder/compiled-in.db"

[profile.live.sqlite.local]
path = "/no/such/folder/profile.db"
"#)]
struct App;

/// A folder with a file of values.
fn values(text: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn with_path(database: &Path) -> String {
    format!("[sqlite.local]\npath = {database:?}\n")
}

/// The file of the database that a start opened.
async fn opened(builder: Builder<AppRegistry>) -> (String, String) {
    let db = builder.connect().await.unwrap();
    let (_, _, file): (i64, String, String) = sqlx::query_as("pragma database_list")
        .fetch_one(&db.sqlite.local)
        .await
        .unwrap();
    let values = db.report().values.clone();
    db.close().await.unwrap();
    (file, values)
}

async fn refused(builder: Builder<AppRegistry>) -> StartError {
    let Err(error) = builder.connect().await else {
        panic!("the start was expected to fail");
    };
    assert_eq!(error.exit_code(), EXIT_CONFIG, "{error}");
    error
}

#[tokio::test]
async fn its_values_win_over_the_profile_and_lose_to_variables() {
    let folder = tempfile::tempdir().unwrap();
    let databases = ["second.db", "variable.db"].map(|name| folder.path().join(name));
    let (_held, file) = values(with_path(&databases[0]));

    let live = App::builder().profile("live");
    let (path, summary) = opened(live.clone().config_file(&file)).await;
    assert_eq!(Path::new(&path), databases[0]);
    assert_eq!(summary, format!("compiled in, profile live, {}", file.display()));

    let by_variable = live.variable("DBREG_CONFIG", file.display());
    let (path, _) = opened(by_variable.clone()).await;
    assert_eq!(Path::new(&path), databases[0]);

    let variable = by_variable.variable("DBREG_SQLITE__LOCAL__PATH", databases[1].display());
    let (path, _) = opened(variable).await;
    assert_eq!(Path::new(&path), databases[1]);
}

#[tokio::test]
async fn the_builders_file_wins_over_the_variable() {
    let folder = tempfile::tempdir().unwrap();
    let (_held, file) = values(with_path(&folder.path().join("builder.db")));
    let builder = App::builder().variable("DBREG_CONFIG", "/nonexistent/values.toml");
    opened(builder.config_file(&file)).await;
}

#[tokio::test]
async fn a_failure_names_the_line_of_the_value() {
    let (_held, file) = values("\n[sqlite.local]\npath = \"/no/such/folder/second.db\"\n");
    let Err(error) = App::builder().config_file(&file).connect().await else {
        panic!("the start was expected to fail");
    };
    let place = format!("path from {}:3", file.display());
    assert!(error.to_string().contains(&place), "{error}");
}

#[tokio::test]
async fn what_cannot_be_used_stops_the_start_and_is_named() {
    let (_held, file) = values("[sqlite.locla]\npath = \"x\"\n\n[sqlite.local]\npath = 7\n");
    let error = refused(App::builder().config_file(&file)).await.to_string();
    let shown = file.display();
    for words in [
        format!("{shown}:1:1: this file lays values over the connection `locla` of sqlite"),
        "help: did you mean `[sqlite.local]`".to_owned(),
        format!("{shown}:5:8: `path` expects a path, found a number"),
    ] {
        assert!(error.contains(&words), "{words}\n{error}");
    }
    let (_large, large) = values(vec![b'#'; 5 * 1024 * 1024]);
    let (binary_folder, binary) = values(b"[sqlite.local]\npath = \"canary\xff\"\n");
    for (path, words) in [
        (Path::new("/nonexistent/values.toml"), "no such file"),
        (binary_folder.path(), "is not a regular file"),
        (&large, "holds more than 4194304 bytes"),
        (&binary, "is not valid UTF-8"),
    ] {
        let named = App::builder().variable("DBREG_CONFIG", path.display());
        let error = refused(named).await.to_string();
        assert!(error.contains("DBREG_CONFIG: "), "{error}");
        assert!(
            error.contains(words) && error.contains(path.to_str().unwrap()),
            "{error}"
        );
        assert!(!error.contains("canary"), "{error}");
    }
}
