//! One call through dbreg beside the same call on the bare driver: `select 1` and `find_one`.
//!
//! `cargo bench -p registry-bench --bench calls`. The bare pool of sqlx has the options that dbreg gives to its own: no
//! ping before use, a statement cache of 1,024. Behind a slow network the other one is a pool as sqlx makes it, which
//! pings before and after each use.

#![expect(clippy::print_stdout, reason = "a program for people")]

use dbreg::mongodb::bson::{Document, doc};
use dbreg::mongodb::{Client, Collection};
use dbreg::sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlSslMode};
use dbreg::sqlx::{self, Executor};
use dbreg::{DbRegistry, MongoDb, MySql};
use registry_bench::{Batch, Contest, Goal, Outcome, cores};
use registry_dev::{Mode, Proxy};
use std::time::Duration;

const BENCH: &str = "calls";
/// How often everything is connected anew.
const BLOCKS: usize = 6;
const MICROSECONDS: (&str, Duration) = ("us", Duration::from_micros(1));

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
host = "127.0.0.1"
username = "root"

[mongodb.logs]
host = "127.0.0.1"
db = "bench"
"#)]
struct App;

/// Calls one after the other, each on a copy of what it is called on.
macro_rules! batch {
    ($on:ident, $call:expr) => {{
        let on = $on.clone();
        let batch: Batch = Box::new(move |calls| {
            let on = on.clone();
            Box::pin(async move {
                let $on = &on;
                for _ in 0..calls {
                    $call;
                }
            })
        });
        batch
    }};
}

/// `select 1`, prepared, its row.
async fn fetch<'e>(on: impl Executor<'e, Database = sqlx::MySql>) {
    let one: i64 = sqlx::query_scalar("select 1")
        .fetch_one(on)
        .await
        .expect("the server answers");
    assert_eq!(one, 1);
}

/// The same as a statement whose rows nobody wants.
async fn execute<'e>(on: impl Executor<'e, Database = sqlx::MySql>) {
    sqlx::query("select 1")
        .execute(on)
        .await
        .expect("the server answers");
}

/// A thousand rows, by the table that MariaDB counts in.
async fn rows<'e>(on: impl Executor<'e, Database = sqlx::MySql>) {
    let rows = sqlx::query("select seq from mysql.seq_1_to_1000").fetch_all(on);
    assert_eq!(rows.await.expect("the server answers").len(), 1_000);
}

async fn find(on: &Collection<Document>) {
    let found = on.find_one(doc! { "_id": 1 }).await.expect("the server answers");
    assert!(found.is_some());
}

async fn process_fetch(on: &MySql) {
    let one = on.process(async |pool| Ok(sqlx::query_scalar("select 1").fetch_one(&pool).await?));
    let one: i64 = one.await.expect("the server answers");
    assert_eq!(one, 1);
}

async fn process_execute(on: &MySql) {
    let done = on.process(async |pool| Ok(sqlx::query("select 1").execute(&pool).await?));
    done.await.expect("the server answers");
}

async fn process_rows(on: &MySql) {
    let rows = on.process(async |pool| {
        Ok(sqlx::query("select seq from mysql.seq_1_to_1000")
            .fetch_all(&pool)
            .await?)
    });
    assert_eq!(rows.await.expect("the server answers").len(), 1_000);
}

async fn process_find(on: &MongoDb) {
    let found = on.process(async |database| {
        let things = database.collection::<Document>("things");
        Ok(things.find_one(doc! { "_id": 1 }).await?)
    });
    assert!(found.await.expect("the server answers").is_some());
}

fn options(port: u16) -> MySqlConnectOptions {
    MySqlConnectOptions::new()
        .host("127.0.0.1")
        .port(port)
        .username("root")
        .ssl_mode(MySqlSslMode::Disabled)
}

/// The bare pool with the options of dbreg.
async fn bare(port: u16) -> MySqlPool {
    let options = options(port).statement_cache_capacity(1024);
    let pool = MySqlPoolOptions::new()
        .test_before_acquire(false)
        .connect_with(options);
    pool.await.expect("the server is there")
}

async fn connect(mysql: u16, mongodb: u16) -> AppRegistry {
    let builder = App::builder()
        .variable("DBREG_MYSQL__MAIN__PORT", mysql)
        .variable("DBREG_MONGODB__LOGS__PORT", mongodb);
    builder.connect().await.expect("dbreg connects")
}

#[tokio::main]
async fn main() {
    // A call takes 30 microseconds where client and server sit on one core, and 70 where they do not, which is luck and lasts
    // as long as the sessions. So all is on one; the runtime, the servers and their threads inherit it.
    if cores::keep_to(0).is_none() {
        println!("not on one core: `taskset` of util-linux is needed");
    }
    let mysql = registry_dev::mysql().await.expect("MySQL starts");
    let mongodb = registry_dev::mongodb().await.expect("MongoDB starts");
    let proxy = Proxy::to(mysql.address()).await.expect("a proxy starts");
    let port = mysql.address().port();
    let db = connect(port, mongodb.address().port()).await;
    let mut outcome = Outcome::default();

    // What many rows cost is shown, and has no goal.
    for (what, calls, wanted) in [
        ("select 1, fetch_one", 50, Some(1.02)),
        ("select 1, execute", 50, Some(1.02)),
        ("1,000 rows, fetch_all", 5, None),
    ] {
        let mut contest = Contest::new(what, &["through the handle", "through process", "the bare pool"]);
        // Sessions of their own in each block: which processor the server's thread of a session is on is luck, and lasts.
        for _ in 0..BLOCKS {
            let (fresh, pool) = (connect(port, mongodb.address().port()).await, bare(port).await);
            let handle = fresh.mysql.main.clone();
            let batches = match what {
                "select 1, fetch_one" => [
                    batch!(handle, fetch(handle).await),
                    batch!(handle, process_fetch(handle).await),
                    batch!(pool, fetch(pool).await),
                ],
                "select 1, execute" => [
                    batch!(handle, execute(handle).await),
                    batch!(handle, process_execute(handle).await),
                    batch!(pool, execute(pool).await),
                ],
                _ => [
                    batch!(handle, rows(handle).await),
                    batch!(handle, process_rows(handle).await),
                    batch!(pool, rows(pool).await),
                ],
            };
            contest.race(60, calls, &batches).await;
            pool.close().await;
            fresh.close().await.expect("nothing is at work");
        }
        let case = contest.case(calls as f64, MICROSECONDS);
        contest.print(&case);
        for (index, through) in ["through the handle", "through process"].iter().enumerate() {
            let goal = format!("{what}, {through}, against the bare pool");
            let found = contest.ratio(index, 2);
            let goal = wanted.map(|wanted| Goal::at_most(BENCH, goal, wanted, found));
            outcome.goals.extend(goal);
        }
        outcome.cases.push(case);
    }

    let client = Client::with_uri_str(format!("mongodb://{}", mongodb.address())).await;
    let client = client.expect("the address is one");
    let things = client.database("bench").collection::<Document>("things");
    things
        .insert_one(doc! { "_id": 1, "name": "one" })
        .await
        .expect("it is stored");
    let logs = db.mongodb.logs.clone();
    let through = batch!(logs, find(&logs.collection("things")).await);
    let mut contest = Contest::new(
        "find_one",
        &["through the handle", "through process", "the bare driver"],
    );
    let batches = [
        through,
        batch!(logs, process_find(logs).await),
        batch!(things, find(things).await),
    ];
    contest.race(300, 20, &batches).await;
    let case = contest.case(20.0, MICROSECONDS);
    contest.print(&case);
    for (index, through) in ["through the handle", "through process"].iter().enumerate() {
        let goal = format!("find_one, {through}, against the bare driver");
        outcome
            .goals
            .push(Goal::at_most(BENCH, goal, 1.02, contest.ratio(index, 2)));
    }
    outcome.cases.push(case);

    proxy
        .set(Mode::Latency(Duration::from_millis(3)))
        .await
        .expect("the proxy obeys");
    let slow = connect(proxy.port(), mongodb.address().port()).await;
    let handle = slow.mysql.main.clone();
    let pool = MySqlPool::connect_with(options(proxy.port()))
        .await
        .expect("the server is there");
    let names = ["through the handle", "a pool of sqlx's defaults"];
    let mut contest = Contest::new("select 1 at a round trip of 6 ms", &names);
    let batches = [
        batch!(handle, fetch(handle).await),
        batch!(pool, fetch(pool).await),
    ];
    contest.race(9, 10, &batches).await;
    let case = contest.case(10.0, MICROSECONDS);
    contest.print(&case);
    let what = "select 1 at a round trip of 6 ms, faster than a pool of sqlx's defaults";
    outcome
        .goals
        .push(Goal::at_least(BENCH, what, 1.8, contest.ratio(1, 0)));
    outcome.cases.push(case);

    println!();
    outcome.print_goals();
    outcome.save(BENCH).expect("cargo's folder can be written to");
    slow.close().await.expect("nothing is at work");
    db.close().await.expect("nothing is at work");
}
