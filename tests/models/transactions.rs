//! Transactions end as their work does: committed, rolled back on an error, a panic and a cancelled task.

use crate::order::{self, Model as Order};
use crate::{mysql, sqlite};
use dbreg::{Error, ErrorKind, State, Transaction, sqlx};
use registry_dev::Mode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Of the domain, with dbreg's own and the driver's among it.
#[derive(Debug)]
enum Refused {
    TooExpensive,
    Database(#[expect(dead_code, reason = "read by Debug")] Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

const INSERT: &str = "insert into shop_order (customer, cents) values ('Ada', 350)";

async fn counted(db: &mysql::AppRegistry) -> i64 {
    let pool = db.mysql.main.instance();
    sqlx::query_scalar("select count(*) from shop_order")
        .fetch_one(&pool)
        .await
        .unwrap()
}

/// Waits until a session that was left by a transaction has ended it.
async fn until_nothing_is_locked(db: &mysql::AppRegistry) {
    let free = async {
        let pool = db.mysql.main.instance();
        let locking = "select count(*) from information_schema.innodb_trx";
        while sqlx::query_scalar::<_, i64>(locking)
            .fetch_one(&pool)
            .await
            .is_ok_and(|count| count > 0)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), free).await.unwrap();
}

async fn insert(tx: &mut Transaction<sqlx::MySql>) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT).execute(&mut *tx).await.map(drop)
}

#[tokio::test]
async fn commits_on_ok_and_rolls_back_on_an_error_of_the_domain() {
    let (_server, db) = mysql::connect().await;
    let main = &db.mysql.main;
    let place = async |cents: i64, limit: i64| -> Result<i64, Refused> {
        main.transaction(async |tx| {
            sqlx::query(INSERT).execute(&mut *tx).await?;
            let grace = tx.insert(order::new("Grace", cents)).await?;
            // A savepoint of sqlx, which is given up.
            let mut savepoint = sqlx::Connection::begin(tx.session()).await?;
            sqlx::query("delete from shop_order")
                .execute(&mut *savepoint)
                .await?;
            savepoint.rollback().await?;
            assert_eq!(
                tx.find::<Order>().count().await?,
                2,
                "the models are within the transaction"
            );
            if cents > limit {
                return Err(Refused::TooExpensive);
            }
            Ok(grace.number)
        })
        .await
    };
    assert!(matches!(place(10, 5).await, Err(Refused::TooExpensive)));
    assert_eq!(counted(&db).await, 0);
    assert_eq!(
        main.errors().total,
        0,
        "an error of the domain is none of the database"
    );
    assert!(place(5, 5).await.unwrap() > 0);
    assert_eq!(counted(&db).await, 2);

    // A statement that fails is recorded once, whatever becomes of it.
    let refused = main
        .transaction(async |tx| Ok::<_, Refused>(insert(tx).await?))
        .await;
    assert!(matches!(refused, Err(Refused::Database(_))), "{refused:?}");
    assert_eq!((counted(&db).await, main.errors().total), (2, 1));
    let refused = main
        .transaction(async |tx| tx.insert(order::new("Ada", 1)).await.map(drop))
        .await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Operation);
    assert_eq!(main.errors().total, 2);
    assert_eq!(main.status().in_flight, 0);
}

#[tokio::test]
async fn rolls_back_when_the_task_is_cancelled_and_when_it_panics() {
    let (_server, db) = mysql::connect().await;
    let written = Arc::new(Notify::new());
    let task = tokio::spawn({
        let (db, written) = (db.clone(), Arc::clone(&written));
        async move {
            let written = &written;
            db.mysql
                .main
                .transaction(async |tx| {
                    insert(tx).await?;
                    written.notify_one();
                    std::future::pending::<()>().await;
                    Ok::<_, Refused>(())
                })
                .await
        }
    });
    let begun = tokio::time::timeout(Duration::from_secs(30), written.notified());
    begun.await.unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    until_nothing_is_locked(&db).await;
    assert_eq!(counted(&db).await, 0);

    let panicking = db.clone();
    let task = tokio::spawn(async move {
        let work = async |tx: &mut dbreg::At<Transaction<sqlx::MySql>, _>| {
            insert(tx).await?;
            if panicking.mysql.main.status().in_flight > 0 {
                panic!("on purpose");
            }
            Ok::<_, Refused>(())
        };
        panicking.mysql.main.transaction(work).await
    });
    assert!(task.await.unwrap_err().is_panic());
    until_nothing_is_locked(&db).await;
    assert_eq!(counted(&db).await, 0);
    assert_eq!(
        (db.mysql.main.status().in_flight, db.mysql.main.errors().total),
        (0, 0)
    );
    // Its lock is gone: the same row can be written.
    db.mysql
        .main
        .transaction(async |tx| Ok::<_, Refused>(insert(tx).await?))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_deadline_rolls_back_and_is_recorded_once() {
    let (_server, db) = mysql::connect().await;
    let main = &db.mysql.main;
    let late: Result<(), Error> = main
        .transaction(async |tx| {
            insert(tx).await?;
            std::future::pending().await
        })
        .await;
    let late = late.unwrap_err();
    assert_eq!(
        (late.kind(), late.operation(), late.connection()),
        (ErrorKind::Timeout, "transaction", "mysql.main")
    );
    until_nothing_is_locked(&db).await;
    assert_eq!((counted(&db).await, main.errors().total), (0, 1));
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_said_to_be_unknown() {
    let (_server, db) = mysql::connect().await;
    let main = &db.mysql.main;
    let lost: Result<(), Error> = main
        .transaction(async |tx| {
            insert(tx).await?;
            let id: u64 = sqlx::query_scalar("select connection_id()")
                .fetch_one(&mut *tx)
                .await?;
            sqlx::query(sqlx::AssertSqlSafe(format!("kill {id}")))
                .execute(&main.instance())
                .await?;
            Ok(())
        })
        .await;
    let lost = lost.unwrap_err();
    assert!(
        lost.message()
            .ends_with("whether the transaction was committed is not known"),
        "{lost:?}"
    );
    assert!(
        !lost.is_transient(),
        "the same work once more could be done twice"
    );
    assert_eq!(main.errors().total, 1, "{:?}", main.errors());
}

#[tokio::test]
async fn an_unknown_commit_stays_unknown_in_an_outage() {
    let (_server, proxy, db) = mysql::connect_by_proxy(2).await;
    let main = &db.mysql.main;
    let lost: Result<(), Error> = main
        .transaction(async |tx| {
            insert(tx).await?;
            proxy.set(Mode::Down).await.unwrap();
            // The error of any other call makes it known that the server is away.
            while main.status().state != State::Degraded {
                let _ = sqlx::query("select 1").execute(main).await;
            }
            Ok(())
        })
        .await;
    let lost = lost.unwrap_err();
    assert!(
        lost.message()
            .ends_with("whether the transaction was committed is not known"),
        "{lost:?}"
    );
    assert!(
        !lost.is_transient(),
        "the same work once more could be done twice"
    );
}

#[tokio::test]
async fn a_begin_that_is_given_up_leaves_no_transaction_behind() {
    const SESSION: &str = "select connection_id(), @@in_transaction";
    let (_server, proxy, db) = mysql::connect_by_proxy(1).await;
    let main = &db.mysql.main;
    let read = main.read();
    let session = async |given_up| -> (u64, u64) {
        let found = match given_up {
            "reader" => sqlx::query_as(SESSION).fetch_one(&read).await,
            _ => sqlx::query_as(SESSION).fetch_one(main).await,
        };
        found.unwrap()
    };
    for given_up in ["begin", "transaction", "reader"] {
        let mut rounds = 0..5;
        loop {
            let (before, _) = session(given_up).await;
            // An answer takes 200 ms.
            let slow = Mode::Latency(Duration::from_millis(100));
            proxy.set(slow).await.unwrap();
            let limit = Duration::from_millis(50);
            let ended = match given_up {
                "begin" => tokio::time::timeout(limit, main.begin()).await.is_ok(),
                "reader" => tokio::time::timeout(limit, read.begin()).await.is_ok(),
                _ => {
                    let work = main.transaction(async |_| Ok::<_, Error>(()));
                    tokio::time::timeout(limit, work).await.is_ok()
                }
            };
            assert!(!ended, "{given_up}");
            proxy.set(Mode::Pass).await.unwrap();
            // The pool has place for one session.
            let (after, inside) = session(given_up).await;
            assert_eq!(inside, 0, "{given_up}");
            if after == before {
                break;
            }
            // Its rollback took so long that the session was given up, too: that another one has none says nothing.
            assert!(rounds.next().is_some(), "{given_up}: no session came back");
        }
    }
}

#[tokio::test]
async fn the_same_on_sqlite() {
    let db = sqlite::connect().await;
    let local = &db.sqlite.local;
    let refused: Result<(), Refused> = local
        .transaction(async |tx| {
            sqlx::query(INSERT).execute(&mut *tx).await?;
            tx.insert(order::new("Grace", 1)).await?;
            assert_eq!(tx.find::<Order>().count().await?, 2);
            Err(Refused::TooExpensive)
        })
        .await;
    assert!(matches!(refused, Err(Refused::TooExpensive)));
    assert_eq!(local.find::<Order>().count().await.unwrap(), 0);
    let handle: dbreg::Sqlite = local.clone();
    handle
        .transaction(async |tx| {
            sqlx::query(INSERT).execute(&mut *tx).await?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(local.find::<Order>().count().await.unwrap(), 1);
    assert_eq!(local.errors().total, 0);
}
