//! The reader: replicas that are fit, the primary where there is none, and no write at all.

use crate::servers::{
    all_the_while, connect, in_time, may_look, number, reports, servers, until, with_roles, without_roles,
};
use dbreg::{ErrorKind, MySqlReader, SqlHostRole, SqlHostState, State, sqlx};
use std::collections::BTreeMap;
use std::time::Duration;

/// Looks come twice a second: one that was slow is soon forgotten.
const LOOKED_AT_OFTEN: &str = "max_lag = \"2s\"";

/// How often each server answers, in this many reads.
async fn spread(reader: &MySqlReader, reads: usize) -> BTreeMap<usize, usize> {
    let mut found = BTreeMap::new();
    for _ in 0..reads {
        *found.entry(number(reader).await.unwrap()).or_default() += 1;
    }
    found
}

/// Waits until every read of ten goes to this server.
async fn only(reader: &MySqlReader, index: usize) {
    until(&format!("reads from server {index} alone"), async || {
        let mut all = true;
        for _ in 0..10 {
            all &= number(reader).await.is_ok_and(|found| found == index);
        }
        all
    })
    .await;
}

#[tokio::test]
async fn reads_go_to_the_replicas_by_weight_and_writes_to_the_primary() {
    let servers = servers(3).await;
    let port = |index: usize| servers.server(index).port();
    let list = format!(
        "{{ host = \"127.0.0.1\", port = {} }}, {{ host = \"127.0.0.1\", port = {}, role = \"replica\", weight = 3 }}, \
         {{ host = \"127.0.0.1\", port = {}, role = \"replica\" }}",
        port(0),
        port(1),
        port(2)
    );
    let db = reports("3 of 3 hosts", async || connect(&list, LOOKED_AT_OFTEN).await).await;
    let reader = db.mysql.main.read();
    // Both are known once both were looked at.
    until("both replicas are fit", async || {
        number(&reader).await.unwrap();
        let hosts = db.mysql.main.hosts().unwrap();
        hosts.iter().all(|host| host.state == SqlHostState::Fit)
    })
    .await;
    // 300 to 100 are to be expected; three standard deviations are 26. After a look that was slow one of them is far.
    until("reads by weight", async || {
        let found = spread(&reader, 400).await;
        found.keys().eq(&[1, 2]) && (274..=326).contains(&found[&1])
    })
    .await;
    assert_eq!(number(&db.mysql.main).await.unwrap(), 0);
    let roles: Vec<_> = db
        .mysql
        .main
        .hosts()
        .unwrap()
        .iter()
        .map(|host| host.role)
        .collect();
    assert_eq!(
        roles,
        [SqlHostRole::Primary, SqlHostRole::Replica, SqlHostRole::Replica]
    );
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_write_through_the_reader_fails_on_the_server_wherever_it_reads() {
    let servers = servers(2).await;
    // A replica that would take the write, if the session did not refuse it.
    servers.server(1).sql("set global read_only = off").await.unwrap();
    let db = with_roles(&servers, "").await;
    let reader = db.mysql.main.read();
    only(&reader, 1).await;
    let refused = async |on_primary: bool| {
        for statement in [
            "insert into t values (1)",
            "create table u (n int)",
            "delete from t",
        ] {
            let error = sqlx::query(statement).execute(&reader).await.unwrap_err();
            assert!(error.to_string().contains("1792"), "{on_primary}: {error}");
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
    };
    refused(false).await;
    servers.server(1).kill().await.unwrap();
    only(&reader, 0).await;
    refused(true).await;
    let rows: i64 = sqlx::query_scalar("select count(*) from t")
        .fetch_one(&db.mysql.main)
        .await
        .unwrap();
    assert_eq!(rows, 0);
    // One host alone is read from in the same way.
    let port = servers.server(0).port();
    let alone = connect(
        &format!("{{ host = \"127.0.0.1\", port = {port} }}"),
        "fallback = false",
    )
    .await;
    let error = sqlx::query("insert into t values (1)")
        .execute(&alone.mysql.main.read())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("1792"), "{error}");
    sqlx::query("insert into t values (1)")
        .execute(&alone.mysql.main)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_dead_replica_is_skipped_and_returns() {
    let servers = servers(3).await;
    let db = with_roles(&servers, "").await;
    let reader = db.mysql.main.read();
    servers.server(1).kill().await.unwrap();
    only(&reader, 2).await;
    servers.server(2).stop().await.unwrap();
    only(&reader, 0).await;
    let hosts = db.mysql.main.hosts().unwrap();
    assert_eq!(hosts[1].state, SqlHostState::Away);
    assert!(
        hosts[1]
            .cause
            .as_ref()
            .unwrap()
            .message()
            .contains("connection refused"),
        "{hosts:?}"
    );
    servers.server(1).start().await.unwrap();
    only(&reader, 1).await;
    // Nothing of it concerns the primary.
    assert_eq!(db.mysql.main.status().state, State::Ready);
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_replica_that_is_far_away_is_for_when_there_is_no_other() {
    let servers = servers(3).await;
    let far = registry_dev::Proxy::to(servers.server(1).address())
        .await
        .unwrap();
    far.set(registry_dev::Mode::Latency(Duration::from_millis(40)))
        .await
        .unwrap();
    let host =
        |port: u16, role: &str| format!("{{ host = \"127.0.0.1\", port = {port}, role = \"{role}\" }}");
    let list = [
        host(servers.server(0).port(), "primary"),
        host(far.port(), "replica"),
        host(servers.server(2).port(), "replica"),
    ];
    let db = connect(&list.join(", "), LOOKED_AT_OFTEN).await;
    let reader = db.mysql.main.read();
    until("both were looked at", async || {
        number(&reader).await.unwrap();
        let hosts = db.mysql.main.hosts().unwrap();
        hosts.iter().all(|host| host.state == SqlHostState::Fit)
    })
    .await;
    // A look at the near one may have been slow.
    until("reads from the near one alone", async || {
        let hosts = db.mysql.main.hosts().unwrap();
        let near = hosts[2].latency.unwrap() + Duration::from_millis(15);
        hosts[1].latency.unwrap() > near && spread(&reader, 50).await.keys().eq(&[2])
    })
    .await;
    servers.server(2).kill().await.unwrap();
    only(&reader, 1).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_replica_that_hangs_is_skipped() {
    let servers = servers(3).await;
    let db = with_roles(&servers, "timeout = \"2s\"").await;
    let reader = db.mysql.main.read();
    until("both are read from", async || {
        spread(&reader, 20).await.len() == 2
    })
    .await;
    servers.server(1).pause().await.unwrap();
    // Reads that were sent there end at their deadline; those that come later go to the other.
    futures_util::future::join_all((0..10).map(|_| number(&reader))).await;
    only(&reader, 2).await;
    servers.server(1).resume().await.unwrap();
    until("both are read from", async || {
        spread(&reader, 20).await.len() == 2
    })
    .await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_replica_that_lags_or_stands_still_is_skipped_and_returns() {
    let servers = servers(2).await;
    let db = with_roles(&servers, "max_lag = \"1s\"").await;
    let reader = db.mysql.main.read();
    only(&reader, 1).await;
    let becomes = async |state: SqlHostState| {
        until(&format!("it is known to be {state}"), async || {
            db.mysql.main.hosts().unwrap()[1].state == state
        })
        .await;
    };
    servers.stop_applying(1).await.unwrap();
    becomes(SqlHostState::Halted).await;
    only(&reader, 0).await;
    servers.start_replication(1).await.unwrap();
    only(&reader, 1).await;

    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    servers
        .primary()
        .sql("insert into shop.t values (1)")
        .await
        .unwrap();
    becomes(SqlHostState::Behind).await;
    only(&reader, 0).await;
    until("it is known how far it is behind", async || {
        let host = &db.mysql.main.hosts().unwrap()[1];
        let told = |cause: &dbreg::Error| cause.message().contains("behind its primary");
        host.lag.is_some_and(|lag| lag > Duration::from_secs(1)) && host.cause.as_ref().is_some_and(told)
    })
    .await;
    servers.delay(1, Duration::ZERO).await.unwrap();
    only(&reader, 1).await;

    // It hears nothing from a primary that is there, and grows old.
    servers.stop_receiving(1).await.unwrap();
    becomes(SqlHostState::Behind).await;
    only(&reader, 0).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn reads_go_on_while_the_primary_is_away() {
    let servers = servers(2).await;
    for db in [
        with_roles(&servers, "max_lag = \"1s\"").await,
        without_roles(&servers)
            .variable("DBREG_MYSQL__MAIN__MAX_LAG", "1s")
            .connect()
            .await
            .unwrap(),
    ] {
        let reader = db.mysql.main.read();
        only(&reader, 1).await;
        servers.server(0).kill().await.unwrap();
        until("the primary is known to be away", async || {
            let _ = number(&db.mysql.main).await;
            db.mysql.main.status().state == State::Degraded
        })
        .await;
        // For longer than the replica may be behind: there is nothing to be behind with.
        all_the_while(Duration::from_secs(3), async || {
            assert!(in_time(number(&reader).await).is_none_or(|found| found == 1));
        })
        .await;
        only(&reader, 1).await;
        let error = dbreg::Error::from(number(&db.mysql.main).await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        servers.server(0).start().await.unwrap();
        until("writes", async || {
            let write = sqlx::query("insert into t values (1) on duplicate key update n = n");
            write.execute(&db.mysql.main).await.is_ok()
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
    let reader = db.mysql.main.read();
    only(&reader, 1).await;
    servers.server(0).kill().await.unwrap();
    until("the primary is known to be away", async || {
        assert!(in_time(number(&reader).await).is_none_or(|found| found == 1));
        db.mysql.main.status().state == State::Degraded
    })
    .await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn without_a_fallback_a_read_says_what_ails_the_replicas() {
    let servers = servers(2).await;
    servers.stop_applying(1).await.unwrap();
    let db = with_roles(&servers, "fallback = false").await;
    until("a read says what ails it", async || {
        let error = dbreg::Error::from(number(&db.mysql.main.read()).await.unwrap_err());
        assert_eq!(
            (error.kind(), error.is_transient()),
            (ErrorKind::Unreachable, true)
        );
        error.message().contains("it does not apply what it receives")
    })
    .await;
    assert_eq!(number(&db.mysql.main).await.unwrap(), 0);
    servers.start_replication(1).await.unwrap();
    only(&db.mysql.main.read(), 1).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn an_account_that_may_not_ask_for_the_lag_reads_from_the_primary() {
    let servers = servers(2).await;
    servers
        .primary()
        .sql(format!("revoke {} on *.* from 'shop'@'%'", may_look(&servers)))
        .await
        .unwrap();
    servers.caught_up(1).await.unwrap();
    let db = with_roles(&servers, "").await;
    let reader = db.mysql.main.read();
    until("it is known why it is not read from", async || {
        assert_eq!(number(&reader).await.unwrap(), 0);
        let cause = db.mysql.main.hosts().unwrap()[1].cause.clone();
        cause.is_some_and(|cause| {
            cause.message().contains("does not tell this account its lag")
                && cause
                    .next_step()
                    .is_some_and(|step| step.contains("REPLICA MONITOR"))
        })
    })
    .await;
    servers
        .primary()
        .sql(format!("grant {} on *.* to 'shop'@'%'", may_look(&servers)))
        .await
        .unwrap();
    // Sessions that are there keep the rights that they were made with: the looks make new ones.
    only(&reader, 1).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn closing_leaves_no_session_on_any_server() {
    let servers = servers(3).await;
    let db = with_roles(&servers, "").await;
    let reader = db.mysql.main.read();
    until("both are read from", async || {
        spread(&reader, 20).await.len() == 2
    })
    .await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert!(tasks() > 0, "somebody looks at the replicas");
    let sessions = db.mysql.main.status().sessions.unwrap();
    assert!(
        sessions.open >= 2 && sessions.max >= 30,
        "each host has its pool: {sessions:?}"
    );
    db.close().await.unwrap();
    until("no task is left", async || tasks() == 0).await;
    let error = number(&reader).await.unwrap_err();
    assert!(matches!(error, sqlx::Error::PoolClosed), "{error}");
    for server in servers.servers() {
        until("no session is left", async || {
            let left = "select count(*) from information_schema.processlist where user = 'shop'";
            server.sql(left).await.unwrap().trim() == "0"
        })
        .await;
    }
    // A connection that is dropped without being closed leaves none, either.
    let db = with_roles(&servers, "").await;
    only_reads(&db.mysql.main.read()).await;
    drop((db, reader));
    until("no task is left", async || tasks() == 0).await;
    for server in servers.servers() {
        until("no session is left", async || {
            let left = "select count(*) from information_schema.processlist where user = 'shop'";
            server.sql(left).await.unwrap().trim() == "0"
        })
        .await;
    }
}

async fn only_reads(reader: &MySqlReader) {
    until("a replica is read from", async || {
        number(reader).await.unwrap() != 0
    })
    .await;
}

/// The numbers from 1.
const FIVE_THOUSAND: &str = "insert into shop.t
    with digits (n) as (select 0 union select 1 union select 2 union select 3 union select 4
        union select 5 union select 6 union select 7 union select 8 union select 9)
    select 1 + ones.n + 10 * tens.n + 100 * hundreds.n + 1000 * thousands.n
    from digits ones, digits tens, digits hundreds, digits thousands where thousands.n < 5";

#[tokio::test]
async fn many_rows_come_through_and_a_stream_that_is_dropped_gives_its_session_back() {
    use futures_util::TryStreamExt as _;
    let servers = servers(2).await;
    servers.primary().sql(FIVE_THOUSAND).await.unwrap();
    servers.caught_up(1).await.unwrap();
    let db = with_roles(&servers, "pool = { max = 1 }").await;
    let reader = db.mysql.main.read();
    only(&reader, 1).await;
    let all: Vec<i64> = sqlx::query_scalar("select n from t order by n")
        .fetch_all(&reader)
        .await
        .unwrap();
    assert!(all.iter().copied().eq(1..=5000), "{}", all.len());
    for _ in 0..5 {
        let mut rows = sqlx::query_scalar::<_, i64>("select n from t order by n").fetch(&reader);
        assert_eq!(rows.try_next().await.unwrap(), Some(1));
    }
    assert_eq!(number(&reader).await.unwrap(), 1);
    let error = sqlx::query("select * from missing")
        .execute(&reader)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("1146"), "{error}");
    assert!(
        db.mysql
            .main
            .errors()
            .latest
            .last()
            .unwrap()
            .message
            .contains("1146")
    );
    db.close().await.unwrap();
}
