//! HUP under load.

use super::application::{Application, Servers, get, lives};
use super::{Over, until};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: usize = 8;
/// Enough requests; where the machine is busy with something else, those that there are after a while.
const REQUESTS: u64 = 10_000;
const A_WHILE: Duration = Duration::from_secs(15);
const AT_LEAST: u64 = 500;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Replaces all workers again and again while clients ask, each request on a connection of its own.
pub(crate) fn under_load(servers: &Servers) {
    let application = Application::serving(servers);
    let (answered, failed, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let mut rolls = 0;
    std::thread::scope(|scope| {
        let _over = Over(&over);
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    match get(application.address, "/worker") {
                        Ok((200, _)) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        other => {
                            println!("  {other:?}");
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        let began = Instant::now();
        let enough = || answered.load(Ordering::Relaxed) >= REQUESTS || began.elapsed() > A_WHILE;
        while rolls < 5 || !enough() {
            assert!(
                began.elapsed() < PATIENCE,
                "{} answers",
                answered.load(Ordering::Relaxed)
            );
            let old = application.workers();
            application.signal("HUP");
            until("all are replaced", || {
                (!old.iter().any(|worker| lives(*worker))).then_some(())
            });
            rolls += 1;
        }
    });
    let (answered, failed) = (answered.into_inner(), failed.into_inner());
    println!(
        "  {failed} failed of {}, in {rolls} rolling restarts",
        answered + failed
    );
    assert_eq!(failed, 0);
    assert!(answered >= AT_LEAST, "{answered} answers");
    application.end();
    servers.sessions_end();
}
