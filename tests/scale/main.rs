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
use tokio::sync::{Mutex, MutexGuard};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static ALONE: Mutex<()> = Mutex::const_new(());

/// Waits until no other test of this file runs.
async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}
