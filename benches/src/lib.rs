//! The harness of the benchmarks: contests between dbreg and its peers, and what became of them.
//!
//! Not criterion, and not divan: both run one entrant to its end before the next, and what is wanted here is a ratio.
//! In a [`Contest`] and in an [`Arena`] the entrants take turns in one run, so that a change of the machine's mood meets
//! all of them; each figure is a median over the rounds, and each goal a ratio of two medians.
//!
//! Every bench leaves an [`Outcome`] under `target/performance/`, from which `cargo performance` draws
//! `docs/performance.md` again.

pub mod arena;
mod contest;
pub mod cores;
mod outcome;

pub use arena::{Answer, Arena, Call, Entrant};
pub use contest::{Batch, Contest};
pub use outcome::{Case, Goal, Outcome, Row, folder};
