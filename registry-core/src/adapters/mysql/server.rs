//! What a server of MySQL or MariaDB is asked: who it is, how far its replication is, and how far it is itself.

use crate::adapters::sql::hosts::{Channel, Link, Position, Replication, ServerId, Standing, foreign};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};
use std::time::Duration;

/// Asks a server for its standing.
pub(super) async fn standing(session: &mut MySqlConnection) -> Result<Standing, sqlx::Error> {
    // As text, because a later MariaDB has words here instead of numbers. InnoDB's own is that of Aurora's readers.
    // MySQL's `super_read_only` implies `read_only`. What tells it from others is not its `server_id`, which the nodes of a
    // Galera cluster may share.
    const ASK: &str = "select concat(@@global.read_only), concat(@@global.innodb_read_only), \
        concat_ws(' ', @@hostname, @@port, @@datadir)";
    let row = sqlx::raw_sql(ASK).fetch_one(session).await?;
    let off = |column| {
        let word: Result<String, _> = row.try_get(column);
        word.map(|word| matches!(word.as_str(), "0" | "OFF"))
    };
    Ok(Standing {
        server: ServerId(row.try_get(2)?),
        writable: off(0)? && off(1)?,
    })
}

/// Asks a server for its replication. One question, or two where it does not replicate, or is old.
///
/// It needs `REPLICA MONITOR` of MariaDB (10.5), or `REPLICATION CLIENT` of MySQL.
pub(super) async fn replication(session: &mut MySqlConnection) -> Result<Replication, sqlx::Error> {
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

/// What the server of this session has now.
pub(super) async fn position(session: &mut MySqlConnection) -> Result<Position, sqlx::Error> {
    const UNKNOWN_VARIABLE: u16 = 1193;
    let found = sqlx::query_scalar::<_, String>("select @@global.gtid_binlog_pos")
        .fetch_one(&mut *session)
        .await;
    let position = match found {
        Ok(text) => Position::mariadb(&text),
        // MySQL, whose name of it is another.
        Err(sqlx::Error::Database(error)) if number(&*error) == Some(UNKNOWN_VARIABLE) => {
            let text = sqlx::query_scalar::<_, String>("select @@global.gtid_executed");
            Position::mysql(&text.fetch_one(session).await?)
        }
        Err(error) => return Err(error),
    };
    // A server without a binary log counts nothing.
    Ok(position.unwrap_or(Position::Unknown))
}

/// Waits until the server of this session has it; false after `limit`, and at once when it could not be told.
pub(super) async fn is_reached(
    session: &mut MySqlConnection,
    position: &Position,
    limit: Duration,
) -> Result<bool, sqlx::Error> {
    let (statement, position) = match position {
        Position::Unknown => return Ok(false),
        Position::Postgres(_) => return Err(foreign()),
        Position::MariaDb(position) => ("select master_gtid_wait(?, ?)", position),
        Position::MySql(position) => ("select wait_for_executed_gtid_set(?, ?)", position),
    };
    let waited = sqlx::query_scalar::<_, Option<i64>>(statement)
        .bind(&**position)
        .bind(limit.as_secs_f64())
        .fetch_one(session)
        .await?;
    Ok(waited == Some(0))
}
