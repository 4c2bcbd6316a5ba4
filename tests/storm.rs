//! The recovery storm of the example `storm` is bounded, and would not be without the master's pauses.

#[path = "../examples/storm/simulation.rs"]
#[expect(dead_code, reason = "what only the plot needs")]
mod simulation;

use simulation::{Policy, Storm};
use std::time::Duration;

const STORM: Storm = Storm {
    workers: 10_000,
    outage: Duration::from_secs(600),
    sessions: 500,
};
/// The mean of a pause at the cap, in seconds.
const MEAN: u32 = 15;

#[tokio::test(start_paused = true)]
async fn ten_thousand_workers_come_back_without_a_stampede() {
    let record = simulation::run(Policy::Dbreg, STORM).await;
    // Whatever a second brings, it is a few times what comes on average: nobody keeps step.
    let workers = u32::try_from(STORM.workers).unwrap();
    let settled = &record.attempts[60..600];
    assert!(
        settled.iter().all(|count| *count < 2 * workers / MEAN),
        "{settled:?}"
    );
    // The first session of most is hastened by a look, of some by the pause: both at once is the most.
    let after = &record.attempts[600..];
    assert!(after.iter().all(|count| *count < 3 * workers / MEAN), "{after:?}");
    assert_eq!(record.in_vain, 0);
    assert_eq!(record.back.iter().sum::<u32>(), workers);
    assert!(
        record.all_back.unwrap() < Duration::from_secs(35),
        "{:?}",
        record.all_back
    );
}

/// The same database never gets rid of the workers of a master without pauses: it works for those who are gone.
#[tokio::test(start_paused = true)]
async fn without_pauses_the_same_database_does_not_come_back() {
    let short = Storm {
        outage: Duration::from_secs(2),
        ..STORM
    };
    let record = simulation::run(Policy::Naive, short).await;
    assert_eq!(record.all_back, None);
    assert!(record.in_vain > 100_000, "{}", record.in_vain);
}
