//! SQLite under the verbs: the database is a file.

use super::error::explain;
use super::memory::InMemory;
use super::open::as_file;
use crate::adapters::sql::tasks::{Column, Dialect, KEPT_BY_CLEAR, Session, SqlSteps, counted, only_mark};
use crate::error::{Error, plain};
use crate::kind::ErrorKind;
use crate::tasks::{Done, FIXTURES, METADATA, Steps};
use futures_util::future::BoxFuture;
use registry_config::Settings;
use session::{Held, Lent, SqliteSession};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{ConnectOptions as _, Connection as _};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod session;

/// What every SQLite database begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What stands beside a database: SQLite's own, and our lock.
const BESIDE: [&str; 4] = ["-wal", "-shm", "-journal", LOCK];

/// The ending of the file that those lock who migrate. Not the database itself: that a process closes it, wherever it
/// does, frees the locks that SQLite has on it.
const LOCK: &str = "-dbreg-lock";

/// The steps of a connection.
pub(crate) fn tasks(settings: &Settings) -> Result<Arc<dyn Steps>, Error> {
    let path = settings
        .text("path")
        .ok_or_else(|| Error::new(ErrorKind::Config, "no path"))?;
    if path == ":memory:" {
        return Ok(Arc::new(InMemory));
    }
    Ok(Arc::new(SqlSteps(SqliteTasks {
        path: PathBuf::from(path),
        pool: None,
    })))
}

/// The way to one file.
#[derive(Debug)]
pub(crate) struct SqliteTasks {
    path: PathBuf,
    /// The pool of an application that is starting: the only way into a database in memory.
    pool: Option<SqlitePool>,
}

impl SqliteTasks {
    /// For a pool of an application that is starting.
    pub(crate) fn on(path: &str, pool: SqlitePool) -> SqlSteps<Self> {
        SqlSteps(Self {
            path: PathBuf::from(path),
            pool: Some(pool),
        })
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn is_in_memory(&self) -> bool {
        self.path.as_os_str() == ":memory:"
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let mut name = path.into_os_string();
        name.push(ending);
        PathBuf::from(name)
    }

    fn options(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(as_file(&self.path))
            .foreign_keys(true);
        options.disable_statement_logging()
    }

    fn exists(&self) -> Result<bool, Error> {
        let there = self.path.try_exists();
        there.map_err(|cause| self.failed("look at", &cause))
    }

    fn failed(&self, what: &str, cause: &std::io::Error) -> Error {
        let message = format!("cannot {what} `{}`: {}", self.shown(), plain(cause));
        Error::new(ErrorKind::Config, message)
    }

    async fn create_it(&self) -> Result<Done, Error> {
        if self.exists()? {
            self.check_magic()?;
            return Ok(Done::nothing("the file is there already"));
        }
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|cause| self.failed("make the folder of", &cause))?;
        }
        let session = self.options().create_if_missing(true).connect().await;
        let session = session.map_err(|error| explain(error, &self.shown()))?;
        session.close().await?;
        Ok(Done::changed("created the file"))
    }

    async fn drop_it(&self) -> Result<Done, Error> {
        if !self.exists()? {
            return Ok(Done::nothing("there is no such file"));
        }
        self.check_magic()?;
        let beside = BESIDE.map(|ending| self.beside(ending));
        let real = self.beside("");
        // The database first: what is left over by a crash in between belongs to nothing.
        fs::remove_file(&real).map_err(|cause| self.failed("remove", &cause))?;
        for path in beside {
            match fs::remove_file(&path) {
                Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                    return Err(self.failed("remove all of", &cause));
                }
                _ => {}
            }
        }
        Ok(Done::changed("removed the file"))
    }

    /// Whether the file is a database: nothing else is removed, whatever `path` says.
    fn check_magic(&self) -> Result<(), Error> {
        let is_file = fs::metadata(&self.path).map(|found| found.is_file());
        if !is_file.map_err(|cause| self.failed("look at", &cause))? {
            let message = format!("`{}` is not a regular file", self.shown());
            return Err(Error::new(ErrorKind::Config, message));
        }
        let mut head = Vec::new();
        File::open(&self.path)
            .and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut head))
            .map_err(|cause| self.failed("read", &cause))?;
        if head.is_empty() || head == MAGIC {
            return Ok(());
        }
        let message = format!("`{}` is no SQLite database", self.shown());
        Err(Error::new(ErrorKind::Config, message))
    }

    async fn inside(&self) -> Result<SqliteSession, Error> {
        if let Some(pool) = &self.pool {
            let lent = Lent::new(pool.acquire().await?, self.is_in_memory());
            let lock_path = (!self.is_in_memory()).then(|| self.beside(LOCK));
            return Ok(SqliteSession::new(Held::Lent(lent), lock_path));
        }
        if !self.exists()? {
            let message = format!("there is no file `{}`", self.shown());
            return Err(Error::new(ErrorKind::UnknownDatabase, message).help("`dbreg create` makes it"));
        }
        let session = self.options().connect().await;
        let session = session.map_err(|error| explain(error, &self.shown()))?;
        let session = Held::Own(Box::new(session));
        Ok(SqliteSession::new(session, Some(self.beside(LOCK))))
    }

    /// Everything in one transaction, without foreign keys: nothing is checked, and nothing cascades, on the way.
    async fn in_transaction(&self, statements: Vec<String>) -> Result<(), Error> {
        let mut session = self.inside().await?;
        session.script("pragma foreign_keys = off".to_owned()).await?;
        session.script("begin immediate".to_owned()).await?;
        for statement in statements {
            session.script(statement).await?;
        }
        session.script("commit".to_owned()).await?;
        Box::new(session).end().await;
        Ok(())
    }

    /// Names and kinds of tables and views: `table`, `virtual`, `view`. Not what belongs to a virtual table or to SQLite.
    async fn things(&self) -> Result<Vec<(String, String)>, Error> {
        let sql = "select name, type from pragma_table_list where schema = 'main' and type <> 'shadow' \
            and name not like 'sqlite\\_%' escape '\\' order by type = 'view' desc, type = 'virtual' desc, name";
        self.pairs(sql).await
    }

    async fn pairs(&self, sql: &str) -> Result<Vec<(String, String)>, Error> {
        let mut session = self.inside().await?;
        let rows = session.rows(sql.to_owned(), Vec::new()).await?;
        Box::new(session).end().await;
        let pair = |row: Vec<Option<String>>| match <[Option<String>; 2]>::try_from(row) {
            Ok([Some(one), Some(other)]) => Some((one, other)),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(pair).collect())
    }

    async fn clear_all(&self) -> Result<Done, Error> {
        // Triggers would write while the tables are emptied: they are taken away and put back.
        let triggers = self
            .pairs("select name, sql from sqlite_master where type = 'trigger'")
            .await?;
        let numbered = self
            .pairs("select name, type from sqlite_master where name = 'sqlite_sequence'")
            .await?;
        let mut statements = Vec::new();
        for (name, _) in &triggers {
            statements.push(format!("drop trigger {}", self.quoted(name)?));
        }
        let virtual_tables = self
            .pairs("select name, sql from sqlite_master where type = 'table' and rootpage = 0")
            .await?;
        let is_index = |name: &str| {
            let mut all = virtual_tables.iter();
            all.any(|(table, sql)| table == name && is_index_without_rows(sql))
        };
        let mut count = 0;
        for (name, kind) in self.things().await? {
            if kind != "view" && !KEPT_BY_CLEAR.contains(&name.as_str()) {
                let quoted = self.quoted(&name)?;
                statements.push(match is_index(&name) {
                    true => format!("insert into {quoted} ({quoted}) values ('delete-all')"),
                    false => format!("delete from {quoted}"),
                });
                count += usize::from(name != FIXTURES);
            }
        }
        if !numbered.is_empty() {
            statements.push("delete from sqlite_sequence".to_owned());
        }
        statements.extend(triggers.into_iter().map(|(_, sql)| sql));
        self.in_transaction(statements).await?;
        Ok(counted("cleared", count))
    }

    async fn purge_all(&self) -> Result<Done, Error> {
        let mut statements = Vec::new();
        let mut count = 0;
        for (name, kind) in self.things().await? {
            let quoted = self.quoted(&name)?;
            if kind == "view" {
                statements.push(format!("drop view {quoted}"));
            } else if name != METADATA {
                statements.push(format!("drop table {quoted}"));
                count += 1;
            }
        }
        self.in_transaction(statements).await?;
        Ok(counted("purged", count))
    }
}

/// Whether a virtual table is an index of FTS5 whose rows are another table's, or nobody's: `content='…'`. A `delete` goes by
/// those rows, and leaves what they do not have, or is refused (<https://www.sqlite.org/fts5.html#the_delete_all_command>).
fn is_index_without_rows(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    let has_content = |rest: &str| rest.trim_start().starts_with('=');
    let is_module = |rest: &str| rest.trim_start().starts_with("fts5");
    sql.split("using").skip(1).any(is_module) && sql.split("content").skip(1).any(has_content)
}

impl Dialect for SqliteTasks {
    fn target(&self) -> String {
        self.shown()
    }

    fn places(&self) -> Vec<String> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let real = fs::canonicalize(&self.path).or_else(|_| {
            // A file that is not there yet, in a folder that may be.
            let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")))?;
            Ok::<_, std::io::Error>(folder.join(self.path.file_name().unwrap_or_default()))
        });
        let real = real.unwrap_or_else(|_| self.path.clone());
        let mut places = vec![format!("sqlite:{}", real.display())];
        // A file may have several names.
        #[cfg(unix)]
        if let Ok(file) = fs::metadata(&real) {
            use std::os::unix::fs::MetadataExt as _;
            places.push(format!("sqlite:#{}:{}", file.dev(), file.ino()));
        }
        places
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.exists().map(drop) })
    }

    fn create(&self) -> BoxFuture<'_, Result<Done, Error>> {
        Box::pin(self.create_it())
    }

    fn drop_database(&self) -> BoxFuture<'_, Result<Done, Error>> {
        Box::pin(self.drop_it())
    }

    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Session>, Error>> {
        Box::pin(async move { Ok(Box::new(self.inside().await?) as Box<dyn Session>) })
    }

    fn clear(&self) -> BoxFuture<'_, Result<Done, Error>> {
        Box::pin(self.clear_all())
    }

    fn purge(&self) -> BoxFuture<'_, Result<Done, Error>> {
        Box::pin(self.purge_all())
    }

    fn quoted(&self, name: &str) -> Result<String, Error> {
        if name.contains('\0') {
            let message = format!("`{name}` is no name for anything in a database: it has a NUL");
            return Err(Error::new(ErrorKind::Config, message));
        }
        Ok(format!("\"{}\"", name.replace('"', "\"\"")))
    }

    fn tables(&self) -> &'static str {
        "select name from sqlite_master where type = 'table' order by name"
    }

    fn marks<'a>(&'a self, session: &'a mut dyn Session) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(only_mark(self, session))
    }

    fn columns(&self) -> &'static str {
        "select name, type, cast(pk as text), iif(\"notnull\" = 0 and pk = 0, '1', '0'), dflt_value, \
         iif(pk = 1 and upper(type) = 'INTEGER' and (select count(*) from pragma_table_xinfo(t.tbl) where pk > 0) = 1, \
         '1', '0'), iif(hidden in (2, 3), '1', '0') \
         from (select ? as tbl) t join pragma_table_xinfo(t.tbl) where hidden <> 1 order by cid"
    }

    fn default_of(&self, column: &Column) -> String {
        match &column.default {
            Some(default) => format!("({default})"),
            None => "null".to_owned(),
        }
    }

    fn as_text(&self, expression: &str) -> String {
        format!("cast({expression} as text)")
    }

    fn read(&self, quoted: &str, _column: &Column) -> [String; 2] {
        // A value has a type of its own here, whatever its column says.
        let is_blob = format!("typeof({quoted}) = 'blob'");
        let text = self.as_text(quoted);
        [
            format!("iif({is_blob}, null, {text})"),
            format!("iif({is_blob}, hex({quoted}), null)"),
        ]
    }

    fn begin(&self) -> &'static str {
        "begin immediate"
    }
}
