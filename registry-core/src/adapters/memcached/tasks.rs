//! The verbs on memcached: there is no database and no structure, only keys.
//!
//! `fill` writes the entries of a file ([`entry`]). `clear` and `purge` remove the keys that begin with the connection's
//! `prefix` ([`sweep`]), and everything on the server only where that was allowed.

mod entry;
mod sweep;

use super::address::HostAddress;
use super::key::{checked, fitting};
use super::open::{default_port, max_value};
use super::{FailedHost, Memcached, MultiGet};
use crate::attempt;
use crate::base::Base;
use crate::connection;
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::secret;
use crate::startup::Prepared;
use crate::tasks::{
    Before, Content, Done, Filled, Fixture, Mark, Marked, MigrateTo, MigrationStatus, Migrations, Reach,
    Refill, Row, Step, Steps, Tell, spelled,
};
use entry::{Entry, Mistake};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use registry_config::{ConnectionShape, Settings};
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The steps on the keys of one connection.
pub(crate) struct MemcachedTasks {
    connection: ConnectionShape,
    settings: Arc<Settings>,
    hosts: Vec<HostAddress>,
    prefix: String,
}

/// The steps on the keys of this connection.
pub(crate) fn tasks(connection: &ConnectionShape, settings: &Settings) -> Result<MemcachedTasks, Error> {
    let hosts = secret::hosts(settings.hosts(), default_port())?;
    Ok(MemcachedTasks {
        connection: connection.clone(),
        hosts: hosts
            .into_iter()
            .map(|(host, port)| HostAddress { host, port })
            .collect(),
        prefix: settings.text("prefix").unwrap_or_default().to_owned(),
        settings: Arc::new(settings.clone()),
    })
}

impl MemcachedTasks {
    /// A client for one step.
    async fn open(&self) -> Result<Memcached, Error> {
        let prepared = Prepared {
            base: Base::new(&self.connection, &self.settings),
            settings: Ok(Arc::clone(&self.settings)),
        };
        let cache = Memcached::prepare(&prepared);
        attempt::open(&cache).await?;
        Ok(cache)
    }

    /// Removes the keys of the connection from every host, or all keys.
    async fn empty(&self, reach: Reach) -> Result<Done, Error> {
        if self.prefix.is_empty() {
            return match reach {
                Reach::AllKeys => self.flush().await,
                Reach::Own => Err(self.without_prefix()),
            };
        }
        let sweeps = self
            .hosts
            .iter()
            .map(|host| sweep::sweep(host, &self.settings, self.prefix.as_bytes()));
        let swept = crate::together::join_all(sweeps).await;
        let mut removed = 0;
        for swept in swept {
            removed += swept?;
        }
        let prefix = &self.prefix;
        Ok(match removed {
            0 => Done::nothing(format!("there are no keys that begin with `{prefix}`")),
            1 => Done::changed(format!("removed 1 key that begins with `{prefix}`")),
            many => Done::changed(format!("removed {many} keys that begin with `{prefix}`")),
        })
    }

    /// The keys and values that no server takes.
    fn refused(&self, entries: &[Entry]) -> Vec<Mistake> {
        let max_value = max_value(&self.settings);
        let refused = entries.iter().flat_map(|entry| {
            let key = checked(&entry.key, &self.prefix).err();
            let value = fitting(&entry.value, max_value).err();
            let errors = [key, value].into_iter().flatten();
            errors.map(|error| (entry.position, error.message().to_owned()))
        });
        refused.collect()
    }

    fn without_prefix(&self) -> Error {
        let label = format!("{}.{}", self.connection.backend, self.connection.name);
        let message = "it has no `prefix`, and others may have keys on the same server";
        Error::new(ErrorKind::Config, message).help(format!(
            "write a `prefix` under [{label}], or `--all-keys` to remove every key of the server"
        ))
    }

    async fn flush(&self) -> Result<Done, Error> {
        let cache = self.open().await?;
        let flushed = cache.flush_all().await;
        // It was closed by ourselves: what is left is the server's to end.
        let _ = connection::close(&cache).await;
        flushed?;
        Ok(Done::changed("removed every key of the server"))
    }
}

impl Steps for MemcachedTasks {
    fn target(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        let hosts = hosts.join(",");
        if self.prefix.is_empty() {
            hosts
        } else {
            format!("{hosts}/{}*", self.prefix)
        }
    }

    fn places(&self) -> Vec<String> {
        let place = |host: &HostAddress| {
            let address = spelled(host.host(), host.port());
            format!("memcached://{address}/{}*", self.prefix)
        };
        self.hosts.iter().map(place).collect()
    }

    fn migration_formats(&self) -> &'static [&'static str] {
        &[]
    }

    fn takes_sql_fixtures(&self) -> bool {
        false
    }

    fn asks(&self, step: Step, fixtures: usize) -> bool {
        match step {
            Step::Create | Step::Migrate | Step::Revert => false,
            Step::Drop => !self.prefix.is_empty(),
            Step::Fill => fixtures > 0,
            Step::Clear | Step::Purge => true,
        }
    }

    fn objects(&self, step: Step, reach: Reach) -> Option<Error> {
        let removes = matches!(step, Step::Clear | Step::Purge);
        (removes && reach == Reach::Own && self.prefix.is_empty()).then(|| self.without_prefix())
    }

    fn check_fixtures(&self, fixtures: &[Fixture]) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut written = HashMap::new();
        for fixture in fixtures {
            let rows = match rows_of(fixture) {
                Ok(rows) => rows,
                Err(error) => {
                    mistakes.push(error.in_file(&fixture.path).message().to_owned());
                    continue;
                }
            };
            let (entries, mut of_file) = entry::read(rows);
            of_file.extend(self.refused(&entries));
            of_file.extend(clashes(entries, &fixture.path, &mut written));
            of_file.sort_by_key(|(position, _)| *position);
            let told = of_file
                .iter()
                .map(|(position, words)| fixture.mistake(*position, words));
            mistakes.extend(told);
        }
        mistakes
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        async {
            let cache = self.open().await?;
            let _ = connection::close(&cache).await;
            Ok(())
        }
        .boxed()
    }

    fn all_ready(&self) -> BoxFuture<'_, Result<(), Error>> {
        async {
            let cache = self.open().await?;
            let dead = cache.dead_hosts();
            let _ = connection::close(&cache).await;
            dead.first().map_or(Ok(()), |failed| Err(away(failed)))
        }
        .boxed()
    }

    fn create(&self) -> BoxFuture<'_, Result<Done, Error>> {
        async { Ok(Done::nothing("nothing to create: memcached has no databases")) }.boxed()
    }

    fn drop_database(&self) -> BoxFuture<'_, Result<Done, Error>> {
        async {
            if self.prefix.is_empty() {
                let words = "nothing to drop: memcached has no databases, and the connection no `prefix`";
                return Ok(Done::nothing(words));
            }
            self.empty(Reach::Own).await
        }
        .boxed()
    }

    fn migrate<'a>(
        &'a self,
        _migrations: &'a Migrations,
        _to: MigrateTo,
        _tell: Tell<'a>,
    ) -> BoxFuture<'a, Result<Done, Error>> {
        async { Ok(nothing_to_migrate()) }.boxed()
    }

    fn revert<'a>(
        &'a self,
        _migrations: &'a Migrations,
        _to: MigrateTo,
        _tell: Tell<'a>,
    ) -> BoxFuture<'a, Result<Done, Error>> {
        async { Ok(nothing_to_migrate()) }.boxed()
    }

    fn migration_status<'a>(
        &'a self,
        _migrations: &'a Migrations,
    ) -> BoxFuture<'a, Result<Vec<MigrationStatus>, Error>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn fill<'a>(&'a self, fixture: &'a Fixture, policy: Refill) -> BoxFuture<'a, Result<Filled, Error>> {
        async move {
            let entries = entry::entries(rows_of(fixture)?)?;
            let cache = self.open().await?;
            let filled = fill(&cache, &entries, policy).await;
            let _ = connection::close(&cache).await;
            filled
        }
        .boxed()
    }

    fn filled_before<'a>(
        &'a self,
        fixture: &'a Fixture,
        policy: Refill,
    ) -> BoxFuture<'a, Result<Option<Before>, Error>> {
        async move {
            let entries = entry::entries(rows_of(fixture)?)?;
            let cache = self.open().await?;
            let found = found(&cache, &entries).await;
            let _ = connection::close(&cache).await;
            before(&entries, &found?, policy)
        }
        .boxed()
    }

    fn clear(&self, reach: Reach) -> BoxFuture<'_, Result<Done, Error>> {
        self.empty(reach).boxed()
    }

    fn purge(&self, reach: Reach) -> BoxFuture<'_, Result<Done, Error>> {
        self.empty(reach).boxed()
    }

    /// A key may be gone at any time, and protects nothing.
    fn mark(&self) -> BoxFuture<'_, Result<Marked, Error>> {
        async { Ok(Marked::Unmarked) }.boxed()
    }

    fn set_mark<'a>(&'a self, _mark: &'a Mark) -> BoxFuture<'a, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }
}

fn nothing_to_migrate() -> Done {
    Done::nothing("nothing to migrate: memcached has no structure")
}

fn rows_of(fixture: &Fixture) -> Result<&[Row], Error> {
    match &fixture.content {
        Content::Rows(rows) => Ok(rows),
        Content::Sql(_) => Err(Error::new(ErrorKind::Config, "memcached runs no SQL")),
    }
}

/// The entries of a file whose keys have another value in an earlier one: that would be written, and these refused for ever.
/// Those that were seen are `written`, each with its file.
fn clashes<'f>(
    entries: Vec<Entry>,
    path: &'f Path,
    written: &mut HashMap<String, (Entry, &'f Path)>,
) -> Vec<Mistake> {
    let mut clashes = Vec::new();
    for entry in entries {
        match written.entry(entry.key.clone()) {
            Slot::Vacant(slot) => drop(slot.insert((entry, path))),
            Slot::Occupied(known) => {
                let (first, path) = known.get();
                if !entry.is(&first.value) {
                    let place = format!("{}:{}", path.display(), first.position);
                    let words = format!("the key has another value at {place}");
                    clashes.push((entry.position, words));
                }
            }
        }
    }
    clashes
}

/// The values of the entries' keys. A host that is away is an error.
async fn found(cache: &Memcached, entries: &[Entry]) -> Result<MultiGet, Error> {
    let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    let found = cache.get_multi(&keys).await?;
    match found.failed().first() {
        Some(failed) => Err(away(failed)),
        None => Ok(found),
    }
}

fn away(failed: &FailedHost) -> Error {
    let message = format!("{} is away, and keys belong to it", failed.address);
    Error::new(ErrorKind::Unreachable, message)
}

fn is_there(entry: &Entry, found: &MultiGet) -> bool {
    found.get(&entry.key).is_some_and(|value| entry.is(value))
}

/// Nothing records what was filled: when all of it is there, whoever wrote it, there is nothing left to write. What is
/// to be replaced was filled when anything of it is there.
///
/// # Errors
/// A key that has another value, unless it is to be replaced.
fn before(entries: &[Entry], found: &MultiGet, policy: Refill) -> Result<Option<Before>, Error> {
    let is_other = |entry: &&Entry| found.contains_key(&entry.key) && !is_there(entry, found);
    let was_filled = match policy {
        Refill::Replace => !found.is_empty(),
        Refill::Never => {
            if let Some(taken) = entries.iter().find(is_other) {
                return Err(taken.has_a_value());
            }
            !entries.is_empty() && entries.iter().all(|entry| is_there(entry, found))
        }
    };
    Ok(was_filled.then(|| Before {
        at: "before".to_owned(),
        changed: false,
    }))
}

/// Writes the entries. A key that has a value is an error, unless it is to be replaced; one that failed takes what was
/// written before it away again.
async fn fill(cache: &Memcached, entries: &[Entry], policy: Refill) -> Result<Filled, Error> {
    let found = found(cache, entries).await?;
    match (policy, before(entries, &found, policy)?) {
        (Refill::Never, Some(before)) => Ok(Filled::Already(before)),
        (Refill::Never, None) => {
            // Others may have expired since an earlier time.
            let missing: Vec<&Entry> = entries.iter().filter(|entry| !is_there(entry, &found)).collect();
            for (count, entry) in missing.iter().enumerate() {
                let added = cache.add(&entry.key, &entry.value, entry.expiry).await;
                let failed = match added {
                    Ok(true) => continue,
                    Ok(false) => match cache.get(&entry.key).await {
                        // Somebody else fills the same.
                        Ok(Some(value)) if entry.is(&value) => continue,
                        _ => entry.has_a_value(),
                    },
                    Err(error) => error.at(entry.position),
                };
                for written in &missing[..count] {
                    // What cannot be taken away is found by the next fill.
                    let _ = cache.delete(&written.key).await;
                }
                return Err(failed);
            }
            let rows = Some(missing.len() as u64);
            Ok(Filled::Written { rows })
        }
        (Refill::Replace, before) => {
            for entry in entries {
                let set = cache.set(&entry.key, &entry.value, entry.expiry).await;
                set.map_err(|error| error.at(entry.position))?;
            }
            let rows = Some(entries.len() as u64);
            Ok(match before {
                None => Filled::Written { rows },
                Some(_) => Filled::Replaced { rows },
            })
        }
    }
}

impl fmt::Debug for MemcachedTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemcachedTasks")
            .field("target", &self.target())
            .finish_non_exhaustive()
    }
}
