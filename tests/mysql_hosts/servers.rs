//! The servers of a test, and an application that is connected to them.

use crate::load::until_some;
pub(crate) use crate::load::{PATIENCE, all_the_while, in_time, until};
use dbreg::{DbRegistry, sqlx};
use registry_dev::MySqlReplicated;

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
host = "127.0.0.1"
username = "shop"
db = "shop"
connect_timeout = "4s"
timeout = "10s"
"#)]
pub(crate) struct App;

/// An empty table `shop.t` on this many servers.
pub(crate) async fn servers(number: usize) -> MySqlReplicated {
    let servers = registry_dev::mysql_replicated(number).await.unwrap();
    servers
        .create_database("shop", "shop", "a password")
        .await
        .unwrap();
    servers
        .primary()
        .sql("create table shop.t (n bigint primary key)")
        .await
        .unwrap();
    for index in 1..number {
        servers.caught_up(index).await.unwrap();
    }
    servers
}

/// The application with these servers as a list without roles.
pub(crate) fn without_roles(servers: &MySqlReplicated) -> dbreg::Builder<AppRegistry> {
    let ports = servers
        .servers()
        .map(|server| format!("127.0.0.1:{}", server.port()));
    let list = ports.collect::<Vec<_>>().join(",");
    App::builder()
        .variable("DBREG_MYSQL__MAIN__CONNECTIONS", list)
        .variable("DBREG_MYSQL__MAIN__PASSWORD", "a password")
}

/// The application with these servers as one primary, server 0, and its replicas; `more` are further keys.
pub(crate) async fn with_roles(servers: &MySqlReplicated, more: &str) -> AppRegistry {
    let host = |(index, server): (usize, &registry_dev::MySqlServer)| {
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
    std::fs::write(&path, format!("[mysql.main]\nconnections = [{hosts}]\n{more}\n")).unwrap();
    let builder = App::builder().config_file(path);
    builder
        .variable("DBREG_MYSQL__MAIN__PASSWORD", "a password")
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

/// The number of the server that answers here, from 0.
pub(crate) async fn number(executor: impl sqlx::MySqlExecutor<'_>) -> Result<usize, sqlx::Error> {
    let id: u64 = sqlx::query_scalar("select @@server_id")
        .fetch_one(executor)
        .await?;
    Ok(usize::try_from(id).unwrap() - 1)
}

/// Waits until the replica, server 1, is read from.
pub(crate) async fn replica_answers(reader: &dbreg::MySqlReader) {
    until("the replica is read from", async || {
        number(reader).await.is_ok_and(|found| found == 1)
    })
    .await;
}

/// The right to ask how far replication is.
pub(crate) fn may_look(servers: &MySqlReplicated) -> &'static str {
    if servers.primary().is_mariadb() {
        "replica monitor"
    } else {
        "replication client"
    }
}

/// A token of a write that nobody has made, and one that servers of this make do not understand.
pub(crate) fn forged(servers: &MySqlReplicated) -> [&'static str; 2] {
    let mut tokens = [
        "mariadb:0-1-4000000000",
        "mysql:3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5",
    ];
    if !servers.primary().is_mariadb() {
        tokens.reverse();
    }
    tokens
}

/// Ends the sessions of the application at this server.
pub(crate) async fn end_sessions(server: &registry_dev::MySqlServer) {
    let ids = "select concat('kill ', id, ';') from information_schema.processlist where user = 'shop'";
    for kill in server.sql(ids).await.unwrap().lines() {
        // It may have ended by itself.
        let _ = server.sql(kill).await;
    }
}
