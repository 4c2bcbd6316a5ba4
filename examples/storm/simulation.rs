//! Workers that all lost the same database, each in a task of its own, under paused time.

use dbreg::Backoff;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// From the start of a process to its attempt to connect.
const START: Duration = Duration::from_millis(200);
/// How long an attempt waits for its session: dbreg's default.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// dbreg's defaults.
const FLOOR: Duration = Duration::from_millis(250);
const CAP: Duration = Duration::from_secs(30);
/// A simulation in which nobody comes back ends.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(120);

/// When a worker that failed is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// At once.
    Naive,
    /// After five seconds.
    Fixed,
    /// As the master does: `dbreg::Backoff`, or sooner, when a look finds the database's port open.
    Dbreg,
}

impl Policy {
    pub(crate) const ALL: [Self; 3] = [Self::Naive, Self::Fixed, Self::Dbreg];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Naive => "re-fork at once",
            Self::Fixed => "every 5 s",
            Self::Dbreg => "dbreg",
        }
    }
}

/// What is lost and what returns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storm {
    pub(crate) workers: usize,
    pub(crate) outage: Duration,
    /// How many sessions the database opens in a second.
    pub(crate) sessions: u32,
}

/// What happened in each second, from the loss of the database.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Processes that were started and asked for a session.
    pub(crate) attempts: Vec<u32>,
    /// Bare connections that ask whether the port is open.
    pub(crate) looks: Vec<u32>,
    /// Workers that came back.
    pub(crate) back: Vec<u32>,
    /// Attempts that the database worked for although nobody waited any more.
    pub(crate) in_vain: u32,
    /// When the last worker came back, from the return of the database.
    pub(crate) all_back: Option<Duration>,
}

impl Record {
    fn count(counts: &mut Vec<u32>, time: Duration) {
        let second = usize::try_from(time.as_secs()).unwrap_or(usize::MAX);
        if counts.len() <= second {
            counts.resize(second + 1, 0);
        }
        counts[second] += 1;
    }
}

/// The database: away until it returns, and then opening one session after the other.
struct Database {
    began: Instant,
    returns: Instant,
    sessions: u32,
    /// Until when it has work. It does not learn that a client gave up, and works for it all the same.
    busy: Mutex<Instant>,
    record: Mutex<Record>,
}

impl Database {
    fn record(&self, what: impl FnOnce(&mut Record, Duration)) {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        what(&mut record, self.began.elapsed());
    }

    /// An attempt to open a session.
    async fn open(&self) -> bool {
        self.record(|record, now| Record::count(&mut record.attempts, now));
        let now = Instant::now();
        if now < self.returns {
            return false; // refused
        }
        let opened = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            *busy = now.max(*busy) + Duration::from_secs(1) / self.sessions;
            *busy
        };
        let opened = timeout(CONNECT_TIMEOUT, tokio::time::sleep_until(opened))
            .await
            .is_ok();
        self.record(|record, now| match opened {
            true => Record::count(&mut record.back, now),
            false => record.in_vain += 1,
        });
        opened
    }

    /// A look whether the port is open.
    fn answers(&self) -> bool {
        self.record(|record, now| Record::count(&mut record.looks, now));
        Instant::now() >= self.returns
    }
}

/// Every worker loses the database at the same moment; it returns after the outage. Wants a runtime of one thread with paused time.
pub(crate) async fn run(policy: Policy, storm: Storm) -> Record {
    let Storm {
        workers,
        outage,
        sessions,
    } = storm;
    fastrand::seed(1); // the same run every time
    let began = Instant::now();
    let database = Arc::new(Database {
        began,
        returns: began + outage,
        sessions,
        busy: Mutex::new(began),
        record: Mutex::default(),
    });
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        tasks.spawn(keep(policy, Arc::clone(&database)));
    }
    let all = timeout(outage + GIVE_UP, tasks.join_all()).await;
    let mut record = std::mem::take(&mut *database.record.lock().unwrap_or_else(PoisonError::into_inner));
    record.all_back = all.is_ok().then(|| began.elapsed().saturating_sub(outage));
    record
}

/// One worker's place: a process is started, fails, and is started again, until it is back.
async fn keep(policy: Policy, database: Arc<Database>) {
    let mut backoff = Backoff::new(FLOOR, CAP);
    let away_since = Instant::now();
    loop {
        sleep(START.mul_f64(0.5 + fastrand::f64())).await; // no two machines are alike
        if database.open().await {
            return;
        }
        match policy {
            Policy::Naive => {}
            Policy::Fixed => sleep(Duration::from_secs(5)).await,
            Policy::Dbreg => {
                let pause = backoff.next_pause();
                let _ = timeout(pause, returns(&database, away_since)).await;
            }
        }
    }
}

/// The master's looks. A database that answers all the time is not looked at again and again.
async fn returns(database: &Database, away_since: Instant) {
    let mut seen_away = false;
    loop {
        match database.answers() {
            true if seen_away => return,
            true => std::future::pending().await,
            false => seen_away = true,
        }
        sleep(Backoff::look(away_since.elapsed(), CAP)).await;
    }
}
