//! One connection, SQLite in memory: no server, no file.
//!
//! ```text
//! cargo run --example quickstart --features sqlite
//! ```

#![expect(clippy::print_stdout, reason = "a program for people")]

use dbreg::{DbRegistry, sqlx};

// An application has its connections in `databases.toml`; the text stands here so that the example is one file.
#[derive(DbRegistry)]
#[registry(toml = r#"
[sqlite.notes]
path = ":memory:"
"#)]
struct App;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = App::connect().await?;
    println!("{}", db.report());

    // The handle is an executor of sqlx.
    let notes = &db.sqlite.notes;
    sqlx::query("create table note (id integer primary key, text text not null)")
        .execute(notes)
        .await?;
    for text in ["buy tea", "water the plants"] {
        sqlx::query("insert into note (text) values (?)")
            .bind(text)
            .execute(notes)
            .await?;
    }
    let rows: Vec<(i64, String)> = sqlx::query_as("select id, text from note order by id")
        .fetch_all(notes)
        .await?;
    for (id, text) in rows {
        println!("note {id}: {text}");
    }

    // `process` puts a deadline over a whole operation, and records its error.
    let count = notes
        .process(async |pool| {
            let count: i64 = sqlx::query_scalar("select count(*) from note")
                .fetch_one(&pool)
                .await?;
            Ok(count)
        })
        .await?;
    println!("{count} notes");

    let refused = notes
        .process(async |pool| Ok(sqlx::query("select * from nowhere").execute(&pool).await?))
        .await;
    if let Err(error) = refused {
        println!("as expected: {error}");
    }
    let errors = notes.errors();
    println!("errors so far: {}", errors.total);
    for error in &errors.latest {
        println!("  {} during {}: {}", error.kind, error.operation, error.message);
    }

    db.close().await?;
    println!("closed: {}", notes.status().state);
    Ok(())
}
