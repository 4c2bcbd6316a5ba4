//! MySQL and MariaDB under the verbs.

use super::way;
use crate::adapters::sql::hosts::{Heard, HostWay, Way, elect, explain};
use crate::adapters::sql::tasks::{
    Column, Dialect, KEPT_BY_CLEAR, Session, SqlSteps, bind_values, counted, only_mark, sql_session,
};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::secret;
use crate::tasks::{Done, FIXTURES, METADATA, Value, spelled, spelled_socket};
use futures_util::future::BoxFuture;
use registry_config::Settings;
use sqlx::mysql::MySqlConnection;
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use std::time::Duration;

mod script;

/// What no verb touches, whatever the file says: the server's own.
const SYSTEM: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];

/// The name of sqlx's lock of this database, as SQL.
const LOCK: &str = "lower(hex(1026731422 * crc32(database())))";

/// How a message ends that says so.
const NO_SUCH_TABLE: &str = "(1146)";

/// How many seconds the server waits for the lock before it is asked again.
const LOCK_ROUND: u32 = 5;

/// The longest name of anything, in characters.
const NAME_LIMIT: usize = 64;

/// The steps of a connection.
pub(crate) fn tasks(settings: &Settings) -> Result<SqlSteps<MySqlTasks>, Error> {
    let (way, db) = way::without_database(settings)?;
    let help = "write `db = \"name\"`: the verbs work on one database";
    let db = db.ok_or_else(|| Error::new(ErrorKind::Config, "no `db`").help(help))?;
    if SYSTEM.iter().any(|name| db.eq_ignore_ascii_case(name)) {
        let message = format!("`{db}` is the server's own database: the verbs do not touch it");
        return Err(Error::new(ErrorKind::Config, message));
    }
    let steps = MySqlTasks {
        way,
        db,
        from_file: secret::from_file(settings),
        limit: settings
            .duration("connect_timeout")
            .unwrap_or(Duration::from_secs(5)),
    };
    // Before it is sent anywhere: a NUL in it would end it within the login.
    steps.quoted(&steps.db)?;
    Ok(SqlSteps(steps))
}

/// The way to a server, and the database there that the verbs are about.
pub(crate) struct MySqlTasks {
    /// Without the database, which may not exist.
    way: Way<sqlx::MySql>,
    db: String,
    from_file: bool,
    limit: Duration,
}

impl std::fmt::Debug for MySqlTasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the way: the driver's options print the password.
        f.debug_struct("MySqlTasks")
            .field("target", &self.target())
            .finish()
    }
}

struct MySqlSession {
    session: Box<MySqlConnection>,
}

bind_values!(sqlx::MySql);

impl Session for MySqlSession {
    sql_session!(sqlx::MySql, |result| {
        i64::try_from(result.last_insert_id()).unwrap_or(0)
    });

    fn lock(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            // sqlx's own lock, by its name, so that its command line waits for us and we for it. But sqlx asks MariaDB to
            // wait for a negative time, which MariaDB takes for none at all, and does not look at the answer.
            let sql = format!("select cast(get_lock({LOCK}, {LOCK_ROUND}) as char)");
            loop {
                let rows = self.rows(sql.clone(), Vec::new()).await?;
                match rows.first().and_then(|row| row.first()) {
                    Some(Some(word)) if word == "1" => return Ok(()),
                    // The time of a round is up; the caller bounds how many there are.
                    Some(Some(_)) => {}
                    _ => {
                        return Err(Error::new(
                            ErrorKind::Operation,
                            "the lock of migrations cannot be had",
                        ));
                    }
                }
            }
        })
    }

    fn unlock(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let sql = format!("select cast(release_lock({LOCK}) as char)");
            self.rows(sql, Vec::new()).await.map(drop)
        })
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // How a session ends tells nothing; the caller bounds it.
            let _ = self.session.close().await;
        })
    }
}

impl MySqlTasks {
    /// The host that takes writes: of several, the first that is writable.
    async fn host(&self) -> Result<&HostWay<sqlx::MySql>, Error> {
        let writers = self.way.writers();
        let elected = elect(
            &self.way,
            &writers,
            self.from_file,
            self.limit,
            false,
            &Heard::default(),
        )
        .await?;
        Ok(self.way.host(elected.host))
    }

    /// A session that is in no database.
    async fn outside(&self) -> Result<MySqlConnection, Error> {
        let host = self.host().await?;
        let session = host.options.connect().await;
        session.map_err(|error| explain(error, host, self.from_file))
    }

    async fn exists(&self, session: &mut MySqlConnection) -> Result<bool, Error> {
        let sql = "select count(*) from information_schema.schemata where schema_name = ?";
        let query = sqlx::query_scalar::<_, i64>(sql).bind(&self.db);
        Ok(query.fetch_one(session).await? > 0)
    }

    async fn create_it(&self) -> Result<Done, Error> {
        let name = self.quoted(&self.db)?;
        let mut session = self.outside().await?;
        if self.exists(&mut session).await? {
            return Ok(Done::nothing("the database is there already"));
        }
        // MariaDB's own default still is latin1.
        let sql = format!("create database if not exists {name} character set utf8mb4");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut session)
            .await?;
        let _ = session.close().await;
        Ok(Done::changed("created the database"))
    }

    async fn drop_it(&self) -> Result<Done, Error> {
        let name = self.quoted(&self.db)?;
        let mut session = self.outside().await?;
        if !self.exists(&mut session).await? {
            return Ok(Done::nothing("there is no such database"));
        }
        let sql = format!("drop database if exists {name}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut session)
            .await?;
        let _ = session.close().await;
        Ok(Done::changed("dropped the database"))
    }

    /// A session in the database.
    async fn inside(&self) -> Result<MySqlSession, Error> {
        let host = self.host().await?;
        let session = host.options.clone().database(&self.db).connect().await;
        let session = session.map_err(|error| {
            let error = explain(error, host, self.from_file);
            match error.kind() {
                ErrorKind::UnknownDatabase => error.help("`dbreg create` makes it, or mend `db`"),
                _ => error,
            }
        })?;
        Ok(MySqlSession {
            session: Box::new(session),
        })
    }

    /// Names of the database's own things, with what they are.
    async fn things(
        session: &mut MySqlConnection,
        sql: &'static str,
    ) -> Result<Vec<(String, String)>, Error> {
        let rows = sqlx::query(sql).fetch_all(session).await?;
        let pair = |row: &sqlx::mysql::MySqlRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let things: Result<Vec<_>, sqlx::Error> = rows.iter().map(pair).collect();
        Ok(things?)
    }

    async fn clear_all(&self) -> Result<Done, Error> {
        let mut locked = self.inside().await?;
        // Nobody migrates or fills meanwhile. The lock ends with the session.
        locked.lock().await?;
        let mut session = locked.session;
        run(&mut session, "set foreign_key_checks = 0").await?;
        let mut count = 0;
        for (name, kind) in Self::things(&mut session, TABLES).await? {
            let quoted = self.quoted(&name)?;
            match kind.as_str() {
                "VIEW" => continue,
                "SEQUENCE" => run(&mut session, &format!("alter sequence {quoted} restart")).await?,
                _ if KEPT_BY_CLEAR.contains(&name.as_str()) => continue,
                "SYSTEM VERSIONED" => {
                    run(&mut session, &format!("delete from {quoted}")).await?;
                    run(&mut session, &format!("delete history from {quoted}")).await?;
                    run(&mut session, &format!("alter table {quoted} auto_increment = 1")).await?;
                }
                // It sets the counter back, and fires no trigger.
                _ => run(&mut session, &format!("truncate table {quoted}")).await?,
            }
            count += usize::from(kind != "SEQUENCE" && name != FIXTURES);
        }
        let _ = session.close().await;
        Ok(counted("cleared", count))
    }

    async fn purge_all(&self) -> Result<Done, Error> {
        let mut locked = self.inside().await?;
        // Nobody migrates or fills meanwhile. The lock ends with the session.
        locked.lock().await?;
        let mut session = locked.session;
        run(&mut session, "set foreign_key_checks = 0").await?;
        let mut count = 0;
        for (name, kind) in Self::things(&mut session, TABLES).await? {
            let quoted = self.quoted(&name)?;
            let what = match kind.as_str() {
                "VIEW" => "view",
                "SEQUENCE" => "sequence",
                _ if name == METADATA => continue,
                _ => "table",
            };
            run(&mut session, &format!("drop {what} if exists {quoted}")).await?;
            count += usize::from(what == "table");
        }
        for (name, kind) in Self::things(&mut session, ROUTINES).await? {
            let what = match kind.as_str() {
                "PROCEDURE" => "procedure",
                "FUNCTION" => "function",
                "EVENT" => "event",
                "PACKAGE" => "package",
                // The body of a package goes with it.
                _ => continue,
            };
            let quoted = self.quoted(&name)?;
            run(&mut session, &format!("drop {what} if exists {quoted}")).await?;
        }
        let _ = session.close().await;
        Ok(counted("purged", count))
    }
}

/// Tables and views, with their kind. The record of fixtures comes last: whoever is interrupted before it leaves no rows
/// without their record.
const TABLES: &str = "select cast(table_name as char), cast(table_type as char) from information_schema.tables \
    where table_schema = database() \
    order by table_type = 'VIEW' desc, table_name = '_dbreg_fixtures', table_name";

/// Routines and events, with their kind.
const ROUTINES: &str = "select cast(routine_name as char), cast(routine_type as char) \
    from information_schema.routines where routine_schema = database() \
    union all select cast(event_name as char), 'EVENT' from information_schema.events where event_schema = database()";

/// Whether the name of a column's type ends so: `varchar(9)`. The values of an `enum` stand behind it.
fn is_of(column: &Column, endings: &[&str]) -> bool {
    let name = column.kind.split(['(', ' ']).next().unwrap_or_default();
    endings.iter().any(|ending| name.ends_with(ending))
}

async fn run(session: &mut MySqlConnection, sql: &str) -> Result<(), Error> {
    let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
    statement.execute(session).await?;
    Ok(())
}

impl Dialect for MySqlTasks {
    fn target(&self) -> String {
        let hosts: Vec<_> = self.way.hosts.iter().map(HostWay::address).collect();
        format!("{}/{}", hosts.join(","), self.db)
    }

    fn places(&self) -> Vec<String> {
        // Where a server does not tell the case of names apart, they are one database.
        let db = self.db.to_lowercase();
        let place = |host: &HostWay<sqlx::MySql>| match &host.place {
            Some((name, port)) => format!("mysql://{}/{db}", spelled(name, *port)),
            None => {
                let socket = host.options.get_socket();
                let socket = socket.map_or_else(String::new, |path| spelled_socket(path));
                format!("mysql://{socket}/{db}")
            }
        };
        self.way.hosts.iter().map(place).collect()
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.host().await.map(drop) })
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
        let refused = if name.is_empty() {
            "it is empty"
        } else if name.chars().count() > NAME_LIMIT {
            "it is longer than 64 characters"
        } else if name.ends_with(' ') {
            "it ends with a blank"
        } else if name.chars().any(|c| c == '\0' || c > '\u{ffff}') {
            // The server would take another character in its place.
            "it has a character that names cannot have"
        } else {
            return Ok(format!("`{}`", name.replace('`', "``")));
        };
        let message = format!("`{name}` is no name for anything on a MySQL server: {refused}");
        Err(Error::new(ErrorKind::Config, message))
    }

    fn tables(&self) -> &'static str {
        "select cast(table_name as char) from information_schema.tables where table_schema = database() \
         and table_type <> 'VIEW' order by table_name"
    }

    fn is_missing<'a>(
        &'a self,
        session: &'a mut dyn Session,
        table: &'a str,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            // The lists of the server leave out what the account has no right to.
            let sql = format!("select '1' from {} limit 1", self.quoted(table)?);
            match session.rows(sql, Vec::new()).await {
                Ok(_) => Ok(false),
                Err(error) if error.message().ends_with(NO_SUCH_TABLE) => Ok(true),
                Err(error) => Err(error),
            }
        })
    }

    fn own_name(&self, table: &str) -> Result<String, Error> {
        Ok(format!("{}.{table}", self.quoted(&self.db)?))
    }

    fn enter(&self) -> Result<Option<String>, Error> {
        Ok(Some(format!("use {}", self.quoted(&self.db)?)))
    }

    fn check_script(&self, script: &str) -> Result<(), Error> {
        let Some(found) = script::opens_transaction(script) else {
            return Ok(());
        };
        // It would commit the record that says that the script began, and what fails afterwards could not be mended.
        let message = format!("expected statements alone, found `{found}`");
        let help = "leave out `begin` and `commit`: a file is one transaction already";
        Err(Error::new(ErrorKind::Config, message).help(help))
    }

    fn marks<'a>(&'a self, session: &'a mut dyn Session) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(only_mark(self, session))
    }

    fn columns(&self) -> &'static str {
        "select cast(c.column_name as char), cast(c.column_type as char), cast(k.ordinal_position as char), \
         if(c.is_nullable = 'YES', '1', '0'), cast(c.column_default as char), \
         if(c.extra like '%auto_increment%', '1', '0'), \
         if(c.extra like '%VIRTUAL%' or c.extra like '%STORED%' or c.extra like '%PERSISTENT%', '1', '0') \
         from information_schema.columns c left join information_schema.key_column_usage k \
         on k.constraint_name = 'PRIMARY' and k.table_schema = c.table_schema and k.table_name = c.table_name \
         and k.column_name = c.column_name \
         where c.table_schema = database() and c.table_name = ? order by c.ordinal_position"
    }

    fn read(&self, quoted: &str, column: &Column) -> [String; 2] {
        if is_of(column, &["binary", "blob"]) {
            return ["null".to_owned(), format!("hex({quoted})")];
        }
        [self.as_text(quoted), "null".to_owned()]
    }

    fn compares_as_number(&self, column: &Column) -> bool {
        is_of(column, &["char", "text", "binary", "blob"])
    }

    fn before_rows(&self) -> Option<&'static str> {
        // A zero is a key as any other, and what does not fit is not cut off.
        Some(
            "set session sql_mode = \
             concat_ws(',', nullif(@@session.sql_mode, ''), 'NO_AUTO_VALUE_ON_ZERO', 'STRICT_ALL_TABLES')",
        )
    }

    fn long_text(&self) -> &'static str {
        "longtext"
    }

    fn table_options(&self) -> &'static str {
        // Whatever the database has: names of files and labels are told apart as they are written.
        " character set utf8mb4 collate utf8mb4_bin"
    }

    fn insert_nothing(&self, table: &str) -> String {
        format!("insert into {table} () values ()")
    }

    fn value(&self, value: &Value) -> Result<Value, Error> {
        Ok(match value {
            Value::DateTime(text) => Value::DateTime(crate::adapters::sql::tasks::in_utc(text)),
            other => other.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Result<SqlSteps<MySqlTasks>, Error> {
        let loaded = registry_config::load(text, "databases.toml");
        let settings = registry_config::resolve(&loaded.shape.connections[0], None, &[]).unwrap();
        tasks(&settings)
    }

    #[test]
    fn names_are_quoted_or_refused() {
        let SqlSteps(dialect) = steps("[mysql.main]\nhost = \"db1\"\ndb = \"shop\"\n").unwrap();
        assert_eq!(
            dialect.quoted("a`; drop database x; --").unwrap(),
            "`a``; drop database x; --`"
        );
        assert_eq!(dialect.quoted("a'\"\\").unwrap(), "`a'\"\\`");
        for bad in ["", "a\0b", "a ", "😀", &"a".repeat(65)] {
            let error = dialect.quoted(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{bad}");
        }
    }

    #[test]
    fn the_servers_own_databases_are_left_alone() {
        for name in ["mysql", "MySQL", "sys", "information_schema"] {
            let error = steps(&format!("[mysql.main]\nhost = \"db1\"\ndb = \"{name}\"\n")).unwrap_err();
            assert!(error.message().contains("server's own"), "{error}");
        }
        assert!(
            steps("[mysql.main]\nhost = \"db1\"\n")
                .unwrap_err()
                .message()
                .contains("no `db`")
        );
    }

    #[test]
    fn one_place_has_one_spelling() {
        use crate::tasks::Steps as _;
        let places = |host: &str, db: &str| {
            let text = format!("[mysql.main]\nhost = \"{host}\"\ndb = \"{db}\"\n");
            steps(&text).unwrap().places()
        };
        assert_eq!(places("localhost", "shop"), places("127.0.0.1", "Shop"));
        assert_eq!(places("DB1", "shop"), places("db1", "shop"));
        assert_ne!(places("db1", "shop"), places("db1", "other"));
    }
}
