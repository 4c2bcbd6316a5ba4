//! The verbs that prepare databases.

pub mod fixture;
mod tree;
