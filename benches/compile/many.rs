//! An application with as many connections as its file has.

use dbreg::DbRegistry;
use dbreg::sqlx;
use std::error::Error;

const EDIT: u32 = 0;

#[derive(DbRegistry)]
struct App;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let db = App::connect().await?;
    let edit: u32 = sqlx::query_scalar("select ?")
        .bind(EDIT)
        .fetch_one(&db.mysql.c1)
        .await?;
    println!("{edit}");
    db.close().await?;
    Ok(())
}
