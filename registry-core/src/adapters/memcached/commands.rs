//! The commands, as the application calls them.

use super::batch::judged;
use super::call::{Call, Way};
use super::error::unknown_outcome;
use super::fleet::Fleet;
use super::frame::Answer;
use super::host::Host;
use super::lease::Refusal;
use super::write::{Verb, Write};
use super::{Expiry, FailedHost, HostAddress, Memcached, MultiGet, wire};
use crate::error::Error;
use crate::kind::ErrorKind;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::collections::HashMap;
use std::future::{Future, ready};
use std::sync::Arc;
use tracing::Instrument as _;

/// What [`gets`](Memcached::gets) gives along with a value, for [`cas`](Memcached::cas).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CasToken(u64);

/// What became of a [`cas`](Memcached::cas).
#[must_use = "unless it is `Stored`, the value was not stored"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CasOutcome {
    /// The value is stored.
    Stored,
    /// Somebody else has stored another value since: read again.
    Exists,
    /// There is no such key any more.
    NotFound,
}

/// Speaks one command on a session of a host: what is not gathered with others. Gives what [`Lease::speak`] gives.
///
/// [`Lease::speak`]: super::lease::Lease::speak
macro_rules! on_session {
    ($host:expr, $deadline:expr, |$stream:ident| $answer:expr) => {{
        let host: &Arc<Host> = $host;
        let lease = host.lease().await?;
        let answer = lease.speak($deadline, async |$stream| $answer.await);
        answer.await
    }};
}

/// The same for one that only reads: when the server has ended the session while it rested, once more on another.
macro_rules! read_on_session {
    ($host:expr, |$stream:ident| $answer:expr) => {{
        let host: &Arc<Host> = $host;
        let deadline = host.deadline();
        let answer = match on_session!(host, deadline, |$stream| $answer) {
            Err(Refusal { is_stale: true, .. }) => on_session!(host, deadline, |$stream| $answer),
            answer => answer,
        };
        answer.map_err(|refusal| refusal.error)
    }};
}

/// Every command has the connection's `timeout` over all of it, the wait for a session included, and records its error.
///
/// A key has 1 to 250 bytes, the `prefix` included, without spaces and control characters, and a value at most `max_value`
/// bytes: otherwise the error is an [`Operation`](ErrorKind::Operation), and nothing is sent. What the server refuses is an
/// `Operation` too, with its text; an answer that is none is a `Protocol`.
///
/// Commands of several tasks are gathered: they travel together, and none waits for the answer of another. Dropping the
/// future of a command costs nothing; whether one that changes something was carried out is not known then.
///
/// With several hosts, a key whose host is taken for dead is missed by what reads and fails in what writes, or as
/// `on_dead_host` says; docs/memcached.md has what that means for stale values.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
impl Memcached {
    /// The value of a key; `None` when there is none.
    pub async fn get(&self, key: impl AsRef<str>) -> Result<Option<Vec<u8>>, Error> {
        self.read("get", key.as_ref())?.await
    }

    /// The values of several keys, from all hosts at once; those that have none are absent. A host that fails takes nothing
    /// from the others: it is named by [`MultiGet::failed`], and only when none has answered is it the error of the call.
    pub async fn get_multi<K: AsRef<str>>(&self, keys: &[K]) -> Result<MultiGet, Error> {
        let keys = keys.iter().map(AsRef::as_ref).collect();
        self.call("get_multi", self.read_each(keys))?.await
    }

    /// The value of a key, and a token for [`cas`](Self::cas).
    pub async fn gets(&self, key: impl AsRef<str>) -> Result<Option<(Vec<u8>, CasToken)>, Error> {
        let key = key.as_ref();
        let work = async {
            let key = self.fleet()?.key(key)?;
            let Some(host) = self.usable().await?.reads(&key)? else {
                return Ok(None);
            };
            read_on_session!(host, |stream| wire::gets(stream, &key))
        };
        let found = self.call("gets", work)?.await?;
        Ok(found.map(|(value, token)| (value, CasToken(token))))
    }

    /// Stores a value. `expiry`: a [`Duration`](std::time::Duration), an `Option` of one, or an [`Expiry`].
    pub async fn set(
        &self,
        key: impl AsRef<str>,
        value: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
    ) -> Result<(), Error> {
        let (value, expiry) = (value.as_ref(), expiry.into().number());
        let call = self.write("set", Verb::Set, key.as_ref(), value, expiry.into())?;
        call.await.map(drop)
    }

    /// Stores a value under a key that has none; false when it has one.
    pub async fn add(
        &self,
        key: impl AsRef<str>,
        value: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
    ) -> Result<bool, Error> {
        let (value, expiry) = (value.as_ref(), expiry.into().number());
        let call = self.write("add", Verb::Add, key.as_ref(), value, expiry.into())?;
        Ok(call.await? == Answer::Stored)
    }

    /// Stores a value under a key that has one; false when it has none.
    pub async fn replace(
        &self,
        key: impl AsRef<str>,
        value: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
    ) -> Result<bool, Error> {
        let (value, expiry) = (value.as_ref(), expiry.into().number());
        let call = self.write("replace", Verb::Replace, key.as_ref(), value, expiry.into())?;
        Ok(call.await? == Answer::Stored)
    }

    /// Adds to the end of a value; false when there is none. Its expiry stays.
    pub async fn append(&self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Result<bool, Error> {
        let call = self.write("append", Verb::Append, key.as_ref(), value.as_ref(), 0)?;
        Ok(call.await? == Answer::Stored)
    }

    /// Adds to the front of a value; false when there is none. Its expiry stays.
    pub async fn prepend(&self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Result<bool, Error> {
        let call = self.write("prepend", Verb::Prepend, key.as_ref(), value.as_ref(), 0)?;
        Ok(call.await? == Answer::Stored)
    }

    /// Stores a value unless somebody else has since [`gets`](Self::gets) gave the token.
    pub async fn cas(
        &self,
        key: impl AsRef<str>,
        value: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
        token: CasToken,
    ) -> Result<CasOutcome, Error> {
        let (key, value, expiry) = (key.as_ref(), value.as_ref(), expiry.into().number());
        let work = async {
            let key = self.fleet()?.key(key)?;
            let value = self.fleet()?.value(value)?;
            let host = self.usable().await?.writes(&key)?;
            let answer = on_session!(host, host.deadline(), |stream| {
                wire::cas(stream, &key, value, expiry, token.0)
            });
            match judged(answer.map_err(|refusal| unknown_outcome(&refusal.error))?)? {
                Answer::Stored => Ok(CasOutcome::Stored),
                Answer::Exists => Ok(CasOutcome::Exists),
                _ => Ok(CasOutcome::NotFound),
            }
        };
        self.call("cas", work)?.await
    }

    /// Removes a key; false when there is none.
    pub async fn delete(&self, key: impl AsRef<str>) -> Result<bool, Error> {
        let call = self.write("delete", Verb::Delete, key.as_ref(), b"", 0)?;
        Ok(call.await? == Answer::Deleted)
    }

    /// Adds to a number in decimal digits, and gives the sum, which wraps at 2^64; `None` when there is no such key.
    pub async fn incr(&self, key: impl AsRef<str>, by: u64) -> Result<Option<u64>, Error> {
        let call = self.write("incr", Verb::Incr, key.as_ref(), b"", by)?;
        Ok(call.await?.number())
    }

    /// Subtracts from a number in decimal digits, and gives the rest, at least 0; `None` when there is no such key.
    /// The server does not shorten the text: what was `10` reads `9 `, with a blank, afterwards.
    pub async fn decr(&self, key: impl AsRef<str>, by: u64) -> Result<Option<u64>, Error> {
        let call = self.write("decr", Verb::Decr, key.as_ref(), b"", by)?;
        Ok(call.await?.number())
    }

    /// Gives a value a new expiry; false when there is none.
    pub async fn touch(&self, key: impl AsRef<str>, expiry: impl Into<Expiry>) -> Result<bool, Error> {
        let call = self.write(
            "touch",
            Verb::Touch,
            key.as_ref(),
            b"",
            expiry.into().number().into(),
        )?;
        Ok(call.await? == Answer::Touched)
    }

    /// Removes every value of every host, also those of other applications. When a host fails, the others are emptied all
    /// the same, and the error is that of the first that failed.
    pub async fn flush_all(&self) -> Result<(), Error> {
        let work = async {
            let flush = async |host: &Arc<Host>| {
                if let Some(cause) = host.vitality().cause_of_death() {
                    return Err(cause);
                }
                let answer = on_session!(host, host.deadline(), |stream| wire::flush_all(stream));
                answer.map_err(|refusal| unknown_outcome(&refusal.error))
            };
            let hosts = self.usable().await?.hosts.iter().map(flush);
            let flushed = crate::together::join_all(hosts).await;
            flushed.into_iter().collect()
        };
        self.call("flush_all", work)?.await
    }

    /// The server's version, `1.6.18`; with several hosts, that of the first that is there.
    pub async fn version(&self) -> Result<String, Error> {
        let work = async {
            let fleet = self.usable().await?;
            fleet.any_alive().unwrap_or(&fleet.hosts[0]).version().await
        };
        self.call("version", work)?.await
    }

    /// The server's statistics; with several hosts, those of the first that is there.
    pub async fn stats(&self) -> Result<HashMap<String, String>, Error> {
        let work = async {
            let fleet = self.usable().await?;
            let host = fleet.any_alive().unwrap_or(&fleet.hosts[0]);
            read_on_session!(host, |stream| wire::stats(stream))
        };
        self.call("stats", work)?.await
    }

    /// The value of a key, read as JSON; a value of another shape is an `Operation`.
    pub async fn get_as<T: DeserializeOwned>(&self, key: impl AsRef<str>) -> Result<Option<T>, Error> {
        let Some(value) = self.read("get_as", key.as_ref())?.await? else {
            return Ok(None);
        };
        // The words of the parser are left out: they quote the value.
        let value = serde_json::from_slice(&value).map(Some).map_err(|cause| {
            let (line, column) = (cause.line(), cause.column());
            let message = format!("the value is not the expected JSON at line {line}, column {column}");
            Error::new(ErrorKind::Operation, message)
        });
        value.map_err(|error| self.inner.base.record(error, "get_as"))
    }

    /// Stores a value as JSON.
    pub async fn set_as<T: Serialize + ?Sized>(
        &self,
        key: impl AsRef<str>,
        value: &T,
        expiry: impl Into<Expiry>,
    ) -> Result<(), Error> {
        let (key, expiry) = (key.as_ref(), expiry.into().number());
        let json = serde_json::to_vec(value)
            .map_err(|_| Error::new(ErrorKind::Operation, "the value cannot be written as JSON"));
        let json = match json {
            Ok(json) => json,
            Err(error) => return self.call("set_as", ready(Err(error)))?.await,
        };
        let call = self.write("set_as", Verb::Set, key, &json, expiry.into())?;
        call.await.map(drop)
    }

    /// The host that a key belongs to, by the ring: libmemcached's `KETAMA_WEIGHTED` with MD5, over the key with its
    /// `prefix`. Needs no server, and does not ask whether the host is there.
    ///
    /// # Errors
    /// `Operation` for a key that no server takes; `Config` when the values at start gave no hosts.
    ///
    /// ```no_run
    /// # fn show(cache: &registry_core::Memcached) -> Result<(), registry_core::Error> {
    /// println!("user:7 is at {}", cache.host_of("user:7")?); // c2:11211
    /// # Ok(())
    /// # }
    /// ```
    pub fn host_of(&self, key: impl AsRef<str>) -> Result<HostAddress, Error> {
        let fleet = self.fleet()?;
        let key = fleet.key(key.as_ref())?;
        Ok(fleet.owner(&key).address().clone())
    }

    /// The hosts that are taken for dead now, with the cause: `failure_limit` failures in a row, or the start. Each is
    /// probed, with pauses that grow to 5 s, and has its keys back as soon as it answers. A host alone is never dead: its
    /// connection is [`Degraded`](crate::State::Degraded).
    #[must_use]
    pub fn dead_hosts(&self) -> Vec<FailedHost> {
        self.fleet().map(Fleet::dead).unwrap_or_default()
    }

    /// The hosts of a connection that is open now.
    async fn usable(&self) -> Result<&Fleet, Error> {
        self.open_in_time().await?;
        self.fleet()
    }

    /// Waits for a connection that is being opened, as long as a call may take.
    async fn open_in_time(&self) -> Result<(), Error> {
        if self.inner.base.is_open() {
            return Ok(());
        }
        self.opened().await
    }

    fn opened(&self) -> BoxFuture<'_, Result<(), Error>> {
        let base = &self.inner.base;
        Box::pin(async move {
            let opening = tokio::time::timeout(base.timeout(), base.usable());
            opening.await.unwrap_or_else(|_| Err(base.deadline_error()))
        })
    }

    fn read<'c>(&'c self, operation: &'static str, key: &'c str) -> Result<Call<'c, Option<Vec<u8>>>, Error> {
        self.set_out(operation, key, b"", |fleet, key, _| {
            Ok(match fleet.reads(&key)? {
                Some(host) => host.get(key)?,
                None => Way::Alone(Box::pin(ready(Ok(None)))),
            })
        })
    }

    async fn read_each(&self, keys: Vec<&str>) -> Result<MultiGet, Error> {
        let fleet = self.fleet()?;
        let keys = keys.into_iter().map(|key| fleet.key(key));
        let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
        // Each key once: the server answers a key as often as it is asked.
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Ok(MultiGet::default());
        }
        self.open_in_time().await?;
        let mut values = fleet.get_multi(keys).await?;
        values.record(|error| self.inner.base.record(error, "get_multi"));
        Ok(values)
    }

    fn write<'c>(
        &'c self,
        operation: &'static str,
        verb: Verb,
        key: &'c str,
        value: &'c [u8],
        number: u64,
    ) -> Result<Call<'c, Answer>, Error> {
        self.set_out(operation, key, value, move |fleet, key, value| {
            let host = fleet.writes(&key)?;
            host.write(Write {
                verb,
                key,
                value,
                number,
            })
        })
    }

    /// Begins a call of one key, and sets out for its answer: at once, or, where the connection is still to be opened or
    /// somebody listens to spans, in a future of its own.
    fn set_out<'c, T: Send + 'c>(
        &'c self,
        operation: &'static str,
        key: &'c str,
        value: &'c [u8],
        way: impl FnOnce(&'c Fleet, Cow<'c, str>, &'c [u8]) -> Result<Way<'c, T>, Error> + Send + 'c,
    ) -> Result<Call<'c, T>, Error> {
        let base = &*self.inner.base;
        let visit = base.begin(operation)?;
        let checked = || {
            let fleet = self.fleet()?;
            Ok((fleet, fleet.key(key)?, fleet.value(value)?))
        };
        let span = base.span(operation);
        let way = match checked() {
            Err(error) => Err(error),
            Ok((fleet, key, value)) if base.is_open() && span.is_disabled() => way(fleet, key, value),
            Ok((fleet, key, value)) => {
                let work = async move {
                    self.open_in_time().await?;
                    way(fleet, key, value)?.await
                };
                Ok(Way::Alone(Box::pin(work.instrument(span))))
            }
        };
        match way {
            Ok(way) => Ok(Call::new(base, visit, operation, way)),
            Err(error) => {
                drop(visit);
                base.end(operation, Err(error))
            }
        }
    }

    /// Begins a call of any other kind.
    fn call<'c, T>(
        &'c self,
        operation: &'static str,
        work: impl Future<Output = Result<T, Error>> + Send + 'c,
    ) -> Result<Call<'c, T>, Error> {
        let base = &*self.inner.base;
        let visit = base.begin(operation)?;
        let way = Way::Alone(Box::pin(work.instrument(base.span(operation))));
        Ok(Call::new(base, visit, operation, way))
    }
}
