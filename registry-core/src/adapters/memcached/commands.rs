//! The commands, as the application calls them.

use super::key::{checked, fitting};
use super::pool::Lease;
use super::{Expiry, Memcached, wire};
use crate::error::Error;
use crate::kind::ErrorKind;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

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

/// Runs one command on a session: `$stream` is what it speaks on, the last expression its answer. The checks in front
/// of it may refuse it before anything is written.
macro_rules! command {
    ($self:ident, $name:literal, $(let $checked:ident = $check:expr;)* |$stream:ident| $answer:expr) => {{
        let work = async {
            $(let $checked = $check;)*
            let client = $self.opened().await?;
            let mut lease = Lease::take(&client.pool).await?;
            let $stream = lease.stream();
            let answer = $answer.await;
            lease.settle(client.sessions(), answer)
        };
        $self.inner.base.run($name, work).await
    }};
}

/// Every command has the connection's `timeout` over all of it, the wait for a session included, and records its error.
///
/// A key has 1 to 250 bytes without spaces and control characters, and a value at most `max_value` bytes: otherwise the
/// error is an [`Operation`](ErrorKind::Operation), and nothing is sent. What the server refuses is an `Operation` too,
/// with its text; an answer that is none is a `Protocol`.
///
/// Dropping the future of a command ends its session: whether the command was carried out is not known then.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
impl Memcached {
    /// The value of a key; `None` when there is none.
    pub async fn get(&self, key: impl AsRef<str>) -> Result<Option<Vec<u8>>, Error> {
        command!(self, "get", let key = checked(key.as_ref())?; |stream| wire::get(stream, key))
    }

    /// The values of several keys, in one command; those that have none are absent.
    pub async fn get_multi<K: AsRef<str>>(&self, keys: &[K]) -> Result<HashMap<String, Vec<u8>>, Error> {
        if keys.is_empty() {
            return self
                .inner
                .base
                .run("get_multi", async { Ok(HashMap::new()) })
                .await;
        }
        command!(
            self, "get_multi",
            let keys = sorted(keys)?;
            |stream| wire::get_multi(stream, &keys)
        )
    }

    /// The value of a key, and a token for [`cas`](Self::cas).
    pub async fn gets(&self, key: impl AsRef<str>) -> Result<Option<(Vec<u8>, CasToken)>, Error> {
        let found =
            command!(self, "gets", let key = checked(key.as_ref())?; |stream| wire::gets(stream, key));
        Ok(found?.map(|(value, token)| (value, CasToken(token))))
    }

    /// Stores a value. `expiry`: a [`Duration`](std::time::Duration), an `Option` of one, or an [`Expiry`].
    pub async fn set(
        &self,
        key: impl AsRef<str>,
        value: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
    ) -> Result<(), Error> {
        let expiry = expiry.into().number();
        command!(
            self, "set",
            let key = checked(key.as_ref())?;
            let value = self.fit(value.as_ref())?;
            |stream| wire::set(stream, key, value, expiry)
        )
    }

    /// Stores a value under a key that has none; false when it has one.
    pub async fn add(
        &self,
        key: impl AsRef<str>,
        value: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
    ) -> Result<bool, Error> {
        let expiry = expiry.into().number();
        command!(
            self, "add",
            let key = checked(key.as_ref())?;
            let value = self.fit(value.as_ref())?;
            |stream| wire::store(stream, "add", key, value, expiry)
        )
    }

    /// Stores a value under a key that has one; false when it has none.
    pub async fn replace(
        &self,
        key: impl AsRef<str>,
        value: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
    ) -> Result<bool, Error> {
        let expiry = expiry.into().number();
        command!(
            self, "replace",
            let key = checked(key.as_ref())?;
            let value = self.fit(value.as_ref())?;
            |stream| wire::store(stream, "replace", key, value, expiry)
        )
    }

    /// Adds to the end of a value; false when there is none. Its expiry stays.
    pub async fn append(&self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Result<bool, Error> {
        command!(
            self, "append",
            let key = checked(key.as_ref())?;
            let value = self.fit(value.as_ref())?;
            |stream| wire::append(stream, key, value)
        )
    }

    /// Adds to the front of a value; false when there is none. Its expiry stays.
    pub async fn prepend(&self, key: impl AsRef<str>, value: impl AsRef<[u8]>) -> Result<bool, Error> {
        command!(
            self, "prepend",
            let key = checked(key.as_ref())?;
            let value = self.fit(value.as_ref())?;
            |stream| wire::store(stream, "prepend", key, value, 0)
        )
    }

    /// Stores a value unless somebody else has since [`gets`](Self::gets) gave the token.
    pub async fn cas(
        &self,
        key: impl AsRef<str>,
        value: impl AsRef<[u8]>,
        expiry: impl Into<Expiry>,
        token: CasToken,
    ) -> Result<CasOutcome, Error> {
        let expiry = expiry.into().number();
        command!(
            self, "cas",
            let key = checked(key.as_ref())?;
            let value = self.fit(value.as_ref())?;
            |stream| wire::cas(stream, key, value, expiry, token.0)
        )
    }

    /// Removes a key; false when there is none.
    pub async fn delete(&self, key: impl AsRef<str>) -> Result<bool, Error> {
        command!(self, "delete", let key = checked(key.as_ref())?; |stream| wire::delete(stream, key))
    }

    /// Adds to a number in decimal digits, and gives the sum, which wraps at 2^64; `None` when there is no such key.
    pub async fn incr(&self, key: impl AsRef<str>, by: u64) -> Result<Option<u64>, Error> {
        command!(self, "incr", let key = checked(key.as_ref())?; |stream| wire::incr(stream, key, by))
    }

    /// Subtracts from a number in decimal digits, and gives the rest, at least 0; `None` when there is no such key.
    /// The server does not shorten the text: what was `10` reads `9 `, with a blank, afterwards.
    pub async fn decr(&self, key: impl AsRef<str>, by: u64) -> Result<Option<u64>, Error> {
        command!(self, "decr", let key = checked(key.as_ref())?; |stream| wire::decr(stream, key, by))
    }

    /// Gives a value a new expiry; false when there is none.
    pub async fn touch(&self, key: impl AsRef<str>, expiry: impl Into<Expiry>) -> Result<bool, Error> {
        let expiry = expiry.into().number();
        command!(self, "touch", let key = checked(key.as_ref())?; |stream| wire::touch(stream, key, expiry))
    }

    /// Removes every value of the server, also those of other applications.
    pub async fn flush_all(&self) -> Result<(), Error> {
        command!(self, "flush_all", |stream| wire::flush_all(stream))
    }

    /// The server's version: `1.6.18`.
    pub async fn version(&self) -> Result<String, Error> {
        command!(self, "version", |stream| wire::version(stream))
    }

    /// The server's statistics.
    pub async fn stats(&self) -> Result<HashMap<String, String>, Error> {
        command!(self, "stats", |stream| wire::stats(stream))
    }

    /// The value of a key, read as JSON; a value of another shape is an `Operation`.
    pub async fn get_as<T: DeserializeOwned>(&self, key: impl AsRef<str>) -> Result<Option<T>, Error> {
        let found: Option<Vec<u8>> =
            command!(self, "get_as", let key = checked(key.as_ref())?; |stream| wire::get(stream, key))?;
        let Some(value) = found else { return Ok(None) };
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
        let expiry = expiry.into().number();
        let json = serde_json::to_vec(value)
            .map_err(|_| Error::new(ErrorKind::Operation, "the value cannot be written as JSON"));
        command!(
            self, "set_as",
            let key = checked(key.as_ref())?;
            let json = json?;
            let value = self.fit(&json)?;
            |stream| wire::set(stream, key, value, expiry)
        )
    }

    fn fit<'v>(&self, value: &'v [u8]) -> Result<&'v [u8], Error> {
        let client = self.inner.client.as_ref().map_err(Clone::clone)?;
        fitting(value, client.sessions().max_value)
    }
}

/// Each key once, and in order: the server answers a key as often as it is asked.
fn sorted<K: AsRef<str>>(keys: &[K]) -> Result<Vec<&str>, Error> {
    let mut keys = keys
        .iter()
        .map(|key| checked(key.as_ref()))
        .collect::<Result<Vec<_>, _>>()?;
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}
