//! The rule of docs/scaling.md for the patience of a fleet, held by the simulation of the example `fleet`.

#[path = "../examples/fleet/simulation.rs"]
mod simulation;

use simulation::Fleet;
use std::time::Duration;

const FLEET: Fleet = Fleet {
    running: 1_800,
    starting: 200,
    busy: 2,
    outage: Duration::from_secs(20),
    sessions: 400,
    limit: 4_000,
    patience: Duration::from_secs(15),
};

/// 2,000 workers with two busy sessions each want 6,000 of a database that opens 400 a second: 15 s.
#[tokio::test(start_paused = true)]
async fn a_fleet_with_patience_comes_back_as_fast_as_the_database_opens() {
    let record = simulation::run(FLEET).await;
    assert_eq!((record.in_vain, record.refused), (0, 0));
    assert_eq!(record.open, FLEET.limit);
    let rule = FLEET.patience + Duration::from_secs(1);
    assert!(record.all_back.unwrap() <= rule, "{:?}", record.all_back);
}

/// With a third of it, the database works for those who have given up.
#[tokio::test(start_paused = true)]
async fn without_patience_it_does_not() {
    let short = Fleet {
        patience: Duration::from_secs(5),
        ..FLEET
    };
    let record = simulation::run(short).await;
    assert!(record.in_vain > 10_000, "{}", record.in_vain);
    assert!(record.all_back.is_none_or(|time| time > Duration::from_secs(30)));
}

/// The most sessions of all workers together are the budget: a smaller limit leaves workers without theirs, for good.
#[tokio::test(start_paused = true)]
async fn a_limit_under_the_budget_leaves_workers_out() {
    let small = Fleet {
        limit: 3_000,
        ..FLEET
    };
    let record = simulation::run(small).await;
    assert_eq!(record.all_back, None);
    assert!(record.refused > 0);
    assert!(record.back.iter().sum::<u32>() < 2_000);
}
