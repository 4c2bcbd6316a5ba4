//! Workers that lose their database together: what asks for sessions when it is back, and how many.

use dbreg::Backoff;
use futures_util::future::join_all;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

/// From the start of a process to its attempt to connect.
const START: Duration = Duration::from_millis(200);
/// Pauses of the master: dbreg's defaults.
const FLOOR: Duration = Duration::from_millis(250);
const CAP: Duration = Duration::from_secs(30);
/// Between two calls that want the same session.
const NEXT_CALL: Duration = Duration::from_millis(100);
/// A simulation in which somebody never comes back ends.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(120);

/// What is lost and what returns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    /// Workers that go on running, each with its keeper.
    pub(crate) running: usize,
    /// Workers that ended, and that their masters start again.
    pub(crate) starting: usize,
    /// Sessions that the calls of one worker keep busy.
    pub(crate) busy: usize,
    pub(crate) outage: Duration,
    /// How many sessions the database opens in a second, one after the other. It does not notice that a client has
    /// given up.
    pub(crate) sessions: u32,
    /// How many it may have open: `max_connections`.
    pub(crate) limit: usize,
    /// How long an attempt, and a call that wants a session, waits: `connect_timeout` and `pool.acquire_timeout`.
    pub(crate) patience: Duration,
}

/// What happened in each second, from the loss of the database.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Sessions that were asked for.
    pub(crate) asked: Vec<u32>,
    /// Workers whose calls have all the sessions that they want.
    pub(crate) back: Vec<u32>,
    /// The most sessions that were open at once.
    pub(crate) open: usize,
    /// Sessions that were opened for a client that had given up.
    pub(crate) in_vain: u32,
    /// Sessions that were refused because too many were open.
    pub(crate) refused: u32,
    /// When the last worker came back, from the return of the database.
    pub(crate) all_back: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Opened,
    /// Nothing listens, or too many sessions are open.
    Refused,
    /// None, for as long as the client waited.
    Silence,
}

struct State {
    record: Record,
    open: usize,
    /// Until when the database has work.
    busy: Instant,
}

struct Database {
    fleet: Fleet,
    began: Instant,
    state: Mutex<State>,
}

impl Database {
    fn with<T>(&self, act: impl FnOnce(&mut State, usize) -> T) -> T {
        let second = usize::try_from(self.began.elapsed().as_secs()).unwrap_or(usize::MAX);
        act(
            &mut self.state.lock().unwrap_or_else(PoisonError::into_inner),
            second,
        )
    }

    fn is_away(&self) -> bool {
        Instant::now() < self.began + self.fleet.outage
    }

    /// Somebody asks for a session.
    async fn open(&self) -> Answer {
        let now = Instant::now();
        let turn = self.with(|state, second| {
            *at(&mut state.record.asked, second) += 1;
            if self.is_away() {
                return None;
            }
            state.busy = now.max(state.busy) + Duration::from_secs(1) / self.fleet.sessions;
            Some(state.busy)
        });
        let Some(turn) = turn else {
            return Answer::Refused;
        };
        let waited = timeout_at(now + self.fleet.patience, sleep_until(turn)).await;
        self.with(|state, _| {
            if waited.is_err() {
                state.record.in_vain += 1;
                return Answer::Silence;
            }
            if state.open >= self.fleet.limit {
                state.record.refused += 1;
                return Answer::Refused;
            }
            state.open += 1;
            state.record.open = state.record.open.max(state.open);
            Answer::Opened
        })
    }

    /// As `open`, and closes it again: the attempt that proves that the server is there.
    async fn prove(&self) -> Answer {
        let answer = self.open().await;
        if answer == Answer::Opened {
            self.with(|state, _| state.open -= 1);
        }
        answer
    }
}

fn at(counts: &mut Vec<u32>, second: usize) -> &mut u32 {
    if counts.len() <= second {
        counts.resize(second + 1, 0);
    }
    &mut counts[second]
}

/// Every worker loses the database at the same moment; it returns after the outage. Wants a runtime of one thread with
/// paused time.
pub(crate) async fn run(fleet: Fleet) -> Record {
    fastrand::seed(1); // the same run every time
    let began = Instant::now();
    let state = State {
        record: Record::default(),
        open: 0,
        busy: began,
    };
    let database = Arc::new(Database {
        fleet,
        began,
        state: Mutex::new(state),
    });
    let mut tasks = JoinSet::new();
    for _ in 0..fleet.running {
        tasks.spawn(work(Arc::clone(&database), true));
    }
    for _ in 0..fleet.starting {
        tasks.spawn(work(Arc::clone(&database), false));
    }
    let all = timeout(fleet.outage + GIVE_UP, tasks.join_all()).await;
    let mut record = database.with(|state, _| std::mem::take(&mut state.record));
    record.all_back = all.is_ok().then(|| began.elapsed().saturating_sub(fleet.outage));
    record
}

/// One worker, until its calls have every session that they want.
async fn work(database: Arc<Database>, mut running: bool) {
    let mut open = 0;
    // Calls meet the loss at different moments.
    sleep(Duration::from_secs(1).mul_f64(fastrand::f64())).await;
    loop {
        if running {
            keep(&database).await;
        } else {
            start(&database).await;
        }
        running = true;
        if calls(&database, &mut open).await {
            database.with(|state, second| *at(&mut state.record.back, second) += 1);
            return;
        }
    }
}

/// A running worker: its keeper tries to open the connection.
async fn keep(database: &Database) {
    let mut backoff = Backoff::lost();
    while database.prove().await != Answer::Opened {
        sleep(backoff.next_pause()).await;
    }
}

/// A worker that ended: its master starts it again after a pause, or sooner when a look finds the port open.
async fn start(database: &Database) {
    let mut backoff = Backoff::new(FLOOR, CAP);
    loop {
        sleep(START.mul_f64(0.5 + fastrand::f64())).await;
        if database.prove().await == Answer::Opened {
            return;
        }
        let away_since = Instant::now();
        let returns = async {
            while database.is_away() {
                sleep(Backoff::look(away_since.elapsed(), CAP)).await;
            }
        };
        let pause = backoff.next_pause();
        if database.is_away() {
            let _ = timeout(pause, returns).await;
        } else {
            sleep(pause).await;
        }
    }
}

/// The calls of a worker whose connection is ready open the sessions that they want. False when it is lost again: a
/// call got no session in time, and neither did the look that follows.
async fn calls(database: &Database, open: &mut usize) -> bool {
    while *open < database.fleet.busy {
        let wanted = (*open..database.fleet.busy).map(|_| database.open());
        let answers = join_all(wanted).await;
        *open += answers.iter().filter(|answer| **answer == Answer::Opened).count();
        if answers.contains(&Answer::Silence) && database.prove().await == Answer::Silence {
            return false;
        }
        if *open < database.fleet.busy {
            sleep(NEXT_CALL).await;
        }
    }
    true
}
