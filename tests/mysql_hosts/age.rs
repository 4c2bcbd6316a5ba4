//! Replicas that are cut off: how old their data are is not forgotten, whatever becomes of the primary.

use crate::servers::{AppRegistry, number, servers, until, with_roles};
use dbreg::{SqlHostState, State};
use registry_dev::{MySqlReplicated, MySqlServer};
use std::time::Duration;

/// Waits until the replica was looked at twice more, by its server's own count: the second look began after this call.
async fn looked_at(replica: &MySqlServer) {
    let looks = async || -> u64 {
        // Of MariaDB, and of MySQL.
        let status =
            "show global status where variable_name in ('Com_show_slave_status', 'Com_show_replica_status')";
        let status = replica.sql(status);
        let status = status.await.unwrap();
        let count = status.split_whitespace().last().unwrap();
        count.parse().unwrap()
    };
    let before = looks().await;
    until("two looks", async || looks().await >= before + 2).await;
}

fn replica(db: &AppRegistry) -> SqlHostState {
    db.mysql.main.hosts().unwrap()[1].state
}

async fn behind(db: &AppRegistry) {
    until("it is known to be behind", async || {
        let _ = number(&db.mysql.main.read()).await;
        replica(db) == SqlHostState::Behind
    })
    .await;
}

/// It is known to be behind after two more looks, too.
async fn stays_behind(servers: &MySqlReplicated, db: &AppRegistry) {
    looked_at(servers.server(1)).await;
    // Perhaps away: after a look that took too long.
    assert_ne!(replica(db), SqlHostState::Fit);
    behind(db).await;
}

async fn primary_is(db: &AppRegistry, state: State) {
    until("the primary's state is known", async || {
        let _ = number(&db.mysql.main).await;
        db.mysql.main.status().state == state
    })
    .await;
}

/// A primary and a replica that was read from.
async fn read_from() -> (MySqlReplicated, AppRegistry) {
    let servers = servers(2).await;
    let db = with_roles(&servers, "max_lag = \"1s\"").await;
    until("the replica is read from", async || {
        number(&db.mysql.main.read()).await.unwrap() == 1
    })
    .await;
    (servers, db)
}

#[tokio::test]
async fn a_backlog_that_is_not_applied_is_remembered_when_the_primary_dies() {
    let (servers, db) = read_from().await;
    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    let insert = "insert into shop.t values (1)";
    servers.primary().sql(insert).await.unwrap();
    behind(&db).await;
    servers.server(0).kill().await.unwrap();
    primary_is(&db, State::Degraded).await;
    stays_behind(&servers, &db).await;
    number(&db.mysql.main.read()).await.unwrap_err();
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_replica_that_is_cut_off_does_not_become_young_by_a_restart_of_the_primary() {
    let (servers, db) = read_from().await;
    servers.stop_receiving(1).await.unwrap();
    behind(&db).await;
    for _ in 0..2 {
        servers.server(0).kill().await.unwrap();
        primary_is(&db, State::Degraded).await;
        stays_behind(&servers, &db).await;
        servers.server(0).start().await.unwrap();
        primary_is(&db, State::Ready).await;
        stays_behind(&servers, &db).await;
    }
    assert_eq!(number(&db.mysql.main.read()).await.unwrap(), 0);
    servers.start_receiving(1).await.unwrap();
    until("the replica is read from", async || {
        number(&db.mysql.main.read()).await.unwrap() == 1
    })
    .await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_replica_that_was_cut_off_before_the_first_look_is_not_read_from() {
    let servers = servers(2).await;
    servers.stop_receiving(1).await.unwrap();
    let db = with_roles(&servers, "max_lag = \"1h\"").await;
    until("it is known why it is not read from", async || {
        assert_eq!(number(&db.mysql.main.read()).await.unwrap(), 0);
        let cause = db.mysql.main.hosts().unwrap()[1].cause.clone();
        cause.is_some_and(|cause| cause.message().contains("an unknown time behind"))
    })
    .await;
    stays_behind(&servers, &db).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_process_that_starts_in_an_outage_reads_from_a_replica_that_has_applied_everything() {
    let servers = servers(2).await;
    servers.server(0).kill().await.unwrap();
    let db = with_roles(&servers, "start = \"lazy\"").await;
    until("the replica is read from", async || {
        number(&db.mysql.main.read()).await.is_ok_and(|found| found == 1)
    })
    .await;
    primary_is(&db, State::Degraded).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_process_that_starts_in_an_outage_does_not_read_from_a_replica_that_was_stopped_before() {
    let servers = servers(2).await;
    servers.stop_receiving(1).await.unwrap();
    servers
        .primary()
        .sql("insert into shop.t values (1)")
        .await
        .unwrap();
    servers.server(0).kill().await.unwrap();
    let db = with_roles(&servers, "start = \"lazy\"").await;
    primary_is(&db, State::Degraded).await;
    behind(&db).await;
    stays_behind(&servers, &db).await;
    number(&db.mysql.main.read()).await.unwrap_err();
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_replica_that_is_cut_off_does_not_log_in_to_the_primary_for_ever() {
    let (servers, db) = read_from().await;
    servers.stop_receiving(1).await.unwrap();
    behind(&db).await;
    // What began before is over.
    looked_at(servers.server(1)).await;
    let logins = async || -> u64 {
        let status = servers.server(0).sql("show global status like 'Connections'");
        let status = status.await.unwrap();
        status.split_whitespace().last().unwrap().parse().unwrap()
    };
    let before = logins().await;
    looked_at(servers.server(1)).await;
    assert_eq!(logins().await - before, 1, "that of the question itself");
    db.close().await.unwrap();
}
