//! From settings to a client, and the opening of it.

use super::pool::{Lease, Sessions};
use super::{Inner, Memcached, wire};
use crate::base::Base;
use crate::connection::{Connection, Instance, Opened};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::startup::Prepared;
use crate::status;
use crate::{cause, secret};
use deadpool::Runtime;
use deadpool::managed::{Pool, QueueMode, Timeouts};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join_all};
use registry_config::Settings;
use std::sync::Arc;

/// The pool and what is asked of it.
#[derive(Clone)]
pub(crate) struct Client {
    pub(super) pool: Pool<Sessions>,
    min: usize,
}

impl Memcached {
    /// Builds the handle. No I/O with the server.
    pub(crate) fn prepare(prepared: &Prepared) -> Self {
        let base = Arc::clone(&prepared.base);
        let client = prepared
            .settings
            .clone()
            .and_then(|settings| client(&base, &settings));
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
            inner: Arc::new(Inner { base, client, hosts }),
        }
    }
}

fn default_port() -> u16 {
    registry_config::backend("memcached")
        .and_then(|spec| spec.default_port)
        .unwrap_or(11211)
}

fn client(base: &Arc<Base>, settings: &Settings) -> Result<Client, Error> {
    let hosts = secret::hosts(settings.hosts(), default_port())?;
    let Some((host, port)) = hosts.into_iter().next() else {
        return Err(Error::new(ErrorKind::Config, "expected a host, found none"));
    };
    let count = |key| settings.count(key).and_then(|count| usize::try_from(count).ok());
    let sessions = Sessions {
        base: Arc::clone(base),
        host,
        port,
        max_value: count("max_value").unwrap_or(1 << 20),
        idle_timeout: settings.duration("pool.idle_timeout"),
        max_lifetime: settings.duration("pool.max_lifetime"),
    };
    let max = count("pool.max").unwrap_or(8);
    let wait = settings
        .duration("pool.acquire_timeout")
        .unwrap_or_else(|| base.timeout());
    let pool = Pool::builder(sessions)
        .max_size(max)
        .timeouts(Timeouts {
            wait: Some(wait),
            create: None,
            recycle: None,
        })
        .queue_mode(QueueMode::Fifo)
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|cause| Error::new(ErrorKind::Config, cause.to_string()))?;
    Ok(Client {
        pool,
        min: count("pool.min").unwrap_or(0).min(max),
    })
}

impl Client {
    pub(super) fn sessions(&self) -> &Sessions {
        self.pool.manager()
    }

    /// One bare session that names its version, then as many in the pool as are to be kept.
    async fn open(&self) -> Result<Opened, Error> {
        let sessions = self.sessions();
        let hosts = [(sessions.host.clone(), sessions.port)];
        let proof = async {
            let mut stream = sessions.connect().await?;
            wire::version(&mut stream)
                .await
                .map_err(|cause| sessions.error(&cause))
        };
        let version = cause::with_cause(&hosts, sessions.base.connect_timeout(), "memcached", proof).await?;
        let leases = try_join_all((0..self.min).map(|_| Lease::take(&self.pool))).await?;
        for lease in leases {
            lease.settle(sessions, Ok(()))?;
        }
        Ok(Opened {
            detail: format!("memcached {version}"),
        })
    }

    async fn probe(&self) -> Result<(), Error> {
        let mut lease = Lease::take(&self.pool).await?;
        let answer = wire::version(lease.stream()).await;
        lease.settle(self.sessions(), answer).map(drop)
    }
}

impl Connection for Memcached {
    fn base(&self) -> &Arc<Base> {
        &self.inner.base
    }

    fn open(&self) -> BoxFuture<'_, Result<Opened, Error>> {
        async { self.inner.client.as_ref().map_err(Clone::clone)?.open().await }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Error>> {
        async { self.inner.client.as_ref().map_err(Clone::clone)?.probe().await }.boxed()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        async {
            if let Ok(client) = &self.inner.client {
                client.pool.close();
            }
        }
        .boxed()
    }

    fn sessions(&self) -> Option<status::Sessions> {
        let status = self.inner.client.as_ref().ok()?.pool.status();
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Some(status::Sessions {
            open: number(status.size),
            idle: number(status.available),
            max: number(status.max_size),
        })
    }

    fn hosts(&self) -> String {
        self.inner.hosts.clone()
    }

    fn instance(&self) -> Result<Instance, Error> {
        self.client().map(Instance::Memcached)
    }
}
