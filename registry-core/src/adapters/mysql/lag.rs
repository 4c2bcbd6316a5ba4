//! How far a replica is behind, as its server tells it.

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};
use std::time::Duration;

/// One source that a server replicates from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel {
    /// Whether what was received is being applied.
    pub(super) applying: bool,
    pub(super) link: Link,
    /// Whether all that was received is applied.
    pub(super) drained: bool,
    /// Nothing while it is not connected: MariaDB tells none then, whatever there is to be applied.
    pub(super) behind: Option<Duration>,
}

/// Its connection to a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Connected,
    /// It tries: the source is out of its reach.
    Sought,
    /// It does not try: somebody has stopped it, or it cannot go on.
    Stopped,
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
    /// It comes after, and is further behind than it may be, or by who knows what.
    Behind(Option<Duration>),
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
    let position = |names: [&str; 2]| {
        let mut found = names.iter();
        found.find_map(|name| row.try_get_unchecked::<u64, _>(*name).ok())
    };
    let file = word(["Source_Log_File", "Master_Log_File"]);
    let read = position(["Read_Source_Log_Pos", "Read_Master_Log_Pos"]);
    let applied = position(["Exec_Source_Log_Pos", "Exec_Master_Log_Pos"]);
    let seconds = ["Seconds_Behind_Source", "Seconds_Behind_Master"];
    Channel {
        drained: !file.is_empty()
            && file == word(["Relay_Source_Log_File", "Relay_Master_Log_File"])
            && read.is_some()
            && read == applied,
        applying: word(["Replica_SQL_Running", "Slave_SQL_Running"]) == "Yes",
        link: match word(["Replica_IO_Running", "Slave_IO_Running"]).as_str() {
            "Yes" => Link::Connected,
            "No" => Link::Stopped,
            _ => Link::Sought,
        },
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
        matches!(self, Self::From(channels) if channels.iter().any(|channel| channel.link != Link::Connected))
    }

    /// Whether it does not even try to reach a source: an outage of that is not why.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self, Self::From(channels) if channels.iter().any(|channel| channel.link == Link::Stopped))
    }

    /// How far it is behind what it has received, where it tells none as it last told; nothing when that is not known.
    pub(super) fn behind(&self, told: Option<Duration>) -> Option<Duration> {
        let Self::From(channels) = self else {
            return Some(Duration::ZERO);
        };
        let mut most = Duration::ZERO;
        for channel in channels {
            let all = channel.drained.then_some(Duration::ZERO);
            most = most.max(channel.behind.or(all).or(told)?);
        }
        Some(most)
    }

    /// Whether reads may go there, by how far it is behind, where that is known.
    pub(super) fn judge(&self, lag: Option<Duration>, max_lag: Duration) -> Verdict {
        let Self::From(channels) = self else {
            return Verdict::Fit(Duration::ZERO);
        };
        if channels.is_empty() {
            return Verdict::Halted("it does not replicate");
        }
        if channels.iter().any(|channel| !channel.applying) {
            return Verdict::Halted("it does not apply what it receives");
        }
        match lag {
            Some(lag) if lag <= max_lag => Verdict::Fit(lag),
            lag => Verdict::Behind(lag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn one(applying: bool, connected: bool, drained: bool, behind: Option<u32>) -> Channel {
        Channel {
            applying,
            link: if connected { Link::Connected } else { Link::Sought },
            drained,
            behind: behind.map(|seconds| SECOND * seconds),
        }
    }

    #[test]
    fn a_replica_is_fit_up_to_its_limit() {
        let replication = Replication::From(vec![one(true, true, true, Some(0))]);
        let judge = |lag| replication.judge(lag, SECOND * 10);
        assert_eq!(judge(Some(Duration::ZERO)), Verdict::Fit(Duration::ZERO));
        assert_eq!(judge(Some(SECOND * 10)), Verdict::Fit(SECOND * 10));
        assert_eq!(judge(Some(SECOND * 11)), Verdict::Behind(Some(SECOND * 11)));
        assert_eq!(judge(None), Verdict::Behind(None), "nobody knows how far");
    }

    #[test]
    fn who_applies_nothing_or_replicates_nothing_is_no_replica() {
        let halted = |replication: &Replication| {
            let verdict = replication.judge(Some(Duration::ZERO), SECOND);
            matches!(verdict, Verdict::Halted(_))
        };
        assert!(halted(&Replication::From(vec![one(false, true, true, None)])));
        assert!(halted(&Replication::From(Vec::new())));
        assert!(!halted(&Replication::Shared));
    }

    #[test]
    fn what_is_not_told_is_as_it_was_told_last() {
        let replication = Replication::From(vec![one(true, false, false, None)]);
        assert!(replication.is_cut_off());
        assert_eq!(replication.behind(None), None);
        assert_eq!(replication.behind(Some(SECOND)), Some(SECOND));
        let drained = Replication::From(vec![one(true, false, true, None)]);
        assert_eq!(drained.behind(Some(SECOND)), Some(Duration::ZERO));
        // One source of several is enough to be behind.
        let two = Replication::From(vec![
            one(true, true, true, Some(0)),
            one(true, true, false, Some(5)),
        ]);
        assert!(!two.is_cut_off());
        assert_eq!(two.behind(Some(SECOND)), Some(SECOND * 5));
    }
}
