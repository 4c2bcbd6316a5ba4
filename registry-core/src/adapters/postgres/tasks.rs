//! PostgreSQL under the verbs.

use super::way;
use crate::adapters::sql::hosts::{Heard, HostWay, Way, elect, explain};
use crate::adapters::sql::tasks::{Column, Dialect, Own, Session, SqlSteps, in_utc};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::secret;
use crate::tasks::{Done, Value, spelled, spelled_socket};
use futures_util::future::BoxFuture;
use registry_config::Settings;
use session::PostgresSession;
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions as _, Connection as _, Postgres};
use std::time::Duration;

mod array;
mod empty;
mod sequence;
mod session;
mod sql;
mod things;

/// What no verb touches, whatever the file says: the server's own. The first two are where one may be who wants to make
/// or to drop another.
const SYSTEM: [&str; 3] = ["postgres", "template1", "template0"];

/// The longest name of anything, in bytes. The server would cut off the rest.
const NAME_LIMIT: usize = 63;

/// The steps of a connection.
pub(crate) fn tasks(settings: &Settings) -> Result<SqlSteps<PostgresTasks>, Error> {
    let way = Way::<Postgres>::new(settings, "tasks")?;
    let db = way.host(0).options.get_database().unwrap_or_default().to_owned();
    if SYSTEM.contains(&db.as_str()) {
        let message = format!("`{db}` is the server's own database: the verbs do not touch it");
        return Err(Error::new(ErrorKind::Config, message));
    }
    let steps = PostgresTasks {
        way,
        db,
        from_file: secret::from_file(settings),
        limit: settings
            .duration("connect_timeout")
            .unwrap_or(Duration::from_secs(5)),
    };
    // Before it is sent anywhere: the server cuts off what is too long, and opens another database.
    steps.quoted(&steps.db)?;
    Ok(SqlSteps(steps))
}

/// The way to a server, and the database there that the verbs are about.
pub(crate) struct PostgresTasks {
    way: Way<Postgres>,
    db: String,
    from_file: bool,
    limit: Duration,
}

impl std::fmt::Debug for PostgresTasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the way: the driver's options print the password.
        f.debug_struct("PostgresTasks")
            .field("target", &self.target())
            .finish()
    }
}

impl PostgresTasks {
    /// The host that takes writes: of several, the first that is writable.
    async fn host(&self) -> Result<&HostWay<Postgres>, Error> {
        let writers = self.way.writers();
        if let [only] = writers[..] {
            return Ok(self.way.host(only));
        }
        let elected = match self.elected(&self.way, &writers).await {
            // The database may be to be made, also where another host is away; one that every server has tells as well who
            // takes writes.
            Err(error) if matches!(error.kind(), ErrorKind::UnknownDatabase | ErrorKind::Unreachable) => {
                let outside = self.way.hosts.iter().map(|host| HostWay {
                    options: host.options.clone().database(SYSTEM[0]),
                    place: host.place.clone(),
                    ..*host
                });
                let outside = Way::of(outside.collect())?;
                self.elected(&outside, &writers).await.map_err(|_| error)?
            }
            elected => elected?,
        };
        Ok(self.way.host(elected))
    }

    async fn elected(&self, way: &Way<Postgres>, writers: &[usize]) -> Result<usize, Error> {
        let heard = Heard::default();
        let elected = elect(way, writers, self.from_file, self.limit, false, &heard).await?;
        Ok(elected.host)
    }

    async fn session(&self, db: &str) -> Result<PgConnection, Error> {
        let host = self.host().await?;
        let session = host.options.clone().database(db).connect().await;
        session.map_err(|error| explain(error, host, self.from_file))
    }

    /// A session in another database of the server, from which this one can be made and dropped.
    async fn outside(&self) -> Result<PgConnection, Error> {
        match self.session(SYSTEM[0]).await {
            Err(error) if matches!(error.kind(), ErrorKind::UnknownDatabase | ErrorKind::Auth) => {
                // The error of the usual one is the better one.
                self.session(SYSTEM[1]).await.map_err(|_| error)
            }
            other => other,
        }
    }

    /// Whether the database is there.
    async fn exists(&self) -> Result<bool, Error> {
        match self.session(&self.db).await {
            Ok(session) => {
                let _ = session.close().await;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::UnknownDatabase => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn create_it(&self) -> Result<Done, Error> {
        let name = self.quoted(&self.db)?;
        if self.exists().await? {
            return Ok(Done::nothing("the database is there already"));
        }
        let mut session = self.outside().await?;
        let created = run(&mut session, &format!("create database {name}")).await;
        let _ = session.close().await;
        match created {
            Ok(()) => Ok(Done::changed("created the database")),
            // Somebody was faster.
            Err(_) if self.exists().await? => Ok(Done::nothing("the database is there already")),
            Err(error) if error.kind() == ErrorKind::Auth => {
                let help = "write `alter role … createdb` on the server, or create the database there";
                Err(error.help(help))
            }
            Err(error) => Err(error),
        }
    }

    async fn drop_it(&self) -> Result<Done, Error> {
        let name = self.quoted(&self.db)?;
        if !self.exists().await? {
            return Ok(Done::nothing("there is no such database"));
        }
        let mut session = self.outside().await?;
        // Sessions that are in it would forbid it; they are ended.
        run(
            &mut session,
            &format!("drop database if exists {name} with (force)"),
        )
        .await?;
        let _ = session.close().await;
        Ok(Done::changed("dropped the database"))
    }

    /// A session in the database.
    async fn inside(&self) -> Result<PostgresSession, Error> {
        let session = self.session(&self.db).await.map_err(|error| match error.kind() {
            ErrorKind::UnknownDatabase => error.help("`dbreg create` makes it, or mend `db`"),
            _ => error,
        })?;
        Ok(PostgresSession {
            session: Box::new(session),
        })
    }
}

async fn run(session: &mut PgConnection, sql: &str) -> Result<(), Error> {
    let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
    statement.execute(session).await?;
    Ok(())
}

impl Dialect for PostgresTasks {
    fn target(&self) -> String {
        let hosts: Vec<_> = self.way.hosts.iter().map(way::shown).collect();
        format!("{}/{}", hosts.join(","), self.db)
    }

    fn places(&self) -> Vec<String> {
        let place = |host: &HostWay<Postgres>| {
            let place = match &host.place {
                Some((name, port)) => spelled(name, *port),
                None => spelled_socket(way::shown(host).as_ref()),
            };
            format!("postgres://{place}/{}", self.db)
        };
        self.way.hosts.iter().map(place).collect()
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        // Whoever says that the database is missing is there.
        Box::pin(async move { self.exists().await.map(drop) })
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
        } else if name.len() > NAME_LIMIT {
            "it is longer than 63 bytes"
        } else if name.contains('\0') {
            "it has a character that names cannot have"
        } else {
            return Ok(format!("\"{}\"", name.replace('"', "\"\"")));
        };
        let message = format!("`{name}` is no name for anything on a PostgreSQL server: {refused}");
        Err(Error::new(ErrorKind::Config, message))
    }

    /// A text as what its column holds. One that is a list of JSON, from a cell of CSV say, is an array where the column is one.
    fn placeholder(&self, nth: usize, column: Option<&Column>) -> String {
        let Some(column) = column else {
            return format!("${nth}");
        };
        let kind = without_length(&column.kind);
        let cast = format!("cast(${nth} as {kind})");
        match kind.strip_suffix("[]") {
            Some(_) => format!(
                "(case when ${nth} like '[%' then cast(array(select jsonb_array_elements_text(cast(${nth} as jsonb))) \
                 as {kind}) else {cast} end)"
            ),
            None => cast,
        }
    }

    fn tables(&self) -> &'static str {
        sql::TABLES
    }

    fn own<'a>(
        &'a self,
        session: &'a mut dyn Session,
        table: &'static str,
    ) -> BoxFuture<'a, Result<Own, Error>> {
        sql::own(session, table)
    }

    fn marks<'a>(&'a self, session: &'a mut dyn Session) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(sql::marks(session))
    }

    fn columns(&self) -> &'static str {
        sql::COLUMNS
    }

    fn explain_missing<'a>(
        &'a self,
        session: &'a mut dyn Session,
        table: &'a str,
    ) -> BoxFuture<'a, Result<(), Error>> {
        sql::elsewhere(session, table)
    }

    fn as_text(&self, expression: &str) -> String {
        format!("cast({expression} as text)")
    }

    fn list(&self, column: &Column, items: &[Value]) -> Option<Result<Value, Error>> {
        array::array(self, column, items)
    }

    fn overriding(&self) -> &'static str {
        // For columns that are `generated always as identity`; the others take it as they would without.
        " overriding system value"
    }

    fn value(&self, value: &Value) -> Result<Value, Error> {
        Ok(match value {
            // A column without an offset would drop that of the value; the time of a session is UTC.
            Value::DateTime(text) => Value::DateTime(in_utc(text)),
            other => other.clone(),
        })
    }

    fn returns_keys(&self) -> bool {
        true
    }

    fn insert<'a>(
        &'a self,
        session: &'a mut dyn Session,
        sql: String,
        values: Vec<Value>,
        numbered: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<Value>, Error>> {
        Box::pin(async move {
            let Some(column) = numbered else {
                session.run(sql, values).await?;
                return Ok(None);
            };
            sequence::insert(session, &sql, values, &self.quoted(column)?).await
        })
    }

    /// The sequences of numbered columns do not see what was written with a number: the next row of the application would
    /// get one that is taken.
    fn after_fill<'a>(
        &'a self,
        session: &'a mut dyn Session,
        table: &'a str,
        columns: &'a [Column],
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            for column in columns.iter().filter(|column| column.numbered) {
                let quoted = [self.quoted(table)?, self.quoted(&column.name)?];
                let quoted = [quoted[0].as_str(), quoted[1].as_str()];
                sequence::advance(session, [table, &column.name], quoted).await?;
            }
            Ok(())
        })
    }
}

/// A type of texts or bits without its length: a cast would cut off what is too long without a word, where the column
/// itself refuses it.
fn without_length(kind: &str) -> String {
    if !kind.starts_with("character") && !kind.starts_with("bit") {
        return kind.to_owned();
    }
    let plain = match (kind.find('('), kind.find(')')) {
        (Some(open), Some(close)) => format!("{}{}", &kind[..open], &kind[close + 1..]),
        _ => kind.to_owned(),
    };
    // `character` and `bit` alone are of one.
    if plain == "character" || plain.starts_with("character[") {
        plain.replacen("character", "text", 1)
    } else if plain == "bit" || plain.starts_with("bit[") {
        plain.replacen("bit", "bit varying", 1)
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(db: &str) -> Result<SqlSteps<PostgresTasks>, Error> {
        let text = format!("[postgres.main]\nhost = \"DB1\"\nusername = \"shop\"\n{db}");
        let loaded = registry_config::load(&text, "databases.toml");
        let settings = registry_config::resolve(&loaded.shape.connections[0], None, &[]).unwrap();
        tasks(&settings)
    }

    #[test]
    fn names_are_quoted_or_refused() {
        let SqlSteps(dialect) = steps("").unwrap();
        assert_eq!(
            dialect.quoted("a\"; drop database x; --").unwrap(),
            "\"a\"\"; drop database x; --\""
        );
        for bad in ["", "a\0b", &"a".repeat(64), &"ä".repeat(32)] {
            let error = dialect.quoted(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{bad}");
        }
    }

    #[test]
    fn the_servers_own_databases_are_left_alone() {
        use crate::tasks::Steps as _;
        for name in SYSTEM {
            let error = steps(&format!("db = \"{name}\"\n")).unwrap_err();
            assert!(error.message().contains("server's own"), "{error}");
        }
        // Without `db`, the server takes the name of the user.
        assert_eq!(steps("").unwrap().places(), ["postgres://db1:5432/shop"]);
    }

    #[test]
    fn what_the_server_would_cut_off_is_refused() {
        for (name, is_taken) in [
            ("a".repeat(63), true),
            ("a".repeat(64), false),
            ("é".repeat(32), false),
        ] {
            let text = format!("[postgres.main]\nhost = \"db1\"\nusername = \"{name}\"\n");
            let loaded = registry_config::load(&text, "databases.toml");
            let settings = registry_config::resolve(&loaded.shape.connections[0], None, &[]).unwrap();
            match tasks(&settings) {
                Ok(_) => assert!(is_taken, "{name}"),
                Err(error) => assert!(!is_taken && error.message().contains("63 bytes"), "{error}"),
            }
        }
    }

    #[test]
    fn a_length_is_the_columns_own_matter() {
        for (kind, expected) in [
            ("character varying(5)", "character varying"),
            ("character varying(5)[]", "character varying[]"),
            ("character(5)", "text"),
            ("bit(8)", "bit varying"),
            ("bit varying(8)", "bit varying"),
            ("numeric(10,2)", "numeric(10,2)"),
            ("integer", "integer"),
            ("text", "text"),
        ] {
            assert_eq!(without_length(kind), expected);
        }
    }
}
