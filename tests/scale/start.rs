//! Starts of many: in turns, with one report, within a time that has little to do with the number; and their end.

use crate::fleet::{file, fleet};
use crate::{alone, descriptors, one_thread, two_threads};
use dbreg::{Builder, ErrorKind, Memcached, MySql, Outcome, STARTUP_CONCURRENCY, State};
use registry_dev::{MySqlOptions, MySqlServer};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

const MANY: usize = 1_000;

fleet!(Thousand: [MySql; MANY] by mysql, file("mysql", MANY, "host = \"127.0.0.1\"\nusername = \"root\""));

/// With room for more than open at once: sessions that have ended linger with a server that is busy.
async fn server() -> MySqlServer {
    let options = MySqlOptions::default().max_connections(600);
    registry_dev::mysql_with(options).await.unwrap()
}

const A_SECOND: Duration = Duration::from_secs(1);

/// How long it takes to close them when some were used.
async fn closing(db: &Thousand, before: usize) -> Duration {
    let calls = db.handles.iter().step_by(10).map(|handle| handle.ping());
    futures_util::future::try_join_all(calls).await.unwrap();
    assert!(descriptors::open() > before);
    let began = Instant::now();
    db.close().await.unwrap();
    began.elapsed()
}

fn thousand(server: &MySqlServer) -> Builder<Thousand> {
    (0..MANY).fold(Thousand::builder(), |builder, number| {
        builder.variable(format!("DBREG_MYSQL__C{number}__PORT"), server.port())
    })
}

#[test]
fn a_thousand_connections_to_one_server() {
    alone(two_threads(), many_to_one());
}

async fn many_to_one() {
    let server = server().await;
    let before = descriptors::open();
    let db = thousand(&server).connect().await.unwrap();
    let report = db.report();
    assert_eq!(report.connections.len(), MANY);
    for (number, row) in report.connections.iter().enumerate() {
        assert_eq!(
            row.connection,
            format!("mysql.c{number}"),
            "in the order of the file"
        );
        assert!(matches!(row.outcome, Outcome::Ready(_)), "{row:?}");
        assert!(row.elapsed < report.elapsed);
    }
    // `pool.min` is 0: the proofs have gone, and nothing is open.
    descriptors::down_to(before).await;

    let mut took = closing(&db, before).await;
    if took >= A_SECOND {
        // The better of two: the machine may have been busy with something else.
        let again = thousand(&server).connect().await.unwrap();
        took = closing(&again, before).await;
    }
    assert!(took < A_SECOND, "{took:?}");
    tell(&format!(
        "{MANY} connections: ready in {:?}, closed in {took:?}",
        report.elapsed
    ));
    assert!(
        db.handles
            .iter()
            .all(|handle| handle.status().state == dbreg::State::Closed)
    );
    descriptors::down_to(before).await;
}

#[test]
fn a_thousand_that_lost_their_server_come_back_in_turns() {
    alone(two_threads(), back_in_turns());
}

async fn back_in_turns() {
    let server = server().await;
    let db = thousand(&server).connect().await.unwrap();
    let before = descriptors::open();
    server.stop().await.unwrap();
    let calls = db.handles.iter().map(|handle| handle.ping());
    let calls = futures_util::future::join_all(calls).await;
    assert!(calls.iter().all(Result::is_err));
    let mut most = 0;
    let mut until = async |state: State| {
        let since = Instant::now();
        while db.handles.iter().any(|handle| handle.status().state != state) {
            assert!(since.elapsed() < Duration::from_secs(20), "not all are {state}");
            most = most.max(descriptors::open());
            tokio::task::yield_now().await;
        }
        since.elapsed()
    };
    until(State::Degraded).await;
    server.start().await.unwrap();
    let back = until(State::Ready).await;
    // An attempt is a socket and, for a moment, the one that the runtime has not closed yet. One that takes half a second
    // goes on without its turn, which another has then.
    let slow = usize::try_from(back.as_millis() / 500).unwrap();
    assert!(
        most <= before + (2 + slow) * STARTUP_CONCURRENCY,
        "{most} open at once, {before} before, back after {back:?}"
    );
    tell(&format!("{MANY} connections: back {back:?} after their server"));
    let errors = db.handles.iter().map(|handle| handle.errors());
    assert!(
        errors
            .into_iter()
            .all(|errors| (1..=3).contains(&errors.latest.len()))
    );
    db.close().await.unwrap();
}

#[expect(
    clippy::print_stderr,
    reason = "the figure is of interest when it is good, too"
)]
fn tell(figure: &str) {
    eprintln!("{figure}");
}

const PORTS: usize = 200;

fleet!(Ports: [Memcached; PORTS] by memcached, file("memcached", PORTS, "host = \"127.0.0.1\""));

/// Says its version to who asks for it, and keeps everybody waiting where there is to be a crowd.
async fn answer(mut stream: TcpStream, crowd: Option<Arc<Crowd>>) {
    let mut line = [0; 64];
    while stream.read(&mut line).await.is_ok_and(|read| read > 0) {
        if let Some(crowd) = &crowd {
            crowd.gather().await;
        }
        if stream.write_all(b"VERSION 1.6.0-script\r\n").await.is_err() {
            return;
        }
    }
}

#[test]
fn two_hundred_connections_to_different_ports() {
    alone(one_thread(), one_to_each());
}

async fn one_to_each() {
    let mut servers = JoinSet::new();
    let mut builder = Ports::builder();
    for number in 0..PORTS {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        builder = builder.variable(format!("DBREG_MEMCACHED__C{number}__PORT"), port);
        servers.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, None).await;
            }
        });
    }
    let before = descriptors::open();
    let db = builder.connect().await.unwrap();
    assert_eq!(db.report().connections.len(), PORTS);
    assert_eq!(db.handles.len(), PORTS);
    db.close().await.unwrap();
    descriptors::down_to(before).await;
}

/// A server that keeps everybody waiting until as many as are expected wait, and counts the most that ever did.
struct Crowd {
    /// How many may wait at once, of all that will ever come.
    expected: usize,
    all: usize,
    waiting: AtomicUsize,
    most: AtomicUsize,
    served: AtomicUsize,
    enough: Notify,
}

impl Crowd {
    /// Nothing runs between the count and the wait: the tests have a runtime of one thread.
    async fn gather(&self) {
        let waiting = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(waiting, Ordering::SeqCst);
        let served = self.served.load(Ordering::SeqCst);
        if waiting >= self.expected.min(self.all - served) {
            self.enough.notify_waiters();
            // Everybody who waits is served before anybody who is still to come.
            self.served.fetch_add(waiting, Ordering::SeqCst);
            self.waiting.store(0, Ordering::SeqCst);
            return;
        }
        self.enough.notified().await;
    }
}

async fn crowd(expected: usize, all: usize) -> (u16, Arc<Crowd>, JoinSet<()>) {
    let crowd = Arc::new(Crowd {
        expected,
        all,
        waiting: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        served: AtomicUsize::new(0),
        enough: Notify::new(),
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (shared, mut tasks) = (Arc::clone(&crowd), JoinSet::new());
    tasks.spawn(async move {
        let mut sessions = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            sessions.spawn(answer(stream, Some(Arc::clone(&shared))));
        }
    });
    (port, crowd, tasks)
}

#[test]
fn no_more_open_at_once_than_was_said() {
    alone(one_thread(), at_once());
}

async fn at_once() {
    for (by_builder, by_variable, expected) in [
        (None, None, STARTUP_CONCURRENCY),
        (None, Some("7"), 7),
        (Some(20), Some("7"), 20),
        (Some(0), None, 1),
        (Some(usize::MAX), None, PORTS),
    ] {
        let (port, crowd, _tasks) = crowd(expected, PORTS).await;
        let mut builder = Ports::builder();
        for number in 0..PORTS {
            builder = builder.variable(format!("DBREG_MEMCACHED__C{number}__PORT"), port);
        }
        if let Some(at_once) = by_variable {
            builder = builder.variable("DBREG_STARTUP_CONCURRENCY", at_once);
        }
        if let Some(at_once) = by_builder {
            builder = builder.startup_concurrency(at_once);
        }
        let db = builder.connect().await.unwrap();
        assert_eq!(crowd.most.load(Ordering::SeqCst), expected);
        db.close().await.unwrap();
    }
}

#[test]
fn the_deadline_of_the_start_holds_for_those_whose_turn_never_came() {
    alone(one_thread(), deadline());
}

async fn deadline() {
    // Nobody is ever served: the first few have their turn, and hang.
    let (port, crowd, _tasks) = crowd(usize::MAX, usize::MAX).await;
    let mut builder = Ports::builder()
        .startup_concurrency(3)
        .deadline(Duration::from_millis(500));
    for number in 0..PORTS {
        builder = builder.variable(format!("DBREG_MEMCACHED__C{number}__PORT"), port);
    }
    let error = builder.connect().await.err().expect("nobody was served");
    assert_eq!(crowd.most.load(Ordering::SeqCst), 3);
    let causes: Vec<_> = error.report().failures().collect();
    assert_eq!(causes.len(), PORTS, "one report for all");
    assert!(causes.iter().all(|cause| cause.kind() == ErrorKind::Timeout));
    let waited = causes
        .iter()
        .filter(|cause| cause.message().contains("its turn"))
        .count();
    assert_eq!(waited, PORTS - 3);
}
