//! The pool, and how its sessions are made now.

use super::way::{Way, dead_end, way};
use crate::adapters::sql;
use crate::base::Base;
use crate::error::Error;
use crate::rotation::{self, Stamp};
use crate::secret;
use registry_config::Settings;
use sqlx::postgres::{PgConnectOptions, PgPool};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The pool, and what its sessions are made from.
pub(super) struct Target {
    pub(super) pool: PgPool,
    pub(super) min: u64,
    pub(super) from_file: bool,
    base: Arc<Base>,
    settings: Arc<Settings>,
    files: Vec<Box<str>>,
    now: Mutex<Now>,
}

struct Now {
    way: Result<Way, Error>,
    stamp: Stamp,
    /// How often the files have changed.
    version: u64,
    /// The server is away: the pool has [`dead_end`] instead of the way.
    away: bool,
}

impl Target {
    /// Everything that needs no server.
    pub(super) fn new(base: &Arc<Base>, settings: &Arc<Settings>) -> Self {
        let files = rotation::files(settings);
        let stamp = rotation::stamp(&files);
        let way = way(settings, base.label());
        let options = way
            .as_ref()
            .map_or_else(|_| dead_end(), |way| way.options.clone());
        let pool = sql::options::<sqlx::Postgres>(&base.generations, settings, sql::Limits::new(settings));
        Self {
            pool: pool.connect_lazy_with(options),
            min: settings.count("pool.min").unwrap_or(0),
            from_file: secret::from_file(settings),
            base: Arc::clone(base),
            settings: Arc::clone(settings),
            files,
            now: Mutex::new(Now {
                way,
                stamp,
                version: 0,
                away: false,
            }),
        }
    }

    /// Whether a secret comes from a file.
    pub(super) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// How a session is made now.
    pub(super) fn way(&self) -> Result<Way, Error> {
        self.lock().way.clone()
    }

    /// The pool for a call. When it may have to open a session, the files are looked at first: a secret that was rotated
    /// is used from the next session on.
    pub(super) fn pool(&self) -> Result<PgPool, Error> {
        if self.has_files() && self.pool.num_idle() == 0 {
            // What cannot be read now leaves everything as it was.
            let _ = self.refresh();
        }
        match &self.lock().way {
            Ok(_) => Ok(self.pool.clone()),
            Err(error) => Err(error.clone()),
        }
    }

    /// Reads the files again if they changed; true when the next session is made in another way.
    pub(super) fn refresh(&self) -> Result<bool, Error> {
        let mut now = self.lock();
        let stamp = rotation::stamp(&self.files);
        if stamp == now.stamp && (now.way.is_ok() || self.files.is_empty()) {
            return Ok(false);
        }
        let mut way = way(&self.settings, self.base.label())?;
        now.version += 1;
        way.version = now.version;
        if !now.away {
            self.set_options(way.options.clone());
        }
        now.way = Ok(way);
        now.stamp = stamp;
        self.base.generations.rotated();
        Ok(true)
    }

    /// Lets what waits for a session, and retries in the driver until `acquire_timeout`, fail at once.
    pub(super) fn set_away(&self) {
        let mut now = self.lock();
        now.away = true;
        self.set_options(dead_end());
    }

    /// The server is there, and this way leads to it. Meanwhile the files may have changed: then the next session takes
    /// the new way, which is still to be proved.
    pub(super) fn set_there(&self, proved: &Way) {
        let mut now = self.lock();
        let was_away = std::mem::replace(&mut now.away, false);
        let newer = now.way.as_ref().ok().filter(|way| way.version > proved.version);
        let proven = newer.is_none();
        if was_away {
            self.set_options(newer.unwrap_or(proved).options.clone());
        }
        if proven {
            self.base.generations.rotation_proven();
        }
    }

    fn set_options(&self, options: PgConnectOptions) {
        sql::set_options(&self.pool, &self.base.generations, options);
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pool of a connection whose values gave none.
pub(super) fn nowhere() -> PgPool {
    PgPool::connect_lazy_with(dead_end())
}
