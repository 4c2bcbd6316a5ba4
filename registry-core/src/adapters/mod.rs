//! One folder per backend, each with the same files.

#[cfg(feature = "memcached")]
pub mod memcached;
