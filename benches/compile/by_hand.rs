//! The three drivers by hand, as small as it goes: what `by_dbreg.rs` does.

use deadpool::managed::{Manager, Metrics, Pool, RecycleResult};
use memcache_async::ascii::Protocol;
use mongodb::bson::{Document, doc};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use std::env::var;
use std::error::Error;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

const EDIT: u32 = 0;

struct Cache(String);

impl Manager for Cache {
    type Type = Protocol<Compat<TcpStream>>;
    type Error = std::io::Error;

    async fn create(&self) -> Result<Self::Type, Self::Error> {
        let stream = TcpStream::connect(&self.0).await?;
        stream.set_nodelay(true)?;
        Ok(Protocol::new(stream.compat()))
    }

    async fn recycle(&self, _: &mut Self::Type, _: &Metrics) -> RecycleResult<Self::Error> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = MySqlConnectOptions::new()
        .host("127.0.0.1")
        .username("shop")
        .password(&var("SHOP_DB_PASSWORD")?)
        .database("shop");
    let mysql = MySqlPoolOptions::new().acquire_timeout(Duration::from_secs(5));
    let mongodb = mongodb::Client::with_uri_str("mongodb://127.0.0.1");
    let (mysql, mongodb) = tokio::join!(mysql.connect_with(options), mongodb);
    let (mysql, logs) = (mysql?, mongodb?.database("shop_logs"));
    let cache: Pool<Cache> = Pool::builder(Cache("127.0.0.1:11211".to_owned()))
        .max_size(8)
        .build()?;

    let id: i64 = sqlx::query_scalar("select 7").fetch_one(&mysql).await?;
    logs.collection::<Document>("events")
        .insert_one(doc! { "saw": id, "edit": EDIT })
        .await?;
    cache
        .get()
        .await
        .map_err(|error| error.to_string())?
        .set("seen", b"yes", 60)
        .await?;
    mysql.close().await;
    Ok(())
}
