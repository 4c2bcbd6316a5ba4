//! Reading one's own writes: for a while after each, or by a token.

use crate::servers::{all_the_while, forged, may_look, number, servers, until, with_roles, without_roles};
use dbreg::{ErrorKind, WriteToken, sqlx};
use futures_util::future::join_all;
use std::time::Duration;

async fn insert(db: &dbreg::MySql, n: i64) {
    sqlx::query("insert into t values (?)")
        .bind(n)
        .execute(db)
        .await
        .unwrap();
}

async fn rows(executor: impl sqlx::MySqlExecutor<'_>) -> i64 {
    sqlx::query_scalar("select count(*) from t")
        .fetch_one(executor)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_read_after_a_token_sees_every_write_before_it() {
    let servers = servers(2).await;
    let db = with_roles(&servers, "").await;
    let main = &db.mysql.main;
    until("the replica is read from", async || {
        number(&main.read()).await.unwrap() == 1
    })
    .await;
    for n in 1..=100 {
        insert(main, n).await;
        let token = main.write_token().await.unwrap();
        assert_eq!(rows(&main.read_after(&token)).await, n);
    }
    // It is the replica that answers, as soon as it has come that far.
    servers.caught_up(1).await.unwrap();
    let text = main.write_token().await.unwrap().to_string();
    let make = if servers.primary().is_mariadb() {
        "mariadb:0-1-"
    } else {
        "mysql:"
    };
    assert!(text.starts_with(make), "{text}");
    let token: WriteToken = text.parse().unwrap();
    until("the replica has it", async || {
        number(&main.read_after(&token)).await.unwrap() == 1
    })
    .await;

    // A replica that is behind, and that nobody has found out yet.
    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    insert(main, 101).await;
    let token = main.write_token().await.unwrap();
    assert_eq!(
        number(&main.read_after(&token)).await.unwrap(),
        0,
        "the primary has it"
    );
    assert_eq!(rows(&main.read_after(&token)).await, 101);
    // A moment that never comes, and one of a server that counts nothing.
    for text in [
        "mariadb:0-1-4000000000",
        "primary",
        "mysql:3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5",
    ] {
        let token = text.parse().unwrap();
        assert_eq!(number(&main.read_after(&token)).await.unwrap(), 0, "{text}");
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn without_a_fallback_a_token_that_no_replica_reaches_is_an_error() {
    let servers = servers(2).await;
    let db = with_roles(&servers, "fallback = false").await;
    let main = &db.mysql.main;
    until("the replica is read from", async || {
        number(&main.read()).await.is_ok()
    })
    .await;
    // What the server does not understand, it cannot have reached.
    let words = ["no replica had the write", "the token is of another server"];
    for (token, words) in forged(&servers).into_iter().zip(words) {
        let token = token.parse().unwrap();
        // Not so while a look that took too long has the replica away.
        until(words, async || {
            let error = number(&main.read_after(&token)).await.unwrap_err();
            let error = dbreg::Error::from(error);
            error.kind() == ErrorKind::Timeout && error.message().contains(words)
        })
        .await;
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn for_a_while_after_a_write_reads_go_to_the_primary() {
    let servers = servers(2).await;
    // Longer than a read may be held up after its write.
    let db = with_roles(&servers, "sticky = \"10s\"").await;
    let main = &db.mysql.main;
    until("the replica is read from", async || {
        number(&main.read()).await.unwrap() == 1
    })
    .await;
    servers.stop_replication(1).await.unwrap();
    for n in 1..=5 {
        insert(main, n).await;
        assert_eq!(rows(&main.read()).await, n, "one's own write");
    }
    servers.start_replication(1).await.unwrap();
    servers.caught_up(1).await.unwrap();
    db.close().await.unwrap();
    let db = with_roles(&servers, "sticky = \"1s\"").await;
    let main = &db.mysql.main;
    until("the replica is read from", async || {
        number(&main.read()).await.unwrap() == 1
    })
    .await;
    // A transaction counts until it has ended, however long that takes.
    let mut transaction = main.begin().await.unwrap();
    sqlx::query("insert into t values (6)")
        .execute(&mut *transaction)
        .await
        .unwrap();
    all_the_while(Duration::from_millis(1_500), async || {
        assert_eq!(number(&main.read()).await.unwrap(), 0);
    })
    .await;
    transaction.commit().await.unwrap();
    assert_eq!(rows(&main.read()).await, 6);
    // So does the driver's own pool.
    until("the replica is read from", async || {
        number(&main.read()).await.unwrap() == 1
    })
    .await;
    sqlx::query("insert into t values (7)")
        .execute(&main.instance())
        .await
        .unwrap();
    assert_eq!(rows(&main.read()).await, 7);
    db.close().await.unwrap();
}

#[tokio::test]
async fn forged_tokens_keep_at_most_half_of_the_sessions_of_a_replica() {
    let servers = servers(2).await;
    let db = with_roles(&servers, "pool = { max = 4 }").await;
    let main = &db.mysql.main;
    until("the replica is read from", async || {
        number(&main.read()).await.unwrap() == 1
    })
    .await;
    let forged: WriteToken = forged(&servers)[0].parse().unwrap();
    let reader = main.read_after(&forged);
    // Until enough was seen: how often somebody looks in half a second is not known.
    let reads = join_all((0..8).map(async |_| {
        loop {
            assert_eq!(number(&reader).await.unwrap(), 0, "the primary answers");
        }
    }));
    // Those that only ask are gone long before, and those that wait are not yet; MySQL does not tell for how long.
    let waiting = "select count(*) from information_schema.processlist where user = 'shop'";
    let waiting = &match servers.primary().is_mariadb() {
        true => format!("{waiting} and info like '%master_gtid_wait%' and time_ms > 400"),
        false => format!("{waiting} and info like '%wait_for_executed_gtid_set%'"),
    };
    let (mut most, mut seen) = (0, 0);
    let looks = until("some wait", async || {
        let found = servers.server(1).sql(waiting).await.unwrap();
        let found: u32 = found.trim().parse().unwrap();
        most = most.max(found);
        seen += u32::from(found > 0);
        seen == 20
    });
    tokio::select! {
        () = looks => {}
        _ = reads => {}
    }
    // MySQL does not tell those that wait from those that only ask.
    let at_most = if servers.primary().is_mariadb() { 2 } else { 4 };
    assert!(most <= at_most, "{most} sessions of 4 wait");
    db.close().await.unwrap();
}

/// Nobody writes in it, and so nobody meets a primary that takes no writes any more.
#[tokio::test]
async fn a_process_that_only_reads_hears_of_a_promotion() {
    let servers = servers(2).await;
    let db = without_roles(&servers).connect().await.unwrap();
    let main = &db.mysql.main;
    until("the replica is read from", async || {
        number(&main.read()).await.unwrap() == 1
    })
    .await;
    servers.promote(1).await.unwrap();
    servers.delay(0, Duration::from_secs(3600)).await.unwrap();
    let other = without_roles(&servers).connect().await.unwrap();
    insert(&other.mysql.main, 1).await;
    let token = other.mysql.main.write_token().await.unwrap();
    // What was known of the other host before it was the primary.
    until("a look at it", async || {
        let other = &main.hosts().unwrap()[1];
        other.role == dbreg::SqlHostRole::Primary || other.state != dbreg::SqlHostState::Fit
    })
    .await;
    // The next one is asked for it, until the process has found the new primary.
    until("the write is seen", async || {
        let count = sqlx::query_scalar::<_, i64>("select count(*) from t");
        match count.fetch_one(&main.read_after(&token)).await {
            Ok(rows) => {
                assert_eq!(rows, 1);
                true
            }
            Err(error) => {
                let error = dbreg::Error::from(error);
                assert!(error.is_transient(), "{error}");
                false
            }
        }
    })
    .await;
    // Without a token it is found as well: the delayed one is not read from for ever.
    until("the new primary is known", async || {
        number(&main.read()).await.is_ok_and(|found| found == 1)
    })
    .await;
    db.close().await.unwrap();
    other.close().await.unwrap();
}

#[tokio::test]
async fn a_promotion_is_found_by_looks_alone() {
    for may_ask in [true, false] {
        let servers = servers(2).await;
        if !may_ask {
            let revoke = format!("revoke {} on *.* from 'shop'@'%'", may_look(&servers));
            servers.primary().sql(revoke).await.unwrap();
            servers.caught_up(1).await.unwrap();
        }
        let builder = without_roles(&servers).variable("DBREG_MYSQL__MAIN__MAX_LAG", "1s");
        let db = builder.connect().await.unwrap();
        let main = &db.mysql.main;
        let found = usize::from(may_ask);
        until("the reads have their host", async || {
            number(&main.read()).await.unwrap() == found
        })
        .await;
        servers.promote(1).await.unwrap();
        until("the new primary is known", async || {
            main.hosts().unwrap()[1].role == dbreg::SqlHostRole::Primary
        })
        .await;
        db.close().await.unwrap();
    }
}
