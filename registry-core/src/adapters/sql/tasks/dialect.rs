//! What differs between the SQL backends, as the verbs see it.

use super::session::{Ran, Session};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{Done, FIXTURES, METADATA, Value};
use futures_util::future::BoxFuture;
use std::fmt;

/// One backend, with the way to one database of it.
pub(crate) trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// `db1:3306/shop`
    fn target(&self) -> String;

    /// Every place that this leads to, in one spelling.
    fn places(&self) -> Vec<String>;

    /// One look at the server; the database may be missing.
    fn ready(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// Makes the database, where it is missing.
    fn create(&self) -> BoxFuture<'_, Result<Done, Error>>;

    /// Removes the database, where it is there.
    fn drop_database(&self) -> BoxFuture<'_, Result<Done, Error>>;

    /// A session in the database. `UnknownDatabase` when there is none: it is never made by the way.
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Session>, Error>>;

    /// Empties every table but those of [`KEPT_BY_CLEAR`], and the record of fixtures with them.
    fn clear(&self) -> BoxFuture<'_, Result<Done, Error>>;

    /// Removes every table but the mark's, and whatever else the database holds.
    fn purge(&self) -> BoxFuture<'_, Result<Done, Error>>;

    /// A name as SQL, however it is written; or refused, when no such thing can exist.
    fn quoted(&self, name: &str) -> Result<String, Error>;

    /// The place of the nth value, from 1, that goes into this column.
    fn placeholder(&self, _nth: usize, _column: Option<&Column>) -> String {
        "?".to_owned()
    }

    /// A query for the names of all tables.
    fn tables(&self) -> &'static str;

    /// The name of a table of our own as SQL. With the database, where a script may lead its session into another.
    fn own_name(&self, table: &str) -> Result<String, Error> {
        Ok(table.to_owned())
    }

    /// A table of our own: where it is, or where it is to be made.
    fn own<'a>(
        &'a self,
        session: &'a mut dyn Session,
        table: &'static str,
    ) -> BoxFuture<'a, Result<Own, Error>> {
        Box::pin(async move {
            Ok(Own {
                sql: self.own_name(table)?,
                told: table.to_owned(),
                is_there: is_listed(session, self.tables(), table).await?,
            })
        })
    }

    /// What brings a session back into the database, where a script may have led it into another.
    fn enter(&self) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// Refuses a script of fixtures that cannot be run and recorded in one transaction.
    fn check_script(&self, _script: &str) -> Result<(), Error> {
        Ok(())
    }

    /// Whether a table that [`tables`](Self::tables) does not name is not there, and not hidden from this account.
    #[cfg(any(feature = "mysql", feature = "sqlite"))]
    fn is_missing<'a>(
        &'a self,
        _session: &'a mut dyn Session,
        _table: &'a str,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async { Ok(true) })
    }

    /// The tables of the mark, as SQL: every one that the database has, for one that protects is enough.
    fn marks<'a>(&'a self, session: &'a mut dyn Session) -> BoxFuture<'a, Result<Vec<String>, Error>>;

    /// A query for the columns of a table, whose name is its one value: name, type, place in the primary key or null,
    /// `1` when it may be null, default or null, `1` when the server numbers it, `1` when no `update` sets it.
    fn columns(&self) -> &'static str;

    /// Refuses a table without columns, where more is known of it than that there is none of this name.
    fn explain_missing<'a>(
        &'a self,
        _session: &'a mut dyn Session,
        _table: &'a str,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    /// SQL for a column's default in an `update`.
    fn default_of(&self, _column: &Column) -> String {
        "default".to_owned()
    }

    /// An expression as text.
    fn as_text(&self, expression: &str) -> String {
        format!("cast({expression} as char)")
    }

    /// A column as text, and, where it has bytes, those in hexadecimal digits.
    fn read(&self, quoted: &str, _column: &Column) -> [String; 2] {
        [self.as_text(quoted), "null".to_owned()]
    }

    /// Whether a number is compared with this column by its value, though the column has texts: `'05' = 5`.
    fn compares_as_number(&self, _column: &Column) -> bool {
        false
    }

    /// What a session has to know before rows are written by it.
    fn before_rows(&self) -> Option<&'static str> {
        None
    }

    /// The type of a long text.
    fn long_text(&self) -> &'static str {
        "text"
    }

    /// What follows the columns of a table of our own.
    fn table_options(&self) -> &'static str {
        ""
    }

    /// What begins a transaction that writes.
    fn begin(&self) -> &'static str {
        "begin"
    }

    /// A row without any column.
    fn insert_nothing(&self, table: &str) -> String {
        format!("insert into {table} default values")
    }

    /// What stands before the values of an `insert`, so that a number is taken which the server would rather make itself.
    fn overriding(&self) -> &'static str {
        ""
    }

    /// A list as this column takes it; none where there is no other form than JSON.
    fn list(&self, _column: &Column, _items: &[Value]) -> Option<Result<Value, Error>> {
        None
    }

    /// A value as this backend's driver takes it.
    fn value(&self, value: &Value) -> Result<Value, Error> {
        Ok(value.clone())
    }

    /// Whether [`insert`](Self::insert) gives any key that the server made, not numbers alone.
    fn returns_keys(&self) -> bool {
        false
    }

    /// Inserts a row. Gives the number that the server gave the column `numbered`, when there is one.
    fn insert<'a>(
        &'a self,
        session: &'a mut dyn Session,
        sql: String,
        values: Vec<Value>,
        numbered: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<Value>, Error>> {
        Box::pin(async move {
            let Ran { number, .. } = session.run(sql, values).await?;
            Ok(number.filter(|_| numbered.is_some()).map(Value::Integer))
        })
    }

    /// What is left to do in a table when all rows of a file are written.
    fn after_fill<'a>(
        &'a self,
        _session: &'a mut dyn Session,
        _table: &'a str,
        _columns: &'a [Column],
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// As the server writes it.
    pub(crate) kind: String,
    /// Whether it belongs to the primary key.
    pub(crate) is_key: bool,
    /// Whether it may be null.
    pub(crate) nullable: bool,
    /// Its default as SQL.
    pub(crate) default: Option<String>,
    /// Whether the server numbers it.
    pub(crate) numbered: bool,
    /// Whether the server makes it, so that no `update` sets it.
    pub(crate) computed: bool,
}

/// A table of our own.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    /// Its name as SQL. Whatever becomes of the session, it leads there.
    pub(crate) sql: String,
    /// Its name for a person, who is in the database.
    pub(crate) told: String,
    /// Whether it is there. Then it is not made: PostgreSQL asks for the right to before it looks whether there is anything
    /// to make.
    pub(crate) is_there: bool,
}

/// sqlx's record of migrations.
pub(crate) const MIGRATIONS: &str = "_sqlx_migrations";

/// The tables that `clear` leaves alone.
pub(crate) const KEPT_BY_CLEAR: [&str; 2] = [MIGRATIONS, METADATA];

/// Whether a table of this name is of our own making: no fixture writes to it.
pub(crate) fn is_own(table: &str) -> bool {
    // Where names have no case, every spelling is it.
    [MIGRATIONS, METADATA, FIXTURES]
        .iter()
        .any(|own| table.eq_ignore_ascii_case(own))
}

/// The names of the tables.
pub(crate) async fn tables(dialect: &dyn Dialect, session: &mut dyn Session) -> Result<Vec<String>, Error> {
    names(session, dialect.tables()).await
}

/// Whether a query for the names of tables names this one.
pub(crate) async fn is_listed(
    session: &mut dyn Session,
    tables: &'static str,
    table: &str,
) -> Result<bool, Error> {
    Ok(names(session, tables).await?.iter().any(|name| name == table))
}

async fn names(session: &mut dyn Session, sql: &'static str) -> Result<Vec<String>, Error> {
    let rows = session.rows(sql.to_owned(), Vec::new()).await?;
    Ok(rows
        .into_iter()
        .filter_map(|mut row| row.swap_remove(0))
        .collect())
}

/// The table of the mark, as SQL, of a backend whose databases have one at most.
#[cfg(any(feature = "mysql", feature = "sqlite"))]
pub(crate) async fn only_mark(
    dialect: &dyn Dialect,
    session: &mut dyn Session,
) -> Result<Vec<String>, Error> {
    let is_listed = tables(dialect, session)
        .await?
        .iter()
        .any(|table| table == METADATA);
    if !is_listed && dialect.is_missing(session, METADATA).await? {
        return Ok(Vec::new());
    }
    Ok(vec![dialect.quoted(METADATA)?])
}

/// The columns of a table, those of the primary key in its order. None: there is no such table.
pub(crate) async fn columns(
    dialect: &dyn Dialect,
    session: &mut dyn Session,
    table: &str,
) -> Result<Vec<Column>, Error> {
    let name = Value::Text(table.to_owned());
    let rows = session.rows(dialect.columns().to_owned(), vec![name]).await?;
    let mut columns: Vec<(Option<u32>, Column)> = Vec::new();
    for row in rows {
        let Ok([Some(name), kind, place, nullable, default, numbered, computed]) =
            <[Option<String>; 7]>::try_from(row)
        else {
            let message = format!("the columns of `{table}` cannot be understood");
            return Err(Error::new(ErrorKind::Protocol, message));
        };
        let is_true = |word: Option<String>| word.as_deref() == Some("1");
        let place: Option<u32> = place
            .and_then(|place| place.parse().ok())
            .filter(|place| *place > 0);
        columns.push((
            place,
            Column {
                name,
                kind: kind.unwrap_or_default(),
                is_key: place.is_some(),
                nullable: is_true(nullable),
                default,
                numbered: is_true(numbered),
                computed: is_true(computed),
            },
        ));
    }
    if columns.is_empty() {
        dialect.explain_missing(session, table).await?;
    }
    columns.sort_by_key(|(place, _)| place.unwrap_or(u32::MAX));
    Ok(columns.into_iter().map(|(_, column)| column).collect())
}
