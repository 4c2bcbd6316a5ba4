//! The run time of `#[dbreg::test]`: a place of its own for each test, on servers that the tests of a process share.
//!
//! 1. `place` finds out what each connection of the registry needs, and gives each a database of its own.
//! 2. `servers` starts what is missing of the servers, once for the process.
//! 3. Migrations and fixtures, where they are asked for; the registry is opened, and the test runs.
//! 4. The databases are dropped, or kept and told when the test failed.

mod place;
mod servers;

use place::Place;
use registry_core::{Builder, Root};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long a test that failed leaves its databases as they are, with the servers running: `DBREG_TEST_HOLD=10m`.
const HOLD: &str = "DBREG_TEST_HOLD";
/// `no`: what a test that failed leaves on the servers of the process goes with them.
const KEEP: &str = "DBREG_TEST_KEEP";
/// The longest that it waits.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// `configured`: as `#[dbreg::test(servers = "configured")]` on every test.
const SERVERS: &str = "DBREG_TEST_SERVERS";

/// What the attribute says.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// `shop::tests::pays`
    pub name: &'static str,
    /// The folder of the crate, with `migrations/` and `fixtures/`.
    pub root: &'static str,
    /// What is done to the databases before the test.
    pub prepare: Prepare,
    /// Whether it runs on the servers that the file names.
    pub configured: bool,
    /// The profile to lay over the base.
    pub profile: Option<&'static str>,
    /// Of a runtime with several threads, their number; 0 for as many as there are cores.
    pub threads: Option<usize>,
    /// Whether a panic is what the test wants.
    pub should_panic: bool,
}

/// What is done to the databases before a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepare {
    /// They are empty.
    Nothing,
    /// Migrations are applied.
    Migrate,
    /// Migrations are applied, and fixtures filled.
    Fill,
}

/// What a test may give back: `()`, or a `Result`.
pub trait Outcome {
    /// Whether the test failed.
    fn is_failure(&self) -> bool;
}

impl Outcome for () {
    fn is_failure(&self) -> bool {
        false
    }
}

impl<T, E> Outcome for Result<T, E> {
    fn is_failure(&self) -> bool {
        self.is_err()
    }
}

/// Runs a test with a registry of its own.
///
/// # Panics
/// When the test does, and when there is no registry for it: the panic is the failure that the harness shows.
pub fn run<R, T, F, Fut>(test: &Test, body: F) -> T
where
    R: Root,
    T: Outcome,
    F: FnOnce(R) -> Fut,
    Fut: Future<Output = T>,
{
    let runtime = runtime(test).expect("the system gives a runtime its threads");
    let test = Test {
        configured: test.configured || std::env::var(SERVERS).is_ok_and(|servers| servers == "configured"),
        ..*test
    };
    let begun = runtime.block_on(async {
        let place = Place::prepare::<R>(&test).await?;
        let db = connect::<R>(&test, &place).await;
        Ok::<_, String>((place, db))
    });
    let (mut place, db) = begun.unwrap_or_else(|words| panic!("{}: {words}", test.name));
    let db = match db {
        Ok(db) => db,
        Err(report) => {
            runtime.block_on(place.keep(&test));
            panic!("{}: {report}", test.name);
        }
    };
    // The registry is closed and its databases are dropped whatever became of the test.
    let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(body(db.clone()))));
    let failed = match &result {
        Ok(outcome) => outcome.is_failure() || test.should_panic,
        Err(_) => !test.should_panic,
    };
    if failed {
        runtime.block_on(place.keep(&test));
        hold(&runtime);
    }
    runtime.block_on(async {
        // What is still at work has had its time: it ends with its database.
        let _ = db.registry().close().await;
        if !failed {
            place.remove::<R>(&test).await;
        }
    });
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

fn runtime(test: &Test) -> std::io::Result<Runtime> {
    let mut builder = match test.threads {
        None => tokio::runtime::Builder::new_current_thread(),
        Some(threads) => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            if threads > 0 {
                builder.worker_threads(threads);
            }
            builder
        }
    };
    builder.enable_all().build()
}

async fn connect<R: Root>(test: &Test, place: &Place) -> Result<R, String> {
    let mut builder = Builder::<R>::new();
    for (name, value) in place.variables() {
        builder = builder.variable(name, value);
    }
    if let Some(profile) = test.profile {
        builder = builder.profile(profile);
    }
    builder.connect().await.map_err(|error| error.to_string())
}

/// Waits, so that somebody can look at what the test left.
fn hold(runtime: &Runtime) {
    let Ok(text) = std::env::var(HOLD) else { return };
    let Some(time) = registry_config::parse_duration(&text) else {
        panic!("`{HOLD}` expects a length of time such as `10m`, found `{text}`");
    };
    // Made within the runtime: a pause belongs to one.
    runtime.block_on(async { tokio::time::sleep(time.min(LONGEST)).await });
}
