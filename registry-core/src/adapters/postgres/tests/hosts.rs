//! The verbs on several hosts: they go to the one that takes writes, wherever that stands.

use crate::tasks::{TasksBuilder, Verb};

#[tokio::test]
async fn verbs_go_to_the_host_that_is_writable_also_where_the_database_is_still_to_be_made() {
    let servers = registry_dev::postgres_replicated(2).await.unwrap();
    let role = "create role shop login createdb password 'secret'";
    servers.primary().sql(role).await.unwrap();
    servers.promote(1).await.unwrap();
    servers.caught_up(0).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let migrations = folder.path().join("migrations/postgres.main");
    std::fs::create_dir_all(&migrations).unwrap();
    std::fs::write(migrations.join("1_start.sql"), "create table t (n int)").unwrap();
    let host = |index: usize| {
        let port = servers.server(index).port();
        format!("{{ host = \"127.0.0.1\", port = {port} }}")
    };
    let text = format!(
        "[postgres.main]\nconnections = [{}, {}]\nusername = \"shop\"\ndb = \"shop\"\npassword = {{ env = \"X\" }}\n",
        host(0),
        host(1)
    );
    let loaded = registry_config::load(&text, "databases.toml");
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    let tasks = TasksBuilder::new(loaded.shape)
        .variable("DBREG_POSTGRES__MAIN__PASSWORD", "secret")
        .root(folder.path())
        .build()
        .unwrap();
    for verb in [Verb::Build, Verb::Rebuild, Verb::Drop] {
        let report = tasks.run(verb, |_| ()).await;
        assert!(report.is_success(), "{verb:?}: {report}");
        let found = "select count(*) from pg_database where datname = 'shop'";
        let expected = if verb == Verb::Drop { "0\n" } else { "1\n" };
        assert_eq!(servers.server(1).sql(found).await.unwrap(), expected, "{verb:?}");
    }
    // Without any host that takes writes nothing is done, and it is an outage.
    servers.server(1).kill().await.unwrap();
    let report = tasks.run(Verb::Create, |_| ()).await;
    let told = report.to_string();
    assert!(
        !report.is_success() && told.contains("no host is writable"),
        "{told}"
    );
    assert_eq!(report.exit_code(), crate::EXIT_UNAVAILABLE, "{told}");
}
