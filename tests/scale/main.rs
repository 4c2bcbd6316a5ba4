//! Files with many connections: how many open at once, what they leave behind, and what one costs that is idle.
//!
//! The tests count descriptors and bytes of the whole process, so one runs at a time.
#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

mod descriptors;
mod fleet;
mod memory;
mod start;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::sync::{Mutex, PoisonError};
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static ALONE: Mutex<()> = Mutex::new(());

/// Runs a test when no other of this file does. Its runtime comes after that and ends before: it has descriptors and memory, too.
fn alone(mut runtime: Builder, test: impl Future<Output = ()>) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    runtime.enable_all().build().unwrap().block_on(test);
}

fn one_thread() -> Builder {
    Builder::new_current_thread()
}

fn two_threads() -> Builder {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(2);
    runtime
}
