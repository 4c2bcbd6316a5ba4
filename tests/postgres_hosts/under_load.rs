//! Writers and readers at work while servers are killed, hang, fall behind and change their roles: what was
//! acknowledged is there afterwards, and nothing is there twice.

use crate::load::Load;
use crate::servers::{on_primary, servers, until, with_roles, without_roles};
use dbreg::{Postgres, SqlHostState, sqlx};
use registry_dev::PostgresReplicated;
use std::time::Duration;

fn start(db: &Postgres) -> Load {
    let (writes, reads) = (db.clone(), db.clone());
    Load::start(
        move |n| {
            let db = writes.clone();
            Box::pin(async move {
                let write = sqlx::query("insert into w values ($1)").bind(n);
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
async fn end(load: Load, servers: &PostgresReplicated) {
    let done = load.end().await;
    for index in 0..servers.len() {
        if index != servers.primary_index() {
            servers.caught_up(index).await.unwrap();
        }
        let found = servers.server(index).sql_in("shop", "select n from w").await;
        done.is_on(index, &found.unwrap());
    }
}

/// Servers with a table that takes a number as often as it is written.
async fn with_table(number: usize) -> PostgresReplicated {
    let servers = servers(number).await;
    let table = "create table w (n bigint not null); create index on w (n); grant all on w to shop";
    on_primary(&servers, table).await;
    for index in 1..number {
        servers.caught_up(index).await.unwrap();
    }
    servers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_hangs_or_steps_down_loses_no_acknowledged_write() {
    let servers = with_table(3).await;
    servers.synchronous(true).await.unwrap();
    let db = without_roles(&servers).connect().await.unwrap();
    let load = start(&db.postgres.main);
    load.goes_on("the start").await;

    servers.server(0).kill().await.unwrap();
    load.is_read("while the primary is dead").await;
    servers.promote(1).await.unwrap();
    load.goes_on("a kill and a promotion").await;
    servers.rejoin(0).await.unwrap();

    servers.stop_applying(2).await.unwrap();
    load.goes_on("a standby stands still").await;
    servers.start_applying(2).await.unwrap();

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
async fn a_primary_and_its_standby_come_and_go() {
    let servers = with_table(2).await;
    let db = with_roles(&servers, "max_lag = \"1s\"").await;
    let load = start(&db.postgres.main);
    load.goes_on("the start").await;
    servers.server(1).kill().await.unwrap();
    load.goes_on("the standby was killed").await;
    servers.server(1).start().await.unwrap();
    let standby_is_fit = || {
        until("the standby has caught up", async || {
            db.postgres.main.hosts().unwrap()[1].state == SqlHostState::Fit
        })
    };
    standby_is_fit().await;
    servers.server(0).kill().await.unwrap();
    load.is_read("while the primary is dead").await;
    servers.server(0).start().await.unwrap();
    load.goes_on("the primary came back").await;
    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    load.goes_on("the standby falls behind").await;
    servers.delay(1, Duration::ZERO).await.unwrap();
    standby_is_fit().await;
    servers.server(0).pause().await.unwrap();
    load.is_read("while the primary hangs").await;
    servers.server(0).resume().await.unwrap();
    load.goes_on("the primary goes on").await;
    end(load, &servers).await;
    db.close().await.unwrap();
}
