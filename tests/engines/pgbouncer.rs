//! A real PgBouncer in front of a real PostgreSQL server.

use crate::document::{block, with};
use crate::program::Program;
use dbreg::{DbRegistry, Error, sqlx};
use registry_dev::{Engine, Port, PostgresServer};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

#[derive(DbRegistry)]
#[registry(toml = r#"
[postgres.main]
host = "127.0.0.1"
username = "shop"
password = { env = "UNUSED_SHOP_DB_PASSWORD" }
db = "shop"
"#)]
struct App;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "secret";
/// How many sessions the document lets PgBouncer have with the server.
const SESSIONS: &str = "= 30\n";
const MODE: &str = "pool_mode                 = session\n";

/// The server, what the configuration of PgBouncer has to say of it, and our side of the document.
struct Bench {
    server: PostgresServer,
    /// The line of `auth_file`.
    user: String,
    port: Port,
    password: NamedTempFile,
}

impl Bench {
    async fn new() -> Self {
        let server = registry_dev::postgres().await.expect("PostgreSQL starts");
        let created = server.create_database("shop", "shop", PASSWORD).await;
        created.expect("a database of its own");
        let secret = server.sql("select rolpassword from pg_authid where rolname = 'shop'");
        let secret = secret.await.expect("the superuser sees it");
        let password = NamedTempFile::new().expect("a file for the password");
        std::fs::write(password.path(), PASSWORD).expect("it is written");
        Self {
            server,
            user: format!("\"shop\" \"{}\"\n", secret.trim()),
            port: Port::claim().expect("a port is free"),
            password,
        }
    }

    /// PgBouncer with the document's configuration, on loopback, changed in this way, once it accepts.
    fn pooler(&self, changes: &[(&str, &str)]) -> Program {
        let folder = tempfile::tempdir().expect("a folder");
        let (users, file) = (
            folder.path().join("userlist.txt"),
            folder.path().join("pgbouncer.ini"),
        );
        let place = format!("host=127.0.0.1 port={}", self.server.port());
        let text = with(
            block("ini", MODE.trim_end()),
            [
                ("host=10.0.0.11 port=5432", place),
                ("= 6432", format!("= {}", self.port.number())),
                ("/etc/pgbouncer/userlist.txt", users.display().to_string()),
            ],
        );
        let text = with(text, changes.iter().map(|(from, to)| (*from, (*to).to_owned())));
        // A socket would be in a folder that all share.
        std::fs::write(&file, text + "unix_socket_dir =\n").expect("it is written");
        std::fs::write(&users, &self.user).expect("it is written");
        let mut command = Command::new(program());
        // It refuses to be root, and gives that up itself: then it must still get at its files.
        if std::fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0) {
            let open = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(folder.path(), open).expect("the folder is ours");
            command.arg("--user=nobody");
        }
        command.arg(&file);
        let program = Program::start(folder, &command);
        program.until("PgBouncer accepts", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port.number())).ok()
        });
        program
    }

    /// A worker with the document's file, and a pool of so many.
    async fn worker(&self, sessions: u32) -> AppRegistry {
        let toml = with(
            block("toml", "port     = 6432"),
            [
                ("= 6432", format!("= {}", self.port.number())),
                ("/run/secrets/shop_db", self.password.path().display().to_string()),
            ],
        );
        let file = NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), toml).expect("it is written");
        let app = App::builder()
            .config_file(file.path())
            .variable("DBREG_POSTGRES__MAIN__POOL__MAX", sessions);
        app.connect().await.unwrap_or_else(|report| panic!("{report}"))
    }

    /// How many sessions the server has with the user. PgBouncer keeps those that it has, so it is the most there were.
    async fn sessions(&self) -> usize {
        let count = "select count(*) from pg_stat_activity where usename = 'shop'";
        let count = self.server.sql(count).await.expect("it answers");
        count.trim().parse().expect("a number")
    }
}

fn program() -> std::path::PathBuf {
    Engine::PgBouncer.find().unwrap_or_else(|error| panic!("{error}"))
}

/// Whether this one knows prepared statements in transaction mode: 1.21 and later, and Debian 12 has 1.18.
fn knows_statements() -> bool {
    let told = Command::new(program()).arg("--version").output();
    let told = String::from_utf8(told.expect("it runs").stdout).expect("text");
    // `PgBouncer 1.18.0`, and more lines.
    let version = told.split_whitespace().nth(1).expect("a version");
    let mut numbers = version
        .split('.')
        .map(|number| number.parse::<u32>().expect("a number"));
    (numbers.next(), numbers.next()) >= (Some(1), Some(21))
}

/// A statement of the driver's with a value, so that it is a prepared one.
async fn echo(db: &AppRegistry, number: i64) -> Result<i64, sqlx::Error> {
    let query = sqlx::query_scalar("select $1::bigint").bind(number);
    query.fetch_one(&db.postgres.main).await
}

/// The SQLSTATE, where a server gave one.
fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Calls until one fails in this way; what fails before must be worth another try, too.
async fn until_it_fails(db: &AppRegistry, is_it: impl Fn(&Error) -> bool) {
    let began = Instant::now();
    loop {
        assert!(
            began.elapsed() < PATIENCE,
            "{:?}",
            db.postgres.main.errors().latest
        );
        if let Err(error) = echo(db, 1).await {
            let error = Error::from(error);
            assert!(error.is_transient(), "{error}");
            if is_it(&error) {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn until_it_works(db: &AppRegistry) {
    let began = Instant::now();
    while echo(db, 1).await.is_err() {
        assert!(
            began.elapsed() < PATIENCE,
            "{:?}",
            db.postgres.main.errors().latest
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for number in 0..20 {
        assert_eq!(echo(db, number).await.expect("it goes on"), number);
    }
}

#[tokio::test]
async fn more_workers_than_sessions_take_turns() {
    let bench = Bench::new().await;
    let _pooler = bench.pooler(&[(SESSIONS, "= 3\n")]);
    let workers = (0..12).map(async |worker| {
        // One each: who has a session and waits for another would hold up the rest.
        let db = bench.worker(1).await;
        for number in worker * 100..worker * 100 + 10 {
            assert_eq!(echo(&db, number).await.unwrap(), number);
        }
        db.close().await.unwrap();
    });
    futures_util::future::join_all(workers).await;
    let sessions = bench.sessions().await;
    assert!((1..=3).contains(&sessions), "{sessions}");
}

#[tokio::test]
async fn the_server_is_killed_and_comes_back_behind_it() {
    let bench = Bench::new().await;
    let _pooler = bench.pooler(&[]);
    let db = bench.worker(10).await;
    until_it_works(&db).await;
    bench.server.kill().await.unwrap();
    // Not only the session is lost: PgBouncer has tried for another.
    let words = ["query_wait_timeout", "server login has been failing"];
    until_it_fails(&db, |error| {
        words.iter().any(|words| error.message().contains(words))
    })
    .await;
    bench.server.start().await.unwrap();
    let began = Instant::now();
    until_it_works(&db).await;
    // Its own default would be 15 s.
    assert!(began.elapsed() < Duration::from_secs(14), "{:?}", began.elapsed());
    // What makes a session READ ONLY is of that session alone.
    let write = || sqlx::query("create table orders (number bigint)");
    let refused = write().execute(&db.postgres.main.read()).await.unwrap_err();
    assert_eq!(code(&refused).as_deref(), Some("25006"));
    write().execute(&db.postgres.main).await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test]
async fn it_is_killed_itself_and_started_again() {
    let bench = Bench::new().await;
    let mut pooler = bench.pooler(&[]);
    let db = bench.worker(10).await;
    for _ in 0..2 {
        until_it_works(&db).await;
        drop(pooler);
        until_it_fails(&db, |error| error.message().contains("refused")).await;
        pooler = bench.pooler(&[]);
        until_it_works(&db).await;
    }
    db.close().await.unwrap();
}

/// Before 1.21 the document says not to, because of this: the names of statements are those of all.
#[tokio::test]
async fn transaction_mode_is_for_a_version_that_knows_prepared_statements() {
    let bench = Bench::new().await;
    if !knows_statements() {
        let mode = [(MODE, "pool_mode = transaction\n"), (SESSIONS, "= 1\n")];
        let _pooler = bench.pooler(&mode);
        let (one, other) = (bench.worker(10).await, bench.worker(10).await);
        assert_eq!(echo(&one, 1).await.unwrap(), 1);
        let refused = echo(&other, 2).await.unwrap_err();
        assert_eq!(code(&refused).as_deref(), Some("42P05"));
        return;
    }
    let mode = block("ini", "max_prepared_statements");
    let _pooler = bench.pooler(&[(MODE, &mode), (SESSIONS, "= 5\n"), ("= 100\n", "= 200\n")]);
    let create = "create table orders (number bigint); grant all on orders to shop";
    bench.server.sql_in("shop", create).await.unwrap();
    let mut workers = Vec::new();
    for _ in 0..6 {
        workers.push(bench.worker(10).await);
    }
    for round in 0..3 {
        let calls = workers.iter().zip(0_i64..).flat_map(|(db, worker)| {
            (0..10).map(move |call| async move {
                let number = round * 1_000 + worker * 100 + call;
                if call % 2 == 0 {
                    return assert_eq!(echo(db, number).await.unwrap(), number);
                }
                let read = sqlx::query_scalar::<_, i64>("select $1::bigint + 1").bind(number);
                assert_eq!(
                    read.fetch_one(&db.postgres.main.read()).await.unwrap(),
                    number + 1
                );
                let write = || sqlx::query("insert into orders values ($1)").bind(number);
                write().execute(&db.postgres.main).await.unwrap();
                let refused = write().execute(&db.postgres.main.read()).await;
                assert_eq!(code(&refused.unwrap_err()).as_deref(), Some("25006"));
            })
        });
        futures_util::future::join_all(calls).await;
    }
    let held: u32 = workers
        .iter()
        .map(|db| {
            db.postgres
                .main
                .status()
                .sessions
                .map_or(0, |sessions| sessions.open)
        })
        .sum();
    assert!(held >= 50, "{held}");
    assert!(bench.sessions().await <= 5);
}

/// Two servers that are both writable, each behind a PgBouncer of its own, which lives on when its server dies.
#[tokio::test]
async fn the_next_host_is_used_when_the_server_behind_the_first_is_gone() {
    let (first, second) = tokio::join!(Bench::new(), Bench::new());
    let _poolers = [first.pooler(&[]), second.pooler(&[])];
    let [one, two] = [&first, &second].map(|bench| bench.port.number());
    let db = App::builder()
        .variable(
            "DBREG_POSTGRES__MAIN__CONNECTIONS",
            format!("127.0.0.1:{one},127.0.0.1:{two}"),
        )
        .variable("DBREG_POSTGRES__MAIN__PASSWORD", PASSWORD)
        .connect()
        .await
        .unwrap();
    let server = async || -> Result<i32, sqlx::Error> {
        let port = sqlx::query_scalar("select inet_server_port()");
        port.fetch_one(&db.postgres.main).await
    };
    assert_eq!(server().await.unwrap(), i32::from(first.server.port()));
    first.server.kill().await.unwrap();
    until_it_works(&db).await;
    assert_eq!(server().await.unwrap(), i32::from(second.server.port()));
    db.close().await.unwrap();
}
