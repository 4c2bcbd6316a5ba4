//! How a host that is read from is looked at: on a session of its own, with pauses.

use super::Hosted;
use super::election::explain;
use super::lag::Replication;
use super::way::{HostWay, Way};
use crate::backoff::Backoff;
use crate::error::Error;
use crate::kind::ErrorKind;
use sqlx::{ConnectOptions as _, Connection as _};
use std::time::{Duration, Instant};

/// How long a replica may take to answer a look on a session that exists.
const LOOK_LIMIT: Duration = Duration::from_secs(1);
/// Pauses between looks at a host that is away, as those of the keeper of a connection that was lost.
const AWAY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(750));
/// Pauses between looks at a host that refuses the login: an account may be locked for asking too often.
const REFUSED: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// How long the session of the looks may take to end.
const FAREWELL: Duration = Duration::from_millis(500);

/// The session of the looks, and the pauses between them.
pub(super) struct Looking<DB: Hosted> {
    pub(super) session: Option<DB::Connection>,
    /// What the backend remembers of the host.
    memory: DB::Memory,
    /// The next look is to have another.
    pub(super) spent: bool,
    /// The version of the way that it was made in, and the latest that was tried.
    version: u64,
    tried: u64,
    /// That is not tried again before.
    not_before: Option<Instant>,
    renewal: Backoff,
    /// Whether the host replicates from another.
    follows: bool,
    demoted: Option<Demotion>,
    pub(super) pauses: Pauses,
}

/// A host in use that takes no writes any more.
struct Demotion {
    /// The first look that found it so.
    since: Instant,
    /// Nobody looks for another before.
    not_before: Instant,
    pauses: Backoff,
}

impl<DB: Hosted> Default for Looking<DB> {
    fn default() -> Self {
        Self {
            session: None,
            memory: DB::Memory::default(),
            spent: false,
            version: 0,
            tried: 0,
            not_before: None,
            renewal: Backoff::new(REFUSED.0, REFUSED.1),
            follows: false,
            demoted: None,
            pauses: Pauses::default(),
        }
    }
}

impl<DB: Hosted> Looking<DB> {
    /// One light query on a session that is kept for it, and how long that took.
    pub(super) async fn ask(
        &mut self,
        way: &Way<DB>,
        index: usize,
        limit: Duration,
    ) -> Result<(Replication, Duration), sqlx::Error> {
        let session = match &mut self.session {
            Some(session) => session,
            None => {
                let made = connect::<DB>(way, index, limit).await?;
                self.version = way.version;
                // It may be another server.
                self.memory = DB::Memory::default();
                self.session.insert(made)
            }
        };
        let began = Instant::now();
        let replication = in_time(limit, DB::replication(session, &mut self.memory)).await?;
        let took = began.elapsed();
        self.follows = matches!(&replication, Replication::From(channels) if !channels.is_empty());
        Ok((replication, took))
    }

    /// Whether the session is one of this way; where it is of an earlier one, another takes its place. One that is refused
    /// leaves the session that works, and is tried again after a pause: a replica may hear of a new password later.
    pub(super) async fn renew(&mut self, way: &Way<DB>, index: usize, limit: Duration) -> bool {
        if self.session.is_none() || self.version == way.version {
            return self.session.is_some();
        }
        if self.tried != way.version {
            self.try_again();
            self.tried = way.version;
        }
        if self.not_before.is_some_and(|moment| Instant::now() < moment) {
            return false;
        }
        // For no longer than a look may take: until then nobody asks for the lag.
        match connect::<DB>(way, index, LOOK_LIMIT.min(limit)).await {
            Ok(made) => {
                self.end().await;
                self.session = Some(made);
                self.memory = DB::Memory::default();
                self.version = way.version;
                true
            }
            Err(_) => {
                self.not_before = Some(Instant::now() + self.renewal.next_pause());
                false
            }
        }
    }

    /// Forgets that a way was refused.
    pub(super) fn try_again(&mut self) {
        self.not_before = None;
        self.renewal = Backoff::new(REFUSED.0, REFUSED.1);
    }

    /// It is not the host in use, or there is no other.
    pub(super) fn forget_demotion(&mut self) {
        self.demoted = None;
    }

    /// Whether it is time to look for another primary, because the host says that it takes no writes: at once where it
    /// follows another, and after `patience` where it does not, because until then there may be none. Again only after
    /// a pause: where another is not found, each look is a login.
    pub(super) async fn is_demoted(&mut self, limit: Duration, patience: Duration) -> bool {
        let Some(session) = &mut self.session else {
            return false;
        };
        let Ok(found) = in_time(limit, DB::standing(session)).await else {
            // The next look has another.
            self.session = None;
            return false;
        };
        let now = Instant::now();
        if found.writable {
            self.demoted = None;
            return false;
        }
        let demoted = self.demoted.get_or_insert_with(|| Demotion {
            since: now,
            not_before: now,
            pauses: Backoff::new(REFUSED.0, REFUSED.1),
        });
        let waits = !self.follows && now.saturating_duration_since(demoted.since) < patience;
        if waits || now < demoted.not_before {
            return false;
        }
        demoted.not_before = now + demoted.pauses.next_pause();
        true
    }

    pub(super) async fn end(&mut self) {
        if let Some(session) = self.session.take() {
            let _ = tokio::time::timeout(FAREWELL, session.close()).await;
        }
    }
}

/// The pauses between looks at a host that is not there.
pub(super) struct Pauses {
    pub(super) away: Backoff,
    pub(super) refused: Backoff,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            away: Backoff::new(AWAY.0, AWAY.1),
            refused: Backoff::new(REFUSED.0, REFUSED.1),
        }
    }
}

async fn connect<DB: Hosted>(
    way: &Way<DB>,
    index: usize,
    limit: Duration,
) -> Result<DB::Connection, sqlx::Error> {
    let bare = DB::bare(&way.host(index).options);
    let made = tokio::time::timeout(limit, bare.connect()).await;
    made.map_err(late)?
}

/// The answer of a session that exists.
async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(LOOK_LIMIT.min(limit), answer)
        .await
        .map_err(late)?
}

fn late(_: tokio::time::error::Elapsed) -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

/// The driver's error with the cause and the next step.
pub(super) fn explain_look<DB: Hosted>(error: sqlx::Error, host: &HostWay<DB>, from_file: bool) -> Error {
    if let Some(grant) = DB::lacks_grant(&error) {
        let words = format!("{} does not tell this account its lag", host.address());
        return Error::new(ErrorKind::Auth, words).help(grant);
    }
    explain(error, host, from_file)
}
