//! How a program gets at a driver: the field of dbreg, a plain struct's field, a map of `Any`, a name looked up at run
//! time. In nanoseconds, in instructions (callgrind) and in allocations.
//!
//! `cargo bench -p registry-bench --bench lookup`. No server is needed: the connections are lazy. Instructions need
//! `valgrind`.

#![expect(clippy::print_stdout, reason = "a program for people")]

mod callgrind;

use dbreg::sqlx::MySqlPool;
use dbreg::{AnyConnection, DbRegistry};
use registry_bench::{Case, Contest, Goal, Outcome, Row};
use std::any::Any;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BENCH: &str = "lookup";
const NANOSECONDS: (&str, Duration) = ("ns", Duration::from_nanos(1));
const CALLS: u32 = 20_000;
const ROUNDS: usize = 101;

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
host = "127.0.0.1"
start = "lazy"

[mysql.reports]
host = "127.0.0.1"
start = "lazy"

[mongodb.logs]
host = "127.0.0.1"
db = "bench"
start = "lazy"

[memcached.cache]
host = "127.0.0.1"
start = "lazy"
"#)]
struct App;

/// What one writes without dbreg.
struct Plain {
    main: MySqlPool,
}

/// What frameworks keep.
type Map = HashMap<String, Arc<dyn Any + Send + Sync>>;

/// Everything that a pool is got from.
struct Places {
    registry: Arc<AppRegistry>,
    plain: Arc<Plain>,
    map: Arc<Map>,
}

// Each is a function of its own, so that callgrind can tell them apart.

#[inline(never)]
fn by_dbreg(db: &Arc<AppRegistry>) -> MySqlPool {
    db.mysql.main.instance()
}

#[inline(never)]
fn by_plain_field(plain: &Arc<Plain>) -> MySqlPool {
    plain.main.clone()
}

#[inline(never)]
fn by_map(map: &Arc<Map>) -> Option<MySqlPool> {
    map.get("mysql.main")?.downcast_ref::<MySqlPool>().cloned()
}

#[inline(never)]
fn by_name(db: &Arc<AppRegistry>) -> Option<AnyConnection> {
    db.backend("mysql").ok()?.get("main").ok()
}

impl Places {
    async fn new() -> Self {
        let registry = App::connect().await.expect("lazy connections need no server");
        let pool = registry.mysql.main.instance();
        let mut map = Map::new();
        for name in ["mysql.main", "mysql.reports", "mongodb.logs", "memcached.cache"] {
            map.insert(name.to_owned(), Arc::new(pool.clone()));
        }
        Self {
            registry: Arc::new(registry),
            plain: Arc::new(Plain { main: pool }),
            map: Arc::new(map),
        }
    }

    /// Calls one of the functions so often.
    fn call(&self, function: &str, times: u32) {
        for _ in 0..times {
            match function {
                "by_dbreg" => drop(black_box(by_dbreg(black_box(&self.registry)))),
                "by_plain_field" => drop(black_box(by_plain_field(black_box(&self.plain)))),
                "by_map" => drop(black_box(by_map(black_box(&self.map)))),
                _ => drop(black_box(by_name(black_box(&self.registry)))),
            }
        }
    }
}

const FUNCTIONS: [(&str, &str); 4] = [
    ("by_dbreg", "db.mysql.main.instance()"),
    ("by_plain_field", "a plain struct's field, cloned"),
    ("by_map", "HashMap<String, Arc<dyn Any>>"),
    ("by_name", "db.backend(\"mysql\")?.get(\"main\")?"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let places = Places::new().await;
    if let Some(function) = callgrind::counted() {
        places.call(&function, callgrind::CALLS);
        return;
    }
    let mut outcome = Outcome::default();
    let names = FUNCTIONS.map(|(_, name)| name);

    let mut contest = Contest::new("a driver's object, or a connection by its name", &names);
    for round in 0..=ROUNDS {
        for turn in 0..FUNCTIONS.len() {
            let index = (turn + round) % FUNCTIONS.len();
            let began = Instant::now();
            places.call(FUNCTIONS[index].0, CALLS);
            if round > 0 {
                contest.took(index, began.elapsed());
            }
        }
    }
    let case = contest.case(f64::from(CALLS), NANOSECONDS);
    contest.print(&case);
    let found = case.row(names[3]).median;
    outcome
        .goals
        .push(Goal::number(BENCH, "dynamic lookup", 20.0, found, " ns"));
    outcome.cases.push(case);

    let allocations = |function| allocation_counter::measure(|| places.call(function, 1)).count_total as f64;
    let found = allocations("by_name");
    outcome.goals.push(Goal::number(
        BENCH,
        "allocations of a dynamic lookup",
        0.0,
        found,
        "",
    ));
    let found = allocations("by_dbreg");
    outcome
        .goals
        .push(Goal::number(BENCH, "allocations of `instance()`", 0.0, found, ""));

    match FUNCTIONS.map(|(function, _)| callgrind::instructions(function)) {
        [Some(ours), Some(field), Some(map), Some(name)] => {
            let counts = [ours, field, map, name];
            let rows = names.iter().zip(counts).map(|(name, count)| Row {
                name: (*name).to_owned(),
                median: count,
                ..Row::default()
            });
            let case = Case {
                title: "instructions of one call".to_owned(),
                unit: "instructions".to_owned(),
                rows: rows.collect(),
            };
            for row in &case.rows {
                println!("  {:<44} {:>10.0} instructions", row.name, row.median);
            }
            let more = (ours - field).max(0.0);
            let what = "instructions of `instance()` beyond those of the field";
            outcome.goals.push(Goal::number(BENCH, what, 0.0, more, ""));
            outcome.cases.push(case);
        }
        _ => println!("no instructions were counted: `valgrind` is not here; apt-get install -y valgrind"),
    }
    outcome.print_goals();
    outcome.save(BENCH).expect("cargo's folder can be written to");
}
