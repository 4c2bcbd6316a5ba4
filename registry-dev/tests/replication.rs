//! MariaDB servers that replicate: roles, lag, promotion, and the way back of an old primary.

#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

use registry_dev::MySqlReplicated;
use std::time::Duration;

async fn count(servers: &MySqlReplicated, index: usize) -> String {
    let answer = servers
        .server(index)
        .sql("select count(*) from shop.t")
        .await
        .unwrap();
    answer.trim().to_owned()
}

/// Three servers with the table `shop.t`.
async fn three() -> MySqlReplicated {
    let servers = registry_dev::mysql_replicated(3).await.unwrap();
    servers
        .create_database("shop", "shop", "a password")
        .await
        .unwrap();
    insert(&servers, "create table shop.t (n int primary key)").await;
    servers
}

async fn insert(servers: &MySqlReplicated, statement: &str) {
    servers.primary().sql(statement).await.unwrap();
}

/// A write with the rights of the user `shop`.
async fn write_as_user(
    servers: &MySqlReplicated,
    index: usize,
    n: u32,
) -> Result<String, registry_dev::Error> {
    servers.server(index).sql(format!("call shop.put({n})")).await
}

#[tokio::test]
async fn replicas_have_what_the_primary_has_and_refuse_writes() {
    let servers = three().await;
    insert(
        &servers,
        "create definer = 'shop'@'%' procedure shop.put(n int) insert into shop.t values (n)",
    )
    .await;
    for index in [1, 2] {
        servers.caught_up(index).await.unwrap();
        assert_eq!(
            servers.server(index).sql("select @@read_only").await.unwrap(),
            "1\n"
        );
        let error = write_as_user(&servers, index, 1).await.unwrap_err().to_string();
        assert!(error.contains("read-only"), "{error}");
    }
    write_as_user(&servers, 0, 1).await.unwrap();
    servers.caught_up(2).await.unwrap();
    assert_eq!(count(&servers, 2).await, "1");
    assert_eq!(servers.replicas().count(), 2);
    // Both come back in their roles.
    servers.server(0).restart().await.unwrap();
    servers.server(1).restart().await.unwrap();
    assert_eq!(servers.server(0).sql("select @@read_only").await.unwrap(), "0\n");
    assert_eq!(servers.server(1).sql("select @@read_only").await.unwrap(), "1\n");
    insert(&servers, "insert into shop.t values (2)").await;
    servers.caught_up(1).await.unwrap();
    assert_eq!(count(&servers, 1).await, "2");
}

#[tokio::test]
async fn a_replica_falls_behind_and_comes_after() {
    let servers = three().await;
    servers.stop_applying(1).await.unwrap();
    servers.stop_replication(2).await.unwrap();
    insert(&servers, "insert into shop.t values (1)").await;
    assert_eq!(count(&servers, 1).await, "0");
    assert_eq!(count(&servers, 2).await, "0");
    servers.start_replication(1).await.unwrap();
    servers.start_replication(2).await.unwrap();
    servers.caught_up(1).await.unwrap();
    servers.caught_up(2).await.unwrap();
    assert_eq!(
        (count(&servers, 1).await, count(&servers, 2).await),
        ("1".to_owned(), "1".to_owned())
    );
    // It has the write, and keeps it back for an hour.
    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    insert(&servers, "insert into shop.t values (2)").await;
    servers.caught_up(2).await.unwrap();
    assert_eq!(count(&servers, 1).await, "1");
    servers.delay(1, Duration::ZERO).await.unwrap();
    servers.caught_up(1).await.unwrap();
    assert_eq!(count(&servers, 1).await, "2");
}

#[tokio::test]
async fn a_promotion_in_order_leaves_the_old_primary_as_a_replica() {
    let servers = three().await;
    insert(&servers, "insert into shop.t values (1)").await;
    servers.promote(2).await.unwrap();
    assert_eq!(servers.primary_index(), 2);
    insert(&servers, "insert into shop.t values (2)").await;
    for index in [0, 1] {
        servers.caught_up(index).await.unwrap();
        assert_eq!(count(&servers, index).await, "2");
        assert_eq!(
            servers.server(index).sql("select @@read_only").await.unwrap(),
            "1\n"
        );
    }
    servers.promote(0).await.unwrap();
    insert(&servers, "insert into shop.t values (3)").await;
    servers.caught_up(2).await.unwrap();
    assert_eq!(count(&servers, 2).await, "3");
}

#[tokio::test]
async fn what_any_replica_received_outlives_the_primary() {
    let servers = three().await;
    servers.stop_applying(1).await.unwrap();
    servers.stop_replication(2).await.unwrap();
    insert(&servers, "insert into shop.t values (1)").await;
    servers.server(0).kill().await.unwrap();
    // Server 2 knows nothing of it, and server 1 has not applied it.
    servers.promote(2).await.unwrap();
    assert_eq!(count(&servers, 2).await, "1");
    insert(&servers, "insert into shop.t values (2)").await;
    servers.caught_up(1).await.unwrap();
    assert_eq!(count(&servers, 1).await, "2");
    servers.rejoin(0).await.unwrap();
    assert_eq!(count(&servers, 0).await, "2");
}

#[tokio::test]
async fn an_old_primary_with_writes_of_its_own_begins_anew() {
    let servers = three().await;
    servers.stop_replication(1).await.unwrap();
    servers.stop_replication(2).await.unwrap();
    insert(&servers, "insert into shop.t values (1)").await;
    servers.server(0).kill().await.unwrap();
    servers.promote(1).await.unwrap();
    insert(&servers, "insert into shop.t values (7), (8)").await;
    servers.rejoin(0).await.unwrap();
    let found = servers
        .server(0)
        .sql("select n from shop.t order by n")
        .await
        .unwrap();
    assert_eq!(found, "7\n8\n");
    assert_eq!(servers.server(0).sql("select @@read_only").await.unwrap(), "1\n");
}
