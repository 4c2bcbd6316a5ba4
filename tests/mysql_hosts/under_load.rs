//! Writers and readers at work while servers are killed, hang, fall behind and change their roles: what was
//! acknowledged is there afterwards, and nothing is there twice.

use crate::load::Load;
use crate::servers::{servers, until, with_roles, without_roles};
use dbreg::{MySql, SqlHostState, sqlx};
use registry_dev::MySqlReplicated;
use std::time::Duration;

fn start(db: &MySql) -> Load {
    let (writes, reads) = (db.clone(), db.clone());
    Load::start(
        move |n| {
            let db = writes.clone();
            Box::pin(async move {
                let write = sqlx::query("insert into w values (?)").bind(n);
                write.execute(&db).await.is_ok()
            })
        },
        move || {
            let reader = reads.read();
            Box::pin(async move {
                let read = sqlx::query("select count(*) from (select n from w limit 50) as few");
                read.fetch_one(&reader).await.is_ok()
            })
        },
    )
}

/// Ends the load, and looks for what it wrote on every server.
async fn end(load: Load, servers: &MySqlReplicated) {
    let done = load.end().await;
    for index in 0..servers.len() {
        if index != servers.primary_index() {
            servers.caught_up(index).await.unwrap();
        }
        let found = servers.server(index).sql("select n from shop.w").await.unwrap();
        done.is_on(index, &found);
    }
}

/// Servers with a table that takes a number as often as it is written.
async fn with_table(number: usize) -> MySqlReplicated {
    let servers = servers(number).await;
    servers
        .primary()
        .sql("create table shop.w (n bigint not null, key (n))")
        .await
        .unwrap();
    for index in 1..number {
        servers.caught_up(index).await.unwrap();
    }
    servers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_hangs_or_steps_down_loses_no_acknowledged_write() {
    let servers = with_table(3).await;
    let db = without_roles(&servers).connect().await.unwrap();
    let load = start(&db.mysql.main);
    load.goes_on("the start").await;

    servers.server(0).kill().await.unwrap();
    load.is_read("while the primary is dead").await;
    servers.promote(1).await.unwrap();
    load.goes_on("a kill and a promotion").await;
    servers.rejoin(0).await.unwrap();

    servers.stop_applying(2).await.unwrap();
    load.goes_on("a replica stands still").await;
    servers.start_replication(2).await.unwrap();

    servers.server(1).pause().await.unwrap();
    load.is_read("while the primary hangs").await;
    servers.server(1).kill().await.unwrap();
    servers.promote(2).await.unwrap();
    load.goes_on("a primary that hung, and a promotion").await;
    servers.rejoin(1).await.unwrap();

    servers.promote(0).await.unwrap();
    load.goes_on("a promotion in order").await;
    end(load, &servers).await;
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_and_its_replica_come_and_go() {
    let servers = with_table(2).await;
    let db = with_roles(&servers, "max_lag = \"1s\"").await;
    let load = start(&db.mysql.main);
    load.goes_on("the start").await;
    servers.server(1).kill().await.unwrap();
    load.goes_on("the replica was killed").await;
    servers.server(1).start().await.unwrap();
    // Without what was written meanwhile it would be too old to be read from.
    let replica_is_fit = || {
        until("the replica has caught up", async || {
            db.mysql.main.hosts().unwrap()[1].state == SqlHostState::Fit
        })
    };
    replica_is_fit().await;
    servers.server(0).kill().await.unwrap();
    load.is_read("while the primary is dead").await;
    servers.server(0).start().await.unwrap();
    load.goes_on("the primary came back").await;
    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    load.goes_on("the replica falls behind").await;
    servers.delay(1, Duration::ZERO).await.unwrap();
    replica_is_fit().await;
    servers.server(0).pause().await.unwrap();
    load.is_read("while the primary hangs").await;
    servers.server(0).resume().await.unwrap();
    load.goes_on("the primary goes on").await;
    end(load, &servers).await;
    db.close().await.unwrap();
}
