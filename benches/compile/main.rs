//! What dbreg costs the compiler: an application through dbreg and the same by hand, a file of a thousand connections,
//! and the macro beside the crates that it is made of.
//!
//! `cargo bench -p registry-bench --bench compile -- now`, by hand: it takes a quarter of an hour, and without the word nothing is
//! built. What is built of ours is the last commit. In seconds of the processor, because those of the clock depend on what else the machine does.

#![expect(clippy::print_stdout, reason = "a program for people")]

mod scratch;

use registry_bench::{Contest, Goal, Outcome};
use scratch::{Scratch, Took, dependency, root};
use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

const BENCH: &str = "compile";
const SECONDS: (&str, Duration) = ("s", Duration::from_secs(1));
const ROUNDS: usize = 5;
// An even number, so that each begins as often as the other.
const CLEAN_ROUNDS: usize = 4;

fn main() {
    if !std::env::args().any(|word| word == "now") {
        println!(
            "this builds several applications, for a quarter of an hour; with `now` as an argument it does"
        );
        return;
    }
    let macros = format!("registry-macros = {{ {} }}", ours());
    let parts = ["proc-macro2", "quote", "syn", "toml"].map(dependency);
    let nothing = "fn main() {}\n";
    let macros = Scratch::new("macros", &[macros], nothing);
    let parts = Scratch::new("parts", &parts, nothing);
    let names = ["the macro and the file format", "syn, quote and toml alone"];
    let mut contest = Contest::new("clean build of the macro with what it is made of", &names);
    for (index, scratch) in [&macros, &parts].into_iter().enumerate() {
        contest.took(index, said(names[index], scratch.build()).processor);
    }
    goal(&contest, 2.0, "syn, quote and toml alone");

    let dbreg = |features: &str| format!("dbreg = {{ {}, features = [{features}] }}", ours());
    let tokio = dependency("tokio");

    let file = root().join("examples/serve/databases.toml");
    let file = fs::read_to_string(file).expect("a file with three connections");
    let all = r#""mysql", "mongodb", "memcached""#;
    let mut ours = Scratch::new(
        "by-dbreg",
        &[dbreg(all), tokio.clone()],
        include_str!("by_dbreg.rs"),
    );
    ours.file("databases.toml", &file);
    let sqlx = dependency("sqlx").replace(r#""macros""#, r#""macros", "mysql", "mysql-rsa""#);
    let drivers = [
        sqlx,
        dependency("mongodb"),
        dependency("memcache-async"),
        dependency("deadpool"),
        "tokio-util = { version = \"0.7\", features = [\"compat\"] }".to_owned(),
        tokio.clone(),
    ];
    let mut by_hand = Scratch::new("by-hand", &drivers, include_str!("by_hand.rs"));
    let names = ["dbreg", "by hand on the three drivers"];
    let mut clean = Contest::new("clean build of a small application", &names);
    let both = [&ours, &by_hand];
    for round in 0..CLEAN_ROUNDS {
        for turn in 0..both.len() {
            // Another one begins each time: whoever comes first reads the sources from the disk.
            let index = (turn + round) % both.len();
            both[index].clean();
            clean.took(index, said(names[index], both[index].build()).processor);
        }
    }
    goal(&clean, 1.10, "the same by hand");

    let mut rebuild = Contest::new("rebuild of it after an edit", &names);
    race(&mut rebuild, &mut [&mut ours, &mut by_hand]);
    goal(&rebuild, 1.10, "the same by hand");

    let many = |name: &str, connections: usize| {
        let scratch = Scratch::new(
            name,
            &[dbreg(r#""mysql""#), tokio.clone()],
            include_str!("many.rs"),
        );
        let mut file = String::from("[defaults.mysql]\nhost = \"127.0.0.1\"\nusername = \"shop\"\n");
        for number in 1..=connections {
            let _ = write!(file, "\n[mysql.c{number}]\ndb = \"shop{number}\"\n");
        }
        scratch.file("databases.toml", &file);
        scratch
    };
    let mut one = many("one", 1);
    let mut thousand = many("thousand", 1_000).beside(&one);
    one.build();
    thousand.build();
    let names = ["1,000 connections", "one connection"];
    let mut contest = Contest::new("rebuild with 1,000 connections in the file", &names);
    race(&mut contest, &mut [&mut thousand, &mut one]);
    goal(&contest, 3.0, "one");
}

/// Where our packages come from: the repository, at its last commit, as a user's do. From a path cargo would build them
/// incrementally, which is for those who edit them: in many more parts, in half as much time again.
fn ours() -> String {
    format!("git = \"file://{}\"", root().display())
}

/// Edits and builds each in turn.
fn race(contest: &mut Contest, packages: &mut [&mut Scratch]) {
    for _ in 0..ROUNDS {
        for (index, package) in packages.iter_mut().enumerate() {
            package.edit();
            contest.took(index, package.build().processor);
        }
    }
}

fn said(name: &str, took: Took) -> Took {
    let (processor, wall) = (took.processor.as_secs_f32(), took.wall.as_secs_f32());
    println!("{name}: {processor:.1} s of the processor in {wall:.1} s");
    took
}

/// Keeps what a contest came to, at once: the next one takes minutes.
fn goal(contest: &Contest, wanted: f64, against: &str) {
    let mut outcome = Outcome::default();
    let case = contest.case(1.0, SECONDS);
    contest.print(&case);
    let what = format!("{}, against {against}", case.title);
    outcome
        .goals
        .push(Goal::at_most(BENCH, what, wanted, contest.ratio(0, 1)));
    outcome.cases.push(case);
    outcome.print_goals();
    outcome.save(BENCH).expect("cargo's folder can be written to");
}
