//! Reading one's own writes: for a while after each, or by a token.

use crate::servers::{all_the_while, number, only, servers, until, with_roles, without_roles};
use dbreg::{ErrorKind, SqlHostRole, SqlHostState, WriteToken, sqlx};
use std::time::Duration;

async fn insert(db: &dbreg::Postgres, n: i64) {
    sqlx::query("insert into t values ($1)")
        .bind(n)
        .execute(db)
        .await
        .unwrap();
}

async fn rows(executor: impl sqlx::PgExecutor<'_>) -> i64 {
    sqlx::query_scalar("select count(*) from t")
        .fetch_one(executor)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_read_after_a_token_sees_every_write_before_it() {
    let servers = servers(2).await;
    let db = with_roles(&servers, "").await;
    let main = &db.postgres.main;
    only(&servers, &main.read(), 1).await;
    for n in 1..=100 {
        if n % 2 == 0 {
            insert(main, n).await;
        } else {
            // Acknowledged before it is on any disk.
            let mut transaction = main.begin().await.unwrap();
            for statement in [
                "set local synchronous_commit = off".to_owned(),
                format!("insert into t values ({n})"),
            ] {
                sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
            }
            transaction.commit().await.unwrap();
        }
        let token = main.write_token().await.unwrap();
        assert_eq!(rows(&main.read_after(&token)).await, n);
    }
    // It is the standby that answers, as soon as it has come that far.
    servers.caught_up(1).await.unwrap();
    let text = main.write_token().await.unwrap().to_string();
    assert!(text.starts_with("postgres:0/"), "{text}");
    let token: WriteToken = text.parse().unwrap();
    until("the standby has it", async || {
        number(&servers, &main.read_after(&token)).await.unwrap() == 1
    })
    .await;

    // A standby that is behind, and that nobody has found out yet.
    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    insert(main, 101).await;
    let token = main.write_token().await.unwrap();
    assert_eq!(
        number(&servers, &main.read_after(&token)).await.unwrap(),
        0,
        "the primary has it"
    );
    assert_eq!(rows(&main.read_after(&token)).await, 101);
    // A moment that never comes, and those of servers of another kind.
    for text in ["postgres:FFFFFFFF/0", "primary", "mariadb:0-1-42"] {
        let token = text.parse().unwrap();
        let found = number(&servers, &main.read_after(&token)).await.unwrap();
        assert_eq!(found, 0, "{text}");
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn without_a_fallback_a_token_that_no_standby_reaches_is_an_error() {
    let servers = servers(2).await;
    let db = with_roles(&servers, "fallback = false").await;
    let main = &db.postgres.main;
    only(&servers, &main.read(), 1).await;
    for (text, words) in [
        ("postgres:FFFFFFFF/0", "no replica had the write"),
        ("mariadb:0-1-42", "the token is of another server"),
    ] {
        let token = text.parse().unwrap();
        // Not so while a look that took too long has the standby away.
        until(words, async || {
            let error = number(&servers, &main.read_after(&token)).await.unwrap_err();
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
    let main = &db.postgres.main;
    only(&servers, &main.read(), 1).await;
    servers.delay(1, Duration::from_secs(3600)).await.unwrap();
    for n in 1..=5 {
        insert(main, n).await;
        assert_eq!(rows(&main.read()).await, n, "one's own write");
    }
    servers.delay(1, Duration::ZERO).await.unwrap();
    servers.caught_up(1).await.unwrap();
    db.close().await.unwrap();
    let db = with_roles(&servers, "sticky = \"1s\"").await;
    let main = &db.postgres.main;
    only(&servers, &main.read(), 1).await;
    // A transaction counts until it has ended, however long that takes.
    let mut transaction = main.begin().await.unwrap();
    sqlx::query("insert into t values (6)")
        .execute(&mut *transaction)
        .await
        .unwrap();
    all_the_while(Duration::from_millis(1_500), async || {
        assert_eq!(number(&servers, &main.read()).await.unwrap(), 0);
    })
    .await;
    transaction.commit().await.unwrap();
    assert_eq!(rows(&main.read()).await, 6);
    only(&servers, &main.read(), 1).await;
    db.close().await.unwrap();
}

/// Nobody writes in it, and so nobody meets a primary that takes no writes any more.
#[tokio::test]
async fn a_process_that_only_reads_hears_of_a_promotion() {
    let servers = servers(2).await;
    let db = without_roles(&servers).connect().await.unwrap();
    let main = &db.postgres.main;
    only(&servers, &main.read(), 1).await;
    servers.promote(1).await.unwrap();
    servers.delay(0, Duration::from_secs(3600)).await.unwrap();
    let other = without_roles(&servers).connect().await.unwrap();
    insert(&other.postgres.main, 1).await;
    let token = other.postgres.main.write_token().await.unwrap();
    // What was known of the other host before it was the primary.
    until("a look at it", async || {
        let other = &main.hosts().unwrap()[1];
        other.role == SqlHostRole::Primary || other.state != SqlHostState::Fit
    })
    .await;
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
        number(&servers, &main.read()).await.is_ok_and(|found| found == 1)
    })
    .await;
    db.close().await.unwrap();
    other.close().await.unwrap();
}
