//! memcached: dbreg beside every client of its protocol, in one run.
//!
//! `cargo bench -p registry-bench --bench memcached`, with `get`, `set`, `placed`, `large`, `multi`, `cancelled` or `fleet`
//! after `--` for a part of it (`get 1 64`: with so many tasks only), and `profile` for one client alone under a profiler. The
//! server is memcached with two threads, on the same cores as the clients. The baseline is memcache-async behind a
//! deadpool of 8 connections with TCP_NODELAY; each peer has 8 connections, and dbreg what its defaults give. Every
//! value holds its key, and every answer is looked at.

#![expect(clippy::print_stdout, reason = "a program for people")]

mod fleet;
mod native;
mod peers;
mod workload;

use dbreg::{DbRegistry, Memcached};
use native::Native;
use peers::{AsyncMemcached, Cache, MemcacheAsyncFace, MemcacheBlocking, Pooled};
use registry_bench::{Arena, Case, Entrant, Goal, Outcome, cores};
use registry_dev::{MemcachedOptions, MemcachedServer};
use std::time::Duration;
use workload::{Gets, Multis, Sets, SetsWithoutReply, Workload};

const BENCH: &str = "memcached";
const OURS: &str = "dbreg";
const BASELINE: &str = "memcache-async, deadpool of 8";
/// It does not know whether anything was stored, and so is no rival.
const NOREPLY: &str = "the same, noreply";
const SHOPIFY: &str = "async-memcached, deadpool of 8";
const ASYNC_FACE: &str = "memcache, async face";
const BLOCKING: &str = "memcache in spawn_blocking";

const ARENA: Arena = Arena {
    window: Duration::from_millis(200),
    // Two rounds of one client at 64 tasks differ by a tenth.
    rounds: 15,
};

/// For a task or a few: where the system puts them and the server's threads makes more difference than the client does,
/// and it changes from round to round.
const FEW: Arena = Arena {
    window: Duration::from_millis(20),
    rounds: 101,
};

#[derive(DbRegistry)]
#[registry(toml = "[memcached.cache]\nhost = \"127.0.0.1\"\ntimeout = \"10s\"")]
struct App;

/// Everyone who takes part.
struct Clients {
    port: u16,
    ours: Memcached,
    pooled: Pooled,
    async_memcached: AsyncMemcached,
    async_face: MemcacheAsyncFace,
    blocking: MemcacheBlocking,
    native: Option<Native>,
}

impl Clients {
    async fn of(server: &MemcachedServer, db: &AppRegistry, native: Option<Native>) -> Self {
        let port = server.address().port();
        Self {
            port,
            ours: db.memcached.cache.clone(),
            pooled: Pooled::guarded(port),
            async_memcached: AsyncMemcached::new(port),
            async_face: MemcacheAsyncFace::new(port).await,
            blocking: MemcacheBlocking::new(port),
            native,
        }
    }

    fn gets(&self, load: &'static Workload) -> Vec<Entrant> {
        let mut all = vec![
            gets(OURS, &self.ours, load, 0),
            gets(BASELINE, &self.pooled, load, 0),
            gets(SHOPIFY, &self.async_memcached, load, 0),
            gets(ASYNC_FACE, &self.async_face, load, 0),
            gets(BLOCKING, &self.blocking, load, 0),
        ];
        all.extend(
            self.native
                .iter()
                .map(|native| native.entrant(self.port, "get", load)),
        );
        all
    }

    fn sets(&self, load: &'static Workload) -> Vec<Entrant> {
        let mut all = vec![
            sets(OURS, &self.ours, load),
            sets(BASELINE, &self.pooled, load),
            Entrant::new(
                NOREPLY,
                SetsWithoutReply {
                    cache: self.pooled.clone(),
                    load,
                },
            ),
            sets(SHOPIFY, &self.async_memcached, load),
            sets(ASYNC_FACE, &self.async_face, load),
            sets(BLOCKING, &self.blocking, load),
        ];
        all.extend(
            self.native
                .iter()
                .map(|native| native.entrant(self.port, "set", load)),
        );
        all
    }

    fn multis(&self, load: &'static Workload) -> Vec<Entrant> {
        let mut all = vec![
            multis(OURS, &self.ours, load),
            multis(BASELINE, &self.pooled, load),
            multis(SHOPIFY, &self.async_memcached, load),
            multis(ASYNC_FACE, &self.async_face, load),
            multis(BLOCKING, &self.blocking, load),
        ];
        all.extend(
            self.native
                .iter()
                .map(|native| native.entrant(self.port, "multi", load)),
        );
        all
    }

    fn cancelled(&self, load: &'static Workload, per_thousand: u64) -> Vec<Entrant> {
        // A pool of its own each time: what a wrong answer leaves behind is not for the next contest.
        let naive = Pooled::naive(self.port);
        let guarded = "memcache-async, deadpool with a guard";
        vec![
            gets(OURS, &self.ours, load, per_thousand),
            // For the figure without cancellation, in the same run.
            gets("dbreg, none cancelled", &self.ours, load, 0),
            gets("memcache-async, deadpool as it is", &naive, load, per_thousand),
            gets(guarded, &self.pooled, load, per_thousand),
            gets(SHOPIFY, &self.async_memcached, load, per_thousand),
            gets(ASYNC_FACE, &self.async_face, load, per_thousand),
        ]
    }
}

fn gets(name: &str, cache: &impl Cache, load: &'static Workload, cancelled: u64) -> Entrant {
    let cache = cache.clone();
    Entrant::new(
        name,
        Gets {
            cache,
            load,
            cancelled,
        },
    )
}

fn sets(name: &str, cache: &impl Cache, load: &'static Workload) -> Entrant {
    let cache = cache.clone();
    Entrant::new(name, Sets { cache, load })
}

fn multis(name: &str, cache: &impl Cache, load: &'static Workload) -> Entrant {
    let cache = cache.clone();
    Entrant::new(name, Multis { cache, load })
}

#[tokio::main]
async fn main() {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let wanted = |part: &str| words.is_empty() || words.iter().any(|word| word == part);

    // `get 64` is one row of that table.
    let numbers: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();

    let native = Native::compile();
    if let Err(words) = &native {
        println!("{words}");
    }
    let native = native.ok();
    let (server, db) = serve().await;
    let clients = Clients::of(&server, &db, native.clone()).await;
    let (small, large) = (Workload::new(100), Workload::new(10 * 1024));
    small.fill(&clients.ours).await;
    large.fill(&clients.ours).await;

    for (operation, entrants) in [("get", clients.gets(small)), ("set", clients.sets(small))] {
        if !wanted(operation) {
            continue;
        }
        let mut outcome = Outcome::default();
        for tasks in [1, 2, 4, 8, 16, 64, 512] {
            if !numbers.is_empty() && !numbers.contains(&tasks) {
                continue;
            }
            let arena = if tasks <= 4 { FEW } else { ARENA };
            let title = title(operation, "100 B", tasks);
            let case = arena.contest(title, tasks, &entrants).await;
            outcome.goals.extend(goals(operation, tasks, &case));
            outcome.cases.push(case);
        }
        finish(outcome);
    }
    if wanted("placed") {
        finish(placed(native, small).await);
    }
    if wanted("large") {
        let mut outcome = Outcome::default();
        for (operation, entrants) in [("get", clients.gets(large)), ("set", clients.sets(large))] {
            let case = ARENA.contest(title(operation, "10 KiB", 64), 64, &entrants).await;
            let what = format!("{operation} 10 KiB, 64 tasks, against the pool of 8");
            let goal = Goal::at_least(BENCH, what, 3.0, case.ratio(OURS, BASELINE));
            outcome.goals.extend([goal, nothing_wrong(&case)]);
            outcome.cases.push(case);
        }
        finish(outcome);
    }
    if wanted("multi") {
        let mut outcome = Outcome::default();
        let entrants = clients.multis(small);
        for tasks in [1, 8] {
            let title = title("get_multi of 64 keys of", "100 B", tasks);
            let case = ARENA.contest(title, tasks, &entrants).await;
            outcome.goals.push(nothing_wrong(&case));
            outcome.cases.push(case);
        }
        finish(outcome);
    }
    if wanted("cancelled") {
        let mut outcome = Outcome::default();
        for (per_thousand, words) in [(10, "1 %"), (100, "10 %")] {
            let title = format!("get 100 B, 64 tasks, {words} of the calls cancelled");
            let entrants = clients.cancelled(small, per_thousand);
            let case = ARENA.contest(title, 64, &entrants).await;
            if per_thousand == 10 {
                let what = "get 100 B, 64 tasks, 1 % of the calls cancelled, against none";
                let found = case.ratio(OURS, "dbreg, none cancelled");
                outcome.goals.push(Goal::at_least(BENCH, what, 0.9, found));
            }
            outcome.goals.push(nothing_wrong(&case));
            outcome.cases.push(case);
        }
        finish(outcome);
    }
    // Only by its name, for a profiler: one client alone, for a while. With a number of tasks, `pool` for the baseline,
    // and what it does.
    if words.iter().any(|word| word == "profile") {
        let has = |wanted: &str| words.iter().any(|word| word == wanted);
        let tasks = numbers.first().copied().unwrap_or(64);
        let (load, client) = (if has("10k") { large } else { small }, usize::from(has("pool")));
        let entrants = match () {
            () if has("sets") => clients.sets(load),
            () if has("multis") => clients.multis(load),
            () => clients.gets(load),
        };
        let tally = entrants[client].round(tasks, Duration::from_secs(5)).await;
        println!("{:.0} calls/s at {tasks} tasks, alone", tally.rate());
    }
    if wanted("fleet") {
        finish(fleet::measure(BENCH).await);
    }
    db.close().await.expect("nothing is at work");
}

/// A server, and dbreg's connection with it.
async fn serve() -> (MemcachedServer, AppRegistry) {
    let options = MemcachedOptions::default()
        .arg("-t")
        .arg("2")
        .arg("-m")
        .arg("256");
    let server = registry_dev::memcached_with(options)
        .await
        .expect("memcached starts");
    let port = server.address().port();
    let builder = App::builder().variable("DBREG_MEMCACHED__CACHE__PORT", port);
    let db = builder.connect().await.expect("dbreg connects");
    (server, db)
}

/// One task, with the clients on one core and a server of their own on the same, and on another. Where the system decides, a
/// call takes 20 microseconds in the one case and 50 in the other; that is decided anew in every round, and no merit of a
/// client.
async fn placed(native: Option<Native>, load: &'static Workload) -> Outcome {
    let mut outcome = Outcome::default();
    for (core, words) in [(0, "on one core"), (1, "on two cores, one each")] {
        // The server inherits the one core, and what the peers start the other.
        let Some(all) = cores::keep_to(core) else {
            println!("{words}: `taskset` of util-linux is needed, and two cores");
            continue;
        };
        let (server, db) = serve().await;
        cores::give_back(&all);
        cores::keep_to(0).expect("it worked a moment ago");
        let clients = Clients::of(&server, &db, native.clone()).await;
        load.fill(&clients.ours).await;
        for (operation, entrants) in [("get", clients.gets(load)), ("set", clients.sets(load))] {
            let title = format!("{}, {words}", title(operation, "100 B", 1));
            let case = FEW.contest(title, 1, &entrants).await;
            // Where both take turns on a core, a client that blocks its thread goes twice to the system, and one on a runtime
            // four times: there it is no rival of theirs.
            let goal = match core {
                0 => against_best(&case, 0.95, "the best peer in Rust", &[NOREPLY, native::NAME]),
                _ => against_best(&case, 0.95, "the best peer", &[NOREPLY]),
            };
            outcome.goals.extend([goal, nothing_wrong(&case)]);
            outcome.cases.push(case);
        }
        db.close().await.expect("nothing is at work");
        cores::give_back(&all);
    }
    outcome
}

fn title(operation: &str, size: &str, tasks: usize) -> String {
    let plural = if tasks == 1 { "" } else { "s" };
    format!("{operation} {size}, {tasks} task{plural}")
}

/// The ratio to the best of the others, without these.
fn against_best(case: &Case, wanted: f64, words: &str, without: &[&str]) -> Goal {
    let best = case.best_but(without);
    let what = format!("{}, against {words}", case.title);
    let mut goal = Goal::at_least(BENCH, what, wanted, case.ratio(OURS, &best.name));
    goal.found += &format!(" ({})", best.name);
    goal
}

/// What the contest of an operation with 100 B was to reach. One task is judged where it is [known](placed) which cores it
/// and the server are on.
fn goals(operation: &str, tasks: usize, case: &Case) -> Vec<Goal> {
    let (ours, title) = (case.row(OURS), &case.title);
    let against_pool = |wanted| {
        let what = format!("{title}, against the pool of 8");
        Goal::at_least(BENCH, what, wanted, case.ratio(OURS, BASELINE))
    };
    let mut goals = Vec::new();
    match tasks {
        16 if operation == "get" => goals.push(against_pool(2.0)),
        512 if operation == "get" => goals.push(against_pool(10.0)),
        64 => {
            let best = against_best(case, 1.0, "the best peer", &[NOREPLY]);
            goals.extend([against_pool(6.0), best]);
            if let (Some(ours), Some(pool)) = (ours.p99, case.row(BASELINE).p99) {
                let what = format!("p99 of {title}, against the pool of 8");
                goals.push(Goal::at_most(BENCH, what, 0.3, ours / pool));
            }
            if operation == "set" {
                let what = format!("{title}, acknowledged, against async-memcached");
                goals.push(Goal::at_least(BENCH, what, 4.0, case.ratio(OURS, SHOPIFY)));
            }
        }
        _ => {}
    }
    goals.push(nothing_wrong(case));
    goals
}

fn nothing_wrong(case: &Case) -> Goal {
    let row = case.row(OURS);
    let what = format!("wrong values and failed calls of {}", case.title);
    Goal::number(BENCH, what, 0.0, (row.wrong + row.failed) as f64, "")
}

fn finish(outcome: Outcome) {
    outcome.print_goals();
    outcome.save(BENCH).expect("cargo's folder can be written to");
}
