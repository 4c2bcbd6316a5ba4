//! The time of a start: dbreg, the same written by hand with all at once, and one after the other.
//!
//! `cargo bench -p registry-bench --bench startup`. Each connection is a MySQL behind a proxy that delays every message.
//! By hand means: a pool with its first session per connection, and one command through it. dbreg proves a connection
//! by a session without variables of its own, which saves a round trip, and leaves `pool.min` sessions open, by default
//! none: the first query by hand finds a session, the first through dbreg opens one.

#![expect(clippy::print_stdout, reason = "a program for people")]

use dbreg::DbRegistry;
use dbreg::sqlx;
use dbreg::sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlSslMode};
use futures_util::future::join_all;
use registry_bench::{Contest, Goal, Outcome};
use registry_dev::{Mode, Proxy};
use std::time::{Duration, Instant};

const BENCH: &str = "startup";
const MILLISECONDS: (&str, Duration) = ("ms", Duration::from_millis(1));

#[derive(DbRegistry)]
#[registry(path = "startup/one.toml")]
struct One;

#[derive(DbRegistry)]
#[registry(path = "startup/eight.toml")]
struct Eight;

#[derive(DbRegistry)]
#[registry(path = "startup/sixty_four.toml")]
struct SixtyFour;

/// The time of a start of dbreg with every connection led to the port.
macro_rules! start {
    ($app:ident, $count:literal, $port:expr) => {{
        let builder = (1..=$count).fold($app::builder(), |builder, name| {
            builder.variable(format!("DBREG_MYSQL__C{name}__PORT"), $port)
        });
        let began = Instant::now();
        let db = builder.connect().await.expect("dbreg connects");
        let took = began.elapsed();
        db.close().await.expect("nothing is at work");
        took
    }};
}

/// What a careful application writes without dbreg, per connection: a pool, and proof by a command.
async fn pool(port: u16) -> MySqlPool {
    let options = MySqlConnectOptions::new()
        .host("127.0.0.1")
        .port(port)
        .username("root")
        .ssl_mode(MySqlSslMode::Disabled);
    let options = MySqlPoolOptions::new()
        .test_before_acquire(false)
        .connect_with(options);
    let pool = options.await.expect("the server is there");
    let proof = sqlx::raw_sql("select 1").execute(&pool).await;
    proof.expect("the server answers");
    pool
}

async fn close(pools: Vec<MySqlPool>) {
    for pool in pools {
        pool.close().await;
    }
}

async fn at_once(count: usize, port: u16) -> Duration {
    let began = Instant::now();
    let pools = join_all((0..count).map(|_| pool(port))).await;
    let took = began.elapsed();
    close(pools).await;
    took
}

async fn in_turn(count: usize, port: u16) -> Duration {
    let began = Instant::now();
    let mut pools = Vec::new();
    for _ in 0..count {
        pools.push(pool(port).await);
    }
    let took = began.elapsed();
    close(pools).await;
    took
}

#[tokio::main]
async fn main() {
    let server = registry_dev::mysql().await.expect("MySQL starts");
    let proxy = Proxy::to(server.address()).await.expect("a proxy starts");
    let port = proxy.port();
    let mut outcome = Outcome::default();
    for (each_way, rounds) in [(0, 21), (50, 5)] {
        let mode = match each_way {
            0 => Mode::Pass,
            ms => Mode::Latency(Duration::from_millis(ms)),
        };
        proxy.set(mode).await.expect("the proxy obeys");
        let mut medians = Vec::new();
        for count in [1, 8, 64] {
            let plural = if count == 1 { "" } else { "s" };
            let title = format!("start of {count} connection{plural}, {each_way} ms each way");
            let mut contest = Contest::new(&title, &["dbreg", "by hand, all at once", "by hand, in turn"]);
            for round in 0..rounds {
                let ours = match count {
                    1 => start!(One, 1, port),
                    8 => start!(Eight, 8, port),
                    _ => start!(SixtyFour, 64, port),
                };
                contest.took(0, ours);
                contest.took(1, at_once(count, port).await);
                // In turn, 64 behind a slow network take half a minute: once is enough.
                if count * each_way as usize <= 400 || round == 0 {
                    contest.took(2, in_turn(count, port).await);
                }
            }
            let case = contest.case(1.0, MILLISECONDS);
            contest.print(&case);
            let ratio = contest.ratio(0, 1);
            let what = format!("{title}, against `join_all` by hand");
            outcome.goals.push(Goal::at_most(BENCH, what, 1.05, ratio));
            medians.push(contest.median(0).as_secs_f64());
            outcome.cases.push(case);
        }
        println!(
            "dbreg: 8 connections in {:.2}, 64 in {:.2} of the time of one",
            medians[1] / medians[0],
            medians[2] / medians[0]
        );
        if each_way > 0 {
            let what = format!("start of 64 connections, {each_way} ms each way, against that of one");
            outcome
                .goals
                .push(Goal::at_most(BENCH, what, 1.25, medians[2] / medians[0]));
        }
    }
    outcome.print_goals();
    outcome.save(BENCH).expect("cargo's folder can be written to");
}
