//! Three hosts, one of which hangs or is dead: what the keys of the other two notice of it.
//!
//! The same load on the two all the time, and a lighter one on the third: its calls are not counted, and what is
//! measured is whether they are in the way. The rounds begin before the host is known to be gone: its first calls wait
//! for their deadline.

use crate::workload::{GetsOf, Workload};
use dbreg::{DbRegistry, Memcached};
use registry_bench::arena::{Tally, row};
use registry_bench::{Case, Entrant, Goal, Outcome};
use registry_dev::{MemcachedOptions, MemcachedServer};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_millis(1_500);
const ROUNDS: usize = 5;
/// Tasks that call for keys of the two hosts, and of the third.
const TASKS: (usize, usize) = (48, 16);
const ALL: &str = "all three there";

#[derive(DbRegistry)]
#[registry(toml = r#"
[memcached.cache]
connections = [{ host = "127.0.0.1", port = 1 }, { host = "127.0.0.1", port = 2 }, { host = "127.0.0.1", port = 3 }]
"#)]
struct App;

/// What happens to the third host for a round.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Lives,
    Hangs,
    Dies,
}

pub(crate) async fn measure(bench: &str) -> Outcome {
    let mut servers = Vec::new();
    for _ in 0..3 {
        let options = MemcachedOptions::default().arg("-t").arg("1");
        servers.push(
            registry_dev::memcached_with(options)
                .await
                .expect("memcached starts"),
        );
    }
    let hosts: Vec<String> = servers
        .iter()
        .map(|server| server.address().to_string())
        .collect();
    let builder = App::builder().variable("DBREG_MEMCACHED__CACHE__CONNECTIONS", hosts.join(","));
    let db = builder.connect().await.expect("dbreg connects");
    let cache = db.memcached.cache.clone();
    let load = Workload::new(100);
    let third = &servers[2];
    let is_third = {
        let (cache, third) = (cache.clone(), third.address().to_string());
        move |key: &str| cache.host_of(key).is_ok_and(|host| host.to_string() == third)
    };
    let entrant = |name, numbers, pause| {
        let cache = cache.clone();
        let gets = GetsOf {
            cache,
            load,
            numbers,
            pause,
        };
        Entrant::new(name, gets)
    };
    let others = entrant("others", load.numbers(|key| !is_third(key)), None);
    // A pause between the calls: a host that is missed at once is not to take the processor from the others.
    let pause = Some(Duration::from_millis(1));
    let thirds = entrant("third", load.numbers(&is_third), pause);

    let fates = [
        (Fate::Lives, ALL),
        (Fate::Hangs, "one hangs"),
        (Fate::Dies, "one is dead"),
    ];
    let mut tallies: [Vec<Tally>; 3] = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        for ((fate, _), tallies) in fates.iter().zip(&mut tallies) {
            await_host(&cache, load, &is_third).await;
            load.fill(&cache).await;
            set(third, *fate).await;
            let (tally, _) = tokio::join!(others.round(TASKS.0, WINDOW), thirds.round(TASKS.1, WINDOW));
            unset(third, *fate).await;
            if round > 0 {
                tallies.push(tally);
            }
        }
    }
    let rows = fates
        .iter()
        .zip(&tallies)
        .map(|((_, name), tallies)| row(name, tallies));
    let case = Case {
        title: "get 100 B of two hosts, while the third".to_owned(),
        unit: "ops/s".to_owned(),
        rows: rows.collect(),
    };
    case.print();
    let mut outcome = Outcome::default();
    let p99 = |name: &str| case.row(name).p99.unwrap_or(f64::NAN);
    for (_, name) in &fates[1..] {
        let what = format!("p99 of the other two of three hosts, {name}, against {ALL}");
        outcome
            .goals
            .push(Goal::at_most(bench, what, 2.0, p99(name) / p99(ALL)));
    }
    let wrong: u64 = case.rows.iter().map(|row| row.wrong + row.failed).sum();
    let what = "wrong values and failed calls of the other two hosts";
    outcome
        .goals
        .push(Goal::number(bench, what, 0.0, wrong as f64, ""));
    outcome.cases.push(case);
    db.close().await.expect("nothing is at work");
    outcome
}

async fn set(host: &MemcachedServer, fate: Fate) {
    match fate {
        Fate::Lives => {}
        Fate::Hangs => host.pause().await.expect("a server that runs can be paused"),
        Fate::Dies => host.kill().await.expect("a server that runs can be killed"),
    }
}

async fn unset(host: &MemcachedServer, fate: Fate) {
    match fate {
        Fate::Lives => {}
        Fate::Hangs => host.resume().await.expect("a paused server goes on"),
        Fate::Dies => host.start().await.expect("the server starts again"),
    }
}

/// Waits until the third host is back in use.
async fn await_host(cache: &Memcached, load: &Workload, is_third: &impl Fn(&str) -> bool) {
    let (key, value) = load.find(is_third);
    let limit = Instant::now() + Duration::from_secs(30);
    while cache.set(key, value, None::<Duration>).await.is_err() {
        assert!(Instant::now() < limit, "the third host does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
