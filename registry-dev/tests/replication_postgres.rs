//! PostgreSQL servers that replicate: roles, lag, promotion, and the way back of an old primary.

use registry_dev::PostgresReplicated;
use std::os::unix::fs::MetadataExt as _;
use std::process::Output;
use std::time::{Duration, Instant};

/// How long something may take that happens soon.
const SOON: Duration = Duration::from_secs(20);

async fn count(servers: &PostgresReplicated, index: usize) -> String {
    let answer = servers
        .server(index)
        .sql_in("shop", "select count(*) from t")
        .await
        .expect("the table is there");
    answer.trim().to_owned()
}

/// Three servers with the table `t` in the database `shop`.
async fn three() -> PostgresReplicated {
    let servers = registry_dev::postgres_replicated(3)
        .await
        .expect("PostgreSQL is installed");
    servers
        .create_database("shop", "shop", "a password")
        .await
        .expect("every server lives");
    write(
        &servers,
        "create table t (n int primary key); grant all on t to shop",
    )
    .await;
    servers
}

async fn write(servers: &PostgresReplicated, statement: &str) {
    servers
        .primary()
        .sql_in("shop", statement)
        .await
        .expect("the primary takes writes");
}

async fn is_replica(servers: &PostgresReplicated, index: usize) -> bool {
    let answer = servers.server(index).sql("select pg_is_in_recovery()").await;
    answer.expect("the server lives").trim() == "t"
}

/// What stays the same as long as a server keeps its data.
fn data(servers: &PostgresReplicated, index: usize) -> u64 {
    let data = servers.server(index).log_path().with_file_name("data");
    std::fs::metadata(data).expect("the server has data").ino()
}

/// Waits until a statement on a server prints this.
async fn until(servers: &PostgresReplicated, index: usize, statement: &str, expected: &str) {
    let deadline = Instant::now() + SOON;
    loop {
        let found = servers.server(index).sql_in("shop", statement).await;
        let found = found.expect("the server lives");
        if found.trim() == expected {
            return;
        }
        assert!(Instant::now() < deadline, "`{statement}` prints {found}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A statement with the rights of the user `shop`, through the port.
fn as_user(servers: &PostgresReplicated, index: usize, statement: &str) -> Output {
    let port = servers.server(index).port();
    std::process::Command::new("psql")
        .args([
            "--no-psqlrc",
            "--set=ON_ERROR_STOP=1",
            "-qAt",
            "--command",
            statement,
        ])
        .arg(format!("postgres://shop:a%20password@127.0.0.1:{port}/shop"))
        .output()
        .expect("psql is installed")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat()).into_owned()
}

#[tokio::test]
async fn replicas_have_what_the_primary_has_and_refuse_writes() {
    let servers = three().await;
    for index in [1, 2] {
        servers.caught_up(index).await.unwrap();
        assert!(is_replica(&servers, index).await);
        let refused = as_user(&servers, index, "insert into t values (1)");
        assert!(said(&refused).contains("read-only transaction"), "{refused:?}");
        // The user may look at how far it is.
        let look = "select status, latest_end_lsn is not null from pg_stat_wal_receiver";
        assert_eq!(said(&as_user(&servers, index, look)), "streaming|t\n");
    }
    assert_eq!(said(&as_user(&servers, 0, "insert into t values (1)")), "");
    servers.caught_up(2).await.unwrap();
    assert_eq!(count(&servers, 2).await, "1");
    assert_eq!((servers.len(), servers.replicas().count()), (3, 2));
    // All come back in their roles, also after a crash.
    servers.server(0).restart().await.unwrap();
    servers.server(1).restart().await.unwrap();
    servers.server(2).kill().await.unwrap();
    write(&servers, "insert into t values (2)").await;
    servers.server(2).start().await.unwrap();
    assert!(!is_replica(&servers, 0).await);
    for index in [1, 2] {
        assert!(is_replica(&servers, index).await);
        servers.caught_up(index).await.unwrap();
        assert_eq!(count(&servers, index).await, "2");
    }
}

#[tokio::test]
async fn a_replica_falls_behind_and_comes_after() {
    let servers = three().await;
    servers.caught_up(1).await.unwrap();
    servers.caught_up(2).await.unwrap();
    servers.stop_applying(1).await.unwrap();
    servers.stop_replication(2).await.unwrap();
    write(&servers, "insert into t values (1)").await;
    let position = servers
        .primary()
        .sql("select pg_current_wal_lsn()")
        .await
        .unwrap();
    // One has received it, and the other does not listen.
    let received = format!("select pg_last_wal_receive_lsn() >= '{}'", position.trim());
    until(&servers, 1, &received, "t").await;
    until(&servers, 2, "select count(*) from pg_stat_wal_receiver", "0").await;
    assert_eq!(count(&servers, 1).await, "0");
    assert_eq!(count(&servers, 2).await, "0");
    servers.start_replication(1).await.unwrap();
    servers.start_replication(2).await.unwrap();
    for index in [1, 2] {
        servers.caught_up(index).await.unwrap();
        assert_eq!(count(&servers, index).await, "1");
    }
    // What stands still in both ways is the same in whichever order it stopped.
    servers.stop_applying(2).await.unwrap();
    servers.stop_receiving(2).await.unwrap();
    write(&servers, "insert into t values (2)").await;
    until(&servers, 2, "select count(*) from pg_stat_wal_receiver", "0").await;
    servers.start_applying(2).await.unwrap();
    assert_eq!(count(&servers, 2).await, "1");
    servers.start_receiving(2).await.unwrap();
    servers.caught_up(2).await.unwrap();
    assert_eq!(count(&servers, 2).await, "2");
}

#[tokio::test]
async fn a_delayed_replica_keeps_back_what_it_has() {
    let servers = three().await;
    servers.caught_up(1).await.unwrap();
    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    write(&servers, "insert into t values (1)").await;
    servers.caught_up(2).await.unwrap();
    let waits = "select wait_event from pg_stat_activity where backend_type = 'startup'";
    until(&servers, 1, waits, "RecoveryApplyDelay").await;
    assert_eq!(count(&servers, 1).await, "0");
    // Neither what stops it meanwhile nor what starts it again lets the write through.
    servers.stop_replication(1).await.unwrap();
    servers.start_replication(1).await.unwrap();
    assert_eq!(count(&servers, 1).await, "0");
    servers.delay(1, Duration::ZERO).await.unwrap();
    servers.caught_up(1).await.unwrap();
    assert_eq!(count(&servers, 1).await, "1");
    // A promotion does not wait for it.
    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    servers.delay(2, Duration::from_secs(3600)).await.unwrap();
    write(&servers, "insert into t values (2)").await;
    servers.promote(1).await.unwrap();
    assert_eq!(count(&servers, 1).await, "2");
    servers.caught_up(2).await.unwrap();
    assert_eq!(count(&servers, 2).await, "2");
}

#[tokio::test]
async fn a_promotion_in_order_leaves_the_old_primary_as_a_replica() {
    let servers = three().await;
    let before = [0, 1, 2].map(|index| data(&servers, index));
    write(&servers, "insert into t values (1)").await;
    servers.promote(2).await.unwrap();
    assert_eq!(servers.primary_index(), 2);
    write(&servers, "insert into t values (2)").await;
    for index in [0, 1] {
        servers.caught_up(index).await.unwrap();
        assert_eq!(count(&servers, index).await, "2");
        assert!(is_replica(&servers, index).await);
    }
    servers.promote(0).await.unwrap();
    write(&servers, "insert into t values (3)").await;
    servers.caught_up(2).await.unwrap();
    assert_eq!(count(&servers, 2).await, "3");
    // One that was away while another took over follows by itself, too.
    servers.server(1).stop().await.unwrap();
    servers.server(0).stop().await.unwrap();
    servers.promote(2).await.unwrap();
    write(&servers, "insert into t values (4)").await;
    servers.server(0).start().await.unwrap();
    servers.server(1).start().await.unwrap();
    for index in [0, 1] {
        servers.caught_up(index).await.unwrap();
        servers.rejoin(index).await.unwrap();
        assert_eq!(count(&servers, index).await, "4");
    }
    // Nobody needed a copy.
    assert_eq!([0, 1, 2].map(|index| data(&servers, index)), before);
}

#[tokio::test]
async fn what_any_replica_received_outlives_the_primary() {
    let servers = three().await;
    servers.caught_up(2).await.unwrap();
    servers.stop_applying(1).await.unwrap();
    servers.stop_replication(2).await.unwrap();
    servers.synchronous(true).await.unwrap();
    write(&servers, "insert into t values (1)").await;
    servers.server(0).kill().await.unwrap();
    // Server 2 knows nothing of it, and server 1 has not applied it.
    servers.promote(2).await.unwrap();
    assert_eq!(count(&servers, 2).await, "1");
    write(&servers, "insert into t values (2)").await;
    servers.caught_up(1).await.unwrap();
    assert_eq!(count(&servers, 1).await, "2");
    // It comes back read only by itself.
    servers.server(0).start().await.unwrap();
    assert!(is_replica(&servers, 0).await);
    servers.rejoin(0).await.unwrap();
    assert_eq!(count(&servers, 0).await, "2");
}

#[tokio::test]
async fn an_old_primary_with_writes_of_its_own_begins_anew() {
    for starts_before in [false, true] {
        let servers = three().await;
        servers.caught_up(1).await.unwrap();
        servers.stop_replication(1).await.unwrap();
        servers.stop_replication(2).await.unwrap();
        write(&servers, "insert into t values (1)").await;
        servers.server(0).kill().await.unwrap();
        servers.promote(1).await.unwrap();
        write(&servers, "insert into t values (7), (8)").await;
        if starts_before {
            // It has heard of the new primary, and can neither follow it nor start again.
            servers.server(0).start().await.unwrap();
            assert!(is_replica(&servers, 0).await);
            let heard = "select count(*) from pg_ls_waldir() where name = '00000002.history'";
            until(&servers, 0, heard, "1").await;
            servers.server(0).stop().await.unwrap();
        }
        let (port, before) = (servers.server(0).port(), data(&servers, 0));
        servers.rejoin(0).await.unwrap();
        assert_ne!(data(&servers, 0), before);
        let found = servers.server(0).sql_in("shop", "select n from t order by n");
        assert_eq!(found.await.unwrap(), "7\n8\n");
        assert!(is_replica(&servers, 0).await);
        assert_eq!(servers.server(0).port(), port);
        servers.promote(0).await.unwrap();
        write(&servers, "insert into t values (9)").await;
        servers.caught_up(2).await.unwrap();
        assert_eq!(count(&servers, 2).await, "3");
    }
}

#[tokio::test]
async fn a_primary_that_hangs_is_read_only_after_its_next_start() {
    let servers = registry_dev::postgres_replicated(2).await.unwrap();
    servers.server(0).pause().await.unwrap();
    servers.promote(1).await.unwrap();
    assert!(!is_replica(&servers, 1).await);
    servers.server(0).resume().await.unwrap();
    assert!(!is_replica(&servers, 0).await);
    servers.server(0).restart().await.unwrap();
    assert!(is_replica(&servers, 0).await);
    servers.rejoin(0).await.unwrap();
    // One that goes on as a primary is asked to follow.
    servers.server(1).pause().await.unwrap();
    servers.promote(0).await.unwrap();
    servers.server(1).resume().await.unwrap();
    servers
        .server(1)
        .sql("create table only_here (n int)")
        .await
        .unwrap();
    servers.rejoin(1).await.unwrap();
    let there = servers.server(1).sql("select to_regclass('only_here') is null");
    assert_eq!(there.await.unwrap(), "t\n");
}

#[tokio::test]
async fn a_synchronous_write_waits_for_a_replica_and_outlives_its_primary() {
    let servers = three().await;
    servers.synchronous(true).await.unwrap();
    servers.stop_receiving(1).await.unwrap();
    servers.stop_receiving(2).await.unwrap();
    let waits = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
    let insert = servers.primary().sql_in("shop", "insert into t values (1)");
    let release = async {
        until(&servers, 0, waits, "1").await;
        servers.start_receiving(1).await.unwrap();
    };
    let (inserted, ()) = tokio::join!(insert, release);
    inserted.unwrap();
    servers.server(0).kill().await.unwrap();
    servers.promote(2).await.unwrap();
    assert_eq!(count(&servers, 2).await, "1");
    // The new primary keeps to it, until nobody follows.
    let names = "show synchronous_standby_names";
    assert_eq!(servers.server(2).sql(names).await.unwrap(), "ANY 1 (*)\n");
    write(&servers, "insert into t values (2)").await;
    servers.server(2).kill().await.unwrap();
    servers.promote(1).await.unwrap();
    assert_eq!(servers.server(1).sql(names).await.unwrap(), "\n");
    write(&servers, "insert into t values (3)").await;
    assert_eq!(count(&servers, 1).await, "3");
    servers.rejoin(0).await.unwrap();
    servers.rejoin(2).await.unwrap();
    assert_eq!(
        (count(&servers, 0).await, count(&servers, 2).await),
        ("3".to_owned(), "3".to_owned())
    );
}

#[tokio::test]
async fn two_primaries_that_never_met_are_not_mixed_up() {
    let servers = three().await;
    for index in [1, 2] {
        servers.caught_up(index).await.unwrap();
    }
    servers.server(2).stop().await.unwrap();
    servers.server(0).kill().await.unwrap();
    servers.promote(1).await.unwrap();
    write(&servers, "insert into t values (1)").await;
    servers.server(1).kill().await.unwrap();
    // It has never heard of server 1 as a primary, and begins the same timeline.
    servers.server(2).start().await.unwrap();
    servers.promote(2).await.unwrap();
    write(&servers, "insert into t values (7)").await;
    servers.server(1).start().await.unwrap();
    let error = servers.promote(1).await.unwrap_err().to_string();
    assert!(error.contains("rejoin it first"), "{error}");
    for index in [0, 1] {
        servers.rejoin(index).await.unwrap();
        let found = servers.server(index).sql_in("shop", "select n from t");
        assert_eq!(found.await.unwrap(), "7\n");
    }
    servers.promote(1).await.unwrap();
    assert!(is_replica(&servers, 2).await);
}
