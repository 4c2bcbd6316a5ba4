//! One behaviour for every backend: each method of the set, run unchanged on every connection of the registry.

use dbreg::{
    AnyConnection, Builder, DbRegistry, ERROR_LOG_CAPACITY, Error, ErrorKind, Instance, State, sqlx,
};
use std::time::{Duration, Instant};

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.contract]
host = "127.0.0.1"
username = "root"

[mongodb.contract]
host = "127.0.0.1"
db = "contract"

[memcached.contract]
host = "127.0.0.1"

[sqlite.contract]
path = ":memory:"

[postgres.contract]
host = "127.0.0.1"
username = "contract"
# A login costs thousands of hashes: it is done before, not within the deadline.
pool = { min = 1 }
"#)]
struct App;

/// The deadline of a call, where one is tested.
const DEADLINE: Duration = Duration::from_secs(2);

/// The servers, which live as long as the test.
struct Servers {
    _mysql: registry_dev::MySqlServer,
    _mongodb: registry_dev::MongoDbServer,
    _memcached: registry_dev::MemcachedServer,
    _postgres: registry_dev::PostgresServer,
}

async fn connect() -> (Servers, AppRegistry) {
    connect_with(App::builder()).await
}

async fn connect_with(builder: Builder<AppRegistry>) -> (Servers, AppRegistry) {
    let (mysql, mongodb, memcached, postgres) = tokio::join!(
        registry_dev::mysql(),
        registry_dev::mongodb(),
        registry_dev::memcached(),
        registry_dev::postgres()
    );
    let servers = Servers {
        _mysql: mysql.expect("MySQL starts"),
        _mongodb: mongodb.expect("MongoDB starts"),
        _memcached: memcached.expect("memcached starts"),
        _postgres: postgres.expect("PostgreSQL starts"),
    };
    let created = servers
        ._postgres
        .create_database("contract", "contract", "secret");
    created.await.expect("a database for the contract");
    let db = builder
        .variable("DBREG_MYSQL__CONTRACT__PORT", servers._mysql.port())
        .variable("DBREG_MONGODB__CONTRACT__PORT", servers._mongodb.port())
        .variable("DBREG_MEMCACHED__CONTRACT__PORT", servers._memcached.port())
        .variable("DBREG_POSTGRES__CONTRACT__PORT", servers._postgres.port())
        .variable("DBREG_POSTGRES__CONTRACT__PASSWORD", "secret")
        .connect()
        .await
        .expect("every server is there");
    assert_eq!(db.connections().count(), 5);
    (servers, db)
}

/// Something that works, on the driver's own object.
async fn work(instance: Instance) -> Result<(), Error> {
    match instance {
        Instance::MySql(pool) => sqlx::query("select 1").execute(&pool).await.map(|_| ())?,
        Instance::Sqlite(pool) => sqlx::query("select 1").execute(&pool).await.map(|_| ())?,
        Instance::Postgres(pool) => sqlx::query("select 1").execute(&pool).await.map(|_| ())?,
        Instance::MongoDb(database) => database.list_collection_names().await.map(|_| ())?,
        Instance::Memcached(cache) => cache.get("contract").await.map(|_| ())?,
        other => panic!("a backend without a contract: {other:?}"),
    }
    Ok(())
}

/// Something that the server refuses.
async fn mistake(instance: Instance) -> Result<(), Error> {
    match instance {
        Instance::MySql(pool) => sqlx::query("select from").execute(&pool).await.map(|_| ())?,
        Instance::Sqlite(pool) => sqlx::query("select from").execute(&pool).await.map(|_| ())?,
        // `select from` is a statement there: a row without columns.
        Instance::Postgres(pool) => sqlx::query("select select").execute(&pool).await.map(|_| ())?,
        Instance::MongoDb(database) => {
            let twice = dbreg::mongodb::bson::doc! { "_id": 1 };
            let collection = database.collection("contract");
            collection.insert_many([twice.clone(), twice]).await?;
        }
        Instance::Memcached(cache) => cache.get("a key with spaces").await.map(|_| ())?,
        other => panic!("a backend without a contract: {other:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn names_ping_and_status() {
    let (_servers, db) = connect().await;
    for connection in db.connections() {
        let backend = connection.backend();
        assert_eq!(connection.name(), "contract");
        let found = db.backend(backend).unwrap().get("contract").unwrap();
        assert_eq!(found.backend(), backend);
        let before = connection.status();
        assert_eq!((before.state, before.calls, before.errors), (State::Ready, 0, 0));
        assert!(before.cause.is_none() && before.last_error.is_none());
        connection.ping().await.unwrap();
        let after = connection.status();
        assert_eq!(
            (after.calls, after.errors, after.in_flight),
            (1, 0, 0),
            "{backend}"
        );
        connection.instance().unwrap();
    }
    let near = db.backend("mysq").unwrap_err();
    assert!(near.next_step().unwrap().contains("`mysql`"), "{near:?}");
}

#[tokio::test]
async fn process_gives_values_and_records_errors_once() {
    let (_servers, db) = connect().await;
    for connection in db.connections() {
        let label = format!("{}.contract", connection.backend());
        connection.process(work).await.unwrap();
        assert_eq!(connection.errors().total, 0, "{label}");
        let error = connection.process(mistake).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Operation, "{label}: {error}");
        assert_eq!(error.connection(), label);
        assert!(!error.operation().is_empty());
        let errors = connection.errors();
        assert_eq!((errors.total, errors.latest.len()), (1, 1), "{label}");
        assert_eq!(errors.latest[0].kind, ErrorKind::Operation);
        assert_eq!(errors.latest[0].message, error.message());
        assert_eq!(connection.status().last_error.unwrap().message, error.message());
        connection.process(work).await.unwrap();
    }
}

#[tokio::test]
async fn process_ends_at_its_deadline_and_the_connection_recovers() {
    let backends = ["MYSQL", "MONGODB", "MEMCACHED", "SQLITE", "POSTGRES"];
    let builder = backends.into_iter().fold(App::builder(), |builder, backend| {
        let deadline = format!("{}s", DEADLINE.as_secs());
        builder.variable(format!("DBREG_{backend}__CONTRACT__TIMEOUT"), deadline)
    });
    let (_servers, db) = connect_with(builder).await;
    let all = db.connections().map(async |connection: AnyConnection| {
        let label = connection.backend();
        let began = Instant::now();
        let endless = async |_: Instance| std::future::pending::<Result<(), Error>>().await;
        let error = connection.process(endless).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{label}: {error}");
        assert!(error.is_transient());
        assert!(began.elapsed() >= DEADLINE, "{label}");
        assert!(began.elapsed() < DEADLINE * 10, "{label}");
        connection.process(work).await.unwrap();
        assert_eq!(connection.status().state, State::Ready, "{label}");
        assert_eq!(connection.errors().total, 1, "{label}");
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn the_log_keeps_the_latest_and_counts_all() {
    let (_servers, db) = connect().await;
    for connection in db.connections() {
        let failures = ERROR_LOG_CAPACITY as u64 + 8;
        for n in 0..failures {
            let failing =
                async |_: Instance| Err::<(), _>(Error::new(ErrorKind::Operation, format!("failure {n}")));
            connection.process(failing).await.unwrap_err();
        }
        let errors = connection.errors();
        assert_eq!(errors.total, failures);
        assert_eq!(errors.latest.len(), ERROR_LOG_CAPACITY);
        assert_eq!(errors.latest[0].message, "failure 8", "the oldest are gone");
        assert_eq!(
            errors.latest.last().unwrap().message,
            format!("failure {}", failures - 1)
        );
    }
}

#[tokio::test]
async fn close_waits_for_work_and_then_every_call_answers_closed() {
    let (_servers, db) = connect().await;
    let all = db.connections().map(async |connection: AnyConnection| {
        let label = connection.backend();
        let (begun, finish) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
        let at_work = connection.process(async |_| {
            begun.notify_one();
            finish.notified().await;
            Ok("done")
        });
        let closing = async {
            begun.notified().await;
            let closing = connection.close();
            tokio::pin!(closing);
            // It waits for the work.
            assert!(futures_util::poll!(&mut closing).is_pending(), "{label}");
            assert_eq!(connection.status().state, State::Closing, "{label}");
            finish.notify_one();
            closing.await
        };
        let (done, closed) = tokio::join!(at_work, closing);
        assert_eq!(done.unwrap(), "done", "{label}");
        closed.unwrap();
        assert_eq!(connection.status().state, State::Closed, "{label}");
        assert_eq!(
            connection.ping().await.unwrap_err().kind(),
            ErrorKind::Closed,
            "{label}"
        );
        let error = connection.process(work).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{label}");
        connection.close().await.unwrap();
    });
    futures_util::future::join_all(all).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn debug_shows_names_and_state_and_nothing_else() {
    let (_servers, db) = connect().await;
    for connection in db.connections() {
        let text = format!("{connection:?}");
        assert!(text.contains("contract") && text.contains("Ready"), "{text}");
    }
}
