//! HUP under load.

use super::application::{Application, Servers, get, lives};
use super::{Over, PATIENCE, until};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

const CLIENTS: usize = 8;
const REQUESTS: u64 = 10_000;

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
        while answered.load(Ordering::Relaxed) < REQUESTS || rolls < 5 {
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
    application.end();
    assert_eq!(servers.sessions(), 0);
}
