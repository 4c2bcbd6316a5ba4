//! The main job of dbreg: orders in MySQL, a log of events in MongoDB, a cache in memcached, parcels in PostgreSQL, a
//! catalogue in SQLite; each model on its connection.
//!
//! ```text
//! cargo demo                                # on throw-away servers
//! cargo demo --fleet                        # on three memcached hosts and a MySQL that replicates
//! cargo test --example shop --all-features  # the tests of it, in `tests.rs`
//! ```
//!
//! On servers of your own, where `DBREG_…` variables or a file that `DBREG_CONFIG` names lead it:
//!
//! ```text
//! dbreg build                               # creates, migrates and fills, as migrations/ and fixtures/ say
//! cargo run --example shop --features mysql,mongodb,memcached,postgres,sqlite,sea-orm -- \
//!     examples/shop/sample.jsonl
//! ```
//!
//! It creates no table itself. A service that is to bring its tables along says `App::builder().migrate(true)` at its start.
//!
//! Exit status: 0 done, 1 an operation failed, 2 the input is wrong, 69 or 78 the databases are not to be had.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod cache;
mod catalogue;
mod events;
mod input;
mod model;
mod orders;
#[cfg(all(test, feature = "test"))]
mod tests;
mod warehouse;

use cache::Source;
use dbreg::{DbRegistry, Error, WriteToken, sqlx};
use model::Parcel;
use std::path::PathBuf;
use std::process::ExitCode;

/// Reads `databases.toml` beside `Cargo.toml`, and generates `AppRegistry`.
#[derive(DbRegistry)]
struct App;

/// Of the input, as that of other command lines.
const EXIT_USAGE: u8 = 2;

/// How many of the earlier orders are shown.
const EARLIER: u64 = 3;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(path), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        eprintln!("shop: expected one file of orders; write `shop examples/shop/sample.jsonl`");
        return ExitCode::from(EXIT_USAGE);
    };
    let orders = match input::read(&path) {
        Ok(orders) => orders,
        Err(mistakes) => {
            for mistake in mistakes {
                eprintln!("{mistake}");
            }
            return ExitCode::from(EXIT_USAGE);
        }
    };

    let db = App::connect_or_exit().await;
    println!("{}", db.report());
    let worked = work(&db, &orders).await;
    let closed = db.close().await;
    if let Err(error) = worked.and(closed) {
        eprintln!("shop: {error:?}");
        return ExitCode::FAILURE;
    }
    println!("closed every connection");
    ExitCode::SUCCESS
}

async fn work(db: &AppRegistry, orders: &[input::Order]) -> Result<(), Error> {
    // What fixtures or an earlier run left. On databases that nobody prepared this says what does.
    let written = db.mysql.main.write_token().await?;
    for number in orders::latest(db, EARLIER).await? {
        show(db, number, &written).await?;
        if let Some(parcel) = warehouse::parcel(db, number).await? {
            print_parcel(&parcel);
        }
    }
    for order in orders {
        let number = orders::place(db, order).await?;
        cache::forget(db, number).await;
        let written = db.mysql.main.write_token().await?;
        events::write(db, "placed", number).await?;
        println!(
            "order {number}: placed in one transaction, lines: {}",
            order.lines.len()
        );

        // The first look goes to MySQL, a replica if there is one, and the second is answered by memcached.
        for _ in 0..2 {
            show(db, number, &written).await?;
        }
        events::write(db, "shown", number).await?;
        print_parcel(&warehouse::pack(db, number, order).await?);
        events::write(db, "packed", number).await?;
        let happened = events::of_order(db, number).await?;
        println!("order {number}: {} in the log of MongoDB", happened.join(", "));
    }
    look_up(db).await?;
    fail(db).await
}

/// Says what an order is, and where that is from.
async fn show(db: &AppRegistry, number: i64, written: &WriteToken) -> Result<(), Error> {
    let (summary, source) = cache::summary(db, number, written).await?;
    let source = match source {
        Source::Cache => format!("from memcached at {}", cache::host(db, number)?),
        Source::Database => "from MySQL".to_owned(),
    };
    let (euros, cents) = (summary.cents / 100, summary.cents % 100);
    println!(
        "order {number}: {}, {} articles, {euros}.{cents:02}; {source}",
        summary.customer, summary.articles
    );
    Ok(())
}

fn print_parcel(parcel: &Parcel) {
    let weight = match parcel.grams {
        Some(grams) => format!("{grams} g"),
        None => "of a weight that the catalogue does not know".to_owned(),
    };
    let (number, articles) = (parcel.order_number, parcel.articles);
    println!("order {number}: a parcel with {articles} articles, {weight}");
}

/// The dynamic side, for tools that do not know the names while they are compiled.
async fn look_up(db: &AppRegistry) -> Result<(), Error> {
    let main = db.backend("mysql")?.get("main")?;
    main.ping().await?;
    println!("{}.{} found by name, and it answers", main.backend(), main.name());
    for connection in db.connections() {
        let status = connection.status();
        println!(
            "  {}.{}: {}, {} calls, {} errors",
            connection.backend(),
            connection.name(),
            status.state,
            status.calls,
            status.errors
        );
    }
    // Of a fleet: who is read from, and whether a replica keeps up.
    let mysql = ("mysql.main", db.mysql.main.hosts()?);
    let postgres = ("postgres.warehouse", db.postgres.warehouse.hosts()?);
    for (name, hosts) in [mysql, postgres] {
        for host in hosts {
            let sessions = host.sessions.map_or(0, |sessions| sessions.open);
            let (address, role, state) = (&host.address, host.role, host.state);
            println!("  {name} at {address}: {role}, {state}, {sessions} sessions");
        }
    }
    Ok(())
}

/// A harmless mistake, to show what a connection keeps of it.
async fn fail(db: &AppRegistry) -> Result<(), Error> {
    let mysql = &db.mysql.main;
    let refused = mysql
        .process(async |pool| Ok(sqlx::query("select * from no_such_table").execute(&pool).await?))
        .await;
    if refused.is_ok() {
        println!("a table that should not be there is there");
    }
    let errors = mysql.errors();
    println!("errors of mysql.main: {}", errors.total);
    for error in errors.latest {
        println!("  {} during {}: {}", error.kind, error.operation, error.message);
    }
    Ok(())
}
