//! What a PostgreSQL server is asked: who it is, how far its replication is, and how far it is itself.

use super::standby::{Look, Standby};
use crate::adapters::sql::hosts::{Channel, Link, Position, Replication, ServerId, Standing, foreign};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use std::time::{Duration, Instant};

/// How often a standby is asked whether it has come to a position: the server has no statement that waits for one.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(50));

/// Asks a server for its standing.
pub(super) async fn standing(session: &mut PgConnection) -> Result<Standing, sqlx::Error> {
    // Not `transaction_read_only`, which a session to read from has for itself. When they were started tells servers apart,
    // whatever way leads to them; `system_identifier` does not, because a standby has that of its primary.
    const ASK: &str = "select pg_is_in_recovery() \
            or exists (select from pg_settings where name = 'default_transaction_read_only' and reset_val = 'on'), \
        concat_ws(' ', cast(extract(epoch from pg_postmaster_start_time()) as text), current_setting('cluster_name'))";
    let row = sqlx::raw_sql(ASK).fetch_one(session).await?;
    let read_only: bool = row.try_get(0)?;
    Ok(Standing {
        server: ServerId(row.try_get(1)?),
        writable: !read_only,
    })
}

/// Asks a server for its replication. Everybody may ask; whether its receiver is at work, how far its sender was, and whether
/// somebody has stopped it, only `pg_monitor` may see.
pub(super) async fn replication(
    session: &mut PgConnection,
    standby: &mut Standby,
) -> Result<Replication, sqlx::Error> {
    // A standby that was started without its primary has received nothing yet, and may still replay what it has.
    const ASK: &str = "select pg_is_in_recovery(), \
        case when pg_is_in_recovery() then not pg_is_wal_replay_paused() end, \
        (select setting = '' from pg_settings where name = 'primary_conninfo'), \
        receiver.pid, receiver.status, cast(receiver.latest_end_lsn - '0/0' as text), \
        cast(pg_last_wal_receive_lsn() - '0/0' as text), cast(pg_last_wal_replay_lsn() - '0/0' as text), \
        cast(extract(epoch from pg_last_xact_replay_timestamp()) * 1000000 as bigint), \
        cast(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000000 as bigint), \
        receiver.last_msg_send_time <> receiver.last_msg_receipt_time \
        from (select) one left join pg_stat_wal_receiver receiver on true";
    let asked = Instant::now();
    let row = sqlx::raw_sql(ASK).fetch_one(session).await?;
    if !row.try_get::<bool, _>(0)? {
        *standby = Standby::default();
        return Ok(Replication::From(Vec::new()));
    }
    let place = |column: usize| -> Result<Option<u64>, sqlx::Error> {
        let text: Option<String> = row.try_get(column)?;
        Ok(text.and_then(|text| text.parse().ok()))
    };
    let (ended, received) = (place(5)?, place(6)?);
    let age: Option<i64> = row.try_get(9)?;
    let look = Look {
        receiver: row.try_get(3)?,
        // Nobody may see it, or it is at work.
        streams: row
            .try_get::<Option<String>, _>(4)?
            .is_none_or(|word| word == "streaming"),
        // Both are the moment of its start until a message comes.
        heard: row.try_get(10)?,
        received: received.map(|received| received.max(ended.unwrap_or(0))),
        replayed: place(7)?.unwrap_or(0),
        committed: row.try_get(8)?,
        // Clocks differ: who is behind its primary by the clock is not ahead of it.
        age: age.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0))),
    };
    let connected = standby.is_connected(&look, asked);
    let stopped = row.try_get::<Option<bool>, _>(2)? == Some(true);
    Ok(Replication::From(vec![Channel {
        applying: row.try_get(1)?,
        link: match connected {
            true => Link::Connected,
            false if stopped => Link::Stopped,
            false => Link::Sought,
        },
        drained: look.received.is_some_and(|received| received <= look.replayed),
        behind: standby.behind(&look, connected, asked, Instant::now()),
    }]))
}

/// What the server of this session has now: where the next record goes, because what was committed without waiting for the
/// disk (`synchronous_commit = off`) is acknowledged all the same.
pub(super) async fn position(session: &mut PgConnection) -> Result<Position, sqlx::Error> {
    const ASK: &str = "select cast(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() \
            else pg_current_wal_insert_lsn() end - '0/0' as text), \
        cast(current_setting('wal_block_size') as bigint), pg_size_bytes(current_setting('wal_segment_size'))";
    let row = sqlx::raw_sql(ASK).fetch_one(session).await?;
    let text: Option<String> = row.try_get(0)?;
    let Some(place) = text.and_then(|text| text.parse().ok()) else {
        return Ok(Position::Unknown);
    };
    let size = |column: usize| -> Result<u64, sqlx::Error> {
        let size: i64 = row.try_get(column)?;
        Ok(u64::try_from(size).unwrap_or(0))
    };
    let end = end_of_last_record(place, size(1)?, size(2)?);
    let text = format!("{:X}/{:X}", end >> 32, end & 0xffff_ffff);
    Ok(Position::postgres(&text).unwrap_or(Position::Unknown))
}

/// Where the last record ends, by where the next begins. On a new page of the log that is behind the page's header, and a
/// standby that has everything has come to the end of the page before, no further.
fn end_of_last_record(next: u64, page: u64, segment: u64) -> u64 {
    // The first page of a file has the long one.
    const HEADERS: (u64, u64) = (24, 40);
    let is_at = |size: u64, header: u64| size != 0 && next % size == header;
    match next {
        _ if is_at(segment, HEADERS.1) => next - HEADERS.1,
        _ if is_at(page, HEADERS.0) => next - HEADERS.0,
        _ => next,
    }
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
    use super::end_of_last_record;

    #[test]
    fn a_record_ends_before_the_header_of_the_next_page() {
        let end = |next| end_of_last_record(next, 8192, 16 << 20);
        assert_eq!(end(0x0300_0148), 0x0300_0148);
        assert_eq!(end(0x0300_2018), 0x0300_2000);
        assert_eq!(end(0x0300_0028), 0x0300_0000);
        // Not the header of a page, but something within one.
        assert_eq!(end(0x0300_2028), 0x0300_2028);
        assert_eq!(end_of_last_record(24, 0, 0), 24);
    }
}
