//! Standbys that lag, stand still or are cut off: who is too old is not read from, and how old it is is not forgotten.

use crate::servers::{AppRegistry, all_the_while, number, on_primary, only, servers, until, with_roles};
use dbreg::{ErrorKind, SqlHostState, State, sqlx};
use registry_dev::PostgresReplicated;
use std::time::Duration;

const INSERT: &str = "insert into t values (1) on conflict (n) do update set n = t.n";

fn standby(db: &AppRegistry) -> SqlHostState {
    db.postgres.main.hosts().unwrap()[1].state
}

async fn becomes(servers: &PostgresReplicated, db: &AppRegistry, state: SqlHostState) {
    until(&format!("it is known to be {state}"), async || {
        let _ = number(servers, &db.postgres.main.read()).await;
        standby(db) == state
    })
    .await;
}

/// For as long as several looks take: one of them may take too long, and have it away for the moment.
async fn stays(servers: &PostgresReplicated, db: &AppRegistry, state: SqlHostState) {
    all_the_while(Duration::from_secs(3), async || {
        let _ = number(servers, &db.postgres.main.read()).await;
        let now = standby(db);
        assert!(now == state || now == SqlHostState::Away, "{now}");
    })
    .await;
    becomes(servers, db, state).await;
}

async fn primary_is(servers: &PostgresReplicated, db: &AppRegistry, state: State) {
    until("the primary's state is known", async || {
        let _ = number(servers, &db.postgres.main).await;
        db.postgres.main.status().state == state
    })
    .await;
}

/// A primary and a standby that was read from.
async fn read_from() -> (PostgresReplicated, AppRegistry) {
    let servers = servers(2).await;
    let db = with_roles(&servers, "max_lag = \"1s\"").await;
    only(&servers, &db.postgres.main.read(), 1).await;
    (servers, db)
}

#[tokio::test]
async fn a_standby_that_lags_or_stands_still_is_skipped_and_returns() {
    let (servers, db) = read_from().await;
    let reader = db.postgres.main.read();
    servers.stop_applying(1).await.unwrap();
    becomes(&servers, &db, SqlHostState::Halted).await;
    only(&servers, &reader, 0).await;
    servers.start_applying(1).await.unwrap();
    only(&servers, &reader, 1).await;

    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    on_primary(&servers, INSERT).await;
    becomes(&servers, &db, SqlHostState::Behind).await;
    only(&servers, &reader, 0).await;
    until("it is known how far it is behind", async || {
        let host = &db.postgres.main.hosts().unwrap()[1];
        let told = |cause: &dbreg::Error| cause.message().contains("behind its primary");
        host.lag.is_some_and(|lag| lag > Duration::from_secs(1)) && host.cause.as_ref().is_some_and(told)
    })
    .await;
    servers.delay(1, Duration::ZERO).await.unwrap();
    only(&servers, &reader, 1).await;

    // It hears nothing from a primary that is there, and grows old.
    servers.stop_receiving(1).await.unwrap();
    becomes(&servers, &db, SqlHostState::Behind).await;
    only(&servers, &reader, 0).await;
    servers.start_receiving(1).await.unwrap();
    only(&servers, &reader, 1).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_standby_of_a_primary_that_rests_is_not_late() {
    let servers = servers(2).await;
    let db = with_roles(&servers, "max_lag = \"3s\"").await;
    only(&servers, &db.postgres.main.read(), 1).await;
    // Nothing is committed for longer than it may be behind, while records come that commit nothing.
    all_the_while(Duration::from_secs(5), async || {
        servers.primary().sql("checkpoint").await.unwrap();
        number(&servers, &db.postgres.main.read()).await.unwrap();
        // Away after a look that took too long; late it is not.
        let state = standby(&db);
        assert!(matches!(state, SqlHostState::Fit | SqlHostState::Away), "{state}");
    })
    .await;
    only(&servers, &db.postgres.main.read(), 1).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_backlog_that_is_not_applied_is_remembered_when_the_primary_dies() {
    let (servers, db) = read_from().await;
    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    on_primary(&servers, INSERT).await;
    becomes(&servers, &db, SqlHostState::Behind).await;
    servers.server(0).kill().await.unwrap();
    primary_is(&servers, &db, State::Degraded).await;
    stays(&servers, &db, SqlHostState::Behind).await;
    number(&servers, &db.postgres.main.read()).await.unwrap_err();
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_standby_that_is_cut_off_does_not_become_young_by_a_restart_of_the_primary() {
    let (servers, db) = read_from().await;
    servers.stop_receiving(1).await.unwrap();
    becomes(&servers, &db, SqlHostState::Behind).await;
    servers.server(0).kill().await.unwrap();
    primary_is(&servers, &db, State::Degraded).await;
    stays(&servers, &db, SqlHostState::Behind).await;
    servers.server(0).start().await.unwrap();
    primary_is(&servers, &db, State::Ready).await;
    stays(&servers, &db, SqlHostState::Behind).await;
    servers.start_receiving(1).await.unwrap();
    only(&servers, &db.postgres.main.read(), 1).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_standby_that_was_cut_off_before_the_first_look_is_not_read_from() {
    let servers = servers(2).await;
    servers.stop_receiving(1).await.unwrap();
    let db = with_roles(&servers, "max_lag = \"1h\"").await;
    until("it is known why it is not read from", async || {
        assert_eq!(number(&servers, &db.postgres.main.read()).await.unwrap(), 0);
        let cause = db.postgres.main.hosts().unwrap()[1].cause.clone();
        cause.is_some_and(|cause| cause.message().contains("an unknown time behind"))
    })
    .await;
    stays(&servers, &db, SqlHostState::Behind).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_process_that_starts_in_an_outage_reads_from_a_standby_that_has_applied_everything() {
    let servers = servers(2).await;
    servers.server(0).kill().await.unwrap();
    let db = with_roles(&servers, "start = \"lazy\"").await;
    only(&servers, &db.postgres.main.read(), 1).await;
    primary_is(&servers, &db, State::Degraded).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn without_a_fallback_a_read_says_what_ails_the_standbys() {
    let servers = servers(2).await;
    servers.stop_applying(1).await.unwrap();
    let db = with_roles(&servers, "fallback = false").await;
    until("a read says what ails it", async || {
        let error = number(&servers, &db.postgres.main.read()).await.unwrap_err();
        let error = dbreg::Error::from(error);
        assert_eq!(
            (error.kind(), error.is_transient()),
            (ErrorKind::Unreachable, true)
        );
        error.message().contains("it does not apply what it receives")
    })
    .await;
    assert_eq!(number(&servers, &db.postgres.main).await.unwrap(), 0);
    servers.start_applying(1).await.unwrap();
    only(&servers, &db.postgres.main.read(), 1).await;
    db.close().await.unwrap();
}

/// What it misses it gets bit by bit, and has replayed all that it has at any time.
#[tokio::test]
async fn a_standby_that_still_receives_what_it_missed_is_not_read_from() {
    for may_see in [true, false] {
        let servers = servers(2).await;
        if !may_see {
            on_primary(&servers, "revoke pg_monitor from shop").await;
            servers.caught_up(1).await.unwrap();
        }
        let db = with_roles(&servers, "max_lag = \"1s\"").await;
        let reader = db.postgres.main.read();
        only(&servers, &reader, 1).await;
        servers.stop_receiving(1).await.unwrap();
        on_primary(&servers, "insert into t values (1)").await;
        becomes(&servers, &db, SqlHostState::Behind).await;
        servers.start_receiving(1).await.unwrap();
        until("the standby is read from", async || {
            let mut session = reader.acquire().await.unwrap();
            let found = sqlx::query_scalar::<_, i64>("select count(*) from t");
            let rows = found.fetch_one(&mut *session).await.unwrap();
            assert_eq!(rows, 1, "it was written longer ago than a standby may be behind");
            number(&servers, &mut *session).await.unwrap() == 1
        })
        .await;
        db.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_account_without_any_grant_reads_from_standbys() {
    let servers = servers(2).await;
    on_primary(&servers, "revoke pg_monitor from shop").await;
    servers.caught_up(1).await.unwrap();
    let db = with_roles(&servers, "max_lag = \"1s\"").await;
    let reader = db.postgres.main.read();
    only(&servers, &reader, 1).await;
    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    on_primary(&servers, INSERT).await;
    becomes(&servers, &db, SqlHostState::Behind).await;
    servers.delay(1, Duration::ZERO).await.unwrap();
    only(&servers, &reader, 1).await;
    servers.stop_receiving(1).await.unwrap();
    becomes(&servers, &db, SqlHostState::Behind).await;
    servers.start_receiving(1).await.unwrap();
    only(&servers, &reader, 1).await;
    db.close().await.unwrap();
}
