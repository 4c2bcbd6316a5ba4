//! The servers of a test, and an application that is connected to them.

use crate::load::until_some;
pub(crate) use crate::load::{all_the_while, in_time, until};
use dbreg::{DbRegistry, PostgresReader, sqlx};
use registry_dev::{PostgresReplicated, PostgresServer};

#[derive(DbRegistry)]
#[registry(toml = r#"
[postgres.main]
host = "127.0.0.1"
username = "shop"
db = "shop"
connect_timeout = "4s"
timeout = "10s"
"#)]
pub(crate) struct App;

/// An empty table `t` in the database `shop` on this many servers.
pub(crate) async fn servers(number: usize) -> PostgresReplicated {
    let servers = registry_dev::postgres_replicated(number).await.unwrap();
    servers
        .create_database("shop", "shop", "a password")
        .await
        .unwrap();
    on_primary(
        &servers,
        "create table t (n bigint primary key); grant all on t to shop",
    )
    .await;
    for index in 1..number {
        servers.caught_up(index).await.unwrap();
    }
    servers
}

/// Runs statements in the database.
pub(crate) async fn on_primary(servers: &PostgresReplicated, statements: &str) {
    servers.primary().sql_in("shop", statements).await.unwrap();
}

/// The application with these servers as a list without roles.
pub(crate) fn without_roles(servers: &PostgresReplicated) -> dbreg::Builder<AppRegistry> {
    let ports = servers
        .servers()
        .map(|server| format!("127.0.0.1:{}", server.port()));
    let list = ports.collect::<Vec<_>>().join(",");
    App::builder()
        .variable("DBREG_POSTGRES__MAIN__CONNECTIONS", list)
        .variable("DBREG_POSTGRES__MAIN__PASSWORD", "a password")
}

/// The application with these servers as one primary, server 0, and its replicas; `more` are further keys.
pub(crate) async fn with_roles(servers: &PostgresReplicated, more: &str) -> AppRegistry {
    let host = |(index, server): (usize, &PostgresServer)| {
        let role = if index == 0 { "primary" } else { "replica" };
        format!(
            "{{ host = \"127.0.0.1\", port = {}, role = \"{role}\" }}",
            server.port()
        )
    };
    let hosts: Vec<String> = servers.servers().enumerate().map(host).collect();
    connect(&hosts.join(", "), more).await
}

/// The application with this list of hosts.
pub(crate) async fn connect(hosts: &str, more: &str) -> AppRegistry {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.toml");
    let text = format!("[postgres.main]\nconnections = [{hosts}]\n{more}\n");
    std::fs::write(&path, text).unwrap();
    let builder = App::builder().config_file(path);
    builder
        .variable("DBREG_POSTGRES__MAIN__PASSWORD", "a password")
        .connect()
        .await
        .unwrap()
}

/// Starts until the report says this: a start waits for no host that it does not need, and counts none that is slow.
pub(crate) async fn reports(words: &str, start: impl AsyncFn() -> AppRegistry) -> AppRegistry {
    until_some(words, async || {
        let db = start().await;
        db.report().to_string().contains(words).then_some(db)
    })
    .await
}

/// The number of the server that answers here.
pub(crate) async fn number(
    servers: &PostgresReplicated,
    executor: impl sqlx::PgExecutor<'_>,
) -> Result<usize, sqlx::Error> {
    let port: i32 = sqlx::query_scalar("select inet_server_port()")
        .fetch_one(executor)
        .await?;
    let mut all = servers.servers();
    Ok(all.position(|server| i32::from(server.port()) == port).unwrap())
}

/// Waits until every read of ten goes to this server.
pub(crate) async fn only(servers: &PostgresReplicated, reader: &PostgresReader, index: usize) {
    until(&format!("reads from server {index} alone"), async || {
        let mut all = true;
        for _ in 0..10 {
            all &= number(servers, reader).await.is_ok_and(|found| found == index);
        }
        all
    })
    .await;
}
