//! A list without roles: the first that is writable is used, then the next, and the first again only when told to.

use crate::servers::{App, number, reports, servers, until, without_roles};
use dbreg::{State, sqlx};

#[tokio::test]
async fn the_first_that_is_writable_is_used_at_the_start() {
    let servers = servers(3).await;
    servers.promote(1).await.unwrap();
    let start = async || without_roles(&servers).connect().await.unwrap();
    let db = reports("3 of 3 hosts", start).await;
    assert_eq!(number(&servers, &db.postgres.main).await.unwrap(), 1);
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

/// A server that is no standby takes no writes either where its administrator says so.
#[tokio::test]
async fn a_server_whose_transactions_are_read_only_by_default_is_not_writable() {
    let servers = servers(2).await;
    servers.promote(1).await.unwrap();
    let statement = "alter system set default_transaction_read_only = on";
    servers.primary().sql(statement).await.unwrap();
    servers.primary().sql("select pg_reload_conf()").await.unwrap();
    until("the server has heard of it", async || {
        let found = servers.primary().sql("show default_transaction_read_only").await;
        found.unwrap().trim() == "on"
    })
    .await;
    let error = without_roles(&servers).connect().await.unwrap_err();
    assert!(error.to_string().contains("no host is writable"), "{error}");
}

#[tokio::test]
async fn a_demoted_primary_is_left_for_the_new_one_and_taken_again_when_told_to() {
    let servers = servers(3).await;
    let db = without_roles(&servers).connect().await.unwrap();
    let main = &db.postgres.main;
    // The pool itself, as code may hold it that knows nothing of hosts.
    let pool = main.instance();
    assert_eq!(number(&servers, &pool).await.unwrap(), 0);
    let mut n = 0;
    for (rows, index) in [(1, 2), (2, 0)] {
        servers.promote(index).await.unwrap();
        until("a write", async || {
            n += 1;
            let insert = sqlx::query("insert into t values ($1)").bind(n);
            insert.execute(main).await.is_ok()
        })
        .await;
        assert_eq!(number(&servers, main).await.unwrap(), index);
        until("the pool leads there", async || {
            number(&servers, &pool).await.is_ok_and(|found| found == index)
        })
        .await;
        let found: i64 = sqlx::query_scalar("select count(*) from t")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(found, rows, "no write that failed was done");
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn whoever_works_in_transactions_of_the_driver_is_led_to_the_new_primary() {
    let servers = servers(2).await;
    let db = without_roles(&servers).connect().await.unwrap();
    let pool = db.postgres.main.instance();
    let insert = async |n: i64| {
        let mut transaction = pool.begin().await?;
        sqlx::query("insert into t values ($1)")
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
    assert_eq!(number(&servers, &pool).await.unwrap(), 1);
    db.close().await.unwrap();
}

/// Two servers that know nothing of each other, so that whichever answers is writable.
#[tokio::test]
async fn the_first_host_that_hangs_or_dies_is_left_for_another_until_a_reload() {
    let (first, second) = tokio::join!(registry_dev::postgres(), registry_dev::postgres());
    let (first, second) = (first.unwrap(), second.unwrap());
    for server in [&first, &second] {
        server
            .create_database("shop", "shop", "a password")
            .await
            .unwrap();
    }
    let list = format!("127.0.0.1:{},127.0.0.1:{}", first.port(), second.port());
    let builder = App::builder()
        .variable("DBREG_POSTGRES__MAIN__CONNECTIONS", list)
        // The second is asked after a quarter of it, and may win then: a first one that is slow has time to answer.
        .variable("DBREG_POSTGRES__MAIN__CONNECT_TIMEOUT", "20s")
        .variable("DBREG_POSTGRES__MAIN__PASSWORD", "a password");
    let db = builder.connect().await.unwrap();
    let main = &db.postgres.main;
    let port = async || -> Result<i32, sqlx::Error> {
        sqlx::query_scalar("select inet_server_port()")
            .fetch_one(main)
            .await
    };
    let [one, two] = [&first, &second].map(|server| i32::from(server.port()));
    assert_eq!(port().await.unwrap(), one);
    for hangs in [true, false] {
        if hangs {
            first.pause().await.unwrap();
        } else {
            first.kill().await.unwrap();
        }
        until("the next host", async || {
            port().await.is_ok_and(|found| found == two)
        })
        .await;
        if hangs {
            first.resume().await.unwrap();
        } else {
            first.start().await.unwrap();
        }
        for _ in 0..50 {
            assert_eq!(port().await.unwrap(), two, "nobody has asked for the first");
        }
        main.return_to_first_host().await.unwrap();
        assert_eq!(port().await.unwrap(), one);
    }
    assert_eq!(main.status().state, State::Ready);
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_no_outage_because_another_host_is_read_only() {
    let servers = servers(2).await;
    // The standby has not heard of it.
    servers.stop_replication(1).await.unwrap();
    let alter = "alter role shop password 'another'";
    servers.primary().sql(alter).await.unwrap();
    let error = without_roles(&servers).connect().await.unwrap_err();
    assert_eq!(error.exit_code(), dbreg::EXIT_CONFIG, "{error}");
}
