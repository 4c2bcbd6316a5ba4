//! What `get_multi` gives: values, and the hosts that could not be asked.

use super::address::HostAddress;
use super::host::Host;
use crate::error::Error;
use std::collections::HashMap;
use std::ops::Deref;

/// The values that [`get_multi`](super::Memcached::get_multi) found, by key, and the hosts that gave none.
///
/// It derefs to the [`HashMap`]. A key that is absent has no value, or belongs to a host of [`failed`](Self::failed).
#[derive(Clone, Debug, Default)]
pub struct MultiGet {
    found: HashMap<String, Vec<u8>>,
    failed: Vec<FailedHost>,
}

/// A host that could not be asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FailedHost {
    /// Which one.
    pub address: HostAddress,
    /// Why; `None` where its keys were missed, because it is taken for dead and `on_dead_host` is `"miss"`.
    pub error: Option<Error>,
}

impl FailedHost {
    pub(super) const fn new(address: HostAddress, error: Option<Error>) -> Self {
        Self { address, error }
    }
}

impl MultiGet {
    /// The hosts whose keys are absent because they could not be asked. Empty when every host has answered.
    #[must_use]
    pub fn failed(&self) -> &[FailedHost] {
        &self.failed
    }

    /// Whether every host has answered: what is absent has no value then.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty()
    }

    /// The values alone.
    #[must_use]
    pub fn into_map(self) -> HashMap<String, Vec<u8>> {
        self.found
    }

    /// Adds what a host found; its keys begin with a prefix of this length.
    pub(super) fn extend(&mut self, found: HashMap<String, Vec<u8>>, prefix: usize) {
        if self.found.is_empty() && prefix == 0 {
            self.found = found;
            return;
        }
        let found = found.into_iter().map(|(mut key, value)| {
            key.drain(..prefix);
            (key, value)
        });
        self.found.extend(found);
    }

    /// Names a host, once.
    pub(super) fn fail(&mut self, host: &Host, error: Option<Error>) {
        let address = host.address();
        if !self.failed.iter().any(|failed| failed.address == *address) {
            self.failed.push(FailedHost::new(address.clone(), error));
        }
    }

    /// Lets every error be recorded where it leaves.
    pub(super) fn record(&mut self, record: impl Fn(Error) -> Error) {
        for failed in &mut self.failed {
            failed.error = failed.error.take().map(&record);
        }
    }
}

impl Deref for MultiGet {
    type Target = HashMap<String, Vec<u8>>;

    fn deref(&self) -> &Self::Target {
        &self.found
    }
}

impl IntoIterator for MultiGet {
    type Item = (String, Vec<u8>);
    type IntoIter = std::collections::hash_map::IntoIter<String, Vec<u8>>;

    fn into_iter(self) -> Self::IntoIter {
        self.found.into_iter()
    }
}
