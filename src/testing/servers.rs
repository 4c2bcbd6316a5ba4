//! The servers of a test process: each is started when the first test needs it, and ends with the process.

use registry_dev::{
    Error, MemcachedServer, MongoDbServer, MySqlOptions, MySqlServer, PostgresOptions, PostgresServer,
};
use tokio::sync::OnceCell;

/// Nothing of this is dropped at the end of the process: the servers' watchdogs end them then.
static MYSQL: OnceCell<MySqlServer> = OnceCell::const_new();
static POSTGRES: OnceCell<PostgresServer> = OnceCell::const_new();
static MONGODB: OnceCell<MongoDbServer> = OnceCell::const_new();
static MEMCACHED: OnceCell<MemcachedServer> = OnceCell::const_new();

/// As many sessions as many tests at once may want.
const SESSIONS: u32 = 500;

pub(super) async fn mysql() -> Result<&'static MySqlServer, Error> {
    let options = MySqlOptions::default().max_connections(SESSIONS);
    MYSQL.get_or_try_init(|| registry_dev::mysql_with(options)).await
}

pub(super) async fn postgres() -> Result<&'static PostgresServer, Error> {
    let options = PostgresOptions::default()
        .max_connections(SESSIONS)
        // A login by SCRAM takes a tenth of a second where the driver is not optimized, for every session of every test.
        .setting("password_encryption", "md5");
    POSTGRES
        .get_or_try_init(|| registry_dev::postgres_with(options))
        .await
}

pub(super) async fn mongodb() -> Result<&'static MongoDbServer, Error> {
    MONGODB.get_or_try_init(registry_dev::mongodb).await
}

pub(super) async fn memcached() -> Result<&'static MemcachedServer, Error> {
    MEMCACHED.get_or_try_init(registry_dev::memcached).await
}
