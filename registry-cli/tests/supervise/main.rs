//! `dbreg supervise` and `dbreg status` on real processes.

#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

mod master;
mod signals;
mod slow;
mod status;
mod systemd;
mod workers;
