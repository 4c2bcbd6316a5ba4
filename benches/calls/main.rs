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
use registry_bench::{Batch, Contest, Goal, Outcome};
use registry_dev::{Mode, Proxy};
use std::time::Duration;

const BENCH: &str = "calls";
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

async fn find(on: &Collection<Document>) {
    let found = on.find_one(doc! { "_id": 1 }).await.expect("the server answers");
    assert!(found.is_some());
}

async fn process_fetch(on: &MySql) {
    let one = on.process(async |pool| Ok(sqlx::query_scalar("select 1").fetch_one(&pool).await?));
    let one: i64 = one.await.expect("the server answers");
    assert_eq!(one, 1);
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

#[tokio::main]
async fn main() {
    let mysql = registry_dev::mysql().await.expect("MySQL starts");
    let mongodb = registry_dev::mongodb().await.expect("MongoDB starts");
    let proxy = Proxy::to(mysql.address()).await.expect("a proxy starts");
    let port = mysql.address().port();
    let builder = App::builder()
        .variable("DBREG_MYSQL__MAIN__PORT", port)
        .variable("DBREG_MONGODB__LOGS__PORT", mongodb.address().port());
    let db = builder.connect().await.expect("dbreg connects");
    let mut outcome = Outcome::default();

    let handle = db.mysql.main.clone();
    let pool = bare(port).await;
    for (what, entrants) in [
        (
            "select 1, fetch_one",
            [
                ("through the handle", batch!(handle, fetch(handle).await)),
                ("through process", batch!(handle, process_fetch(handle).await)),
                ("the bare pool", batch!(pool, fetch(pool).await)),
            ],
        ),
        (
            "select 1, execute",
            [
                ("through the handle", batch!(handle, execute(handle).await)),
                ("through process", batch!(handle, process_fetch(handle).await)),
                ("the bare pool", batch!(pool, execute(pool).await)),
            ],
        ),
    ] {
        let contest = Contest::race(what, 300, 50, &entrants).await;
        let case = contest.case(50.0, MICROSECONDS);
        contest.print(&case);
        for through in ["through the handle", "through process"] {
            // The handle by `execute` is another path than by `fetch_one`; `process` is the same in both.
            if through == "through process" && what.ends_with("execute") {
                continue;
            }
            let goal = format!("{what}, {through}, against the bare pool");
            let ratio = case.ratio(through, "the bare pool");
            outcome.goals.push(Goal::at_most(BENCH, goal, 1.02, ratio));
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
    let entrants = [
        ("through the handle", through),
        ("through process", batch!(logs, process_find(logs).await)),
        ("the bare driver", batch!(things, find(things).await)),
    ];
    let contest = Contest::race("find_one", 200, 20, &entrants).await;
    let case = contest.case(20.0, MICROSECONDS);
    contest.print(&case);
    for through in ["through the handle", "through process"] {
        let goal = format!("find_one, {through}, against the bare driver");
        let ratio = case.ratio(through, "the bare driver");
        outcome.goals.push(Goal::at_most(BENCH, goal, 1.02, ratio));
    }
    outcome.cases.push(case);

    proxy
        .set(Mode::Latency(Duration::from_millis(3)))
        .await
        .expect("the proxy obeys");
    let builder = App::builder()
        .variable("DBREG_MYSQL__MAIN__PORT", proxy.port())
        .variable("DBREG_MONGODB__LOGS__PORT", mongodb.address().port());
    let slow = builder.connect().await.expect("dbreg connects");
    let handle = slow.mysql.main.clone();
    let pool = MySqlPool::connect_with(options(proxy.port()))
        .await
        .expect("the server is there");
    let entrants = [
        ("through the handle", batch!(handle, fetch(handle).await)),
        ("a pool of sqlx's defaults", batch!(pool, fetch(pool).await)),
    ];
    let contest = Contest::race("select 1 at a round trip of 6 ms", 9, 10, &entrants).await;
    let case = contest.case(10.0, MICROSECONDS);
    contest.print(&case);
    let what = "select 1 at a round trip of 6 ms, faster than a pool of sqlx's defaults";
    let ratio = case.ratio("a pool of sqlx's defaults", "through the handle");
    outcome.goals.push(Goal::at_least(BENCH, what, 1.8, ratio));
    outcome.cases.push(case);

    println!();
    outcome.print_goals();
    outcome.save(BENCH).expect("cargo's folder can be written to");
    slow.close().await.expect("nothing is at work");
    db.close().await.expect("nothing is at work");
}
