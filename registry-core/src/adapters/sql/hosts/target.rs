//! The pool of writes, and the host that its sessions lead to now.

use super::election::{Elected, ServerId};
use super::way::Way;
use super::{Hosted, Options};
use crate::adapters::sql;
use crate::base::Base;
use crate::error::Error;
use crate::rotation::{self, Stamp};
use crate::secret;
use registry_config::Settings;
use sqlx::Pool;
use sqlx::pool::PoolOptions;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How often a session that is about to be used is asked whether its host still takes writes, where another may.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The pool, and what its sessions are made from.
///
/// There is one pool whatever host is in use, so that whoever holds it goes on with the next host. Its sessions to the
/// host before are ended when they are next wanted.
pub(super) struct Target<DB: Hosted> {
    pub(super) pool: Pool<DB>,
    base: Arc<Base>,
    settings: Arc<Settings>,
    files: Box<[Box<str>]>,
    now: Mutex<Now<DB>>,
    /// None where there is but one host for writes: a thousand idle connections hold nothing that they do not need.
    server: Option<Arc<ServerInUse>>,
}

/// The server that was elected, where another may be: nothing before the first election.
#[derive(Default)]
struct ServerInUse(Mutex<Option<ServerId>>);

impl ServerInUse {
    /// Sets the server; true when another was elected before.
    fn replace(&self, server: Option<ServerId>) -> bool {
        let mut elected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = elected.is_some() && *elected != server;
        *elected = server;
        replaced
    }

    /// Whether sessions may lead to this server.
    fn is(&self, server: &ServerId) -> bool {
        let elected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        elected.as_ref().is_none_or(|elected| elected == server)
    }
}

struct Now<DB: Hosted> {
    way: Result<Way<DB>, Error>,
    version: u64,
    stamp: Stamp,
    /// The server is away: the pool has a [dead end](Hosted::dead_end) instead of the way.
    away: bool,
    /// The host in use, by number.
    host: usize,
    /// How often another came into use.
    moves: u64,
    /// The host to try first, where that is another, and when that was asked for.
    first: Option<(usize, Instant)>,
}

impl<DB: Hosted> Target<DB> {
    /// Everything that needs no server.
    pub(super) fn new(base: &Arc<Base>, settings: &Arc<Settings>) -> Self {
        let files = rotation::files(settings).into_boxed_slice();
        let stamp = rotation::stamp(&files);
        let way = Way::<DB>::new(settings, base.label());
        let options = way
            .as_ref()
            .map_or_else(|_| DB::dead_end(), |way| way.host(0).options.clone());
        let several = way.as_ref().is_ok_and(|way| way.writers().len() > 1);
        let mut pool = DB::pool(&base.generations, settings);
        let server = several.then(|| Arc::new(ServerInUse::default()));
        if let Some(server) = &server {
            pool = writable_only(pool, base, sql::Limits::new(settings), server);
        }
        Self {
            pool: pool.connect_lazy_with(options),
            base: Arc::clone(base),
            settings: Arc::clone(settings),
            files,
            now: Mutex::new(Now {
                way,
                version: 0,
                stamp,
                away: false,
                host: 0,
                moves: 0,
                first: None,
            }),
            server,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many sessions are opened at once.
    pub(super) fn min(&self) -> u64 {
        self.settings.count("pool.min").unwrap_or(0)
    }

    /// Whether a credential comes from a file.
    pub(super) fn has_credential_file(&self) -> bool {
        secret::from_file(&self.settings)
    }

    /// The host in use, by number.
    pub(super) fn host(&self) -> usize {
        self.lock().host
    }

    /// How often another host came into use, for [`set_there`](Self::set_there).
    pub(super) fn moves(&self) -> u64 {
        self.lock().moves
    }

    /// Looks at the files, and leaves everything as it was when they cannot be read now.
    pub(super) fn refresh_quietly(&self) {
        if !self.files.is_empty() {
            let _ = self.refresh();
        }
    }

    /// How a session is made now.
    pub(super) fn way(&self) -> Result<Way<DB>, Error> {
        self.lock().way.clone()
    }

    /// The hosts that writes may go to, in the order in which they are tried: the one in use, unless another was asked
    /// for, then the others as they stand in the list. What was asked for holds once: when this attempt fails, or nobody
    /// waits for it any more, nobody moves by it later.
    pub(super) fn order(&self, way: &Way<DB>) -> Vec<usize> {
        let (host, first) = {
            let mut now = self.lock();
            (now.host, now.first.take())
        };
        // Whoever asked waits no longer than that.
        let first = first.filter(|(_, asked)| asked.elapsed() < self.base.timeout());
        let mut order: Vec<usize> = first.into_iter().map(|(first, _)| first).collect();
        let rest = way.writers();
        for index in rest.contains(&host).then_some(host).into_iter().chain(rest) {
            if !order.contains(&index) {
                order.push(index);
            }
        }
        order
    }

    /// Whether a secret comes from a file.
    pub(super) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// The pool for a call. When it may have to open a session, the files are looked at first: a secret that was rotated
    /// is used from the next session on.
    pub(super) fn pool(&self) -> Result<Pool<DB>, Error> {
        if !self.files.is_empty() && self.pool.num_idle() == 0 {
            self.refresh_quietly();
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
        let mut way = Way::<DB>::new(&self.settings, self.base.label())?;
        way.version = now.version + 1;
        now.version = way.version;
        if !now.away {
            self.set_options(way.host(now.host).options.clone());
        }
        now.way = Ok(way);
        now.stamp = stamp;
        self.base.generations.rotated();
        Ok(true)
    }

    /// Whether writes may go to another host than the one in use.
    pub(super) fn has_other_writers(&self) -> bool {
        self.server.is_some()
    }

    /// Whether what sessions are made from was proven at this host.
    pub(super) fn is_proven_at(&self, host: usize) -> bool {
        let now = self.lock();
        now.host == host && !self.base.generations.awaits_proof()
    }

    /// Asks for the first host; true when another is in use.
    pub(super) fn prefer_first(&self) -> bool {
        let mut now = self.lock();
        let first = now
            .way
            .as_ref()
            .ok()
            .and_then(|way| way.writers().first().copied());
        let moves = first.is_some_and(|first| first != now.host);
        now.first = first.filter(|_| moves).map(|first| (first, Instant::now()));
        moves
    }

    /// Lets what waits for a session, and retries in the driver until `acquire_timeout`, fail at once.
    pub(super) fn set_away(&self) {
        let mut now = self.lock();
        now.away = true;
        self.set_options(DB::dead_end());
    }

    /// The server is there, and this way leads to it, at the host that was elected. Meanwhile the files may have
    /// changed: then the next session takes the new way, which is still to be proved.
    ///
    /// The election began when there had been so many `moves`. One that finds another host than the one that came into use
    /// meanwhile is late, and changes nothing: a look that began before somebody returned to the first host must not undo that.
    /// Where that one was lost again since, a late one is better than none.
    pub(super) fn set_there(&self, proved: &Way<DB>, elected: &Elected, moves: u64) {
        let host = elected.host;
        let mut now = self.lock();
        if now.moves != moves && now.host != host && !now.away {
            return;
        }
        // Before the options: a session that is being made to another server is refused from now on.
        let server = self.server.as_ref();
        let replaced = server.is_some_and(|server| server.replace(elected.server.clone()));
        let was_away = std::mem::replace(&mut now.away, false);
        let moved = now.host != host;
        now.host = host;
        now.moves += u64::from(moved);
        let current = now.way.as_ref().ok().filter(|way| way.version > proved.version);
        let proven = current.is_none();
        if was_away || moved {
            let options = current.unwrap_or(proved).host(host).options.clone();
            self.set_options(options);
        }
        if proven {
            self.base.generations.rotation_proven();
        }
        if moved || replaced {
            // After the options: a session that is made from now on leads to the new host.
            self.base.generations.retire();
        }
        if moved {
            let (connection, host) = (self.base.label(), proved.host(host).address());
            tracing::warn!(connection, host, "another host is in use from now on");
        }
    }

    fn set_options(&self, options: Options<DB>) {
        sql::set_options(&self.pool, &self.base.generations, options);
    }

    fn lock(&self) -> MutexGuard<'_, Now<DB>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pool of a connection whose values gave none.
pub(super) fn nowhere<DB: Hosted>() -> Pool<DB> {
    Pool::connect_lazy_with(DB::dead_end())
}

/// The pool of several hosts that writes may go to: no session is handed out for long whose host takes no writes, or is
/// not the one that was elected. Whoever works in transactions of the driver's own tells us no error, and the host in use
/// may become a replica under them.
fn writable_only<DB: Hosted>(
    options: PoolOptions<DB>,
    base: &Arc<Base>,
    limits: sql::Limits,
    server: &Arc<ServerInUse>,
) -> PoolOptions<DB> {
    let (made, used) = (Arc::downgrade(base), Arc::downgrade(base));
    let (greeted, elected) = (Arc::clone(server), Arc::clone(server));
    let generations = Arc::clone(&base.generations);
    let last_look = Mutex::new(Instant::now());
    let is_due = move || {
        let mut last = last_look.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.elapsed() > LOOK_EVERY;
        if due {
            *last = Instant::now();
        }
        due
    };
    let options = sql::greeting(options, &base.generations, move |session| {
        Box::pin(refuse_others::<DB>(session, made.clone(), Arc::clone(&greeted)))
    });
    options.before_acquire(move |session, meta| {
        let fitness = limits.fitness(&generations, &meta);
        if fitness == sql::Fitness::Sound && !is_due() {
            return Box::pin(async { Ok(true) });
        }
        let (base, elected) = (used.clone(), Arc::clone(&elected));
        let generations = Arc::clone(&generations);
        Box::pin(async move {
            let look = refuse_others::<DB>(session, base, elected);
            let sound = fitness != sql::Fitness::Ended
                && tokio::time::timeout(sql::RELEASE_PING, look)
                    .await
                    .is_ok_and(|look| look.is_ok());
            if !sound {
                generations.refresh();
            }
            Ok(sound)
        })
    })
}

/// The greeting of a session to one of several hosts that writes may go to. It may have been begun before the host in
/// use changed, and lead to the one that was left, which may hang meanwhile and take writes afterwards; or lead to a host
/// that has just become a replica. Then it is of no use, and it is time for a look.
async fn refuse_others<DB: Hosted>(
    session: &mut DB::Connection,
    base: Weak<Base>,
    elected: Arc<ServerInUse>,
) -> Result<(), sqlx::Error> {
    let found = DB::standing(session).await?;
    let words = match (found.writable, elected.is(&found.server)) {
        (true, true) => return Ok(()),
        (true, false) => "the session leads to a server that is not in use",
        (false, _) => "the host is read only",
    };
    if let Some(base) = base.upgrade() {
        base.health().look();
    }
    Err(sqlx::Error::Protocol(words.to_owned()))
}

#[cfg(all(test, feature = "mysql"))]
mod tests {
    use super::*;

    fn two_hosts() -> Target<sqlx::MySql> {
        let text =
            "[mysql.main]\nconnections = [{ host = \"db4\" }, { host = \"db5\" }]\nusername = \"shop\"\n";
        let loaded = registry_config::load(text, "databases.toml");
        let shape = &loaded.shape.connections[0];
        let settings = Arc::new(registry_config::resolve(shape, None, &[]).expect("a file without mistakes"));
        Target::new(&Base::new(shape, &settings), &settings)
    }

    fn elected(host: usize) -> Elected {
        Elected {
            host,
            server: None,
            version: String::new(),
            answering: vec![host],
        }
    }

    #[tokio::test]
    async fn a_return_that_was_asked_for_is_tried_once() {
        let target = two_hosts();
        let way = target.way().unwrap();
        target.set_there(&way, &elected(1), 0);
        assert_eq!(target.order(&way), [1, 0]);
        assert!(target.prefer_first());
        assert_eq!(target.order(&way), [0, 1]);
        // That attempt failed, and the keeper makes the next one.
        assert_eq!(target.order(&way), [1, 0]);
    }

    #[tokio::test]
    async fn a_look_that_began_before_a_return_does_not_undo_it() {
        let target = two_hosts();
        let way = target.way().unwrap();
        target.set_there(&way, &elected(1), target.moves());
        let look = target.moves();
        target.set_there(&way, &elected(0), target.moves());
        target.set_there(&way, &elected(1), look);
        assert_eq!(target.host(), 0);
        // But one that is lost is no better than what a late look found.
        target.set_away();
        target.set_there(&way, &elected(1), look);
        assert_eq!(target.host(), 1);
        target.set_there(&way, &elected(0), target.moves());
        assert_eq!(target.host(), 0);
    }
}
