//! What an idle connection costs beyond what its driver costs without dbreg.
//!
//! Method: the bytes that are allocated and not freed, by a counting allocator, after a start of many and after the same
//! number of the driver's own pools or clients with the same options, each proved by the same command. The difference,
//! by their number, is dbreg's: handle, values, state, its share of the model and of the report.

use crate::fleet::{file, fleet};
use crate::{ALLOCATOR, alone, one_thread};
use dbreg::mongodb::bson::doc;
use dbreg::mongodb::options::{ClientOptions, ServerAddress};
use dbreg::sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlSslMode};
use dbreg::sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use dbreg::sqlx::{ConnectOptions as _, Connection as _};
use dbreg::{Memcached, MongoDb, MySql, Postgres, mongodb, sqlx};
use registry_dev::PostgresOptions;
use std::time::{Duration, Instant};

/// The most that dbreg may add to an idle connection, in bytes.
const LIMIT: isize = 4 * 1024;

/// What is allocated now.
fn held() -> isize {
    let stats = ALLOCATOR.stats();
    let bytes = |count: usize| isize::try_from(count).unwrap();
    // Reallocations are in both sums already.
    bytes(stats.bytes_allocated) - bytes(stats.bytes_deallocated)
}

/// What is allocated when whatever ends in the background has ended: the sum stands still.
async fn settled() -> isize {
    let (since, mut last) = (Instant::now(), held());
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = held();
        if now == last {
            return now;
        }
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "{now} bytes, {last} before"
        );
        last = now;
    }
}

/// The bytes that `made` holds, by the number of its parts. What it leaves running ends with it.
async fn each<T>(count: usize, made: impl Future<Output = T>) -> (isize, T) {
    let before = settled().await;
    let made = made.await;
    let after = settled().await;
    ((after - before) / isize::try_from(count).unwrap(), made)
}

#[expect(
    clippy::print_stderr,
    reason = "the figure is of interest when it is good, too"
)]
fn judge(backend: &str, ours: isize, drivers: isize) {
    let beyond = ours - drivers;
    eprintln!("{backend}: {ours} bytes per idle connection, of the driver alone {drivers}: {beyond} more");
    assert!(
        beyond <= LIMIT,
        "{backend}: {beyond} bytes beyond the driver's own, {LIMIT} at most"
    );
}

const POOLS: usize = 1_000;

fleet!(MySqls: [MySql; POOLS] by mysql, file("mysql", POOLS, "host = \"127.0.0.1\"\nusername = \"root\"\ndb = \"mysql\""));

#[test]
fn of_mysql() {
    alone(one_thread(), mysql());
}

async fn mysql() {
    let server = registry_dev::mysql().await.unwrap();
    let port = server.port();
    let bare = async || {
        let mut pools = Vec::new();
        for _ in 0..POOLS {
            let options = MySqlConnectOptions::new()
                .host("127.0.0.1")
                .port(port)
                .username("root")
                .database("mysql")
                .ssl_mode(MySqlSslMode::Disabled)
                .statement_cache_capacity(1024)
                .disable_statement_logging();
            let mut session = options.connect().await.unwrap();
            sqlx::raw_sql("select version()")
                .execute(&mut session)
                .await
                .unwrap();
            session.close().await.unwrap();
            let pool = MySqlPoolOptions::new()
                .max_connections(10)
                .acquire_timeout(Duration::from_secs(5))
                .idle_timeout(None)
                .max_lifetime(None);
            pools.push(pool.connect_lazy_with(options));
        }
        pools
    };
    // Once for what is allocated for good at the first use.
    drop(bare().await);
    let (drivers, pools) = each(POOLS, bare()).await;
    futures_util::future::join_all(pools.iter().map(MySqlPool::close)).await;
    drop(pools);
    let builder = (0..POOLS).fold(MySqls::builder(), |builder, number| {
        builder.variable(format!("DBREG_MYSQL__C{number}__PORT"), port)
    });
    let (ours, db) = each(POOLS, async { builder.connect().await.unwrap() }).await;
    assert_eq!(db.handles.len(), POOLS);
    judge("mysql", ours, drivers);
    db.close().await.unwrap();
}

fleet!(Postgreses: [Postgres; POOLS] by postgres, file("postgres", POOLS, "host = \"127.0.0.1\"\nusername = \"shop\"\npassword = { env = \"SHOP\" }\ndb = \"shop\""));

#[test]
fn of_postgres() {
    alone(one_thread(), postgres());
}

async fn postgres() {
    // The usual kind of password takes some milliseconds for each login.
    let options = PostgresOptions::default().setting("password_encryption", "md5");
    let server = registry_dev::postgres_with(options).await.unwrap();
    server
        .create_database("shop", "shop", "a password")
        .await
        .unwrap();
    let port = server.port();
    let bare = async || {
        let mut pools = Vec::new();
        for number in 0..POOLS {
            let options = PgConnectOptions::new_without_pgpass()
                .host("127.0.0.1")
                .port(port)
                .username("shop")
                .password("a password")
                .database("shop")
                .application_name(&format!("dbreg postgres.c{number}"))
                .ssl_mode(PgSslMode::Disable)
                .disable_statement_logging();
            let mut session = options.connect().await.unwrap();
            sqlx::raw_sql("show server_version")
                .execute(&mut session)
                .await
                .unwrap();
            session.close().await.unwrap();
            let pool = PgPoolOptions::new()
                .max_connections(10)
                .acquire_timeout(Duration::from_secs(5))
                .idle_timeout(None)
                .max_lifetime(None);
            pools.push(pool.connect_lazy_with(options));
        }
        pools
    };
    drop(bare().await);
    let (drivers, pools) = each(POOLS, bare()).await;
    futures_util::future::join_all(pools.iter().map(PgPool::close)).await;
    drop(pools);
    let builder = (0..POOLS).fold(Postgreses::builder(), |builder, number| {
        builder
            .variable(format!("DBREG_POSTGRES__C{number}__PORT"), port)
            .variable(format!("DBREG_POSTGRES__C{number}__PASSWORD"), "a password")
    });
    let (ours, db) = each(POOLS, async { builder.connect().await.unwrap() }).await;
    assert_eq!(db.handles.len(), POOLS);
    judge("postgres", ours, drivers);
    db.close().await.unwrap();
}

const CLIENTS: usize = 100;

fleet!(MongoDbs: [MongoDb; CLIENTS] by mongodb, file("mongodb", CLIENTS, "host = \"127.0.0.1\"\ndb = \"logs\""));

#[test]
fn of_mongodb() {
    alone(one_thread(), mongodb());
}

async fn mongodb() {
    let server = registry_dev::mongodb().await.unwrap();
    let port = server.port();
    let bare = async || {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let mut options = ClientOptions::default();
            let host = "127.0.0.1".to_owned();
            options.hosts = vec![ServerAddress::Tcp {
                host,
                port: Some(port),
            }];
            options.direct_connection = Some(true);
            options.connect_timeout = Some(Duration::from_secs(5));
            options.server_selection_timeout = Some(Duration::from_secs(5));
            options.max_pool_size = Some(10);
            options.min_pool_size = Some(0);
            options.max_idle_time = Some(Duration::from_secs(600));
            let database = mongodb::Client::with_options(options).unwrap().database("logs");
            database.run_command(doc! { "buildInfo": 1 }).await.unwrap();
            database.run_command(doc! { "ping": 1 }).await.unwrap();
            clients.push(database);
        }
        clients
    };
    let shut = async |clients: Vec<mongodb::Database>| {
        for database in clients {
            database.client().clone().shutdown().immediate(true).await;
        }
    };
    shut(bare().await).await;
    let (drivers, clients) = each(CLIENTS, bare()).await;
    shut(clients).await;
    let builder = (0..CLIENTS).fold(MongoDbs::builder(), |builder, number| {
        builder.variable(format!("DBREG_MONGODB__C{number}__PORT"), port)
    });
    let (ours, db) = each(CLIENTS, async { builder.connect().await.unwrap() }).await;
    assert_eq!(db.handles.len(), CLIENTS);
    judge("mongodb", ours, drivers);
    db.close().await.unwrap();
}

fleet!(Caches: [Memcached; POOLS] by memcached, file("memcached", POOLS, "host = \"127.0.0.1\""));

/// memcache-async has no client, only a protocol on a stream: without a session there is nothing of it.
#[test]
fn of_memcached() {
    alone(one_thread(), memcached());
}

async fn memcached() {
    let server = registry_dev::memcached().await.unwrap();
    let builder = (0..POOLS).fold(Caches::builder(), |builder, number| {
        builder.variable(format!("DBREG_MEMCACHED__C{number}__PORT"), server.port())
    });
    let (ours, db) = each(POOLS, async { builder.connect().await.unwrap() }).await;
    assert_eq!(db.handles.len(), POOLS);
    judge("memcached", ours, 0);
    db.close().await.unwrap();
}
