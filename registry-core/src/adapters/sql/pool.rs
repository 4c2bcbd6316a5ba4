//! Pools with the defaults that production needs.

use crate::error::Error;
use crate::generations::Generations;
use crate::status::Sessions;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};
use registry_config::Settings;
use sqlx::pool::{PoolConnectionMetadata, PoolOptions};
use sqlx::{Connection as _, Database, Executor, Pool};
use std::sync::Arc;
use std::time::Duration;

/// A session is pinged before use only after it was idle for this long: a ping at each acquire halves the throughput
/// of a saturated pool, and doubles the time of a query over a slow network. Under a second, because a server that went
/// and came back while nobody called takes about as long, and its dead sessions must not be handed out.
const PING_AFTER_IDLE: Duration = Duration::from_secs(1);

/// How long the ping of a session that comes back may take while a deadline fired lately.
pub(crate) const RELEASE_PING: Duration = Duration::from_millis(500);

/// How long a pool that has sessions may take to get those that it is to have.
const REFILL: Duration = Duration::from_millis(500);

/// How old a session may become, and how long it may be idle.
#[derive(Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) idle: Option<Duration>,
    pub(crate) lifetime: Option<Duration>,
}

/// What a session of the pool is good for, by its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fitness {
    /// It can be used.
    Sound,
    /// It can be used when it answers.
    Doubtful,
    /// It is of no more use.
    Ended,
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            idle: settings.duration("pool.idle_timeout"),
            lifetime: settings.duration("pool.max_lifetime"),
        }
    }

    /// What a session is good for that was idle.
    pub(crate) fn fitness(self, generations: &Generations, session: &PoolConnectionMetadata) -> Fitness {
        if self.ended(session) || generations.is_retired(session.age) {
            return Fitness::Ended;
        }
        let lately = session.idle_for < PING_AFTER_IDLE;
        if lately && !generations.is_from_before_loss(session.age) {
            Fitness::Sound
        } else {
            Fitness::Doubtful
        }
    }

    fn ended(self, session: &PoolConnectionMetadata) -> bool {
        self.idle.is_some_and(|limit| session.idle_for > limit)
            || self.lifetime.is_some_and(|limit| session.age > limit)
    }
}

/// The pool's options from the settings of a connection.
pub(crate) fn options<DB: Database>(
    generations: &Arc<Generations>,
    settings: &Settings,
    limits: Limits,
) -> PoolOptions<DB>
where
    for<'x> &'x mut DB::Connection: Executor<'x, Database = DB>,
{
    let count = |key: &str, default: u64| {
        let count = settings.count(key).unwrap_or(default);
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let (made, before) = (Arc::clone(generations), Arc::clone(generations));
    let after = Arc::clone(generations);
    // A connection that reads from replicas wants to know when something may have been written.
    let tells_release = settings.duration("sticky").is_some();
    let mut options = PoolOptions::new()
        .max_connections(count("pool.max", 10))
        // Not sqlx's own `min_connections`: it fills the pool one session after the other.
        .min_connections(0)
        // Nor sqlx's own limits of age, but ours below. The task that enforces them counts the idle sessions without a
        // lock (sqlx 0.9.0, `PoolInner::release` adds after the session can be taken): under load it may read a number
        // below zero, and then keeps a thread of the runtime busy for ever.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |_, _| {
            made.session_made();
            Box::pin(async { Ok(()) })
        })
        .before_acquire(move |session: &mut DB::Connection, meta| {
            let fitness = limits.fitness(&before, &meta);
            if fitness == Fitness::Sound {
                return Box::pin(async { Ok(true) });
            }
            let before = Arc::clone(&before);
            Box::pin(async move {
                // A session that is dead is replaced; its error is of no use to whoever asks for one.
                let sound = fitness == Fitness::Doubtful
                    && tokio::time::timeout(RELEASE_PING, session.ping())
                        .await
                        .is_ok_and(|ping| ping.is_ok());
                if !sound {
                    before.refresh();
                }
                Ok(sound)
            })
        })
        .after_release(move |session: &mut DB::Connection, meta| {
            let ended = limits.ended(&meta);
            // A query that its deadline ended on a silent path would keep its place in the pool for as long as the
            // pool's own ping hangs. Only then a ping of our own, with a limit, comes first; and it is a `ROLLBACK`, which
            // ends what a `BEGIN` that was given up began behind the driver's back.
            let suspicious = after.deadline_fired_lately();
            if tells_release {
                after.released();
            }
            Box::pin(async move {
                if ended || !suspicious {
                    return Ok(!ended);
                }
                match tokio::time::timeout(RELEASE_PING, cleared::<DB>(session)).await {
                    Ok(Ok(())) => Ok(true),
                    Ok(Err(error)) => Err(error),
                    Err(_) => Err(sqlx::Error::PoolTimedOut),
                }
            })
        });
    if let Some(limit) = settings.duration("pool.acquire_timeout") {
        options = options.acquire_timeout(limit);
    }
    options
}

/// Sets what sessions are made from. Whatever sets it after the beginning does so here, so that sessions that are being made
/// are known.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn set_options<DB: Database>(
    pool: &Pool<DB>,
    generations: &Generations,
    options: <DB::Connection as sqlx::Connection>::Options,
) {
    // The driver holds it as long as a session is being made from it.
    let before = Arc::downgrade(&pool.connect_options());
    pool.set_connect_options(options);
    generations.superseded(before);
}

/// Proves that a session answers, and ends what transaction it may be in.
fn cleared<DB: Database>(session: &mut DB::Connection) -> BoxFuture<'_, Result<(), sqlx::Error>>
where
    for<'x> &'x mut DB::Connection: Executor<'x, Database = DB>,
{
    // SQLite's driver sees to it by itself, and `ROLLBACK` without a transaction is an error there.
    if DB::NAME == "SQLite" {
        return Box::pin(session.ping());
    }
    session.execute("ROLLBACK").map_ok(drop).boxed()
}

/// The same options, with something to do on each new session, which is not used when that fails.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn greeting<DB: Database>(
    options: PoolOptions<DB>,
    generations: &Arc<Generations>,
    greet: impl Fn(&mut DB::Connection) -> BoxFuture<'_, Result<(), sqlx::Error>> + Send + Sync + 'static,
) -> PoolOptions<DB> {
    let made = Arc::clone(generations);
    options.after_connect(move |session, _| {
        made.session_made();
        greet(session)
    })
}

/// Opens sessions until there are `count`, all at once, so that the first calls find them. Those that lie idle are tried,
/// too: they may be dead.
pub(crate) async fn fill<DB: Database>(pool: &Pool<DB>, count: u64) -> Result<(), Error> {
    // For sessions that are in use nobody waits: a busy pool would pass for a server that does not answer.
    let Sessions { open, idle, .. } = sessions(pool);
    let wanted = count.min(count.saturating_sub(open.into()) + u64::from(idle));
    let sessions = (0..wanted).map(|_| pool.acquire());
    let filled = futures_util::future::try_join_all(sessions);
    if open == 0 {
        return filled.await.map(drop).map_err(Error::from);
    }
    match tokio::time::timeout(REFILL, filled).await {
        // Calls were faster; they open what they need.
        Err(_) | Ok(Err(sqlx::Error::PoolTimedOut)) => Ok(()),
        Ok(filled) => filled.map(drop).map_err(Error::from),
    }
}

pub(crate) fn sessions<DB: Database>(pool: &Pool<DB>) -> Sessions {
    let open = pool.size();
    Sessions {
        open,
        idle: idle(pool.num_idle(), open),
        max: pool.options().get_max_connections(),
    }
}

/// How many of the open sessions are idle. sqlx counts them apart, and sets the count to zero when a pool is closed: one that
/// is taken at that moment leaves it below zero, which is a very large number.
fn idle(counted: usize, open: u32) -> u32 {
    match isize::try_from(counted) {
        Ok(counted) => u32::try_from(counted).unwrap_or(u32::MAX).min(open),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_sessions_are_idle_than_are_open_and_no_fewer_than_none() {
        assert_eq!([idle(0, 3), idle(2, 3), idle(5, 3)], [0, 2, 3]);
        assert_eq!([idle(usize::MAX, 3), idle(0_usize.wrapping_sub(2), 0)], [0, 0]);
    }
}
