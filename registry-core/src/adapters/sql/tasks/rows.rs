//! The rows of a file of fixtures: found again or inserted, references followed.

use super::dialect::{Column, Dialect, columns, is_own, tables};
use super::record::FilledRow;
use super::session::Session;
use super::values::{compared, for_column, is_alike, may_change};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{Reference, Row, Value, of_hex, refused};
use std::collections::HashMap;

/// Writes the rows of one file.
pub(super) struct Filler<'a> {
    dialect: &'a dyn Dialect,
    session: &'a mut dyn Session,
    /// The columns of the tables that were met.
    tables: HashMap<String, Vec<Column>>,
    /// The rows that references may lead to.
    known: Vec<FilledRow>,
    /// What was written into the labelled rows of this file.
    values: HashMap<(String, String), Vec<(String, Value)>>,
}

impl<'a> Filler<'a> {
    /// `known` are the rows that references may lead to.
    pub(super) fn new(dialect: &'a dyn Dialect, session: &'a mut dyn Session, known: Vec<FilledRow>) -> Self {
        Self {
            dialect,
            session,
            tables: HashMap::new(),
            known,
            values: HashMap::new(),
        }
    }

    /// Writes the rows in their order; those of an earlier time are updated or removed.
    pub(super) async fn fill(
        &mut self,
        rows: &[Row],
        mut old: Vec<FilledRow>,
    ) -> Result<Vec<FilledRow>, Error> {
        if let Some(keyless) = old.iter().find(|row| row.key.is_none()) {
            let message = format!(
                "the rows of `{}` cannot be found again: the table has no primary key, or the server gave it",
                keyless.table
            );
            return Err(
                Error::new(ErrorKind::Config, message).help("write `refill`, which clears everything first")
            );
        }
        let mut filled: Vec<FilledRow> = Vec::new();
        for row in rows {
            let placed = async {
                let columns = self.columns(&row.table).await?;
                let values = self.resolved(row, &columns).await?;
                let twin = twin(row, &columns, &values, &old);
                let twin = twin.map(|at| old.remove(at));
                let key = self.write(row, &columns, &values, twin.as_ref()).await?;
                Ok::<_, Error>((key, values))
            };
            let (key, values) = placed.await.map_err(|error| error.at(row.position))?;
            let done = FilledRow {
                table: row.table.clone(),
                label: row.label.clone(),
                key,
            };
            if let Some(label) = &row.label {
                self.values.insert((row.table.clone(), label.clone()), values);
            }
            self.known.push(done.clone());
            filled.push(done);
        }
        for gone in old.iter().rev() {
            self.remove(gone).await?;
        }
        for (table, columns) in &self.tables {
            self.dialect.after_fill(self.session, table, columns).await?;
        }
        Ok(filled)
    }

    async fn columns(&mut self, table: &str) -> Result<Vec<Column>, Error> {
        if let Some(columns) = self.tables.get(table) {
            return Ok(columns.clone());
        }
        let found = columns(self.dialect, self.session, table).await?;
        if found.is_empty() {
            let all = tables(self.dialect, self.session).await?;
            let error = Error::new(ErrorKind::Config, format!("there is no table `{table}`"));
            return Err(
                match registry_config::suggest(table, all.iter().map(String::as_str)) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help("was it migrated?"),
                },
            );
        }
        self.tables.insert(table.to_owned(), found.clone());
        Ok(found)
    }

    /// The values of a row as the driver takes them, references followed.
    async fn resolved(&mut self, row: &Row, columns: &[Column]) -> Result<Vec<(String, Value)>, Error> {
        let mut values = Vec::new();
        for (name, value) in &row.values {
            let Some(column) = columns.iter().find(|column| column.name == *name) else {
                let message = format!("`{}` has no column `{name}`", row.table);
                let error = Error::new(ErrorKind::Config, message);
                let names = columns.iter().map(|column| column.name.as_str());
                return Err(match registry_config::suggest(name, names.clone()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help(format!("there are: {}", names.collect::<Vec<_>>().join(", "))),
                });
            };
            let plain = self.followed(value).await?;
            values.push((name.clone(), for_column(self.dialect, column, plain)?));
        }
        Ok(values)
    }

    /// A value without references.
    fn followed<'v>(
        &'v mut self,
        value: &'v Value,
    ) -> futures_util::future::BoxFuture<'v, Result<Value, Error>> {
        Box::pin(async move {
            Ok(match value {
                Value::Reference(reference) => self.referred(reference).await?,
                Value::List(items) => {
                    let mut list = Vec::with_capacity(items.len());
                    for item in items {
                        list.push(self.followed(item).await?);
                    }
                    Value::List(list)
                }
                Value::Table(entries) => {
                    let mut table = Vec::with_capacity(entries.len());
                    for (key, value) in entries {
                        table.push((key.clone(), self.followed(value).await?));
                    }
                    Value::Table(table)
                }
                plain => plain.clone(),
            })
        })
    }

    async fn referred(&mut self, reference: &Reference) -> Result<Value, Error> {
        let is_meant =
            |row: &&FilledRow| row.table == reference.table && row.label.as_ref() == Some(&reference.label);
        let Some(row) = self.known.iter().rev().find(is_meant).cloned() else {
            let message = format!("`{reference}` leads to no row that was filled");
            return Err(Error::new(ErrorKind::Config, message));
        };
        let place = (reference.table.clone(), reference.label.clone());
        let written = self.values.get(&place).cloned().unwrap_or_default();
        let in_key = |column: &str| {
            let key = row.key.iter().flatten();
            key.chain(&written)
                .find(|(name, _)| name == column)
                .map(|(_, value)| value.clone())
        };
        match (&reference.column, &row.key) {
            (None, Some(key)) if key.len() == 1 => Ok(key[0].1.clone()),
            (None, Some(_)) => {
                let message = format!("`{reference}` leads to a row whose primary key has several columns");
                let help = format!("write `{reference}#column`");
                Err(Error::new(ErrorKind::Config, message).help(help))
            }
            (None, None) => {
                let message = format!(
                    "the key of `{reference}` is not known: its table has none, or the server gave it"
                );
                let help = format!("write the key in the fixture, or `{reference}#column`");
                Err(Error::new(ErrorKind::Config, message).help(help))
            }
            (Some(column), key) => match (in_key(column), key) {
                (Some(value), _) => Ok(value),
                (None, Some(key)) => self.read(&row.table, column, key).await,
                (None, None) => {
                    let message = format!("`{reference}` cannot be read: the row's key is not known");
                    Err(Error::new(ErrorKind::Config, message))
                }
            },
        }
    }

    /// Reads one column of a row: as bytes where it has such, else as text, which every server takes for a value of another
    /// type.
    async fn read(&mut self, table: &str, column: &str, key: &[(String, Value)]) -> Result<Value, Error> {
        let columns = self.columns(table).await?;
        let Some(column) = columns.iter().find(|one| one.name == column) else {
            let message = format!("`{table}` has no column `{column}`");
            return Err(Error::new(ErrorKind::Config, message));
        };
        let (condition, values) = self.condition(&columns, key, 1)?;
        let sql = format!(
            "select {} from {} where {condition}",
            self.dialect
                .read(&self.dialect.quoted(&column.name)?, column)
                .join(", "),
            self.dialect.quoted(table)?
        );
        let rows = self.session.rows(sql, values).await.map_err(refused)?;
        match rows.into_iter().next().as_deref() {
            Some([_, Some(hex)]) => Ok(of_hex(hex).map_or(Value::Null, Value::Bytes)),
            Some([Some(text), _]) => Ok(Value::Text(text.clone())),
            Some(_) => Ok(Value::Null),
            None => Err(Error::new(
                ErrorKind::Config,
                format!("the row of `{table}` that a reference leads to is gone"),
            )),
        }
    }

    /// `id = ?`, and its values.
    fn condition(
        &self,
        columns: &[Column],
        key: &[(String, Value)],
        first: usize,
    ) -> Result<(String, Vec<Value>), Error> {
        let (mut parts, mut values) = (Vec::new(), Vec::new());
        for (nth, (name, value)) in key.iter().enumerate() {
            let column = columns.iter().find(|column| column.name == *name);
            let place = self.dialect.placeholder(first + nth, column);
            parts.push(format!("{} = {place}", self.dialect.quoted(name)?));
            let value = value.clone();
            values.push(match column {
                Some(column) => compared(self.dialect, column, value),
                None => value,
            });
        }
        Ok((parts.join(" and "), values))
    }

    /// Writes a row, over its `twin` of an earlier time when there is one. Gives its key.
    async fn write(
        &mut self,
        row: &Row,
        columns: &[Column],
        values: &[(String, Value)],
        twin: Option<&FilledRow>,
    ) -> Result<Option<Vec<(String, Value)>>, Error> {
        let Some(key) = twin.and_then(|twin| twin.key.clone()) else {
            return self.insert(row, columns, values).await;
        };
        if self.update(row, columns, values, &key).await? {
            return Ok(Some(key));
        }
        // Somebody removed it: it comes back under its key.
        let rest = values
            .iter()
            .filter(|(name, _)| !key.iter().any(|(part, _)| part == name));
        let values: Vec<_> = key.iter().chain(rest).cloned().collect();
        self.insert(row, columns, &values).await
    }

    async fn insert(
        &mut self,
        row: &Row,
        columns: &[Column],
        values: &[(String, Value)],
    ) -> Result<Option<Vec<(String, Value)>>, Error> {
        let table = self.dialect.quoted(&row.table)?;
        let (mut names, mut places) = (Vec::new(), Vec::new());
        for (nth, (name, _)) in values.iter().enumerate() {
            let column = columns.iter().find(|column| column.name == *name);
            names.push(self.dialect.quoted(name)?);
            places.push(self.dialect.placeholder(nth + 1, column));
        }
        let sql = if names.is_empty() {
            self.dialect.insert_nothing(&table)
        } else {
            format!(
                "insert into {table} ({}){} values ({})",
                names.join(", "),
                self.dialect.overriding(),
                places.join(", ")
            )
        };
        let keys: Vec<&Column> = columns.iter().filter(|column| column.is_key).collect();
        let given = |column: &Column| {
            let value = values.iter().find(|(name, _)| *name == column.name);
            value
                .map(|(_, value)| value.clone())
                .filter(|value| *value != Value::Null)
        };
        let missing: Vec<&&Column> = keys.iter().filter(|column| given(column).is_none()).collect();
        let asked = match missing.as_slice() {
            // The last number of a session is none of a key that the server makes otherwise.
            [column] if column.numbered || self.dialect.returns_keys() => Some(column.name.as_str()),
            _ => None,
        };
        let parameters = values.iter().map(|(_, value)| value.clone()).collect();
        let inserted = self.dialect.insert(self.session, sql, parameters, asked).await;
        let number = inserted.map_err(refused)?;
        let part = |column: &&Column| {
            let value = given(column).or_else(|| number.clone())?;
            Some((column.name.clone(), value))
        };
        let key: Option<Vec<_>> = keys.iter().map(part).collect();
        let key = key.filter(|key| !key.is_empty());
        let doubtful = keys
            .iter()
            .find(|column| may_change(column) && given(column).is_some());
        if let (Some(column), Some(key)) = (doubtful, &key) {
            self.find_again(&row.table, columns, key, column).await?;
        }
        Ok(key)
    }

    /// Refuses a key that the server keeps otherwise than it was given: no later fill would find the row.
    async fn find_again(
        &mut self,
        table: &str,
        columns: &[Column],
        key: &[(String, Value)],
        column: &Column,
    ) -> Result<(), Error> {
        let (condition, values) = self.condition(columns, key, 1)?;
        let sql = format!(
            "select '1' from {} where {condition}",
            self.dialect.quoted(table)?
        );
        if !self.session.rows(sql, values).await.map_err(refused)?.is_empty() {
            return Ok(());
        }
        let Column { name, kind, .. } = column;
        let message =
            format!("`{name}` of `{table}` keeps another key than it was given: its type is `{kind}`");
        Err(Error::new(ErrorKind::Config, message)
            .help("write the key as the server keeps it: rounded, or filled up"))
    }

    /// Sets every column of a row to what the file says, and to its default where it says nothing. False when the row
    /// is not there.
    async fn update(
        &mut self,
        row: &Row,
        columns: &[Column],
        values: &[(String, Value)],
        key: &[(String, Value)],
    ) -> Result<bool, Error> {
        let (mut sets, mut parameters) = (Vec::new(), Vec::new());
        for column in columns.iter().filter(|column| !column.is_key && !column.computed) {
            let name = self.dialect.quoted(&column.name)?;
            if let Some((_, value)) = values.iter().find(|(name, _)| *name == column.name) {
                parameters.push(value.clone());
                let place = self.dialect.placeholder(parameters.len(), Some(column));
                sets.push(format!("{name} = {place}"));
            } else if (column.nullable || column.default.is_some()) && !column.numbered {
                sets.push(format!("{name} = {}", self.dialect.default_of(column)));
            }
        }
        if sets.is_empty() {
            let name = self.dialect.quoted(&key[0].0)?;
            sets.push(format!("{name} = {name}"));
        }
        let (condition, of_key) = self.condition(columns, key, parameters.len() + 1)?;
        parameters.extend(of_key);
        let table = self.dialect.quoted(&row.table)?;
        let sql = format!("update {table} set {} where {condition}", sets.join(", "));
        if self.session.run(sql, parameters).await.map_err(refused)?.rows == 0 {
            return Ok(false);
        }
        for column in columns.iter().filter(|column| column.computed) {
            if let Some(given) = values.iter().find(|(name, _)| *name == column.name) {
                self.must_be(row, columns, key, given).await?;
            }
        }
        Ok(true)
    }

    /// Refuses another value in a column that an `insert` alone can set.
    async fn must_be(
        &mut self,
        row: &Row,
        columns: &[Column],
        key: &[(String, Value)],
        given: &(String, Value),
    ) -> Result<(), Error> {
        let all: Vec<_> = key.iter().chain([given]).cloned().collect();
        let (condition, values) = self.condition(columns, &all, 1)?;
        let sql = format!(
            "select '1' from {} where {condition}",
            self.dialect.quoted(&row.table)?
        );
        if !self.session.rows(sql, values).await.map_err(refused)?.is_empty() {
            return Ok(());
        }
        let message = format!(
            "`{}` has another value, which the server lets nobody change",
            given.0
        );
        Err(Error::new(ErrorKind::Config, message).help("write `refill`, which clears everything first"))
    }

    async fn remove(&mut self, gone: &FilledRow) -> Result<(), Error> {
        let columns = self.columns(&gone.table).await?;
        let key = gone.key.as_deref().unwrap_or_default();
        debug_assert!(
            !key.is_empty(),
            "rows without a key were refused at the beginning"
        );
        let (condition, values) = self.condition(&columns, key, 1)?;
        let sql = format!(
            "delete from {} where {condition}",
            self.dialect.quoted(&gone.table)?
        );
        self.session.run(sql, values).await.map(drop).map_err(|error| {
            let label = gone.label.as_deref().unwrap_or("without a label");
            let message = format!(
                "the row {label} of `{}` is no longer in the file, and cannot be removed: {}",
                gone.table,
                error.message()
            );
            Error::new(ErrorKind::Config, message)
        })
    }
}

/// Which row of an earlier time this row takes the place of: that of its key, of its label, or, without either, the
/// next one of its table without a label.
fn twin(row: &Row, columns: &[Column], values: &[(String, Value)], old: &[FilledRow]) -> Option<usize> {
    let keys = columns.iter().filter(|column| column.is_key);
    let given: Option<Vec<_>> = keys
        .map(|column| {
            values
                .iter()
                .find(|(name, value)| *name == column.name && *value != Value::Null)
        })
        .collect();
    let mine = |one: &FilledRow| one.table == row.table;
    if let Some(given) = given.filter(|given| !given.is_empty()) {
        let is_of = |one: &FilledRow, same: fn(&Value, &Value) -> bool| {
            let key = one.key.as_deref().unwrap_or_default();
            let part = |(mine, given): (&(String, Value), &&(String, Value))| {
                mine.0 == given.0 && same(&mine.1, &given.1)
            };
            mine(one) && key.len() == given.len() && key.iter().zip(&given).all(part)
        };
        // Where a column has both, `1` and `"1"` are two keys.
        let exactly = old.iter().position(|one| is_of(one, Value::eq));
        return exactly.or_else(|| old.iter().position(|one| is_of(one, is_alike)));
    }
    old.iter().position(|one| mine(one) && one.label == row.label)
}

/// Refuses rows for dbreg's own tables.
pub(super) fn refuse_own(rows: &[Row]) -> Result<(), Error> {
    let Some(row) = rows.iter().find(|row| is_own(&row.table)) else {
        return Ok(());
    };
    let message = format!("`{}` belongs to dbreg: no fixture writes to it", row.table);
    Err(Error::new(ErrorKind::Config, message).at(row.position))
}
