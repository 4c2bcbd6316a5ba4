//! A folder with a `databases.toml`, migrations and fixtures, and a client that looks at what the verbs did.

use dbreg::sqlx::{self, Connection as _};
use dbreg::tasks::{StepOutcome, Tasks, TasksBuilder, TasksReport, Verb};
use registry_dev::MySqlServer;
use std::fs;
use std::path::PathBuf;

/// The password of every account: it must never be told.
pub(crate) const PASSWORD: &str = "p/w@:canary";

/// A folder of an application.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    text: String,
}

impl Scene {
    /// The file of connections; `$` is the folder.
    pub(crate) fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = text.replace('$', folder.path().to_str().unwrap());
        Self { folder, text }
    }

    /// One SQLite connection, `sqlite.local`, on the file `app.db` of the folder.
    pub(crate) fn sqlite() -> Self {
        Self::new("[sqlite.local]\npath = \"$/app.db\"\n")
    }

    /// One MySQL connection, `mysql.main`, to the database `db`, as `root`.
    pub(crate) fn mysql(server: &MySqlServer, db: &str) -> Self {
        let port = server.port();
        Self::new(&format!(
            "[mysql.main]\nhost = \"127.0.0.1\"\nport = {port}\nusername = \"root\"\ndb = \"{db}\"\n"
        ))
    }

    /// Adds to the file of connections.
    pub(crate) fn with(mut self, text: &str) -> Self {
        self.text += &text.replace('$', self.folder.path().to_str().unwrap());
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `migrations/LABEL/NAME`.
    pub(crate) fn migration(&self, label: &str, name: &str, text: &str) -> &Self {
        self.write(&format!("migrations/{label}/{name}"), text)
    }

    /// Writes `fixtures/LABEL/NAME`.
    pub(crate) fn fixture(&self, label: &str, name: &str, text: &str) -> &Self {
        self.write(&format!("fixtures/{label}/{name}"), text)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn builder(&self) -> TasksBuilder {
        let loaded = registry_config::load(&self.text, "databases.toml");
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        TasksBuilder::new(loaded.shape).root(self.folder.path())
    }

    pub(crate) fn tasks(&self) -> Tasks {
        self.builder().build().unwrap()
    }

    /// Runs a verb, which succeeds.
    pub(crate) async fn run(&self, verb: Verb) -> TasksReport {
        good(run(&self.tasks(), verb).await)
    }

    /// Fills again what was filled, which succeeds.
    pub(crate) async fn replace(&self) -> TasksReport {
        good(run(&self.builder().replace(true).build().unwrap(), Verb::Fill).await)
    }

    /// Runs a verb, which does not; gives its words.
    pub(crate) async fn fail(&self, verb: Verb) -> String {
        bad(&run(&self.tasks(), verb).await)
    }

    /// A session of the driver's own in the SQLite file.
    pub(crate) async fn look(&self) -> sqlx::SqliteConnection {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path("app.db"));
        sqlx::SqliteConnection::connect_with(&options).await.unwrap()
    }
}

/// Runs a verb.
pub(crate) async fn run(tasks: &Tasks, verb: Verb) -> TasksReport {
    tasks.run(verb, |_| {}).await
}

/// A report of a verb that did everything.
pub(crate) fn good(report: TasksReport) -> TasksReport {
    assert!(report.is_success(), "{report}");
    assert_eq!(report.exit_code(), 0);
    assert_eq!(report.to_json()["success"], true);
    report
}

/// The words of a report of a verb that did not.
pub(crate) fn bad(report: &TasksReport) -> String {
    assert!(!report.is_success(), "{report}");
    assert_ne!(report.exit_code(), 0);
    let text = report.to_string();
    assert!(!text.contains("canary"), "{text}");
    text
}

/// What became of each step of a connection, as names.
pub(crate) fn outcomes(report: &TasksReport, connection: &str) -> Vec<&'static str> {
    let row = report
        .connections
        .iter()
        .find(|row| row.connection == connection)
        .unwrap();
    row.steps.iter().map(|step| step.outcome.name()).collect()
}

/// The words of the first step of the first connection.
pub(crate) fn words(report: &TasksReport) -> String {
    report.connections[0].steps[0].outcome.words()
}

/// Whether the first step of the first connection was refused.
pub(crate) fn is_refused(report: &TasksReport) -> bool {
    matches!(report.connections[0].steps[0].outcome, StepOutcome::Refused(_))
}

/// A session of the driver's own on a MySQL server, in no database.
pub(crate) async fn root(server: &MySqlServer) -> sqlx::MySqlConnection {
    let options = sqlx::mysql::MySqlConnectOptions::new()
        .host("127.0.0.1")
        .port(server.port())
        .username("root")
        .ssl_mode(sqlx::mysql::MySqlSslMode::Disabled);
    sqlx::MySqlConnection::connect_with(&options).await.unwrap()
}

/// The one text that a query gives.
pub(crate) async fn text(session: &mut sqlx::MySqlConnection, sql: &'static str) -> String {
    sqlx::query_scalar(sql).fetch_one(session).await.unwrap()
}

/// The one number that a query gives.
pub(crate) async fn number(session: &mut sqlx::MySqlConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(session).await.unwrap()
}

/// Runs statements of the driver's own.
pub(crate) async fn execute(session: &mut sqlx::MySqlConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(session).await.unwrap();
}
