//! The mark of a database: the table `_dbreg_metadata`.

use super::dialect::Dialect;
use super::session::Session;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{ENVIRONMENT, METADATA, Mark, Marked, PROTECTED, Value, is_production, protects};

/// Reads the mark. What cannot be read is an error.
pub(super) async fn read(dialect: &dyn Dialect) -> Result<Marked, Error> {
    let mut session = match dialect.open().await {
        Ok(session) => session,
        Err(error) if error.kind() == ErrorKind::UnknownDatabase => return Ok(Marked::NoDatabase),
        Err(error) => return Err(error),
    };
    let marked = read_in(dialect, &mut *session).await;
    session.end().await;
    marked
}

async fn read_in(dialect: &dyn Dialect, session: &mut dyn Session) -> Result<Marked, Error> {
    let mut found = Marked::Unmarked;
    for table in dialect.marks(session).await? {
        let Some(mark) = read_table(dialect, session, &table).await? else {
            continue;
        };
        let protects = mark.protected || is_production(&mark.environment);
        if protects || found == Marked::Unmarked {
            found = Marked::As(mark);
        }
        if protects {
            break;
        }
    }
    Ok(found)
}

async fn read_table(
    dialect: &dyn Dialect,
    session: &mut dyn Session,
    table: &str,
) -> Result<Option<Mark>, Error> {
    let (name, value) = (dialect.quoted("name")?, dialect.quoted("value")?);
    let sql = format!(
        "select {}, {} from {table}",
        dialect.as_text(&name),
        dialect.as_text(&value),
    );
    let rows = session.rows(sql, Vec::new()).await?;
    let find = |key: &str| {
        let row = rows
            .iter()
            .find(|row| row.first().is_some_and(|name| name.as_deref() == Some(key)))?;
        row.get(1).cloned().flatten()
    };
    let protected = find(PROTECTED).is_some_and(|value| protects(&value));
    Ok(match find(ENVIRONMENT) {
        None if !protected => None,
        // Half of a mark protects as the whole does.
        environment => Some(Mark {
            environment: environment.unwrap_or_default(),
            protected,
        }),
    })
}

/// Writes the mark unless another stands, alone among those that migrate this database.
pub(super) async fn write(dialect: &dyn Dialect, mark: &Mark) -> Result<(), Error> {
    let mut session = dialect.open().await?;
    session.lock().await?;
    let written = write_in(dialect, &mut *session, mark).await;
    if written.is_err() {
        // The session may be one of the application's: nothing stays open in it, and the lock is given back outside of a
        // transaction. That none had begun is no error.
        let _ = session.script("rollback".to_owned()).await;
    }
    let unlocked = session.unlock().await;
    session.end().await;
    written.and(unlocked)
}

async fn write_in(dialect: &dyn Dialect, session: &mut dyn Session, mark: &Mark) -> Result<(), Error> {
    let own = dialect.own(session, METADATA).await?;
    let table = &own.sql;
    let old = match own.is_there {
        true => read_table(dialect, session, table).await?,
        false => None,
    };
    if old.is_some_and(|old| old.stands(mark)) {
        return Ok(());
    }
    let (name, value) = (dialect.quoted("name")?, dialect.quoted("value")?);
    if !own.is_there {
        let create = format!(
            "create table if not exists {table} ({name} varchar(100) not null primary key, \
             {value} varchar(255) not null){}",
            dialect.table_options()
        );
        session.script(create).await?;
    }
    session.script(dialect.begin().to_owned()).await?;
    let protected = if mark.protected { "yes" } else { "no" };
    for (key, text) in [(ENVIRONMENT, mark.environment.as_str()), (PROTECTED, protected)] {
        let (key, text) = (Value::Text(key.to_owned()), Value::Text(text.to_owned()));
        let (first, second) = (dialect.placeholder(1, None), dialect.placeholder(2, None));
        let delete = format!("delete from {table} where {name} = {first}");
        session.run(delete, vec![key.clone()]).await?;
        let insert = format!("insert into {table} ({name}, {value}) values ({first}, {second})");
        session.run(insert, vec![key, text]).await?;
    }
    session.script("commit".to_owned()).await
}
