//! The driver's client, and what it is made from: the values, and the files behind them as they are now.

use super::open;
use super::options::{self, Plan};
use crate::base::Base;
use crate::connection::Opened;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::rotation::{self, Stamp};
use crate::status::State;
use mongodb::Database;
use registry_config::Settings;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the client that there is has to find a server again. One from which callers have taken their calls back in an
/// outage may need most of a minute for it: its pool has to end each check-out that they left. Another one is made then, and
/// that one ends with those who hold it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The current client. A rotated secret makes another one: the driver's cannot change its credential. Calls that hold
/// the old one end on it, and it goes with the last of them.
pub(super) struct Target {
    base: Arc<Base>,
    settings: Arc<Settings>,
    files: Vec<Box<str>>,
    now: Mutex<Now>,
}

struct Now {
    plan: Result<Arc<Plan>, Error>,
    /// `None` until it is opened, when the URL needs DNS first (`mongodb+srv`).
    database: Option<Database>,
    stamp: Stamp,
}

impl Target {
    /// Everything that needs no server.
    pub(super) fn new(base: &Arc<Base>, settings: &Arc<Settings>) -> Self {
        let files = rotation::files(settings);
        let stamp = rotation::stamp(&files);
        let (plan, database) = match made(base, settings) {
            Ok((plan, database)) => (Ok(plan), database),
            Err(error) => (Err(error), None),
        };
        Self {
            base: Arc::clone(base),
            settings: Arc::clone(settings),
            files,
            now: Mutex::new(Now {
                plan,
                database,
                stamp,
            }),
        }
    }

    /// The client for a call, made from the files as they are now.
    pub(super) fn database(&self) -> Result<Database, Error> {
        // What cannot be read now leaves everything as it was.
        let _ = self.refresh();
        let now = self.lock();
        let plan = now.plan.as_ref().map_err(Clone::clone)?;
        now.database.clone().ok_or_else(|| plan.needs_dns())
    }

    /// The client, if there is one.
    pub(super) fn current(&self) -> Option<Database> {
        self.lock().database.clone()
    }

    /// Makes another client if the files changed.
    pub(super) fn refresh(&self) -> Result<bool, Error> {
        if self.files.is_empty() {
            return Ok(false);
        }
        let mut now = self.lock();
        let stamp = rotation::stamp(&self.files);
        if stamp == now.stamp && now.plan.is_ok() {
            return Ok(false);
        }
        let (plan, database) = made(&self.base, &self.settings)?;
        now.plan = Ok(plan);
        // Where DNS comes first the old one stays until the next opening.
        now.database = database.or_else(|| now.database.take());
        now.stamp = stamp;
        Ok(true)
    }

    pub(super) async fn open(&self) -> Result<Opened, Error> {
        let refreshed = self.refresh();
        let (plan, ready) = {
            let now = self.lock();
            let plan = now.plan.clone().or_else(|error| refreshed.and(Err(error)))?;
            (plan, now.database.clone())
        };
        let limit = self.base.connect_timeout();
        if let Some(ready) = ready.as_ref().filter(|_| self.base.health().is(State::Degraded)) {
            let patience = PATIENCE.min(limit / 2);
            let attempt = open::open(patience, &plan, Some(ready));
            match tokio::time::timeout(patience, attempt).await {
                Ok(Err(error)) if error.kind() != ErrorKind::Timeout => return Err(error),
                Ok(Ok((_, opened))) => return Ok(opened),
                Ok(Err(_)) | Err(_) => {}
            }
            // What cannot be read now leaves everything as it was.
            let again = made(&self.base, &self.settings);
            let (fresh, database) = again.unwrap_or_else(|_| (Arc::clone(&plan), Some(ready.clone())));
            let rest = limit - patience;
            let attempt = open::open(rest, &fresh, database.as_ref()).await;
            let (database, opened) = attempt.map_err(|error| {
                // The limit that the user knows, so that one outage is told once.
                let (told, known) = (format!("within {rest:?}"), format!("within {limit:?}"));
                let words = error.message().replacen(&told, &known, 1);
                error.said_otherwise(words)
            })?;
            self.put(&plan, fresh, database);
            return Ok(opened);
        }
        let (database, opened) = open::open(limit, &plan, ready.as_ref()).await?;
        self.put(&plan, Arc::clone(&plan), database);
        Ok(opened)
    }

    /// Puts a client in its place that was opened instead of that of `known`. When the files changed meanwhile there is a newer
    /// one already.
    fn put(&self, known: &Arc<Plan>, plan: Arc<Plan>, database: Database) {
        let mut now = self.lock();
        let is_current = now.plan.as_ref().is_ok_and(|current| Arc::ptr_eq(current, known));
        if is_current || now.database.is_none() {
            now.plan = Ok(plan);
            now.database = Some(database);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn made(base: &Base, settings: &Settings) -> Result<(Arc<Plan>, Option<Database>), Error> {
    let mut plan = options::plan(base.connect_timeout(), settings)?;
    let database = plan.database()?;
    Ok((Arc::new(plan), database))
}
