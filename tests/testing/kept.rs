//! What is left of a test: nothing when it passed, its databases when it failed.

use dbreg::mongodb::Client;
use dbreg::mongodb::bson::{Document, doc};
use dbreg::sqlx::{
    self, ConnectOptions as _, Connection as _, mysql::MySqlConnectOptions, postgres::PgConnectOptions,
};
use dbreg::{DbRegistry, Error, ErrorKind};
use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
host = "db1.invalid"
username = "shop"
[postgres.main]
host = "pg1.invalid"
username = "shop"
[mongodb.logs]
host = "m1.invalid"
db = "logs"
[sqlite.local]
path = "data/app.db"
"#)]
#[expect(dead_code, reason = "tests open its registry")]
struct App;

/// Where the databases of a test are.
#[derive(Debug)]
struct Found {
    mysql: (String, u16),
    postgres: (String, u16),
    mongodb: String,
    file: PathBuf,
}

async fn find(db: &AppRegistry) -> Found {
    let mysql: (String, i64) = sqlx::query_as("select database(), cast(@@port as signed)")
        .fetch_one(&db.mysql.main)
        .await
        .unwrap();
    let postgres: (String, i32) = sqlx::query_as("select current_database()::text, inet_server_port()")
        .fetch_one(&db.postgres.main)
        .await
        .unwrap();
    let rows = db.mongodb.logs.collection::<Document>("rows");
    rows.insert_one(doc! { "n": 1 }).await.unwrap();
    let table = "create table rows_ (n int)";
    sqlx::query(table).execute(&db.mysql.main).await.unwrap();
    sqlx::query(table).execute(&db.postgres.main).await.unwrap();
    let row = "insert into rows_ values (1)";
    sqlx::query(row).execute(&db.mysql.main).await.unwrap();
    sqlx::query(row).execute(&db.postgres.main).await.unwrap();
    let file: String = sqlx::query_scalar("select file from pragma_database_list where name = 'main'")
        .fetch_one(&db.sqlite.local)
        .await
        .unwrap();
    Found {
        mysql: (mysql.0, u16::try_from(mysql.1).unwrap()),
        postgres: (postgres.0, u16::try_from(postgres.1).unwrap()),
        mongodb: rows.namespace().db,
        file: PathBuf::from(file),
    }
}

impl Found {
    /// For another process.
    fn write(&self, path: &Path) {
        let (mongodb, file) = (&self.mongodb, &self.file);
        let servers = [&self.mysql, &self.postgres].map(|(db, port)| format!("{db} {port}\n"));
        let text = format!("{}{mongodb}\n{}\n", servers.concat(), file.display());
        std::fs::write(path, text).unwrap();
    }

    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut lines = text.lines();
        let mut server = || {
            let (db, port) = lines.next().unwrap().split_once(' ').unwrap();
            (db.to_owned(), port.parse().unwrap())
        };
        Self {
            mysql: server(),
            postgres: server(),
            mongodb: lines.next().unwrap().to_owned(),
            file: PathBuf::from(lines.next().unwrap()),
        }
    }

    /// Whether each of the databases is there with its row, with the account and the password that the report of a failure names.
    async fn is_there(&self) -> [bool; 3] {
        let (db, port) = &self.mysql;
        let options = MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(*port)
            .username(db)
            .password("test")
            .database(db);
        let mysql = options.connect().await;
        let (db, port) = &self.postgres;
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(*port)
            .username(db)
            .password("test")
            .database(db);
        let postgres = options.connect().await;
        let mut there = [false, false, self.file.exists()];
        let count = "select count(*) from rows_";
        // A server that is just ending, or beginning, may end a session at any moment.
        if let Ok(mut session) = mysql {
            let count = sqlx::query_scalar::<_, i64>(count).fetch_one(&mut session).await;
            there[0] = count.is_ok_and(|count| count == 1);
            let _ = session.close().await;
        }
        if let Ok(mut session) = postgres {
            let count = sqlx::query_scalar::<_, i64>(count).fetch_one(&mut session).await;
            there[1] = count.is_ok_and(|count| count == 1);
            let _ = session.close().await;
        }
        there
    }
}

/// Whether the document is there that a test has written.
async fn has_document(db: &str, address: &str) -> bool {
    let url = format!("mongodb://{address}/?serverSelectionTimeoutMS=500");
    let client = Client::with_uri_str(url).await.unwrap();
    let rows = client.database(db).collection::<Document>("rows");
    let documents = rows.count_documents(doc! {}).await;
    client.shutdown().immediate(true).await;
    documents.is_ok_and(|documents| documents == 1)
}

static FOUND: Mutex<Vec<Found>> = Mutex::new(Vec::new());

fn remember(found: Found) {
    FOUND.lock().unwrap().push(found);
}

fn last() -> Found {
    FOUND.lock().unwrap().pop().unwrap()
}

/// The variable with the folder of the child: what is kept of its servers is thrown away with it.
const FOLDER: &str = "DBREG_KEPT_IN";

// One after the other: they leave what they found to whoever looks.
#[expect(
    unnameable_test_items,
    reason = "they are run from here, and what is left is looked at"
)]
fn drops_after_a_success_and_keeps_after_a_failure() {
    #[dbreg::test]
    async fn passes(db: AppRegistry) {
        remember(find(&db).await);
    }

    #[dbreg::test]
    async fn panics(db: AppRegistry) {
        remember(find(&db).await);
        panic!("as a test does");
    }

    #[dbreg::test]
    async fn gives_an_error(db: AppRegistry) -> Result<(), Error> {
        remember(find(&db).await);
        Err(Error::new(ErrorKind::Operation, "as a test does"))
    }

    #[dbreg::test]
    #[should_panic]
    async fn panics_as_wanted(db: AppRegistry) {
        remember(find(&db).await);
        panic!("as a test does");
    }

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap();
    let is_there = |found: &Found| runtime.block_on(found.is_there());
    passes();
    assert_eq!(is_there(&last()), [false; 3]);
    catch_unwind(panics).unwrap_err();
    let left = last();
    assert_eq!(is_there(&left), [true; 3], "{left:?}");
    gives_an_error().unwrap_err();
    let left = last();
    assert_eq!(is_there(&left), [true; 3], "{left:?}");
    left.write(&PathBuf::from(std::env::var_os(FOLDER).unwrap()).join("left"));
    catch_unwind(panics_as_wanted).unwrap_err();
    assert_eq!(is_there(&last()), [false; 3]);
}

#[test]
fn databases_are_dropped_after_a_success_and_kept_after_a_failure() {
    if std::env::var_os(FOLDER).is_some() {
        return drops_after_a_success_and_keeps_after_a_failure();
    }
    let folder = tempfile::tempdir().unwrap();
    // Some servers do not run as root, but as somebody who has to get in.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args([
            "--exact",
            "kept::databases_are_dropped_after_a_success_and_kept_after_a_failure",
        ])
        .arg("--nocapture")
        .envs([(FOLDER, folder.path()), ("TMPDIR", folder.path())]);
    let output = child.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");

    // What it told at its failures, after its end.
    let scripts: BTreeSet<&str> = told
        .lines()
        .filter_map(|line| line.split_once("`sh ")?.1.split_once('`').map(|(path, _)| path))
        .collect();
    assert_eq!(scripts.len(), 3, "{told}");
    // Who answers from here on is one that was started again.
    scripts.iter().copied().for_each(first_has_ended);
    let servers: Vec<Served> = scripts.into_iter().map(Served::start).collect();
    let left = Found::read(&folder.path().join("left"));
    let of_mongodb = format!("mongodb.logs: database `{}` at ", left.mongodb);
    let told_of = told.lines().find_map(|line| line.split_once(&of_mongodb));
    let (_, mongodb) = told_of.unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let there = left.is_there().await;
            if there == [true; 3] && has_document(&left.mongodb, mongodb).await {
                break;
            }
            assert!(Instant::now() < deadline, "{there:?}: {left:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    drop(servers);
}

/// Waits until the server of the child has ended, whose process the script waits for.
fn first_has_ended(script: &str) {
    let text = std::fs::read_to_string(script).unwrap();
    let (_, rest) = text.split_once("kill -0 ").unwrap();
    let pid = rest.split_whitespace().next().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_there = || {
        let asked = Command::new("kill")
            .args(["-0", pid])
            .stderr(Stdio::null())
            .status();
        asked.unwrap().success()
    };
    while is_there() {
        assert!(Instant::now() < deadline, "{pid} goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A server that somebody has started again.
struct Served(Child);

impl Served {
    fn start(script: &str) -> Self {
        let mut command = Command::new("sh");
        command.arg(script).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // INT, not KILL: PostgreSQL would leave memory that it shares in the system.
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
