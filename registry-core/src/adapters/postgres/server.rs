//! What a PostgreSQL server is asked: who it is, how far its replication is, and how far it is itself.

use crate::adapters::sql::hosts::{Channel, Link, Position, Replication, ServerId, Standing, foreign};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often a standby is asked whether it has come to a position: the server has no statement that waits for one.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(50));
/// How many looks are remembered: enough for the longest lag that still counts, with a look every fifth of `max_lag`.
const LOOKS: usize = 64;

/// Asks a server for its standing.
pub(super) async fn standing(session: &mut PgConnection) -> Result<Standing, sqlx::Error> {
    // Not `transaction_read_only`, which a session to read from has for itself. Address and port tell servers apart, and, by a
    // socket, when they were started; `system_identifier` does not, because a standby has that of its primary.
    const ASK: &str = "select pg_is_in_recovery() \
            or exists (select from pg_settings where name = 'default_transaction_read_only' and reset_val = 'on'), \
        concat_ws(' ', coalesce(cast(inet_server_addr() as text), cast(pg_postmaster_start_time() as text)), \
            inet_server_port(), current_setting('cluster_name'))";
    let row = sqlx::raw_sql(ASK).fetch_one(session).await?;
    let read_only: bool = row.try_get(0)?;
    Ok(Standing {
        server: ServerId(row.try_get(1)?),
        writable: !read_only,
    })
}

/// What was received by a look, and when that was.
#[derive(Clone, Copy, Debug)]
struct Received {
    place: u64,
    moment: Instant,
}

/// What was received up to the latest looks: the oldest first.
///
/// The server tells when what it replayed last was committed. While nobody writes that moment grows old, and the first
/// record after an hour of rest would make a standby an hour late. But what a look found received is known to be at least
/// as new as that look: who has replayed it is behind by no more than the time since.
#[derive(Debug, Default)]
pub(crate) struct Looks(VecDeque<Received>);

impl Looks {
    /// How far behind a standby is that has received and replayed up to these places, and whose last replayed
    /// transaction was committed so long ago, where it knows.
    fn behind(
        &mut self,
        received: u64,
        replayed: u64,
        committed: Option<Duration>,
        now: Instant,
    ) -> Option<Duration> {
        while self.0.get(1).is_some_and(|look| look.place <= replayed) {
            self.0.pop_front();
        }
        let seen = self.0.front().filter(|look| look.place <= replayed);
        let seen = seen.map(|look| now.saturating_duration_since(look.moment));
        let look = Received {
            place: received,
            moment: now,
        };
        if received <= replayed {
            self.0.clear();
            self.0.push_back(look);
            return Some(Duration::ZERO);
        }
        if self.0.back().is_some_and(|latest| latest.place == received) {
            // Nothing came since: it was as much then as it is now.
            self.0.pop_back();
        }
        // A standby that is a long way behind keeps the oldest: they are those that it comes to first.
        if self.0.len() < LOOKS {
            self.0.push_back(look);
        }
        match (seen, committed) {
            (Some(seen), Some(committed)) => Some(seen.min(committed)),
            (seen, committed) => seen.or(committed),
        }
    }
}

/// Asks a server for its replication. It needs no grant; whether somebody has stopped it, only `pg_read_all_settings` tells.
pub(super) async fn replication(
    session: &mut PgConnection,
    looks: &mut Looks,
) -> Result<Replication, sqlx::Error> {
    // A standby that was started without its primary has received nothing yet, and may still replay what it has.
    const ASK: &str = "select pg_is_in_recovery(), \
        case when pg_is_in_recovery() then not pg_is_wal_replay_paused() end, \
        exists (select from pg_stat_wal_receiver), \
        (select setting = '' from pg_settings where name = 'primary_conninfo'), \
        (pg_last_wal_receive_lsn() - '0/0')::text, (pg_last_wal_replay_lsn() - '0/0')::text, \
        (extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000000)::bigint";
    let row = sqlx::raw_sql(ASK).fetch_one(session).await?;
    if !row.try_get::<bool, _>(0)? {
        *looks = Looks::default();
        return Ok(Replication::From(Vec::new()));
    }
    Ok(Replication::From(vec![channel(&row, looks, Instant::now())?]))
}

fn channel(row: &PgRow, looks: &mut Looks, now: Instant) -> Result<Channel, sqlx::Error> {
    let place = |column: usize| -> Result<Option<u64>, sqlx::Error> {
        let text: Option<String> = row.try_get(column)?;
        Ok(text.and_then(|text| text.parse().ok()))
    };
    let (received, replayed) = (place(4)?, place(5)?.unwrap_or(0));
    let committed: Option<i64> = row.try_get(6)?;
    // Clocks differ: who is ahead of its primary by the clock is not behind.
    let committed = committed.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
    let connected: bool = row.try_get(2)?;
    let behind = received.and_then(|received| looks.behind(received, replayed, committed, now));
    Ok(Channel {
        applying: row.try_get(1)?,
        link: match (connected, row.try_get::<Option<bool>, _>(3)?) {
            (true, _) => Link::Connected,
            (false, Some(true)) => Link::Stopped,
            (false, _) => Link::Sought,
        },
        drained: received.is_some_and(|received| received <= replayed),
        behind: behind.filter(|_| connected),
    })
}

/// What the server of this session has now: where the next record goes, because what was committed without waiting for the
/// disk (`synchronous_commit = off`) is acknowledged all the same.
pub(super) async fn position(session: &mut PgConnection) -> Result<Position, sqlx::Error> {
    const ASK: &str = "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end::text";
    let row = sqlx::raw_sql(ASK).fetch_one(session).await?;
    let text: Option<String> = row.try_get(0)?;
    Ok(text
        .and_then(|text| Position::postgres(&text))
        .unwrap_or(Position::Unknown))
}

/// Waits until the server of this session has it; false after `limit`, and at once when it could not be told.
pub(super) async fn is_reached(
    session: &mut PgConnection,
    position: &Position,
    limit: Duration,
) -> Result<bool, sqlx::Error> {
    const ASK: &str = "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end \
        >= $1::text::pg_lsn";
    let position = match position {
        Position::Unknown => return Ok(false),
        Position::Postgres(position) => position,
        Position::MariaDb(_) | Position::MySql(_) => return Err(foreign()),
    };
    let deadline = Instant::now() + limit;
    let mut pause = ASK_AGAIN.0;
    loop {
        let reached = sqlx::query_scalar::<_, Option<bool>>(ASK)
            .bind(&**position)
            .fetch_one(&mut *session)
            .await?;
        let left = deadline.saturating_duration_since(Instant::now());
        if reached == Some(true) || left.is_zero() {
            return Ok(reached == Some(true));
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(ASK_AGAIN.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_record_after_an_hour_of_rest_makes_nobody_late() {
        let (mut looks, now) = (Looks::default(), Instant::now());
        assert_eq!(looks.behind(10, 10, Some(HOUR), now), Some(Duration::ZERO));
        let behind = looks.behind(11, 10, Some(HOUR), now + SECOND);
        assert_eq!(behind, Some(SECOND), "it had everything a second ago");
        // Whose last transaction is newer than the last look is behind by less.
        assert_eq!(
            looks.behind(12, 11, Some(SECOND / 2), now + SECOND * 2),
            Some(SECOND / 2)
        );
    }

    #[test]
    fn who_replays_slowly_is_as_late_as_what_it_has_come_to() {
        let (mut looks, now) = (Looks::default(), Instant::now());
        let at = |seconds: u32| now + SECOND * seconds;
        assert_eq!(looks.behind(10, 10, None, now), Some(Duration::ZERO));
        for second in 1..=5 {
            let behind = looks.behind(10 + u64::from(second), 10, None, at(second));
            assert_eq!(
                behind,
                Some(SECOND * second),
                "nothing was replayed since the first look"
            );
        }
        assert_eq!(
            looks.behind(16, 13, None, at(6)),
            Some(SECOND * 3),
            "what was received by the third"
        );
        assert_eq!(looks.behind(17, 17, None, at(7)), Some(Duration::ZERO));
        // Nothing comes any more: what it came to by the latest look is as new as that.
        assert_eq!(looks.behind(18, 17, None, at(8)), Some(SECOND));
        assert_eq!(looks.behind(18, 17, None, at(9)), Some(SECOND * 2));
        assert_eq!(looks.behind(19, 18, None, at(10)), Some(SECOND));
    }

    #[test]
    fn of_a_first_look_only_the_server_tells_and_no_more_is_kept_than_is_of_use() {
        let (mut looks, now) = (Looks::default(), Instant::now());
        assert_eq!(looks.behind(20, 10, None, now), None);
        assert_eq!(looks.behind(21, 10, Some(HOUR), now), Some(HOUR));
        for look in 0..1_000 {
            looks.behind(30 + look, 10, None, now);
        }
        assert_eq!(looks.0.len(), LOOKS);
        // The oldest are those that it comes to first.
        assert_eq!(looks.behind(2_000, 20, Some(HOUR), now + SECOND), Some(SECOND));
    }
}
