//! From settings to a fleet, and what the rest of the run time asks of it.

use super::address::HostAddress;
use super::fleet::{Fleet, OnDeadHost, Rules};
use super::session::Terms;
use super::{Inner, Memcached};
use crate::base::Base;
use crate::connection::{Connection, Instance, Opened};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::secret;
use crate::startup::Prepared;
use crate::status;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use registry_config::Settings;
use std::sync::Arc;

impl Memcached {
    /// Builds the handle. No I/O with the server.
    pub(crate) fn prepare(prepared: &Prepared) -> Self {
        let base = Arc::clone(&prepared.base);
        base.expect_short_calls();
        let fleet = prepared
            .settings
            .clone()
            .and_then(|settings| fleet(&base, &settings));
        let hosts = match &prepared.settings {
            Ok(settings) => {
                let hosts = settings
                    .hosts()
                    .iter()
                    .map(|host| host.address(Some(default_port())));
                hosts.collect::<Vec<_>>().join(",")
            }
            Err(_) => String::new(),
        };
        Self {
            inner: Arc::new(Inner { base, fleet, hosts }),
        }
    }
}

pub(super) fn default_port() -> u16 {
    registry_config::backend("memcached")
        .and_then(|spec| spec.default_port)
        .unwrap_or(11211)
}

fn count(settings: &Settings, key: &str, default: usize) -> usize {
    let count = settings.count(key).and_then(|count| usize::try_from(count).ok());
    count.unwrap_or(default)
}

/// How large a value may be, in bytes.
pub(super) fn max_value(settings: &Settings) -> usize {
    count(settings, "max_value", 1 << 20)
}

fn fleet(base: &Arc<Base>, settings: &Settings) -> Result<Fleet, Error> {
    let names = secret::hosts(settings.hosts(), default_port())?;
    if names.is_empty() {
        return Err(Error::new(ErrorKind::Config, "expected a host, found none"));
    }
    let weights = settings.hosts().iter().map(|host| host.weight);
    let hosts: Vec<_> = names
        .into_iter()
        .map(|(host, port)| HostAddress { host, port })
        .zip(weights)
        .collect();
    let count = |key, default| count(settings, key, default);
    // Every default stands in the backend's row; those here are for a row that forgot.
    let max = count("pool.max", 4);
    let half = base.timeout() / 2;
    let acquire_timeout = settings.duration("pool.acquire_timeout");
    let terms = Terms {
        base: Arc::clone(base),
        max,
        min: count("pool.min", 0).min(max),
        // At most half of what a call may take: the other half is for its way to the server and back.
        acquire_timeout: acquire_timeout.unwrap_or(half).min(half),
        idle_timeout: settings.duration("pool.idle_timeout"),
        max_lifetime: settings.duration("pool.max_lifetime"),
        max_value: max_value(settings),
        hosts: hosts.len(),
    };
    let rules = Rules {
        on_dead_host: match settings.text("on_dead_host") {
            Some("error") => OnDeadHost::Error,
            Some("rehash") => OnDeadHost::Rehash,
            _ => OnDeadHost::Miss,
        },
        failure_limit: u32::try_from(count("failure_limit", 3)).unwrap_or(u32::MAX),
        prefix: settings.text("prefix").unwrap_or_default().to_owned(),
    };
    Ok(Fleet::new(&hosts, &terms, rules))
}

impl Connection for Memcached {
    fn base(&self) -> &Arc<Base> {
        &self.inner.base
    }

    fn open(&self) -> BoxFuture<'_, Result<Opened, Error>> {
        async { self.fleet()?.open().await }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        async { self.fleet()?.probe().await }.boxed()
    }

    fn fail_fast(&self) {
        let cause = self.inner.base.health().condition().cause;
        if let (Ok(fleet), Some(cause)) = (self.fleet(), cause) {
            let cause = cause.again();
            fleet.hosts.iter().for_each(|host| host.fail_waiting(&cause));
        }
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        async {
            if let Ok(fleet) = self.fleet() {
                fleet.close().await;
            }
        }
        .boxed()
    }

    fn sessions(&self) -> Option<status::Sessions> {
        self.fleet().ok().map(Fleet::sessions)
    }

    fn hosts(&self) -> String {
        self.inner.hosts.clone()
    }

    fn instance(&self) -> Result<Instance, Error> {
        self.client().map(Instance::Memcached)
    }
}
