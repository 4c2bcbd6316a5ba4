//! The reader: standbys that are fit, the primary where there is none, and no write at all.

use crate::servers::{
    all_the_while, connect, in_time, number, only, reports, servers, until, with_roles, without_roles,
};
use dbreg::{ErrorKind, PostgresReader, SqlHostRole, SqlHostState, State, sqlx};
use registry_dev::PostgresReplicated;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often each server answers, in this many reads.
async fn spread(
    servers: &PostgresReplicated,
    reader: &PostgresReader,
    reads: usize,
) -> BTreeMap<usize, usize> {
    let mut found = BTreeMap::new();
    for _ in 0..reads {
        *found.entry(number(servers, reader).await.unwrap()).or_default() += 1;
    }
    found
}

#[tokio::test]
async fn reads_go_to_the_standbys_by_weight_and_writes_to_the_primary() {
    let servers = servers(3).await;
    let port = |index: usize| servers.server(index).port();
    let list = format!(
        "{{ host = \"127.0.0.1\", port = {} }}, {{ host = \"127.0.0.1\", port = {}, role = \"replica\", weight = 3 }}, \
         {{ host = \"127.0.0.1\", port = {}, role = \"replica\" }}",
        port(0),
        port(1),
        port(2)
    );
    // Looks come twice a second: one that was slow is soon forgotten.
    let start = async || connect(&list, "max_lag = \"2s\"").await;
    let db = reports("3 of 3 hosts", start).await;
    let main = &db.postgres.main;
    let reader = main.read();
    until("both standbys are fit", async || {
        number(&servers, &reader).await.unwrap();
        let hosts = main.hosts().unwrap();
        hosts.iter().all(|host| host.state == SqlHostState::Fit)
    })
    .await;
    // 300 to 100 are to be expected; three standard deviations are 26. After a look that was slow one of them is far.
    until("reads by weight", async || {
        let found = spread(&servers, &reader, 400).await;
        found.keys().eq(&[1, 2]) && (274..=326).contains(&found[&1])
    })
    .await;
    assert_eq!(number(&servers, main).await.unwrap(), 0);
    let roles: Vec<_> = main.hosts().unwrap().iter().map(|host| host.role).collect();
    assert_eq!(
        roles,
        [SqlHostRole::Primary, SqlHostRole::Replica, SqlHostRole::Replica]
    );
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_write_through_the_reader_fails_on_the_server_wherever_it_reads() {
    let servers = servers(2).await;
    let db = with_roles(&servers, "").await;
    let reader = db.postgres.main.read();
    for index in [1, 0] {
        only(&servers, &reader, index).await;
        for statement in [
            "insert into t values (1)",
            "create table u (n int)",
            "delete from t",
        ] {
            let error = sqlx::query(statement).execute(&reader).await.unwrap_err();
            assert!(error.to_string().contains("read-only"), "{index}: {error}");
        }
        let mut session = reader.acquire().await.unwrap();
        sqlx::query("insert into t values (1)")
            .execute(&mut *session)
            .await
            .unwrap_err();
        drop(session);
        let mut transaction = reader.begin().await.unwrap();
        sqlx::query("insert into t values (1)")
            .execute(&mut *transaction)
            .await
            .unwrap_err();
        drop(transaction);
        // The second time, the primary is read from.
        servers.server(1).kill().await.unwrap();
    }
    let rows: i64 = sqlx::query_scalar("select count(*) from t")
        .fetch_one(&db.postgres.main)
        .await
        .unwrap();
    assert_eq!(rows, 0);
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_dead_standby_is_skipped_and_returns() {
    let servers = servers(3).await;
    let db = with_roles(&servers, "").await;
    let main = &db.postgres.main;
    let reader = main.read();
    servers.server(1).kill().await.unwrap();
    only(&servers, &reader, 2).await;
    servers.server(2).stop().await.unwrap();
    only(&servers, &reader, 0).await;
    let hosts = main.hosts().unwrap();
    assert_eq!(hosts[1].state, SqlHostState::Away);
    let cause = hosts[1].cause.as_ref().unwrap();
    assert!(cause.message().contains("connection refused"), "{hosts:?}");
    servers.server(1).start().await.unwrap();
    only(&servers, &reader, 1).await;
    // Nothing of it concerns the primary.
    assert_eq!(main.status().state, State::Ready);
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_standby_that_hangs_is_skipped() {
    let servers = servers(3).await;
    let db = with_roles(&servers, "timeout = \"2s\"").await;
    let reader = db.postgres.main.read();
    until("both are read from", async || {
        spread(&servers, &reader, 20).await.len() == 2
    })
    .await;
    servers.server(1).pause().await.unwrap();
    // Reads that were sent there end at their deadline; those that come later go to the other.
    futures_util::future::join_all((0..10).map(|_| number(&servers, &reader))).await;
    only(&servers, &reader, 2).await;
    servers.server(1).resume().await.unwrap();
    until("both are read from", async || {
        spread(&servers, &reader, 20).await.len() == 2
    })
    .await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn reads_go_on_while_the_primary_is_away() {
    let servers = servers(2).await;
    for db in [
        with_roles(&servers, "max_lag = \"1s\"").await,
        without_roles(&servers)
            .variable("DBREG_POSTGRES__MAIN__MAX_LAG", "1s")
            .connect()
            .await
            .unwrap(),
    ] {
        let main = &db.postgres.main;
        let reader = main.read();
        only(&servers, &reader, 1).await;
        servers.server(0).kill().await.unwrap();
        until("the primary is known to be away", async || {
            let _ = number(&servers, main).await;
            main.status().state == State::Degraded
        })
        .await;
        // For longer than the standby may be behind: there is nothing to be behind with.
        all_the_while(Duration::from_secs(3), async || {
            assert!(in_time(number(&servers, &reader).await).is_none_or(|found| found == 1));
        })
        .await;
        only(&servers, &reader, 1).await;
        let error = dbreg::Error::from(number(&servers, main).await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        servers.server(0).start().await.unwrap();
        until("writes", async || {
            let write = sqlx::query("insert into t values (1) on conflict do nothing");
            write.execute(main).await.is_ok()
        })
        .await;
        db.close().await.unwrap();
        servers.caught_up(1).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_who_writes_is_needed_to_notice_that_the_primary_is_away() {
    let servers = servers(2).await;
    let db = with_roles(&servers, "max_lag = \"1s\"").await;
    let reader = db.postgres.main.read();
    only(&servers, &reader, 1).await;
    servers.server(0).kill().await.unwrap();
    until("the primary is known to be away", async || {
        assert!(in_time(number(&servers, &reader).await).is_none_or(|found| found == 1));
        db.postgres.main.status().state == State::Degraded
    })
    .await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn closing_leaves_no_session_on_any_server() {
    let servers = servers(3).await;
    let db = with_roles(&servers, "").await;
    let reader = db.postgres.main.read();
    until("both are read from", async || {
        spread(&servers, &reader, 20).await.len() == 2
    })
    .await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert!(tasks() > 0, "somebody looks at the standbys");
    db.close().await.unwrap();
    until("no task is left", async || tasks() == 0).await;
    let error = number(&servers, &reader).await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolClosed), "{error}");
    for server in servers.servers() {
        until("no session is left", async || {
            let left = "select count(*) from pg_stat_activity where usename = 'shop'";
            server.sql(left).await.unwrap().trim() == "0"
        })
        .await;
    }
}

#[tokio::test]
async fn many_rows_come_through_and_a_stream_that_is_dropped_gives_its_session_back() {
    use futures_util::TryStreamExt as _;
    let servers = servers(2).await;
    crate::servers::on_primary(&servers, "insert into t select generate_series(1, 5000)").await;
    servers.caught_up(1).await.unwrap();
    let db = with_roles(&servers, "pool = { max = 1 }").await;
    let reader = db.postgres.main.read();
    only(&servers, &reader, 1).await;
    let all: Vec<i64> = sqlx::query_scalar("select n from t order by n")
        .fetch_all(&reader)
        .await
        .unwrap();
    assert!(all.iter().copied().eq(1..=5000), "{}", all.len());
    for _ in 0..5 {
        let mut rows = sqlx::query_scalar::<_, i64>("select n from t order by n").fetch(&reader);
        assert_eq!(rows.try_next().await.unwrap(), Some(1));
    }
    assert_eq!(number(&servers, &reader).await.unwrap(), 1);
    let error = sqlx::query("select * from missing")
        .execute(&reader)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
    let latest = db.postgres.main.errors().latest;
    assert!(latest.last().unwrap().message.contains("42P01"));
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_standby_that_lets_nobody_in_is_passed_over_and_not_waited_for_each_time() {
    use sqlx::ConnectOptions as _;
    let servers = servers(2).await;
    let db = with_roles(&servers, "connect_timeout = \"2s\"\npool = { max = 2 }").await;
    let main = &db.postgres.main;
    crate::servers::on_primary(&servers, "alter role shop connection limit 8").await;
    servers.caught_up(1).await.unwrap();
    let standby = sqlx::postgres::PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(servers.server(1).port())
        .username("shop")
        .password("a password")
        .database("shop");
    let mut held = Vec::new();
    for _ in 0..7 {
        held.push(standby.connect().await.unwrap());
    }
    // The last session there is that of the looks. On the primary there are some left.
    until("it is known to let nobody in", async || {
        number(&servers, &main.read()).await.is_ok_and(|found| found == 0)
            && main.hosts().unwrap()[1].cause.is_some()
    })
    .await;
    let mut reads = 0;
    all_the_while(Duration::from_secs(3), async || {
        assert_eq!(number(&servers, &main.read()).await.unwrap(), 0);
        reads += 1;
    })
    .await;
    // A second of every one and a half; if each waited, it would be six.
    assert!(reads > 8, "{reads} reads");
    let cause = main.hosts().unwrap()[1].cause.clone();
    drop(held);
    only(&servers, &main.read(), 1).await;
    assert_eq!(
        main.hosts().unwrap()[1].cause.clone().map(|cause| cause.kind()),
        None,
        "{cause:?}"
    );
    db.close().await.unwrap();
}
