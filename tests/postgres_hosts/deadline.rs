//! The deadline of a read, and what a read that waits does about it.

use crate::load::PATIENCE;
use crate::servers::{connect, number, only, servers, until, with_roles};
use dbreg::{ErrorKind, State, sqlx};
use futures_util::future::join_all;

#[tokio::test]
async fn a_read_has_one_deadline_for_its_session_and_its_query() {
    let servers = servers(2).await;
    let more = "timeout = \"2s\"\npool = { max = 1 }\nfallback = false";
    let db = with_roles(&servers, more).await;
    let reader = db.postgres.main.read();
    only(&servers, &reader, 1).await;
    // Each takes less than the deadline, and one has to wait for the session of the other.
    let sleep = || sqlx::query("select pg_sleep(1.5)");
    until("a deadline ends one of them", async || {
        let (one, other) = tokio::join!(sleep().fetch_one(&reader), sleep().fetch_one(&reader));
        let errors: Vec<_> = [one, other].into_iter().filter_map(Result::err).collect();
        assert!(!errors.is_empty());
        // A look that takes too long ends whoever waits for a session, with another error.
        let mut kinds = errors.into_iter().map(|error| dbreg::Error::from(error).kind());
        kinds.all(|kind| kind == ErrorKind::Timeout)
    })
    .await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_read_that_finds_every_pool_full_says_so_once() {
    let servers = servers(2).await;
    let more = "pool = { max = 1, acquire_timeout = \"2s\" }";
    let db = with_roles(&servers, more).await;
    let (main, reader) = (&db.postgres.main, db.postgres.main.read());
    only(&servers, &reader, 1).await;
    // The one for reads of the replica, then that of the primary.
    let (mut one, mut other) = (reader.acquire().await.unwrap(), reader.acquire().await.unwrap());
    assert_eq!(number(&servers, &mut *one).await.unwrap(), 1);
    assert_eq!(number(&servers, &mut *other).await.unwrap(), 0);
    let error = dbreg::Error::from(number(&servers, &reader).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(error.message().matches("no session").count(), 1, "{error}");
    assert!(
        error.message().contains("on the primary and on the replicas"),
        "{error}"
    );
    assert!(
        error.next_step().unwrap().contains("`acquire_timeout`"),
        "{error:?}"
    );
    let mut errors = main.errors().latest;
    // A look that took too long is another's error.
    errors.retain(|known| known.message.contains("no session"));
    let [told] = errors.as_slice() else {
        panic!("{errors:?}")
    };
    assert_eq!((told.count, told.message.as_str()), (1, error.message()));
    drop((one, other));
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_read_that_hangs_on_the_primary_makes_somebody_look_while_it_waits() {
    let servers = servers(1).await;
    let server = servers.server(0);
    let host = format!("{{ host = \"127.0.0.1\", port = {} }}", server.port());
    let db = connect(&host, "connect_timeout = \"5s\"\ntimeout = \"10m\"").await;
    let reader = db.postgres.main.read();
    assert_eq!(number(&servers, &reader).await.unwrap(), 0);
    server.pause().await.unwrap();
    let call = reader.clone();
    let call = tokio::spawn(async move {
        let ask = sqlx::query_scalar::<_, i32>("select 7");
        ask.fetch_one(&call).await
    });
    until("the outage is known", async || {
        db.postgres.main.status().state == State::Degraded
    })
    .await;
    server.resume().await.unwrap();
    let read = tokio::time::timeout(PATIENCE, call)
        .await
        .expect("it does not wait for its own deadline");
    // One that waited for a session has ended with the outage; one whose query was with the server has its answer.
    match read.unwrap() {
        Ok(found) => assert_eq!(found, 7),
        Err(error) => assert!(dbreg::Error::from(error).is_transient()),
    }
    until("it is read again", async || {
        number(&servers, &reader).await.is_ok()
    })
    .await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_read_on_a_primary_that_is_gone_does_not_wait_for_a_session() {
    let servers = servers(1).await;
    let server = servers.server(0);
    let host = format!("{{ host = \"127.0.0.1\", port = {} }}", server.port());
    let more = "connect_timeout = \"2s\"\ntimeout = \"10m\"\npool = { acquire_timeout = \"10m\" }";
    let db = connect(&host, more).await;
    let reader = db.postgres.main.read();
    assert_eq!(number(&servers, &reader).await.unwrap(), 0);
    server.kill().await.unwrap();
    let reads = join_all((0..16).map(|_| number(&servers, &reader)));
    let reads = tokio::time::timeout(PATIENCE, reads)
        .await
        .expect("nobody waits for a session");
    for read in reads {
        let error = dbreg::Error::from(read.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    }
    server.start().await.unwrap();
    until("it is read again", async || {
        number(&servers, &reader).await.is_ok()
    })
    .await;
    db.close().await.unwrap();
}
