//! The driver's client, and what it is made from: the values, and the files behind them as they are now.

use super::open;
use super::options::{self, Plan};
use crate::base::Base;
use crate::connection::Opened;
use crate::error::Error;
use crate::rotation::{self, Stamp};
use mongodb::Database;
use registry_config::Settings;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The current client. A rotated secret makes another one: the driver's cannot change its credential. Calls that hold
/// the old one end on it, and it goes with the last of them.
pub(super) struct Target {
    base: Arc<Base>,
    /// Kept for what can be read again, and not at all when nothing can.
    settings: Option<Arc<Settings>>,
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
            settings: (!files.is_empty()).then(|| Arc::clone(settings)),
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
        let Some(settings) = &self.settings else {
            return Ok(false);
        };
        let mut now = self.lock();
        let stamp = rotation::stamp(&self.files);
        if stamp == now.stamp && now.plan.is_ok() {
            return Ok(false);
        }
        let (plan, database) = made(&self.base, settings)?;
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
        let (database, opened) = open::open(self.base.connect_timeout(), &plan, ready.as_ref()).await?;
        let mut now = self.lock();
        let is_current = now.plan.as_ref().is_ok_and(|current| Arc::ptr_eq(current, &plan));
        // When the files changed meanwhile there is a newer client already.
        if is_current || now.database.is_none() {
            now.database = Some(database);
        }
        drop(now);
        Ok(opened)
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
