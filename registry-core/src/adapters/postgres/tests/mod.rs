//! The adapter on a real server.

#[cfg(feature = "tasks")]
mod emptied;
#[cfg(feature = "tasks")]
mod hosts;
#[cfg(feature = "tasks")]
mod keys;
mod lists;
#[cfg(feature = "tasks")]
mod locks;
#[cfg(feature = "tasks")]
mod place;
mod rotation;
#[cfg(feature = "tasks")]
mod schemas;
#[cfg(feature = "tasks")]
mod verbs;
