//! Servers that go away and come back under a running application, which is not started again.

mod lazy;
mod lost;
mod optional;
mod postgres;

use std::time::{Duration, Instant};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Sooner than any limit that would otherwise end the wait.
const SOON: Duration = Duration::from_secs(8);
/// A call that takes a little longer than this has somebody look at the server.
const QUICK: Duration = Duration::from_millis(200);

/// Asks until the answer is yes; gives how long that took.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    started.elapsed()
}

/// Makes a registry until each of its sessions came quickly. A look at the server would go on, and might meet it as it goes.
async fn without_a_look<T>(make: impl AsyncFn() -> (T, bool)) -> T {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let (registry, true) = make().await {
            return registry;
        }
    }
    panic!("not within {PATIENCE:?}: sessions, each of them quickly");
}

/// Asks for four sessions, and gives them back; true when each came quickly.
async fn four_quickly<T, E: std::fmt::Debug>(acquire: impl AsyncFn() -> Result<T, E>) -> bool {
    let (mut held, mut quickly) = (Vec::new(), true);
    for _ in 0..4 {
        let asked = Instant::now();
        held.push(acquire().await.expect("a session"));
        quickly &= asked.elapsed() < QUICK;
    }
    quickly
}
