//! The hosts of a connection, and which of them a call goes to.

use super::address::HostAddress;
use super::host::Host;
use super::key::{checked, fitting};
use super::multi::{FailedHost, MultiGet};
use super::ring::Ring;
use super::session::Terms;
use crate::cause;
use crate::connection::Opened;
use crate::error::Error;
use crate::status::Sessions;
use crate::together::join_all;
use futures_util::future::BoxFuture;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::Instant;

/// What becomes of the keys of a host that is taken for dead: `on_dead_host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnDeadHost {
    /// Reads find nothing, writes fail.
    Miss,
    /// Reads and writes fail.
    Error,
    /// The next host on the ring stands in.
    Rehash,
}

/// The hosts of one connection.
pub(crate) struct Fleet {
    pub(super) hosts: Vec<Arc<Host>>,
    ring: Ring,
    on_dead_host: OnDeadHost,
    prefix: String,
    max_value: usize,
    was_open: AtomicBool,
}

/// How a fleet treats keys, values and hosts.
pub(super) struct Rules {
    pub(super) on_dead_host: OnDeadHost,
    pub(super) failure_limit: u32,
    pub(super) prefix: String,
}

impl Fleet {
    pub(super) fn new(hosts: &[(HostAddress, u32)], terms: &Terms, rules: Rules) -> Self {
        // A host alone is the connection, and the connection's health knows of it.
        let limit = (hosts.len() > 1).then_some(rules.failure_limit);
        let build =
            |(address, _): &(HostAddress, u32)| Arc::new(Host::new(address.clone(), terms.clone(), limit));
        Self {
            hosts: hosts.iter().map(build).collect(),
            ring: Ring::new(hosts),
            on_dead_host: rules.on_dead_host,
            prefix: rules.prefix,
            max_value: terms.max_value,
            was_open: AtomicBool::new(false),
        }
    }

    /// The key as the server sees it, checked.
    pub(super) fn key<'k>(&self, key: &'k str) -> Result<Cow<'k, str>, Error> {
        checked(key, &self.prefix)?;
        Ok(if self.prefix.is_empty() {
            Cow::Borrowed(key)
        } else {
            Cow::Owned(format!("{}{key}", self.prefix))
        })
    }

    /// The value, when it is not too large.
    pub(super) fn value<'v>(&self, value: &'v [u8]) -> Result<&'v [u8], Error> {
        fitting(value, self.max_value)
    }

    /// The host that a key, as the server sees it, belongs to.
    pub(super) fn owner(&self, key: &str) -> &Arc<Host> {
        &self.hosts[self.ring.host_of(key.as_bytes())]
    }

    /// Where a key is to be read; `None` when it is missed because its host is dead.
    pub(super) fn reads(&self, key: &str) -> Result<Option<&Arc<Host>>, Error> {
        let owner = self.owner(key);
        let Some(cause) = owner.vitality().cause_of_death() else {
            return Ok(Some(owner));
        };
        match self.on_dead_host {
            // With all of them dead it is the connection that is away.
            OnDeadHost::Miss if self.any_alive().is_some() => Ok(None),
            OnDeadHost::Rehash => self.stand_in(key).map(Some).ok_or(cause),
            OnDeadHost::Miss | OnDeadHost::Error => Err(cause),
        }
    }

    /// Where a key is to be changed.
    pub(super) fn writes(&self, key: &str) -> Result<&Arc<Host>, Error> {
        let owner = self.owner(key);
        match owner.vitality().cause_of_death() {
            None => Ok(owner),
            Some(cause) if self.on_dead_host == OnDeadHost::Rehash => self.stand_in(key).ok_or(cause),
            Some(cause) => Err(cause),
        }
    }

    fn stand_in(&self, key: &str) -> Option<&Arc<Host>> {
        let mut heirs = self.ring.hosts_of(key.as_bytes()).map(|index| &self.hosts[index]);
        heirs.find(|host| host.vitality().cause_of_death().is_none())
    }

    /// The first host that is not dead.
    pub(super) fn any_alive(&self) -> Option<&Arc<Host>> {
        self.hosts
            .iter()
            .find(|host| host.vitality().cause_of_death().is_none())
    }

    /// The values of keys as the server sees them, all different, from all hosts at once.
    pub(super) fn get_multi<'f>(&'f self, keys: Vec<Cow<'f, str>>) -> BoxFuture<'f, Result<MultiGet, Error>> {
        Box::pin(self.gathered(keys))
    }

    async fn gathered(&self, keys: Vec<Cow<'_, str>>) -> Result<MultiGet, Error> {
        if let [alone] = self.hosts.as_slice() {
            let mut values = MultiGet::default();
            values.extend(alone.get_multi(&keys).await?, self.prefix.len());
            return Ok(values);
        }
        let mut values = MultiGet::default();
        let mut parts: Vec<(usize, Vec<Cow<'_, str>>)> = Vec::new();
        let mut first_error = None;
        for key in keys {
            let host = match self.reads(&key) {
                Ok(Some(host)) => host,
                Ok(None) => {
                    values.fail(self.owner(&key), None);
                    continue;
                }
                Err(error) => {
                    first_error.get_or_insert_with(|| error.clone());
                    values.fail(self.owner(&key), Some(error));
                    continue;
                }
            };
            let index = self
                .hosts
                .iter()
                .position(|known| Arc::ptr_eq(known, host))
                .unwrap_or(0);
            match parts.iter_mut().find(|(known, _)| *known == index) {
                Some((_, keys)) => keys.push(key),
                None => parts.push((index, vec![key])),
            }
        }
        let parts = parts.into_iter().map(async |(index, keys)| {
            let host = &self.hosts[index];
            (host, host.get_multi(&keys).await)
        });
        let mut answered = false;
        for (host, part) in join_all(parts).await {
            match part {
                Ok(found) => {
                    answered = true;
                    values.extend(found, self.prefix.len());
                }
                Err(error) => {
                    first_error.get_or_insert_with(|| error.clone());
                    values.fail(host, Some(error));
                }
            }
        }
        match first_error {
            Some(error) if !answered => Err(error),
            _ => Ok(values),
        }
    }

    /// Opens the hosts that are not taken for dead, or, when all are, all. One is enough: at the first time the others
    /// are taken for dead, and probed until they are back; later it is their calls that count.
    pub(super) async fn open(&self) -> Result<Opened, Error> {
        let alive = |host: &&Arc<Host>| host.vitality().cause_of_death().is_none();
        let wanted = |host: &&Arc<Host>| alive(host) || host.vitality().is_forgotten();
        let mut hosts: Vec<&Arc<Host>> = self.hosts.iter().filter(wanted).collect();
        if hosts.is_empty() {
            hosts = self.hosts.iter().collect();
        }
        let attempts = hosts.into_iter().map(async |host| (host, open(host).await));
        let attempts = join_all(attempts).await;
        let version = attempts.iter().find_map(|(_, attempt)| attempt.as_ref().ok());
        let Some(version) = version.cloned() else {
            return Err(all_failed(
                attempts.into_iter().filter_map(|(_, attempt)| attempt.err()),
            ));
        };
        let is_first = !self.was_open.swap(true, Ordering::AcqRel);
        for (host, attempt) in attempts {
            match attempt {
                Ok(_) if !alive(&host) => host.vitality().revive(host),
                Err(error) if is_first => host.mark_dead(error),
                _ => {}
            }
        }
        let count = self.hosts.len();
        let there = self.hosts.iter().filter(alive).count();
        Ok(Opened {
            detail: if count == 1 {
                format!("memcached {version}")
            } else {
                format!("memcached {version}, {there} of {count} hosts")
            },
        })
    }

    /// One round trip with the hosts that are not dead; the first that answers is enough.
    pub(super) async fn probe(&self) -> Result<(), Error> {
        let alive = self
            .hosts
            .iter()
            .filter(|host| host.vitality().cause_of_death().is_none());
        let versions: Vec<_> = alive.map(|host| Box::pin(host.version())).collect();
        if versions.is_empty() {
            return self.owner("").vitality().cause_of_death().map_or(Ok(()), Err);
        }
        futures_util::future::select_ok(versions).await.map(drop)
    }

    /// Those that are dead, with the cause.
    pub(super) fn dead(&self) -> Vec<FailedHost> {
        let dead = self.hosts.iter().filter_map(|host| {
            let cause = host.vitality().cause_of_death()?;
            Some(FailedHost::new(host.address().clone(), Some(cause)))
        });
        dead.collect()
    }

    /// Closes every host, and waits until their sessions have ended. The caller bounds the wait.
    pub(super) async fn close(&self) {
        self.hosts.iter().for_each(|host| host.close());
        join_all(self.hosts.iter().map(|host| host.ended())).await;
    }

    pub(super) fn sessions(&self) -> Sessions {
        let none = Sessions {
            open: 0,
            idle: 0,
            max: 0,
        };
        let all = self.hosts.iter().map(|host| host.sessions());
        all.fold(none, |sum, host| Sessions {
            open: sum.open + host.open,
            idle: sum.idle + host.idle,
            max: sum.max.saturating_add(host.max),
        })
    }
}

/// One bare session that names the version of the server, then as many as are to be kept.
async fn open(host: &Arc<Host>) -> Result<String, Error> {
    let HostAddress { host: name, port } = host.address().clone();
    // A little less than the connection itself has: one host that hangs does not make all of it late.
    let limit = host.terms().base.connect_timeout().mul_f64(0.95);
    let began = Instant::now();
    let version = cause::with_cause(&[(name, port)], limit, "memcached", |_| None, host.prove()).await?;
    // In what is left of the time; what was not opened by then gives its place back.
    let _ = tokio::time::timeout_at(began + limit, host.fill()).await;
    Ok(version)
}

/// The errors of all hosts as one: the first one's kind, and the words of each.
fn all_failed(errors: impl Iterator<Item = Error>) -> Error {
    let errors: Vec<Error> = errors.collect();
    match errors.as_slice() {
        [only] => only.clone(),
        [first, ..] => {
            let words: Vec<&str> = errors.iter().map(Error::message).collect();
            Error::new(first.kind(), words.join("; "))
        }
        [] => Error::new(crate::kind::ErrorKind::Config, "expected a host, found none"),
    }
}
