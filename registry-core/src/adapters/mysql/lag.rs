//! How far a replica is behind, as its server tells it.

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};
use std::time::Duration;

/// One source that a server replicates from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel {
    /// Whether what was received is being applied.
    applying: bool,
    /// Whether it is connected to its source.
    connected: bool,
    behind: Option<Duration>,
}

/// What the server says of its replication.
#[derive(Debug)]
pub(super) enum Replication {
    /// It replicates from these.
    From(Vec<Channel>),
    /// It shares the data of the others, and has no replication to be behind with: Galera, Aurora.
    Shared,
}

/// Whether reads may go to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fit(Duration),
    /// It comes after, and is further behind than it may be.
    Behind(Duration),
    /// It does not come after.
    Halted(&'static str),
}

/// Asks a server for its replication. One question, or two where it does not replicate, or is old.
///
/// It needs `REPLICA MONITOR` of MariaDB (10.5), or `REPLICATION CLIENT` of MySQL.
pub(super) async fn ask(session: &mut MySqlConnection) -> Result<Replication, sqlx::Error> {
    const SYNTAX: u16 = 1064;
    let rows = match sqlx::raw_sql("show replica status")
        .fetch_all(&mut *session)
        .await
    {
        Err(sqlx::Error::Database(error)) if number(&*error) == Some(SYNTAX) => {
            sqlx::raw_sql("show slave status")
                .fetch_all(&mut *session)
                .await?
        }
        rows => rows?,
    };
    if rows.is_empty() && is_shared(session).await? {
        // A node that has left its cluster answers `show`, and refuses everything else.
        sqlx::raw_sql("select 1").execute(session).await?;
        return Ok(Replication::Shared);
    }
    Ok(Replication::From(rows.iter().map(channel).collect()))
}

/// The server's own number of an error.
pub(super) fn number(error: &(dyn sqlx::error::DatabaseError + 'static)) -> Option<u16> {
    let ours = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
    ours.map(sqlx::mysql::MySqlDatabaseError::number)
}

async fn is_shared(session: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    // Not `select @@…`: a variable that a server does not know would be an error.
    let ask = "show global variables where variable_name in ('wsrep_on', 'innodb_read_only')";
    let rows = sqlx::raw_sql(ask).fetch_all(session).await?;
    let on = |row: &MySqlRow| row.try_get::<String, _>(1).is_ok_and(|word| word == "ON");
    Ok(rows.iter().any(on))
}

fn channel(row: &MySqlRow) -> Channel {
    // MySQL renamed its columns; MariaDB did not.
    let word = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| row.try_get::<String, _>(*name).ok());
        found.unwrap_or_default()
    };
    let seconds = ["Seconds_Behind_Source", "Seconds_Behind_Master"];
    Channel {
        applying: word(["Replica_SQL_Running", "Slave_SQL_Running"]) == "Yes",
        connected: word(["Replica_IO_Running", "Slave_IO_Running"]) == "Yes",
        behind: seconds.iter().find_map(|name| whole_seconds(row, name)),
    }
}

/// A column that holds a whole number, whatever the type that the server gives it.
fn whole_seconds(row: &MySqlRow, name: &str) -> Option<Duration> {
    let value = row.try_get_raw(name).ok()?;
    if value.is_null() || value.type_info().is_null() {
        return None;
    }
    let seconds: i64 = row.try_get_unchecked(name).ok()?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

impl Replication {
    /// Whether any source is out of its reach.
    pub(super) fn is_cut_off(&self) -> bool {
        matches!(self, Self::From(channels) if channels.iter().any(|channel| !channel.connected))
    }

    /// Whether reads may go there. `cut_off` is for how long it has been without a source that is there for others: it
    /// tells no lag then, and is at most that far behind what it last told.
    pub(super) fn judge(&self, cut_off: Duration, max_lag: Duration) -> Verdict {
        let Self::From(channels) = self else {
            return Verdict::Fit(Duration::ZERO);
        };
        if channels.is_empty() {
            return Verdict::Halted("it does not replicate");
        }
        if channels.iter().any(|channel| !channel.applying) {
            return Verdict::Halted("it does not apply what it receives");
        }
        let lag = channels.iter().map(|channel| {
            let told = channel.behind.unwrap_or_default();
            if channel.connected { told } else { told + cut_off }
        });
        let lag = lag.max().unwrap_or_default();
        if lag > max_lag {
            Verdict::Behind(lag)
        } else {
            Verdict::Fit(lag)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn one(applying: bool, connected: bool, behind: Option<u32>) -> Replication {
        Replication::From(vec![Channel {
            applying,
            connected,
            behind: behind.map(|seconds| SECOND * seconds),
        }])
    }

    #[test]
    fn a_replica_is_fit_up_to_its_limit() {
        let judge = |told| one(true, true, Some(told)).judge(Duration::ZERO, SECOND * 10);
        assert_eq!(judge(0), Verdict::Fit(Duration::ZERO));
        assert_eq!(judge(10), Verdict::Fit(SECOND * 10));
        assert_eq!(judge(11), Verdict::Behind(SECOND * 11));
    }

    #[test]
    fn who_applies_nothing_or_replicates_nothing_is_no_replica() {
        let halted = |replication: &Replication| {
            matches!(replication.judge(Duration::ZERO, SECOND), Verdict::Halted(_))
        };
        assert!(halted(&one(false, true, None)));
        assert!(halted(&Replication::From(Vec::new())));
        assert!(!halted(&Replication::Shared));
    }

    #[test]
    fn without_its_source_a_replica_ages_from_where_it_was() {
        let cut_off = one(true, false, None);
        assert!(cut_off.is_cut_off());
        assert_eq!(
            cut_off.judge(Duration::ZERO, SECOND),
            Verdict::Fit(Duration::ZERO)
        );
        assert_eq!(cut_off.judge(SECOND * 2, SECOND), Verdict::Behind(SECOND * 2));
        // One source of several is enough to be behind.
        let two = Replication::From(vec![
            Channel {
                applying: true,
                connected: true,
                behind: Some(Duration::ZERO),
            },
            Channel {
                applying: true,
                connected: true,
                behind: Some(SECOND * 5),
            },
        ]);
        assert_eq!(two.judge(Duration::ZERO, SECOND), Verdict::Behind(SECOND * 5));
    }
}
