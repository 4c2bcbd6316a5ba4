//! memcached: a client of our own on the protocol of `memcache-async`.
//!
//! The crate speaks `get`, `set`, `append`, `delete`, `incr`, `decr`, `version` and `flush_all`. It does so over a
//! stream of ours that makes it safe: `set`, `append` and `delete` are acknowledged (the crate asks for no answer and
//! reports success for what was not stored), lines and values have limits before anything is allocated, and a session
//! that ended early or badly is never used again.
//!
//! Our own, on the same stream, are the commands that the crate lacks or does wrong: `replace`, `prepend`, `touch` and
//! `stats` are missing there; `add` takes every answer for success; `gets` takes the value of any key; `cas` looks for
//! the wrong word when the key is missing.
//!
//! One server per connection. A list of servers with keys spread over them is to come.

mod commands;
mod error;
mod expiry;
mod key;
mod open;
mod pool;
mod ring;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

pub use commands::{CasOutcome, CasToken};
pub use expiry::Expiry;

use crate::base::Base;
use crate::connection::method_set;
use crate::error::Error;
use open::Client;
use std::sync::Arc;

/// A `[memcached.…]`: the commands of memcached, each with the connection's `timeout`.
///
/// Cheap to clone: clones share their sessions.
#[derive(Clone)]
pub struct Memcached {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) base: Arc<Base>,
    pub(crate) client: Result<Client, Error>,
    pub(crate) hosts: String,
}

method_set!(
    Memcached,
    Memcached,
    "This client itself: memcached has no other driver object."
);

impl Memcached {
    /// What `process` and `instance` give: the client itself, when the values gave one.
    pub(crate) fn client(&self) -> Result<Self, Error> {
        self.inner
            .client
            .as_ref()
            .map(|_| self.clone())
            .map_err(Clone::clone)
    }

    /// The client of a connection that is open now.
    async fn opened(&self) -> Result<&Client, Error> {
        self.inner.base.usable().await?;
        self.inner.client.as_ref().map_err(Clone::clone)
    }
}
