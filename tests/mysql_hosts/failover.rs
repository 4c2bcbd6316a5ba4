//! A list without roles: the first that is writable is used, then the next, and the first again only when told to.

use crate::servers::{
    App, AppRegistry, PATIENCE, end_sessions, number, reports, servers, until, without_roles,
};
use dbreg::{ErrorKind, State, sqlx};
use std::time::{Duration, Instant};

#[tokio::test]
async fn the_first_that_is_writable_is_used_at_the_start() {
    let servers = servers(3).await;
    servers.promote(1).await.unwrap();
    let start = async || without_roles(&servers).connect().await.unwrap();
    let db = reports("3 of 3 hosts", start).await;
    assert_eq!(number(&db.mysql.main).await.unwrap(), 1);
    let report = db.report().to_string();
    let address = servers.server(1).address().to_string();
    assert!(report.contains(&format!("at {address}")), "{report}");
    db.close().await.unwrap();
    servers.server(2).kill().await.unwrap();
    let db = reports("2 of 3 hosts", start).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn without_any_that_is_writable_there_is_no_start() {
    let servers = servers(2).await;
    servers.server(0).kill().await.unwrap();
    let error = without_roles(&servers).connect().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("no host is writable: connection refused"), "{text}");
    assert!(
        text.contains(&format!("{} is read only", servers.server(1).address())),
        "{text}"
    );
    assert_eq!(error.exit_code(), dbreg::EXIT_UNAVAILABLE);
}

/// A host that says nothing takes nothing away from what the others have said.
#[tokio::test]
async fn a_first_host_that_hangs_is_the_only_one_that_is_said_to_hang() {
    let servers = servers(2).await;
    servers.server(0).pause().await.unwrap();
    let text = without_roles(&servers).connect().await.unwrap_err().to_string();
    let [hangs, reads] = [0, 1].map(|index| servers.server(index).address());
    assert!(
        text.contains(&format!("{hangs} accepts connections but does not answer")),
        "{text}"
    );
    assert!(text.contains(&format!("{reads} is read only")), "{text}");
    assert!(!text.contains(&format!("{reads} accepts")), "{text}");
    servers.server(0).resume().await.unwrap();
}

#[tokio::test]
async fn a_demoted_primary_is_left_for_the_new_one_and_taken_again_when_told_to() {
    let servers = servers(3).await;
    let db = without_roles(&servers).connect().await.unwrap();
    // The pool itself, as code may hold it that knows nothing of hosts.
    let pool = db.mysql.main.instance();
    assert_eq!(number(&pool).await.unwrap(), 0);
    servers.promote(2).await.unwrap();
    let began = Instant::now();
    let mut n = 0;
    until("a write", async || {
        n += 1;
        let insert = sqlx::query("insert into t values (?)").bind(n);
        insert.execute(&db.mysql.main).await.is_ok()
    })
    .await;
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(number(&db.mysql.main).await.unwrap(), 2);
    until("the pool leads there", async || {
        number(&pool).await.is_ok_and(|found| found == 2)
    })
    .await;

    servers.promote(0).await.unwrap();
    until("a write", async || {
        n += 1;
        let insert = sqlx::query("insert into t values (?)").bind(n);
        insert.execute(&db.mysql.main).await.is_ok()
    })
    .await;
    assert_eq!(number(&db.mysql.main).await.unwrap(), 0);
    let rows: i64 = sqlx::query_scalar("select count(*) from t")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(rows, 2, "no write that failed was done");
    db.close().await.unwrap();
}

#[tokio::test]
async fn whoever_works_in_transactions_of_the_driver_is_led_to_the_new_primary() {
    let servers = servers(2).await;
    let db = without_roles(&servers).connect().await.unwrap();
    let pool = db.mysql.main.instance();
    let insert = async |n: i64| {
        let mut transaction = pool.begin().await?;
        sqlx::query("insert into t values (?)")
            .bind(n)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    };
    insert(0).await.unwrap();
    servers.promote(1).await.unwrap();
    // No call of dbreg's own is made that could notice: the errors are the driver's.
    let mut n = 0;
    until("a transaction", async || {
        n += 1;
        insert(n).await.is_ok()
    })
    .await;
    assert_eq!(number(&pool).await.unwrap(), 1);
    db.close().await.unwrap();
}

/// Two servers that know nothing of each other, so that whichever answers is writable, and their application.
async fn two_primaries() -> (registry_dev::MySqlServer, registry_dev::MySqlServer, AppRegistry) {
    two_primaries_with(10).await
}

/// The same, with a pool of this many sessions.
async fn two_primaries_with(
    sessions: u32,
) -> (registry_dev::MySqlServer, registry_dev::MySqlServer, AppRegistry) {
    let (first, second) = tokio::join!(registry_dev::mysql(), registry_dev::mysql());
    let (first, second) = (first.unwrap(), second.unwrap());
    for (server, n) in [(&first, 1), (&second, 2)] {
        server
            .create_database("shop", "shop", "a password")
            .await
            .unwrap();
        server.sql(format!("set global server_id = {n}")).await.unwrap();
    }
    let list = format!("127.0.0.1:{},127.0.0.1:{}", first.port(), second.port());
    let builder = App::builder()
        .variable("DBREG_MYSQL__MAIN__CONNECTIONS", list)
        .variable("DBREG_MYSQL__MAIN__POOL__MAX", sessions)
        // The second is asked after a quarter of it, and may win then: a first one that is slow has time to answer.
        .variable("DBREG_MYSQL__MAIN__CONNECT_TIMEOUT", "20s")
        // And whoever waits for a session outlasts that.
        .variable("DBREG_MYSQL__MAIN__POOL__ACQUIRE_TIMEOUT", "30s")
        .variable("DBREG_MYSQL__MAIN__PASSWORD", "a password");
    (first, second, builder.connect().await.unwrap())
}

#[tokio::test]
async fn a_host_that_hangs_is_left_for_another_that_is_writable() {
    let (first, _second, db) = two_primaries().await;
    assert_eq!(number(&db.mysql.main).await.unwrap(), 0);
    first.pause().await.unwrap();
    // The call that is at work there ends at its deadline; it makes somebody look.
    until("the next host", async || {
        number(&db.mysql.main).await.is_ok_and(|found| found == 1)
    })
    .await;
    first.resume().await.unwrap();
    for _ in 0..50 {
        assert_eq!(number(&db.mysql.main).await.unwrap(), 1);
    }
    db.mysql.main.return_to_first_host().await.unwrap();
    assert_eq!(number(&db.mysql.main).await.unwrap(), 0);
    db.close().await.unwrap();
}

/// A return that takes a while makes somebody look at the host that is about to be left.
#[tokio::test]
async fn a_return_to_the_first_host_over_a_slow_network_is_not_undone() {
    let (first, second, fast) = two_primaries().await;
    fast.close().await.unwrap();
    let slow = registry_dev::Mode::Latency(Duration::from_millis(60));
    let mut proxies = Vec::new();
    for server in [&first, &second] {
        let proxy = registry_dev::Proxy::to(server.address()).await.unwrap();
        proxy.set(slow).await.unwrap();
        proxies.push(proxy);
    }
    let list = format!("127.0.0.1:{},127.0.0.1:{}", proxies[0].port(), proxies[1].port());
    let builder = App::builder()
        .variable("DBREG_MYSQL__MAIN__CONNECTIONS", list)
        .variable("DBREG_MYSQL__MAIN__CONNECT_TIMEOUT", "20s")
        .variable("DBREG_MYSQL__MAIN__PASSWORD", "a password");
    let db = builder.connect().await.unwrap();
    proxies[0].set(registry_dev::Mode::Down).await.unwrap();
    until("the next host", async || {
        number(&db.mysql.main).await.is_ok_and(|found| found == 1)
    })
    .await;
    proxies[0].set(slow).await.unwrap();
    db.mysql.main.return_to_first_host().await.unwrap();
    crate::servers::all_the_while(Duration::from_secs(3), async || {
        assert_eq!(number(&db.mysql.main).await.unwrap(), 0);
    })
    .await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn the_first_host_that_returns_is_left_alone_until_a_reload() {
    let (first, second, db) = two_primaries().await;
    assert_eq!(number(&db.mysql.main).await.unwrap(), 0);
    first.kill().await.unwrap();
    until("the next host", async || {
        number(&db.mysql.main).await.is_ok_and(|found| found == 1)
    })
    .await;
    first.start().await.unwrap();
    first.sql("set global server_id = 1").await.unwrap();
    for _ in 0..50 {
        assert_eq!(number(&db.mysql.main).await.unwrap(), 1);
    }
    // An error that makes the keeper look changes nothing, either.
    end_sessions(&second).await;
    let mut answers = 0;
    until("sessions of its own again", async || {
        // Each of those that were ended may fail a call, and one may answer before.
        if let Ok(found) = number(&db.mysql.main).await {
            assert_eq!(found, 1);
            answers += 1;
        }
        answers == 50
    })
    .await;
    db.reload().await.unwrap();
    assert_eq!(number(&db.mysql.main).await.unwrap(), 0);
    db.close().await.unwrap();
}

#[tokio::test]
async fn without_any_host_a_reload_says_so() {
    let (first, second, db) = two_primaries().await;
    let (killed, also) = tokio::join!(first.kill(), second.kill());
    killed.and(also).unwrap();
    until("the outage is known", async || {
        number(&db.mysql.main).await.is_err() && db.mysql.main.status().state == State::Degraded
    })
    .await;
    for error in [
        db.reload().await.unwrap_err(),
        db.mysql.main.return_to_first_host().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    }
    first.start().await.unwrap();
    until("it is back", async || number(&db.mysql.main).await.is_ok()).await;
    db.reload().await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_primary_that_hangs_is_left_within_its_connect_timeout() {
    let servers = servers(2).await;
    let db = without_roles(&servers).connect().await.unwrap();
    servers.server(0).pause().await.unwrap();
    let began = Instant::now();
    let error = sqlx::query("insert into t values (1)")
        .execute(&db.mysql.main)
        .await;
    let kind = dbreg::Error::from(error.unwrap_err()).kind();
    assert!(
        matches!(kind, ErrorKind::Timeout | ErrorKind::Unreachable),
        "{kind}"
    );
    until("degraded", async || {
        db.mysql.main.status().state == State::Degraded
    })
    .await;
    let fails = Instant::now();
    sqlx::query("select 1").execute(&db.mysql.main).await.unwrap_err();
    // Whoever waited for an attempt would wait for its 4 s.
    assert!(
        fails.elapsed() < Duration::from_secs(3),
        "it fails at once: {:?}",
        fails.elapsed()
    );
    servers.server(0).kill().await.unwrap();
    servers.promote(1).await.unwrap();
    until("the next host", async || {
        number(&db.mysql.main).await.is_ok_and(|found| found == 1)
    })
    .await;
    assert!(began.elapsed() < PATIENCE);
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_session_that_was_begun_to_the_host_that_was_left_is_refused() {
    let (first, second, db) = two_primaries().await;
    let main = &db.mysql.main;
    // The session that there is, so that whoever comes next has to make one.
    let held = main.instance().acquire().await.unwrap();
    first.pause().await.unwrap();
    let begun: Vec<_> = (0..3)
        .map(|_| {
            let pool = main.instance();
            tokio::spawn(async move { number(&mut *pool.acquire().await?).await })
        })
        .collect();
    // They wait for the host that hangs: it accepts connections, and says nothing. So does a call that makes somebody
    // look.
    let (main, call) = (main.clone(), main.clone());
    let call = tokio::spawn(async move { number(&call).await });
    until("the next host", async || {
        main.hosts().unwrap()[1].role == dbreg::SqlHostRole::Primary
    })
    .await;
    assert!(begun.iter().all(|call| !call.is_finished()));
    first.resume().await.unwrap();
    for call in begun.into_iter().chain([call]) {
        assert_eq!(call.await.unwrap().unwrap(), 1);
    }
    drop(held);
    for _ in 0..50 {
        assert_eq!(number(&main).await.unwrap(), 1);
    }
    let sessions = "select count(*) from information_schema.processlist where user = 'shop'";
    until("no session to the host that was left", async || {
        first.sql(sessions).await.unwrap().trim() == "0"
    })
    .await;
    drop(second);
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_primary_that_has_no_session_left_is_neither_away_nor_left() {
    let full = "alter user 'shop'@'%' with max_user_connections 1";
    let slow = async |main: &dbreg::MySql| {
        // Where the only session was too slow for the pool, the next is refused until the server has forgotten that one.
        until("a call that is let in", async || {
            // Long enough to make somebody look.
            let call = sqlx::query("do sleep(0.6)").execute(main).await;
            let error = call.err().map(dbreg::Error::from);
            assert!(
                error
                    .as_ref()
                    .is_none_or(|error| error.kind() == ErrorKind::TooManyConnections),
                "{error:?}"
            );
            error.is_none()
        })
        .await;
    };
    // Another host is read only, and nobody is writable; or it is, and may not take over. With one session, so that no
    // call asks for another while that is on its way back.
    let servers = servers(2).await;
    let builder = without_roles(&servers).variable("DBREG_MYSQL__MAIN__POOL__MAX", 1);
    let db = builder.connect().await.unwrap();
    slow(&db.mysql.main).await;
    servers.primary().sql(full).await.unwrap();
    for _ in 0..3 {
        slow(&db.mysql.main).await;
        assert_eq!(db.mysql.main.status().state, State::Ready);
    }
    db.close().await.unwrap();
    let (first, _second, db) = two_primaries_with(1).await;
    slow(&db.mysql.main).await;
    first.sql(full).await.unwrap();
    for _ in 0..3 {
        slow(&db.mysql.main).await;
        until("an answer of the first", async || {
            number(&db.mysql.main).await.is_ok_and(|found| found == 0)
        })
        .await;
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_no_outage_because_another_host_is_read_only() {
    let servers = servers(2).await;
    // Only the replica knows the password that the application has.
    let alter = "set sql_log_bin = 0; alter user 'shop'@'%' identified by 'another'";
    servers.primary().sql(alter).await.unwrap();
    let error = without_roles(&servers).connect().await.unwrap_err();
    assert_eq!(error.exit_code(), dbreg::EXIT_CONFIG, "{error}");
}
