//! memcached: a client of our own on the protocol of `memcache-async`.
//!
//! The crate speaks `version` and `flush_all`, over a stream of ours that makes it safe: lines and values have limits
//! before anything is allocated, and a session that ended badly is never used again. Our own, on the same stream, are the
//! commands that it lacks; those that change something, because it asks for no answer to `set`, `append` and `delete`,
//! reports success for what was not stored, and waits for each of the others alone; and those that read, because it looks
//! at no key of an answer, makes a buffer of 8 KiB for each use of a session, and of the values of several keys a map
//! that costs more than the answer.
//!
//! From a call to its server and back:
//!
//! 1. `commands` checks key and value and asks the `fleet` for the host: its `ring` is libmemcached's, and a host
//!    that is taken for dead (`vitality`) has its keys missed, refused, or looked for at the next one. What the caller
//!    holds until the answer is there is a `call`.
//! 2. A `host` has few sessions. A call that finds one at rest speaks on it (a `lease`); a call that finds none waits
//!    in the `queue`.
//! 3. A session that comes free with calls waiting gets a `runner`. It takes many of them as one `batch`: what changes
//!    something first, then one `get` with all keys, one packet there and one back, and each call gets its part. A
//!    `get_multi` of many keys fills a packet by itself: it waits for a session of its own, which goes from hand to hand.
//! 4. A call that is dropped costs nothing: in the queue it is passed over, in a batch nobody takes its answer, and on a
//!    lease the answer is read away before the session is used again.
//! 5. A session that answers wrongly, late or not at all is ended, and what it owed is an error. A read that met the end of
//!    a session which had rested is tried once more on another; a write whose bytes had left never is.

mod address;
mod batch;
mod call;
mod commands;
mod error;
mod expiry;
mod fleet;
mod frame;
mod host;
mod key;
mod lease;
mod multi;
mod open;
mod outbox;
mod place;
mod queue;
mod ring;
mod runner;
mod session;
mod stream;
#[cfg(feature = "tasks")]
mod tasks;
#[cfg(test)]
mod tests;
mod typed;
mod vitality;
mod wire;
mod write;

#[cfg(feature = "tasks")]
pub(crate) use tasks::tasks;

pub use address::HostAddress;
pub use commands::{CasOutcome, CasToken};
pub use expiry::Expiry;
pub use multi::{FailedHost, MultiGet};
pub use typed::{CacheKey, CacheModel};

use crate::base::Base;
use crate::connection::method_set;
use crate::error::Error;
use fleet::Fleet;
use std::sync::Arc;

/// A `[memcached.…]`: the commands of memcached, each with the connection's `timeout`.
///
/// Cheap to clone: clones share their sessions. With several hosts each key belongs to one of them
/// ([`host_of`](Self::host_of)).
#[derive(Clone)]
pub struct Memcached {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) base: Arc<Base>,
    pub(crate) fleet: Result<Fleet, Error>,
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
        self.fleet().map(|_| self.clone())
    }

    /// The hosts, when the values gave them.
    fn fleet(&self) -> Result<&Fleet, Error> {
        self.inner.fleet.as_ref().map_err(Clone::clone)
    }
}
