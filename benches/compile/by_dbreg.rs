//! The same through dbreg.

use dbreg::DbRegistry;
use dbreg::mongodb::bson::{Document, doc};
use dbreg::sqlx;
use std::error::Error;
use std::time::Duration;

const EDIT: u32 = 0;

#[derive(DbRegistry)]
struct App;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let db = App::connect().await?;
    let id: i64 = sqlx::query_scalar("select 7").fetch_one(&db.mysql.main).await?;
    let events = db.mongodb.logs.collection::<Document>("events");
    events.insert_one(doc! { "saw": id, "edit": EDIT }).await?;
    db.memcached
        .cache
        .set("seen", b"yes", Duration::from_secs(60))
        .await?;
    db.close().await?;
    Ok(())
}
