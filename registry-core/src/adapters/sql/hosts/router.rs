//! Which host a read goes to.

use super::host::{SqlHost, SqlHostRole, SqlHostState};
use super::replica::Replica;
use super::token::WriteToken;
use super::{Hosted, Inner, Target};
use crate::base::Base;
use crate::error::Error;
use crate::generations::Generations;
use crate::kind::ErrorKind;
use crate::status::{Sessions, State};
use registry_config::{Role, Settings};
use sqlx::pool::PoolConnection;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Replicas that answer at most this much later than the fastest share the reads; slower ones are for when there is none.
const NEAR: Duration = Duration::from_millis(15);
/// How long the first reads wait for the first looks at the replicas, when the primary could serve them.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// How long a read waits for a replica to have what was written before its token.
pub(super) const TOKEN_WAIT: Duration = Duration::from_millis(500);

/// The same for a read that may not wait. Not zero, which to some servers is for ever.
const TOKEN_NOW: Duration = Duration::from_millis(1);

/// The hosts that are read from, and the rules of the choice.
pub(super) struct Router<DB: Hosted> {
    /// Every host of the list, by number.
    hosts: Vec<Arc<Replica<DB>>>,
    /// The numbers of those that are replicas; of a list without roles all, the one in use is left out of the choice.
    replicas: Vec<usize>,
    fallback: bool,
    sticky: Option<Duration>,
    /// Those who look at the replicas, from the first read on; nothing when the connection was closed.
    looks: Mutex<Option<JoinSet<()>>>,
    changes: watch::Sender<()>,
    ending: watch::Sender<bool>,
}

/// A session to read on.
pub(crate) struct Held<DB: Hosted> {
    pub(crate) session: PoolConnection<DB>,
    pub(crate) place: Place<DB>,
}

/// Where a session leads to.
pub(crate) struct Place<DB: Hosted> {
    pub(super) replica: Arc<Replica<DB>>,
    /// Whether it is the primary.
    pub(super) primary: bool,
}

impl<DB: Hosted> Place<DB> {
    pub(crate) fn generations(&self) -> &Generations {
        &self.replica.generations
    }

    /// Something takes long there: somebody looks whether it is still there.
    pub(super) fn suspect(&self, base: &Base) {
        if self.primary {
            base.suspect();
        } else {
            self.replica.look_soon();
        }
    }
}

enum Pick<DB: Hosted> {
    Fit(Arc<Replica<DB>>),
    /// There may be one: some were not looked at yet.
    Unknown,
    None,
}

impl<DB: Hosted> Router<DB> {
    pub(super) fn new(target: &Target<DB>, settings: &Settings) -> Result<Self, Error> {
        let way = target.way()?;
        let number = way.hosts.len();
        let is_replica = |index: &usize| way.hosts[*index].role == Role::Replica;
        let mut replicas: Vec<usize> = (0..number).filter(is_replica).collect();
        if replicas.is_empty() && number > 1 {
            replicas = (0..number).collect();
        }
        let hosts = way
            .hosts
            .iter()
            .enumerate()
            .map(|(index, host)| Arc::new(Replica::new(index, host, settings)));
        Ok(Self {
            hosts: hosts.collect(),
            replicas,
            fallback: settings.flag("fallback").unwrap_or(true),
            sticky: settings.duration("sticky"),
            looks: Mutex::new(Some(JoinSet::new())),
            changes: watch::Sender::new(()),
            ending: watch::Sender::new(false),
        })
    }

    /// A session for a read: of a replica that is fit, and has reached the token if there is one; else of the primary.
    pub(super) async fn session(
        &self,
        inner: &Arc<Inner<DB>>,
        after: Option<&WriteToken>,
        deadline: Instant,
    ) -> Result<Held<DB>, Error> {
        self.start_looks(inner);
        let target = inner.target()?;
        let mut missed = None;
        if !self.sticks(inner, target) {
            match self.replica(inner, target, after, deadline).await {
                Ok(held) => return Ok(held),
                Err(error) => missed = Some(error),
            }
            if !self.fallback && !self.replicas.is_empty() {
                return Err(missed.unwrap_or_else(|| self.nobody(target)));
            }
        }
        inner
            .base
            .usable()
            .await
            .map_err(|error| self.beside(error, missed.as_ref()))?;
        let place = Place {
            replica: Arc::clone(self.host(target.host())),
            primary: true,
        };
        // The driver would try again until `acquire_timeout` where nothing listens any more.
        let session = self.session_at(inner, &place, deadline);
        let session = async {
            let mut session = session.await?;
            if let Some(token) = after.filter(|_| target.has_other_writers()) {
                still_has::<DB>(token, &mut session, &place.replica, &inner.base).await?;
            }
            Ok(session)
        };
        match inner.base.unless_away(session).await {
            Ok(session) => Ok(Held { session, place }),
            Err(error) => {
                let error = self.beside(inner.base.explained(error), missed.as_ref());
                Err(inner.base.record(error, "read"))
            }
        }
    }

    /// The primary's own error, which names the next step, with what ails the replicas: the other half of it.
    fn beside(&self, error: Error, missed: Option<&Error>) -> Error {
        let Some(missed) = missed.filter(|_| !self.replicas.is_empty()) else {
            return error;
        };
        let (own, of_replica) = (error.message(), missed.message());
        let words = if own == of_replica {
            format!("on the primary and on the replicas: {own}")
        } else {
            format!("{own}; {of_replica}")
        };
        error.said_otherwise(words)
    }

    /// A session of a replica; the error says why there is none.
    async fn replica(
        &self,
        inner: &Arc<Inner<DB>>,
        target: &Target<DB>,
        after: Option<&WriteToken>,
        deadline: Instant,
    ) -> Result<Held<DB>, Error> {
        let (mut tried, mut failed) = (Vec::new(), None);
        let mut changes = self.changes.subscribe();
        let patience = if self.fallback {
            FIRST_LOOK
        } else {
            inner.base.connect_timeout()
        };
        let patience = Instant::now() + patience;
        loop {
            changes.mark_unchanged();
            let replica = match self.pick(target.host(), &tried) {
                Pick::Fit(replica) => replica,
                Pick::Unknown => {
                    if tokio::time::timeout_at(patience, changes.changed())
                        .await
                        .is_err()
                    {
                        return Err(self.nobody(target));
                    }
                    continue;
                }
                Pick::None => return Err(failed.unwrap_or_else(|| self.nobody(target))),
            };
            tried.push(replica.index);
            let place = Place {
                replica,
                primary: false,
            };
            let mut session = match self.session_soon(inner, &place, deadline).await {
                Ok(session) => session,
                Err(error) => {
                    // Nothing was asked of it yet: another replica may be.
                    if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout) {
                        place.replica.look_soon();
                    }
                    failed = Some(error);
                    continue;
                }
            };
            if let Some(token) = after {
                match reached::<DB>(token, &mut session, &place.replica).await {
                    Some(true) => {}
                    Some(false) => {
                        // The others are as far, or their turn would come too late.
                        let words = format!("no replica had the write within {TOKEN_WAIT:?}");
                        return Err(Error::new(ErrorKind::Timeout, words));
                    }
                    None => {
                        place.replica.look_soon();
                        let words = "no replica could say whether it had the write: the token is of another server, or \
                            the replica ended meanwhile";
                        failed = Some(Error::new(ErrorKind::Timeout, words));
                        continue;
                    }
                }
            }
            return Ok(Held { session, place });
        }
    }

    /// A session to this replica. Where there is another host to turn to, one that can open a session and does not is not waited
    /// for: the driver of PostgreSQL tries again and again at a server that is full.
    async fn session_soon(
        &self,
        inner: &Inner<DB>,
        place: &Place<DB>,
        deadline: Instant,
    ) -> Result<PoolConnection<DB>, Error> {
        let is_last = !self.fallback && self.replicas.len() == 1;
        if is_last || place.replica.is_busy() {
            return self.session_at(inner, place, deadline).await;
        }
        let patience = inner.base.connect_timeout() / 4;
        let session = self.session_at(inner, place, deadline);
        let error = match tokio::time::timeout(patience, session).await {
            Ok(Err(error)) if error.kind() == ErrorKind::TooManyConnections => error,
            Ok(session) => return session,
            Err(_) => {
                let address = self.address(inner.target()?, place.replica.index);
                let words = format!("{address} gives no session within {patience:?}");
                Error::new(ErrorKind::Timeout, words)
            }
        };
        place.replica.refused(&error);
        Err(error)
    }

    /// A session to this host; with a look at it when that takes long.
    async fn session_at(
        &self,
        inner: &Inner<DB>,
        place: &Place<DB>,
        deadline: Instant,
    ) -> Result<PoolConnection<DB>, Error> {
        let base = &inner.base;
        let session = place.replica.session(inner, &self.changes);
        let session = base.patient_with(deadline, session, || place.suspect(base)).await;
        session.unwrap_or_else(|| Err(base.deadline_error()))
    }

    /// The choice: of the replicas that are fit and near, by weight; one that has no session left only when all have none.
    fn pick(&self, primary: usize, tried: &[usize]) -> Pick<DB> {
        let all = || {
            let open = |index: &&usize| **index != primary && !tried.contains(index);
            self.replicas.iter().filter(open).map(|index| &self.hosts[*index])
        };
        let fit = || all().filter(|replica| replica.is(SqlHostState::Fit) && !replica.has_refused_lately());
        let Some(fastest) = fit().filter_map(|replica| replica.latency()).min() else {
            let unknown = all().any(|replica| replica.is(SqlHostState::Unknown));
            return if unknown { Pick::Unknown } else { Pick::None };
        };
        let near =
            || fit().filter(|replica| replica.latency().is_some_and(|latency| latency <= fastest + NEAR));
        let busy = near().all(|replica| replica.is_busy());
        let choice = || near().filter(|replica| busy || !replica.is_busy());
        let total: u64 = choice().map(|replica| u64::from(replica.weight)).sum();
        let mut drawn = if total > 0 { fastrand::u64(0..total) } else { 0 };
        for replica in choice() {
            let weight = u64::from(replica.weight);
            if drawn < weight {
                return Pick::Fit(Arc::clone(replica));
            }
            drawn -= weight;
        }
        // What was true of them a moment ago is not any more.
        near()
            .next()
            .map_or(Pick::None, |replica| Pick::Fit(Arc::clone(replica)))
    }

    /// Whether something may have been written so lately that reads go to the primary.
    fn sticks(&self, inner: &Inner<DB>, target: &Target<DB>) -> bool {
        self.sticky.is_some_and(|time| {
            let Sessions { open, idle, .. } = crate::adapters::sql::sessions(&target.pool);
            open > idle || inner.base.generations.released_within(time)
        })
    }

    /// Why no replica is fit.
    fn nobody(&self, target: &Target<DB>) -> Error {
        let primary = target.host();
        let mut words = Vec::new();
        for index in self.replicas.iter().copied().filter(|index| *index != primary) {
            let replica = &self.hosts[index];
            words.push(match replica.cause() {
                Some(cause) => cause.message().to_owned(),
                None => format!("{} is {}", self.address(target, index), replica.state()),
            });
        }
        let help = self
            .replicas
            .iter()
            .find_map(|index| self.hosts[*index].cause()?.next_step().map(str::to_owned));
        let error = Error::new(
            ErrorKind::Unreachable,
            format!("no replica is fit for reads: {}", words.join("; ")),
        );
        match help {
            Some(help) => error.help(help),
            None => error,
        }
    }

    fn address(&self, target: &Target<DB>, index: usize) -> String {
        target
            .way()
            .map_or_else(|_| String::new(), |way| way.host(index).address())
    }

    fn host(&self, index: usize) -> &Arc<Replica<DB>> {
        let last = self.hosts.len() - 1;
        &self.hosts[index.min(last)]
    }

    /// Sets somebody to look at each replica, the first time.
    fn start_looks(&self, inner: &Arc<Inner<DB>>) {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(looks) = looks.as_mut() else {
            return;
        };
        // Those that have ended count until they are taken out.
        while looks.try_join_next().is_some() {}
        if !looks.is_empty() {
            return;
        }
        for host in &self.hosts {
            host.refresh_secrets(inner);
        }
        for index in &self.replicas {
            let (replica, inner): (_, Weak<Inner<DB>>) =
                (Arc::clone(&self.hosts[*index]), Arc::downgrade(inner));
            looks.spawn(replica.watch(inner, self.changes.clone(), self.ending.subscribe()));
        }
    }

    /// Asks for looks soon, and for sessions with what is in the files now.
    pub(super) fn renew_soon(&self) {
        self.hosts.iter().for_each(|replica| replica.renew_soon());
    }

    /// Ends the looks, then the pools. The caller bounds it.
    pub(super) async fn close(&self) {
        self.ending.send_replace(true);
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut looks) = looks {
            while looks.join_next().await.is_some() {}
        }
        let closing = self.hosts.iter().map(|replica| replica.close());
        crate::together::join_all(closing).await;
    }

    /// The sessions of all pools of readers.
    pub(super) fn sessions(&self) -> Option<Sessions> {
        let all = self.hosts.iter().filter_map(|replica| replica.sessions());
        all.reduce(add)
    }

    /// What is known of each host.
    pub(super) fn snapshot(&self, inner: &Inner<DB>, target: &Target<DB>) -> Vec<SqlHost> {
        let primary = target.host();
        let one = |replica: &Arc<Replica<DB>>| {
            let base = &inner.base;
            let mut found = SqlHost {
                address: self.address(target, replica.index),
                role: SqlHostRole::Replica,
                state: replica.state(),
                lag: replica.lag(),
                latency: replica.latency(),
                sessions: replica.sessions(),
                cause: replica.cause(),
            };
            if replica.index == primary {
                let condition = base.health().condition();
                found.role = SqlHostRole::Primary;
                found.state = match condition.state {
                    State::Ready => SqlHostState::Fit,
                    State::Waiting | State::Connecting => SqlHostState::Unknown,
                    _ => SqlHostState::Away,
                };
                found.cause = condition.cause;
                found.lag = None;
                let own = crate::adapters::sql::sessions(&target.pool);
                found.sessions = Some(found.sessions.map_or(own, |more| add(own, more)));
            }
            found
        };
        self.hosts.iter().map(one).collect()
    }
}

/// Whether the replica of this session comes as far as the token in time; nothing when it does not say.
async fn reached<DB: Hosted>(
    token: &WriteToken,
    session: &mut DB::Connection,
    replica: &Replica<DB>,
) -> Option<bool> {
    let permit = replica.waits.try_acquire();
    // Whoever may not wait only asks.
    let limit = match &permit {
        Ok(_) if !replica.is_shared() => TOKEN_WAIT,
        _ => TOKEN_NOW,
    };
    // The server's own limit comes first, unless it hangs.
    match tokio::time::timeout(TOKEN_WAIT * 2, DB::is_reached(session, token.position(), limit)).await {
        Ok(answer) => answer.ok(),
        Err(_) => {
            // The session may hang: it is tried before it goes back to its pool.
            replica.generations.deadline_fired();
            None
        }
    }
}

/// Refuses a primary that became a replica, which nobody may have noticed, and has not what was written at the next one.
async fn still_has<DB: Hosted>(
    token: &WriteToken,
    session: &mut DB::Connection,
    host: &Replica<DB>,
    base: &Base,
) -> Result<(), Error> {
    let question = Unanswered(&host.generations);
    let Ok(found) = tokio::time::timeout(TOKEN_WAIT * 2, DB::standing(session)).await else {
        base.suspect();
        return Err(Error::new(
            ErrorKind::Timeout,
            "the host in use does not say whether it takes writes",
        ));
    };
    if found?.writable {
        question.answered();
        return Ok(());
    }
    base.health().look();
    let has_it = reached::<DB>(token, session, host).await;
    question.answered();
    if has_it == Some(true) {
        return Ok(());
    }
    let words =
        "the host in use takes no writes any more, and does not have the write; another is looked for";
    Err(Error::new(ErrorKind::Unreachable, words).transient(true))
}

/// A question that is given up with this: its session may hang, and is tried before it goes back to its pool.
struct Unanswered<'a>(&'a Generations);

impl Unanswered<'_> {
    fn answered(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.0.deadline_fired();
    }
}

/// The sessions of two pools.
pub(super) fn add(one: Sessions, other: Sessions) -> Sessions {
    Sessions {
        open: one.open.saturating_add(other.open),
        idle: one.idle.saturating_add(other.idle),
        max: one.max.saturating_add(other.max),
    }
}
