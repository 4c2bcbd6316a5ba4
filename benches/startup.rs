//! The time of a start: dbreg, the same written by hand with all at once, and one after the other.
//!
//! `cargo bench --bench startup --features mysql`. Each connection is a MySQL behind a proxy that delays every message.
//! By hand means: a pool with its first session per connection, and one command through it. dbreg proves a connection
//! by a session without variables of its own, which saves a round trip, and leaves `pool.min` sessions open, by default
//! none: the first query by hand finds a session, the first through dbreg opens one.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for people, without result when its server is missing"
)]

mod support;

use dbreg::DbRegistry;
use dbreg::sqlx;
use dbreg::sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlSslMode};
use futures_util::future::join_all;
use registry_dev::{Mode, Proxy};
use std::time::{Duration, Instant};
use support::Contest;

/// A registry with these connections of MySQL, all to one host.
macro_rules! registry {
    ($app:ident, $tables:literal) => {
        #[derive(DbRegistry)]
        #[registry(toml = $tables)]
        struct $app;
    };
}
registry!(One, "[mysql.a]\nhost = \"127.0.0.1\"\nusername = \"root\"");
registry!(
    Eight,
    r#"
[defaults.mysql]
host = "127.0.0.1"
username = "root"
[mysql.a]
[mysql.b]
[mysql.c]
[mysql.d]
[mysql.e]
[mysql.f]
[mysql.g]
[mysql.h]
"#
);
registry!(
    Five,
    r#"
[defaults.mysql]
host = "127.0.0.1"
username = "root"
[mysql.a]
[mysql.b]
[mysql.c]
[mysql.d]
[mysql.e]
"#
);

/// The time of a start of dbreg with every connection led to the port.
macro_rules! start {
    ($app:ident, $port:expr, $names:literal) => {{
        let builder = $names.chars().fold($app::builder(), |builder, name| {
            builder.variable(format!("DBREG_MYSQL__{name}__PORT"), $port)
        });
        let began = Instant::now();
        let db = builder.connect().await.unwrap();
        let took = began.elapsed();
        db.close().await.unwrap();
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
    let pool = MySqlPoolOptions::new()
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .unwrap();
    sqlx::raw_sql("select 1").execute(&pool).await.unwrap();
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
    let server = registry_dev::mysql().await.unwrap();
    let proxy = Proxy::to(server.address()).await.unwrap();
    let port = proxy.port();
    for (each_way, rounds) in [(0, 21), (50, 5), (150, 3)] {
        proxy
            .set(match each_way {
                0 => Mode::Pass,
                ms => Mode::Latency(Duration::from_millis(ms)),
            })
            .await
            .unwrap();
        let mut medians = Vec::new();
        for count in [1, 5, 8] {
            let title = format!("{count} connections, round trip {} ms", 2 * each_way);
            let mut contest = Contest::new(title, &["dbreg", "by hand, all at once", "by hand, in turn"]);
            for _ in 0..rounds {
                let ours = match count {
                    1 => start!(One, port, "A"),
                    5 => start!(Five, port, "ABCDE"),
                    _ => start!(Eight, port, "ABCDEFGH"),
                };
                contest.took(0, ours);
                contest.took(1, at_once(count, port).await);
                contest.took(2, in_turn(count, port).await);
            }
            contest.print();
            medians.push(contest.median(0).as_secs_f64());
        }
        println!(
            "dbreg: 5 connections in {:.2}, 8 in {:.2} of the time of one",
            medians[1] / medians[0],
            medians[2] / medians[0]
        );
    }
}
