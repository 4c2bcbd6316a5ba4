//! The lock of a database, on a server: one at a time, taken over from the dead, and lost.

use crate::adapters::mongodb::tasks::lock::{Held, Lock, Terms};
use crate::error::Error;
use crate::kind::ErrorKind;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection, Database};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Short, and the lease still many times a beat: a machine that is slow must not lose what it holds.
const TERMS: Terms = Terms {
    beat: Duration::from_millis(100),
    lease: Duration::from_secs(10),
    patience: Duration::from_secs(60),
    pause: Duration::from_millis(20),
};

async fn start() -> (registry_dev::MongoDbServer, Database) {
    let server = registry_dev::mongodb().await.unwrap();
    let url = format!("mongodb://127.0.0.1:{}/?directConnection=true", server.port());
    let database = Client::with_uri_str(url).await.unwrap().database("shop");
    (server, database)
}

fn locks(database: &Database) -> Collection<Document> {
    database.collection("_dbreg_metadata")
}

#[tokio::test]
async fn one_at_a_time() {
    let (_server, database) = start().await;
    let held = Held::default();
    let inside = AtomicU32::new(0);
    let works = (0..4).map(|_| {
        Lock::hold_on(&held, &database, TERMS, async {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            for _ in 0..5 {
                locks(&database).find_one(doc! {}).await?;
            }
            inside.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
    });
    for done in futures_util::future::join_all(works).await {
        done.unwrap();
    }
    assert_eq!(locks(&database).count_documents(doc! {}).await.unwrap(), 0);
    assert!(!held.is_left(), "what is given back is not given back again");
}

#[tokio::test]
async fn what_a_dead_one_holds_is_taken_over_and_what_a_living_one_holds_is_not() {
    let (_server, database) = start().await;
    let held = Held::default();
    let left = doc! { "_id": "lock", "owner": "somebody who is gone", "count": 7 };
    locks(&database).insert_one(left).await.unwrap();
    let patient = Lock::hold_on(&held, &database, TERMS, async { Ok(()) });
    patient.await.unwrap();

    // It is held for longer than a lease, and its count goes up meanwhile.
    let (taken, waits) = tokio::sync::oneshot::channel();
    let (gone, given_up) = tokio::sync::oneshot::channel();
    let living = Lock::hold_on(&held, &database, TERMS, async {
        taken.send(()).expect("the other one waits");
        given_up.await.expect("the other one tells its end");
        Ok(())
    });
    let impatient = async {
        waits.await.unwrap();
        let terms = Terms {
            patience: TERMS.lease + TERMS.lease / 10,
            ..TERMS
        };
        let waited = Lock::hold_on(&held, &database, terms, async { Ok(()) }).await;
        gone.send(()).unwrap();
        waited
    };
    let (living, impatient) = tokio::join!(living, impatient);
    living.unwrap();
    let error = impatient.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

#[tokio::test]
async fn whoever_loses_the_lock_stops() {
    let (_server, database) = start().await;
    let held = Held::default();
    let robbed = Lock::hold_on(&held, &database, TERMS, async {
        let robber = doc! { "$set": { "owner": "another" } };
        locks(&database)
            .update_one(doc! { "_id": "lock" }, robber)
            .await?;
        std::future::pending::<Result<(), Error>>().await
    });
    let error = robbed.await.unwrap_err();
    assert!(error.message().contains("was taken over"), "{error}");
    let left = locks(&database).find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(
        left.get_str("owner").unwrap(),
        "another",
        "it is not given back for another"
    );
}

#[tokio::test]
async fn who_is_at_work_keeps_the_lock_when_another_of_the_same_run_is_dropped() {
    let (_server, database) = start().await;
    let held = Held::default();
    let (taken, is_taken) = tokio::sync::oneshot::channel();
    let at_work = Lock::hold_on(&held, &database, TERMS, async {
        taken.send(()).unwrap();
        std::future::pending::<Result<(), Error>>().await
    });
    let waits = async {
        is_taken.await.unwrap();
        // It has asked once, in vain, when its time is up.
        let terms = Terms {
            patience: TERMS.lease,
            ..TERMS
        };
        let waits = Lock::hold_on(&held, &database, terms, async { Ok(()) });
        assert!(tokio::time::timeout(TERMS.beat * 3, waits).await.is_err());
        assert!(held.is_left());
        held.let_go(&database).await.unwrap();
        assert!(!held.is_left());
        locks(&database).count_documents(doc! {}).await.unwrap()
    };
    tokio::select! {
        ended = at_work => panic!("{ended:?}"),
        count = waits => assert_eq!(count, 1, "it is the other's"),
    }
}

#[tokio::test]
async fn what_was_dropped_is_given_back_and_nobody_elses() {
    let (_server, database) = start().await;
    let held = Held::default();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let dropped = Lock::hold_on(&held, &database, TERMS, async {
        begun.send(()).unwrap();
        std::future::pending::<Result<(), Error>>().await
    });
    tokio::select! {
        biased;
        begun = begins => begun.unwrap(),
        ended = dropped => panic!("{ended:?}"),
    }
    assert!(held.is_left());
    Held::default().let_go(&database).await.unwrap();
    assert_eq!(locks(&database).count_documents(doc! {}).await.unwrap(), 1);
    held.let_go(&database).await.unwrap();
    assert_eq!(locks(&database).count_documents(doc! {}).await.unwrap(), 0);
    assert!(!held.is_left());
}
