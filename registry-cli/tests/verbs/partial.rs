//! A verb on several connections of PostgreSQL, of which one is away: what is named as done, and the same once more.

use crate::program::Project;
use registry_dev::{Mode, Proxy};
use serde_json::Value;

/// What became of the steps of a connection.
fn outcomes<'r>(report: &'r Value, connection: &str) -> Vec<&'r str> {
    let rows = report["connections"].as_array().expect("connections");
    let row = rows.iter().find(|row| row["connection"] == connection);
    let steps = row.expect("the connection is named")["steps"].as_array();
    let outcome = |step: &'r Value| step["outcome"].as_str().expect("an outcome");
    steps.expect("its steps").iter().map(outcome).collect()
}

#[tokio::test]
async fn what_is_done_is_named_and_the_same_command_does_the_rest() {
    let server = registry_dev::postgres().await.unwrap();
    server
        .sql("CREATE ROLE shop LOGIN CREATEDB PASSWORD 'canary'")
        .await
        .unwrap();
    let proxy = Proxy::to(server.address()).await.unwrap();
    let file = format!(
        "[defaults.postgres]\nusername = \"shop\"\npassword = {{ env = \"PASSWORD\" }}\nconnect_timeout = \"20s\"\n\
         [postgres.main]\nhost = \"127.0.0.1\"\nport = {}\ndb = \"shop\"\n\
         [postgres.reports]\nhost = \"127.0.0.1\"\nport = {}\ndb = \"reports\"\n",
        server.port(),
        proxy.port()
    );
    let project = Project::new(&file);
    for name in ["main", "reports"] {
        let table = "CREATE TABLE users (name TEXT PRIMARY KEY);";
        project.write(&format!("migrations/postgres.{name}/1_users.sql"), table);
        let rows = "[[users]]\nname = \"Alice\"\n";
        project.write(&format!("fixtures/postgres.{name}/10-users.toml"), rows);
    }
    let variables = [("PASSWORD", "canary")];
    proxy.set(Mode::Down).await.unwrap();
    let (report, code) = project.json(&["build"], &variables).await;
    assert_eq!(outcomes(&report, "postgres.main"), ["done", "done", "done"]);
    assert_eq!(
        outcomes(&report, "postgres.reports"),
        ["failed", "not-begun", "not-begun"]
    );
    assert_eq!(
        (code, &report["success"]),
        (69, &Value::Bool(false)),
        "{report:#}"
    );

    proxy.set(Mode::Pass).await.unwrap();
    let (report, code) = project.json(&["build"], &variables).await;
    assert_eq!(
        outcomes(&report, "postgres.main"),
        ["unchanged", "unchanged", "unchanged"]
    );
    assert_eq!(outcomes(&report, "postgres.reports"), ["done", "done", "done"]);
    assert_eq!((code, &report["success"]), (0, &Value::Bool(true)), "{report:#}");

    // Of several failures, the one that needs a person wins.
    proxy.set(Mode::Down).await.unwrap();
    let table = "CREATE TABLE users (name TEXT);";
    project.write("migrations/postgres.main/2_again.sql", table);
    let (report, code) = project.json(&["migrate"], &variables).await;
    assert_eq!(outcomes(&report, "postgres.main"), ["failed"], "{report:#}");
    assert_eq!(outcomes(&report, "postgres.reports"), ["failed"], "{report:#}");
    assert_eq!(code, 78, "{report:#}");
}
