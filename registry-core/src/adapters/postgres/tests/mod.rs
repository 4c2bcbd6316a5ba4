//! The adapter on a real server.

mod rotation;
#[cfg(feature = "tasks")]
mod verbs;
