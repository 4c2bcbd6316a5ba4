//! Filling one file of fixtures: one transaction over its rows and its record.

use super::dialect::Dialect;
use super::record::{Extent, FilledRow, Record, Records};
use super::rows::{Filler, refuse_own};
use super::session::Session;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{self, Before, Content, Filled, Fixture, Refill, Renamed, cannot_replace_script, refused};

/// Fills a file, or says that it was filled before.
pub(super) async fn fill(dialect: &dyn Dialect, fixture: &Fixture, policy: Refill) -> Result<Filled, Error> {
    refuse_own_tables(fixture)?;
    let mut session = dialect.open().await?;
    let name = fixture.recorded_as();
    // Who comes second finds what the first has recorded.
    session.lock().await?;
    let records = Records::open(dialect, &mut *session).await?;
    session.script(dialect.begin().to_owned()).await?;
    let filled = fill_in(dialect, &records, &mut *session, fixture, &name, policy).await;
    // A transaction that is not committed is rolled back at the end of its session, which frees the lock too.
    let filled = match filled {
        Ok(filled) => session.script("commit".to_owned()).await.map(|()| filled),
        Err(error) if matches!(fixture.content, Content::Sql(_)) => {
            Err(of_script(error, &records, &mut *session, &name).await)
        }
        Err(error) => Err(error),
    };
    session.end().await;
    filled
}

/// The files that were filled under another name.
pub(super) async fn renamed(dialect: &dyn Dialect, fixtures: &[Fixture]) -> Result<Vec<Renamed>, Error> {
    let mut session = dialect.open().await?;
    let found = async {
        match Records::there(dialect, &mut *session).await? {
            Some(records) => Ok(tasks::renamed(fixtures, &records.all(&mut *session).await?)),
            None => Ok(Vec::new()),
        }
    };
    let found = found.await;
    session.end().await;
    found
}

/// Records them under the names that they have now, all of them or none.
pub(super) async fn rename(dialect: &dyn Dialect, fixtures: &[Fixture]) -> Result<Vec<Renamed>, Error> {
    let mut session = dialect.open().await?;
    let renamed = async {
        session.lock().await?;
        let Some(records) = Records::there(dialect, &mut *session).await? else {
            return Ok(Vec::new());
        };
        session.script(dialect.begin().to_owned()).await?;
        let renamed = tasks::renamed(fixtures, &records.all(&mut *session).await?);
        records.rename(&mut *session, &renamed).await?;
        session.script("commit".to_owned()).await?;
        Ok(renamed)
    };
    let renamed = renamed.await;
    session.end().await;
    renamed
}

/// The error of a script, which says when not all of it can be rolled back.
async fn of_script(error: Error, records: &Records<'_>, session: &mut dyn Session, name: &str) -> Error {
    // Either may fail, as when the session is dead: then the next fill finds out.
    let _ = session.script("rollback".to_owned()).await;
    match records.find(session, name).await {
        Ok(Some(Record {
            extent: Extent::Begun,
            at,
            ..
        })) => {
            let rest = records.broken_off(name, &at);
            if rest.message() == error.message() {
                return error;
            }
            let message = format!("{}; {}", error.message(), rest.message());
            let mut told = Error::new(error.kind(), message).transient(error.is_transient());
            if let Some(help) = rest.next_step() {
                told = told.help(help);
            }
            told.caused_by(error)
        }
        _ => error,
    }
}

/// Whether a file was filled before. It makes no table, and waits for nobody who fills.
pub(super) async fn before(dialect: &dyn Dialect, fixture: &Fixture) -> Result<Option<Before>, Error> {
    refuse_own_tables(fixture)?;
    let mut session = dialect.open().await?;
    let found = async {
        let name = fixture.recorded_as();
        let Some(records) = Records::there(dialect, &mut *session).await? else {
            return Ok(None);
        };
        let Some(Record { checksum, at, extent }) = records.find(&mut *session, &name).await? else {
            return Ok(None);
        };
        if matches!(extent, Extent::Begun) {
            let message =
                format!("it was begun {at}, and has not ended: it broke off, or somebody runs it now");
            return Err(Error::new(ErrorKind::Config, message)
                .help("`fill` waits for whoever runs it, and says which"));
        }
        let changed = checksum != fixture.checksum;
        Ok(Some(Before { at, changed }))
    };
    let found = found.await;
    session.end().await;
    found
}

fn refuse_own_tables(fixture: &Fixture) -> Result<(), Error> {
    match &fixture.content {
        Content::Rows(rows) => refuse_own(rows),
        Content::Sql(_) => Ok(()),
    }
}

/// What is recorded of a file, and the rows that it wrote.
async fn whole(
    records: &Records<'_>,
    session: &mut dyn Session,
    fixture: &Fixture,
    name: &str,
) -> Result<Option<(Before, Vec<FilledRow>)>, Error> {
    let Some(Record { checksum, at, extent }) = records.find(session, name).await? else {
        return Ok(None);
    };
    match extent {
        Extent::Begun => Err(records.broken_off(name, &at)),
        Extent::Whole(rows) => {
            let changed = checksum != fixture.checksum;
            Ok(Some((Before { at, changed }, rows)))
        }
    }
}

async fn fill_in(
    dialect: &dyn Dialect,
    records: &Records<'_>,
    session: &mut dyn Session,
    fixture: &Fixture,
    name: &str,
    policy: Refill,
) -> Result<Filled, Error> {
    let (before, old) = match whole(records, session, fixture, name).await? {
        None => (None, Vec::new()),
        Some((before, rows)) => (Some(before), rows),
    };
    let is_new = before.is_none();
    let (rows, count) = match (&fixture.content, before) {
        (_, Some(before)) if policy == Refill::Never => return Ok(Filled::Already(before)),
        // Nobody knows what it wrote: it is as it was, and not run again.
        (Content::Sql(_), Some(before)) if !before.changed => return Ok(Filled::Already(before)),
        (Content::Sql(_), Some(_)) => return Err(cannot_replace_script()),
        (Content::Sql(text), None) => {
            // Before the record says that it began: what cannot be begun is as it was.
            dialect.check_script(text)?;
            let begun = Extent::Begun;
            records.write(session, name, &fixture.checksum, &begun).await?;
            session.script(text.clone()).await.map_err(refused)?;
            (Vec::new(), None)
        }
        (Content::Rows(rows), _) => {
            let known = records.rows_of_others(session, name).await?;
            if let Some(sql) = dialect.before_rows() {
                session.script(sql.to_owned()).await?;
            }
            let filled = Filler::new(dialect, session, known).fill(rows, old).await?;
            let count = filled.len() as u64;
            (filled, Some(count))
        }
    };
    let whole = Extent::Whole(rows);
    records.write(session, name, &fixture.checksum, &whole).await?;
    Ok(match is_new {
        false => Filled::Replaced { rows: count },
        true => Filled::Written { rows: count },
    })
}
