//! One host that is read from: its pool, what is known of it, and the task that looks at it.

use super::age::Age;
use super::election::explain;
use super::host::SqlHostState;
use super::lag::{Replication, Verdict};
use super::looking::{Looking, Pauses, explain_look};
use super::way::{HostWay, Way};
use super::{Hosted, Inner};
use crate::adapters::sql;
use crate::error::Error;
use crate::generations::Generations;
use crate::kind::ErrorKind;
use crate::status::{Sessions, State};
use registry_config::Settings;
use sqlx::Pool;
use sqlx::pool::PoolConnection;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, watch};

/// The least time between two looks, whoever asks for one.
const LOOK_GAP: Duration = Duration::from_millis(100);

/// How long a host that gave no session is passed over.
const REFUSAL: Duration = Duration::from_secs(1);

/// A host that is read from. Its sessions are READ ONLY on the server.
pub(crate) struct Replica<DB: Hosted> {
    /// Its number in the list.
    pub(super) index: usize,
    pub(super) weight: u32,
    pub(crate) generations: Arc<Generations>,
    /// Made at the first use: a host that is never read from has no pool.
    pool: OnceLock<Pool<DB>>,
    /// [`SqlHostState`] as a number, for the choice of every read.
    state: AtomicU8,
    /// Microseconds.
    latency: AtomicU64,
    known: Mutex<Known>,
    wake: Notify,
    /// Somebody wants sessions to be made anew, whatever became of the latest try.
    asked: AtomicBool,
    /// It has the data of the others, and no position of its own that a token could be compared with.
    shared: AtomicBool,
    /// Whether it may have refused a session lately.
    refuses: AtomicBool,
    /// The sessions that may wait for what a token names: half of the pool, because a token may be forged.
    pub(super) waits: Semaphore,
}

#[derive(Default)]
struct Known {
    lag: Option<Duration>,
    cause: Option<Error>,
    /// The version of the way that the pool's options are from.
    version: u64,
    /// The pool has a [dead end](Hosted::dead_end) instead of the way.
    away: bool,
    age: Age,
    /// It gave no session, and why.
    refused: Option<(Instant, Error)>,
}

/// What a look found.
struct Found {
    state: SqlHostState,
    lag: Option<Duration>,
    latency: Option<Duration>,
    cause: Option<Error>,
}

impl<DB: Hosted> Replica<DB> {
    pub(super) fn new(index: usize, host: &HostWay<DB>, settings: &Settings) -> Self {
        let sessions = settings.count("pool.max").unwrap_or(10);
        let half = usize::try_from(sessions / 2).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            index,
            weight: host.weight,
            generations: Arc::new(Generations::new()),
            pool: OnceLock::new(),
            state: AtomicU8::new(SqlHostState::Unknown as u8),
            latency: AtomicU64::new(0),
            known: Mutex::default(),
            wake: Notify::new(),
            asked: AtomicBool::new(false),
            shared: AtomicBool::new(false),
            refuses: AtomicBool::new(false),
            waits: Semaphore::new(half.clamp(1, Semaphore::MAX_PERMITS)),
        }
    }

    pub(super) fn is(&self, state: SqlHostState) -> bool {
        self.state.load(Ordering::Acquire) == state as u8
    }

    pub(super) fn state(&self) -> SqlHostState {
        let all = [
            SqlHostState::Fit,
            SqlHostState::Behind,
            SqlHostState::Halted,
            SqlHostState::Away,
        ];
        all.into_iter()
            .find(|state| self.is(*state))
            .unwrap_or(SqlHostState::Unknown)
    }

    /// The smoothed time of its answers; nothing before the first.
    pub(super) fn latency(&self) -> Option<Duration> {
        let micros = self.latency.load(Ordering::Relaxed);
        (micros != 0).then(|| Duration::from_micros(micros))
    }

    pub(super) fn lag(&self) -> Option<Duration> {
        self.lock().lag
    }

    pub(super) fn cause(&self) -> Option<Error> {
        let known = self.lock();
        let refused = known
            .refused
            .as_ref()
            .filter(|(since, _)| since.elapsed() < REFUSAL);
        known
            .cause
            .clone()
            .or_else(|| refused.map(|(_, error)| error.clone()))
    }

    /// It gave no session.
    pub(super) fn refused(&self, error: &Error) {
        self.lock().refused = Some((Instant::now(), error.clone()));
        self.refuses.store(true, Ordering::Release);
    }

    /// Whether it gave no session a moment ago: others are asked first.
    pub(super) fn has_refused_lately(&self) -> bool {
        if !self.refuses.load(Ordering::Acquire) {
            return false;
        }
        let mut known = self.lock();
        let lately = known
            .refused
            .as_ref()
            .is_some_and(|(since, _)| since.elapsed() < REFUSAL);
        if !lately {
            known.refused = None;
            self.refuses.store(false, Ordering::Release);
        }
        lately
    }

    pub(super) fn sessions(&self) -> Option<Sessions> {
        self.pool.get().map(sql::sessions)
    }

    /// Whether every session that there may be is at work.
    pub(super) fn is_busy(&self) -> bool {
        self.sessions()
            .is_some_and(|sessions| sessions.open >= sessions.max && sessions.idle == 0)
    }

    /// Whether it shares the data of the others, and counts no writes as they do.
    pub(super) fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Acquire)
    }

    /// Asks for a look soon, and for sessions with what is in the files now.
    pub(super) fn renew_soon(&self) {
        self.asked.store(true, Ordering::Release);
        self.look_soon();
    }

    /// Asks for a look soon.
    pub(super) fn look_soon(&self) {
        self.wake.notify_one();
    }

    /// A session of the pool; an error as soon as the host is known to be away.
    pub(super) async fn session(
        &self,
        inner: &Inner<DB>,
        changes: &watch::Sender<()>,
    ) -> Result<PoolConnection<DB>, Error> {
        let pool = self.pool(inner)?;
        let mut changes = changes.subscribe();
        let away = async {
            // The sender lives in the router, which is borrowed by the caller.
            let _ = changes.wait_for(|()| self.is(SqlHostState::Away)).await;
        };
        tokio::select! {
            biased;
            session = pool.acquire() => {
                session.map_err(|error| self.explained(inner, error))
            }
            () = away => Err(self.cause().unwrap_or_else(|| Error::new(ErrorKind::Unreachable, "the host is away"))),
        }
    }

    fn explained(&self, inner: &Inner<DB>, error: sqlx::Error) -> Error {
        let known = self.cause().filter(|_| self.is(SqlHostState::Away));
        match (
            known,
            inner
                .target
                .as_ref()
                .map(|target| (target.way(), target.has_credential_file())),
        ) {
            (Some(cause), _) => cause.again(),
            (None, Ok((Ok(way), from_file))) => explain(error, way.host(self.index), from_file),
            _ => Error::from(error),
        }
    }

    /// The pool, with the way to the host as it is now.
    fn pool(&self, inner: &Inner<DB>) -> Result<&Pool<DB>, Error> {
        let target = inner.target.as_ref().map_err(Clone::clone)?;
        if self.pool.get().is_none_or(|pool| pool.num_idle() == 0) {
            // As the pool of writes: a secret that was rotated is used from the next session on.
            target.refresh_quietly();
        }
        let way = target.way()?;
        let options = || way.host(self.index).options.clone();
        let pool = self.pool.get_or_init(|| {
            self.lock().version = way.version;
            let pool = DB::pool(&self.generations, target.settings());
            let pool = sql::greeting(pool, &self.generations, |session| DB::read_only(session));
            pool.connect_lazy_with(options())
        });
        // Readers of the host in use take part in the proof of its way.
        self.take(pool, &way, target.is_proven_at(self.index));
        Ok(pool)
    }

    /// Has the next session of the pool made in this way, unless a later one is known. Where the way is `proven`, sessions of
    /// earlier ones are of no more use.
    fn take(&self, pool: &Pool<DB>, way: &Way<DB>, proven: bool) {
        let mut known = self.lock();
        if known.version < way.version {
            known.version = way.version;
            if !known.away {
                let options = way.host(self.index).options.clone();
                sql::set_options(pool, &self.generations, options);
            }
            self.generations.rotated();
        }
        if proven && known.version == way.version {
            self.generations.rotation_proven();
        }
    }

    /// Has the files of secrets looked at whenever a session takes the place of one that is of no more use.
    pub(super) fn refresh_secrets(self: &Arc<Self>, inner: &Arc<Inner<DB>>) {
        let has_files = inner.target.as_ref().is_ok_and(super::Target::has_files);
        if !has_files || self.generations.has_refresh() {
            return;
        }
        let (replica, inner) = (Arc::downgrade(self), Arc::downgrade(inner));
        self.generations.set_refresh(move || {
            if let (Some(replica), Some(inner)) = (replica.upgrade(), inner.upgrade()) {
                inner.look_at_files();
                // It sets the way of the pool, where that is another now.
                let _ = replica.pool(&inner);
            }
        });
    }

    /// Ends the sessions of the pool. The caller bounds it.
    pub(super) async fn close(&self) {
        if let Some(pool) = self.pool.get() {
            pool.close().await;
        }
    }

    /// Looks at the host until `ending`, or until nobody holds a handle of the connection any more.
    pub(super) async fn watch(
        self: Arc<Self>,
        inner: Weak<Inner<DB>>,
        changes: watch::Sender<()>,
        mut ending: watch::Receiver<bool>,
    ) {
        let mut looking = Looking::<DB>::default();
        loop {
            let rest = async {
                let pause = self.look(&inner, &mut looking, &changes).await?;
                self.renew(&inner, &mut looking).await?;
                tokio::time::sleep(LOOK_GAP.min(pause)).await;
                let _ = tokio::time::timeout(pause.saturating_sub(LOOK_GAP), self.wake.notified()).await;
                Some(())
            };
            tokio::select! {
                biased;
                _ = ending.wait_for(|ending| *ending) => break,
                rested = rest => if rested.is_none() { return },
            }
        }
        looking.end().await;
    }

    /// One look; gives the pause until the next, or nothing when the connection is gone.
    async fn look(
        &self,
        inner: &Weak<Inner<DB>>,
        looking: &mut Looking<DB>,
        changes: &watch::Sender<()>,
    ) -> Option<Duration> {
        // Held for as long as it takes to read what is needed: a look keeps no connection alive.
        let (way, from_file, limit, max_lag) = {
            let inner = inner.upgrade()?;
            let target = inner.target.as_ref().ok()?;
            (
                target.way().ok()?,
                target.has_credential_file(),
                inner.base.connect_timeout(),
                inner.max_lag(),
            )
        };
        let host = way.host(self.index);
        let had_session = looking.session.is_some();
        let answer = looking.ask(&way, self.index, limit).await;
        let inner = inner.upgrade()?;
        let mut refused = false;
        let found = match answer {
            Ok((replication, latency)) => {
                let shared = matches!(replication, Replication::Shared);
                self.shared.store(shared, Ordering::Release);
                let lag = self.age(&inner, &replication, max_lag);
                let (state, lag, words) = match replication.judge(lag, max_lag) {
                    Verdict::Fit(lag) => (SqlHostState::Fit, Some(lag), None),
                    Verdict::Behind(lag) => {
                        let far =
                            lag.map_or_else(|| "an unknown time".to_owned(), |lag| format!("{lag:.0?}"));
                        let words = format!("{} is {far} behind its primary", host.address());
                        (SqlHostState::Behind, lag, Some(words))
                    }
                    Verdict::Halted(why) => (
                        SqlHostState::Halted,
                        None,
                        Some(format!("{}: {why}", host.address())),
                    ),
                };
                Found {
                    state,
                    lag,
                    latency: Some(latency),
                    cause: words.map(|words| Error::new(ErrorKind::Operation, words).transient(true)),
                }
            }
            Err(error) => {
                let primary = inner.base.health().condition().state;
                self.lock().age.missed(primary, Instant::now());
                // Good for one more question; the next look asks on one that has the rights of then.
                looking.spent = DB::lacks_grant(&error).is_some();
                let error = explain_look(error, host, from_file);
                let is_new = !had_session && (looking.session.is_none() || looking.spent);
                refused = is_new && !error.is_transient();
                if !looking.spent {
                    looking.session = None;
                }
                let state = match error.kind() {
                    ErrorKind::Auth | ErrorKind::Operation => SqlHostState::Halted,
                    _ => SqlHostState::Away,
                };
                Found {
                    state,
                    lag: None,
                    latency: None,
                    cause: Some(error),
                }
            }
        };
        let away = found.state == SqlHostState::Away;
        self.publish(&inner, host, found, changes);
        if refused {
            return Some(looking.pauses.refused.next_pause());
        }
        if away {
            return Some(looking.pauses.away.next_pause());
        }
        looking.pauses = Pauses::default();
        // Often enough to see a lag before it is much more than it may be; and not all of a fleet at once.
        let pause = (max_lag / 5).clamp(Duration::from_millis(500), Duration::from_secs(5));
        Some(pause.mul_f64(0.75 + fastrand::f64() / 2.0))
    }

    /// What follows a look. Where the way is another than that of the looks' session, a new one proves it, so that sessions of
    /// the pool that are never used up end as well; and nobody else looks whether the host in use still takes writes while
    /// all that is done is to read.
    async fn renew(&self, inner: &Weak<Inner<DB>>, looking: &mut Looking<DB>) -> Option<()> {
        let (way, limit, patience, may_be_demoted) = {
            let inner = inner.upgrade()?;
            let target = inner.target.as_ref().ok()?;
            let may_be_demoted = target.has_other_writers() && target.host() == self.index;
            let limit = inner.base.connect_timeout();
            (target.way().ok()?, limit, inner.max_lag(), may_be_demoted)
        };
        if self.asked.swap(false, Ordering::AcqRel) {
            looking.try_again();
        }
        if looking.renew(&way, self.index, limit).await
            && let Some(pool) = self.pool.get()
        {
            self.take(pool, &way, true);
        }
        if !may_be_demoted {
            looking.forget_demotion();
        } else if looking.is_demoted(limit, patience).await {
            inner.upgrade()?.base.health().look();
        }
        if std::mem::take(&mut looking.spent) {
            looking.end().await;
        }
        Some(())
    }

    /// How far behind the host is; nothing when nobody can know.
    fn age(&self, inner: &Inner<DB>, replication: &Replication, max_lag: Duration) -> Option<Duration> {
        let health = inner.base.health();
        let primary = health.condition().state;
        let mut known = self.lock();
        let lag = known.age.seen(replication, primary, Instant::now());
        let hint = replication.is_cut_off() && known.age.hints_at_outage(max_lag);
        drop(known);
        let in_use = inner.target.as_ref().map(super::Target::host);
        if hint && primary != State::Degraded && !in_use.is_ok_and(|host| host == self.index) {
            // Perhaps it is gone, and nobody has noticed because nobody writes.
            health.look();
        }
        lag
    }

    fn publish(&self, inner: &Inner<DB>, host: &HostWay<DB>, found: Found, changes: &watch::Sender<()>) {
        let before = self.state();
        {
            let mut known = self.lock();
            known.lag = found.lag;
            known.cause.clone_from(&found.cause);
            let away = found.state == SqlHostState::Away;
            if let Some(pool) = self.pool.get().filter(|_| away != known.away) {
                // The way as it is now, under the lock: the files may have changed since the look began.
                let way = inner.target.as_ref().ok().and_then(|target| target.way().ok());
                let now = way
                    .filter(|_| !away)
                    .map(|way| way.host(self.index).options.clone());
                // What waits in the pool for a host that is away would try again until `acquire_timeout`.
                sql::set_options(pool, &self.generations, now.unwrap_or_else(DB::dead_end));
            }
            known.away = away;
        }
        if let Some(latency) = found.latency {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
            let smoothed = match self.latency.load(Ordering::Relaxed) {
                0 => micros,
                before => (before * 4 + micros) / 5,
            };
            self.latency.store(smoothed.max(1), Ordering::Relaxed);
        }
        self.state.store(found.state as u8, Ordering::Release);
        if before == found.state {
            return;
        }
        changes.send_replace(());
        if inner
            .target
            .as_ref()
            .is_ok_and(|target| target.host() == self.index)
        {
            // The primary of a list without roles: that it does not replicate is as it should be.
            return;
        }
        let (connection, host, state) = (inner.base.label(), host.address(), found.state);
        match found.cause {
            Some(cause) => {
                if state == SqlHostState::Away {
                    self.generations.lost();
                }
                tracing::warn!(connection, host, %state, "{}", cause.message());
                // Once for each change: an outage of an hour is one record.
                let _ = inner.base.write_down(cause, "replicate");
            }
            None => tracing::debug!(connection, host, %state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
