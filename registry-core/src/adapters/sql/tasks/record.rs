//! The record of fixtures: the table `_dbreg_fixtures`, a row per file, written in the transaction of the file itself.
//!
//! A script may end that transaction, as changes of structure do on MySQL. So its row is written before it runs, and says
//! that it began: it becomes permanent with whatever of the script does, and is rolled back with all the rest.

use super::dialect::{Dialect, is_own};
use super::session::Session;
use super::time::now;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{FIXTURES, Renamed, Value, of_hex, to_hex};
use serde_json::{Value as Json, json};

/// The table with the records.
#[derive(Debug)]
pub(super) struct Records<'a> {
    dialect: &'a dyn Dialect,
    /// As SQL.
    table: String,
    /// For a person.
    told: String,
}

/// What was filled from one file.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) checksum: String,
    pub(super) at: String,
    pub(super) extent: Extent,
}

/// How much of a file was filled.
#[derive(Debug)]
pub(super) enum Extent {
    /// All of it: the rows, in the order of the file; none of a script.
    Whole(Vec<FilledRow>),
    /// A script that ended its transaction, and then broke off.
    Begun,
}

/// What the record says of a script that began.
const BEGUN: &str = "begun";

/// A row that was filled: what finds it again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FilledRow {
    pub(super) table: String,
    pub(super) label: Option<String>,
    /// Its primary key; nothing where the table has none, or where the server gave it and does not say.
    pub(super) key: Option<Vec<(String, Value)>>,
}

impl<'a> Records<'a> {
    /// The table, which is made where it is missing. Not within a transaction: MySQL would commit it.
    pub(super) async fn open(dialect: &'a dyn Dialect, session: &mut dyn Session) -> Result<Self, Error> {
        let own = dialect.own(session, FIXTURES).await?;
        if !own.is_there {
            let (table, text) = (&own.sql, dialect.long_text());
            let sql = format!(
                "create table if not exists {table} (file varchar(400) not null primary key, \
                 checksum varchar(64) not null, filled_at varchar(40) not null, filled_rows {text} not null){}",
                dialect.table_options()
            );
            session.script(sql).await?;
        }
        let (table, told) = (own.sql, own.told);
        Ok(Self { dialect, table, told })
    }

    /// The table, where there is one.
    pub(super) async fn there(
        dialect: &'a dyn Dialect,
        session: &mut dyn Session,
    ) -> Result<Option<Self>, Error> {
        let own = dialect.own(session, FIXTURES).await?;
        let (table, told) = (own.sql, own.told);
        Ok(own.is_there.then_some(Self { dialect, table, told }))
    }

    /// The record of a file.
    pub(super) async fn find(&self, session: &mut dyn Session, name: &str) -> Result<Option<Record>, Error> {
        let columns = ["checksum", "filled_at", "filled_rows"].map(|column| self.dialect.as_text(column));
        let sql = format!(
            "select {} from {} where file = {}",
            columns.join(", "),
            self.table,
            self.dialect.placeholder(1, None)
        );
        let rows = session.rows(sql, vec![Value::Text(name.to_owned())]).await?;
        rows.into_iter().next().map(|row| read(name, row)).transpose()
    }

    /// The name and the checksum of every file that is recorded.
    pub(super) async fn all(&self, session: &mut dyn Session) -> Result<Vec<(String, String)>, Error> {
        let columns = ["file", "checksum"].map(|column| self.dialect.as_text(column));
        let sql = format!("select {} from {} order by file", columns.join(", "), self.table);
        let rows = session.rows(sql, Vec::new()).await?.into_iter();
        let pair = |row: Vec<Option<String>>| {
            let mut texts = row.into_iter().map(Option::unwrap_or_default);
            (texts.next().unwrap_or_default(), texts.next().unwrap_or_default())
        };
        Ok(rows.map(pair).collect())
    }

    /// Records files under other names. Each passes a name that nobody has: one may take another's.
    pub(super) async fn rename(&self, session: &mut dyn Session, all: &[Renamed]) -> Result<(), Error> {
        let [first, second] = [1, 2].map(|nth| self.dialect.placeholder(nth, None));
        let sql = format!("update {} set file = {first} where file = {second}", self.table);
        let away = all.iter().map(|one| (one.between(), one.from.clone()));
        let back = all.iter().map(|one| (one.to.clone(), one.between()));
        for (to, from) in away.chain(back) {
            let values = [to, from].map(Value::Text).to_vec();
            session.run(sql.clone(), values).await?;
        }
        Ok(())
    }

    /// The rows of every other file of the same connection: what references may lead to.
    pub(super) async fn rows_of_others(
        &self,
        session: &mut dyn Session,
        name: &str,
    ) -> Result<Vec<FilledRow>, Error> {
        let columns =
            ["file", "checksum", "filled_at", "filled_rows"].map(|column| self.dialect.as_text(column));
        let sql = format!("select {} from {}", columns.join(", "), self.table);
        let folder = name.split_once('/').map_or("", |(folder, _)| folder);
        let mut found = Vec::new();
        for mut row in session.rows(sql, Vec::new()).await? {
            let other = row.remove(0).unwrap_or_default();
            let is_sibling = other.split_once('/').is_some_and(|(theirs, _)| theirs == folder);
            if other == name || !is_sibling {
                continue;
            }
            if let Extent::Whole(rows) = read(&other, row)?.extent {
                found.extend(rows);
            }
        }
        Ok(found)
    }

    /// Writes the record of a file, in place of the one that is there: at no moment is there none, for a script may have
    /// ended the transaction.
    pub(super) async fn write(
        &self,
        session: &mut dyn Session,
        name: &str,
        checksum: &str,
        extent: &Extent,
    ) -> Result<(), Error> {
        let (table, dialect) = (&self.table, self.dialect);
        let [first, second, third, fourth] = [1, 2, 3, 4].map(|nth| dialect.placeholder(nth, None));
        let rows = match extent {
            Extent::Whole(rows) => Json::Array(rows.iter().map(row_as_json).collect()),
            Extent::Begun => json!(BEGUN),
        };
        let values = [checksum.to_owned(), now(), rows.to_string(), name.to_owned()].map(Value::Text);
        let update = format!(
            "update {table} set checksum = {first}, filled_at = {second}, filled_rows = {third} where file = {fourth}"
        );
        if session.run(update, values.to_vec()).await?.rows == 0 {
            let insert = format!(
                "insert into {table} (checksum, filled_at, filled_rows, file) \
                 values ({first}, {second}, {third}, {fourth})"
            );
            session.run(insert, values.to_vec()).await?;
        }
        Ok(())
    }

    /// The error of a script that broke off, when it was begun.
    pub(super) fn broken_off(&self, name: &str, at: &str) -> Error {
        let message = format!(
            "it was begun {at} and broke off after a statement that ends its transaction: what came before stays, \
             of the rest nobody knows"
        );
        let (table, file) = (&self.told, name.replace('\'', "''"));
        let help = format!(
            "write `rebuild`, which makes the database anew, or, where the script changes no structure, `refill`, which \
             clears everything first; or undo what it did, and then `delete from {table} where file = '{file}'`"
        );
        Error::new(ErrorKind::Config, message).help(help)
    }
}

fn read(name: &str, row: Vec<Option<String>>) -> Result<Record, Error> {
    let broken = || {
        let message = format!("the record of `{name}` in `{FIXTURES}` cannot be understood");
        Error::new(ErrorKind::Config, message).help("was it changed by hand? `refill` begins anew")
    };
    let Ok([Some(checksum), Some(at), Some(rows)]) = <[Option<String>; 3]>::try_from(row) else {
        return Err(broken());
    };
    let rows: Json = serde_json::from_str(&rows).map_err(|_| broken())?;
    if rows.as_str() == Some(BEGUN) {
        let extent = Extent::Begun;
        return Ok(Record { checksum, at, extent });
    }
    let rows = rows.as_array().ok_or_else(broken)?.iter();
    let rows: Option<Vec<_>> = rows.map(row_of_json).collect();
    let rows = rows.ok_or_else(broken)?;
    // What stands there is deleted by its key: the record must not lead to our own tables.
    if rows.iter().any(|row| is_own(&row.table)) {
        return Err(broken());
    }
    let extent = Extent::Whole(rows);
    Ok(Record { checksum, at, extent })
}

fn row_as_json(row: &FilledRow) -> Json {
    let key = row.key.as_ref().map(|key| {
        let parts = key.iter().map(|(column, value)| json!([column, as_json(value)]));
        parts.collect::<Vec<_>>()
    });
    json!({ "table": row.table, "label": row.label, "key": key })
}

fn row_of_json(json: &Json) -> Option<FilledRow> {
    let label = match json.get("label")? {
        Json::Null => None,
        label => Some(label.as_str()?.to_owned()),
    };
    let key = match json.get("key")? {
        Json::Null => None,
        key => {
            let part = |part: &Json| Some((part.get(0)?.as_str()?.to_owned(), of_json(part.get(1)?)?));
            Some(key.as_array()?.iter().map(part).collect::<Option<Vec<_>>>()?)
        }
    };
    let table = json.get("table")?.as_str()?.to_owned();
    Some(FilledRow { table, label, key })
}

/// The part of a key. Keys are scalars.
fn as_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Float(value) => json!({ "float": value.to_string() }),
        Value::Text(value) => json!(value),
        Value::DateTime(value) => json!({ "time": value }),
        Value::Bytes(bytes) => json!({ "hex": to_hex(bytes) }),
        _ => Json::Null,
    }
}

fn of_json(json: &Json) -> Option<Value> {
    match json {
        Json::Null => Some(Value::Null),
        Json::Bool(value) => Some(Value::Bool(*value)),
        Json::Number(value) => value.as_i64().map(Value::Integer),
        Json::String(value) => Some(Value::Text(value.clone())),
        Json::Object(object) => {
            let text = |key: &str| object.get(key).and_then(Json::as_str);
            if let Some(time) = text("time") {
                return Some(Value::DateTime(time.to_owned()));
            }
            if let Some(float) = text("float") {
                return float.parse().ok().map(Value::Float);
            }
            of_hex(text("hex")?).map(Value::Bytes)
        }
        Json::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_same_after_writing_and_reading() {
        let key = [
            Value::Integer(i64::MAX),
            Value::Text("a\"b".to_owned()),
            Value::Bytes(vec![0, 255]),
            Value::DateTime("2026-11-25".to_owned()),
            Value::Bool(true),
            Value::Float(1.5),
        ];
        let key = key.into_iter().map(|value| ("k".to_owned(), value)).collect();
        for key in [Some(key), None] {
            let row = FilledRow {
                table: "t`x".to_owned(),
                label: key.as_ref().map(|_| "alice".to_owned()),
                key,
            };
            assert_eq!(row_of_json(&row_as_json(&row)), Some(row));
        }
    }
}
