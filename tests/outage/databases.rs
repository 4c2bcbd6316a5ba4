//! MySQL goes away and comes back: under workers that run, and under workers that start.

use super::application::{Application, Servers, children, get, lives, send};
use super::{HEARTBEAT, until};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How soon nearly every request is answered while it is known that MySQL is away.
const FAST: Duration = Duration::from_millis(250);
/// A request that waits for a session, or for an attempt to get one, takes longer.
const WAITED: Duration = Duration::from_secs(5);
/// How soon running workers work again when it is back, in the median.
const WORKS_AGAIN: Duration = Duration::from_secs(1);
/// How soon new workers are there when it is back, in the median.
const STARTS_AGAIN: Duration = Duration::from_secs(2);
/// How soon it is on a machine that is busy with something else.
const AT_LAST: Duration = Duration::from_secs(10);

/// While MySQL is away: answers come at once, say so, and the rest of the service goes on.
fn fails_fast(application: &Application) {
    until("it is known that MySQL is away", || {
        let began = Instant::now();
        let (code, body) = application.get("/");
        let took = began.elapsed();
        assert!(took < WAITED, "an answer took {took:?}: {code} {body}");
        (code == 503 && body.contains("mysql.main")).then_some(())
    });
    until("both know, and say so", || {
        let (code, body) = application.get("/ready");
        (code == 503 && body.contains(r#""mysql.main":"degraded""#)).then_some(())
    });
    let mut times = [(); 100].map(|()| {
        let began = Instant::now();
        assert_eq!(application.get("/").0, 503);
        began.elapsed()
    });
    times.sort();
    assert!(times[89] < FAST && times[99] < WAITED, "{times:?}");
    assert_eq!(application.get("/live").0, 200);
}

fn comes_back(servers: &Servers, application: &Application, workers: &BTreeSet<u32>) -> Duration {
    servers.start_mysql();
    let took = application.works_again();
    assert!(took < AT_LAST, "{took:?}");
    assert_eq!(&application.workers(), workers, "nobody was started again");
    took
}

pub(crate) fn under_running_workers(servers: &Servers) {
    let application = Application::serving(servers);
    let workers = application.workers();
    servers.stop_mysql();
    fails_fast(&application);
    comes_back(servers, &application, &workers);
    application.end();
    servers.sessions_end();
}

pub(crate) fn killed(servers: &Servers) {
    let application = Application::serving(servers);
    let workers = application.workers();
    servers.runtime.block_on(servers.mysql.kill()).unwrap();
    fails_fast(&application);
    comes_back(servers, &application, &workers);
    application.end();
}

/// A server that is stopped accepts connections and says nothing: the worst of all outages.
pub(crate) fn stopped(servers: &Servers) {
    let application = Application::serving(servers);
    let workers = application.workers();
    servers.runtime.block_on(servers.mysql.pause()).unwrap();
    let paused = Instant::now();
    let address = application.address;
    // Somebody has to ask for it to be noticed.
    let asking = std::thread::spawn(move || get(address, "/"));
    let (_, noticed) = until("it is known that MySQL is away", || {
        let (code, body) = application.get("/ready");
        (code == 503 && body.contains("degraded")).then_some(())
    });
    println!("  noticed after {noticed:?}");
    // A worker that is silent for so long is killed, and these are not.
    until("the outage is longer than a worker may be silent", || {
        (paused.elapsed() > HEARTBEAT * 5 / 4).then_some(())
    });
    servers.runtime.block_on(servers.mysql.resume()).unwrap();
    let took = application.works_again();
    println!("  worked again after {took:?}");
    let (code, body) = asking.join().unwrap().unwrap();
    assert_eq!(code, 200, "what was under way is done when it can be: {body}");
    assert_eq!(
        application.workers(),
        workers,
        "a database is no reason to end a worker"
    );
    application.end();
    servers.sessions_end();
}

/// Once with the workers left alone, once with the workers killed meanwhile; twenty times.
pub(crate) fn twenty_cycles(servers: &Servers) {
    let application = Application::serving(servers);
    let master = application.master.id();
    let (mut running, mut starting) = (Vec::new(), Vec::new());
    let (mut descriptors, mut memory) = (0, 0);
    for cycle in 1..=20 {
        let workers = application.workers();
        assert_eq!(workers.len(), 2);
        servers.stop_mysql();
        until("it is known that MySQL is away", || {
            (application.get("/").0 == 503).then_some(())
        });
        running.push(comes_back(servers, &application, &workers));

        servers.stop_mysql();
        workers.iter().for_each(|worker| send("KILL", *worker));
        until("each new one ends with 69, over MySQL", || {
            let status = application.status();
            let over_mysql = |worker: usize| {
                let last = &status["workers"][worker]["last_exit"];
                last["how"] == "exit code 69 (unavailable)"
                    && last["cause"]
                        .as_str()
                        .is_some_and(|cause| cause.starts_with("mysql.main: connection refused"))
            };
            (over_mysql(0) && over_mysql(1)).then_some(())
        });
        servers.start_mysql();
        let took = application.works_again();
        assert!(took < AT_LAST, "cycle {cycle}: {took:?}");
        starting.push(took);
        application.both_serve();
        assert!(!workers.iter().any(|worker| lives(*worker)));
        assert_eq!(children(master), application.workers(), "no zombie, no orphan");
        // What a process allocates once is there after the first cycles.
        if cycle == 5 {
            (descriptors, memory) = (application.descriptors(), application.memory());
        }
    }
    let grown = application.memory().saturating_sub(memory);
    let running = median("MySQL back under running workers", &mut running);
    let starting = median("MySQL back, workers to be started", &mut starting);
    assert!(running < WORKS_AGAIN && starting < STARTS_AGAIN);
    println!("  master: {descriptors} descriptors, {memory} KiB, and {grown} KiB more 15 cycles later");
    until("no descriptor was leaked", || {
        (application.descriptors() <= descriptors).then_some(())
    });
    assert!(grown < 1_024, "the master grew by {grown} KiB");
    application.end();
    servers.sessions_end();
}

/// The median, which it tells with the longest.
fn median(what: &str, times: &mut [Duration]) -> Duration {
    times.sort();
    let median = times[times.len() / 2];
    println!(
        "  {what}: median {median:?}, at most {:?}",
        times[times.len() - 1]
    );
    median
}
