//! How a host that is read from is looked at: on a session of its own, with pauses.

use super::election::explain;
use super::lag;
use super::way::HostWay;
use crate::backoff::Backoff;
use crate::error::Error;
use crate::kind::ErrorKind;
use sqlx::mysql::MySqlConnection;
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
#[derive(Default)]
pub(super) struct Looking {
    pub(super) session: Option<MySqlConnection>,
    /// The version of the way that it was made in, and the latest that was tried.
    pub(super) version: u64,
    tried: u64,
    pub(super) pauses: Pauses,
}

impl Looking {
    /// One light query on a session that is kept for it, and how long that took. Where the way is another than that of the
    /// session, a new one takes its place; one that is refused leaves it, and is not tried again.
    pub(super) async fn ask(
        &mut self,
        host: &HostWay,
        version: u64,
        limit: Duration,
    ) -> Result<(lag::Replication, Duration), sqlx::Error> {
        let late = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        if self.session.is_none() || self.tried != version {
            self.tried = version;
            let made = tokio::time::timeout(limit, host.bare().connect()).await;
            match made.map_err(late).flatten() {
                Ok(made) => {
                    self.end().await;
                    self.session = Some(made);
                    self.version = version;
                }
                Err(error) if self.session.is_none() => return Err(error),
                Err(_) => {}
            }
        }
        let Some(session) = &mut self.session else {
            return Err(sqlx::Error::WorkerCrashed);
        };
        let began = Instant::now();
        let replication = tokio::time::timeout(LOOK_LIMIT.min(limit), lag::ask(session))
            .await
            .map_err(late)??;
        Ok((replication, began.elapsed()))
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

/// The driver's error with the cause and the next step.
pub(super) fn explain_look(error: sqlx::Error, host: &HostWay, from_file: bool) -> Error {
    const NOT_ALLOWED: u16 = 1227;
    if let sqlx::Error::Database(cause) = &error
        && lag::number(&**cause) == Some(NOT_ALLOWED)
    {
        let words = format!("{} does not tell this account its lag", host.address());
        return Error::new(ErrorKind::Auth, words)
            .help("grant the account `REPLICA MONITOR` (MariaDB) or `REPLICATION CLIENT` (MySQL) on *.*");
    }
    explain(error, host, from_file)
}
