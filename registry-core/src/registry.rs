//! All connections of an application, by name: what the generated struct stands on.

#[cfg(all(feature = "supervise", unix))]
use crate::background;
use crate::connection::{self, AnyConnection, Connection};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::names::{Names, Numbers};
use crate::report::Report;
use crate::status::StateChange;
use crate::watch::{WATCH_CAPACITY, Watch};
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
#[cfg(all(feature = "supervise", unix))]
use tokio::runtime::Handle;
use tokio::sync::broadcast;

/// The dynamic side of a registry. Cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Shared>);

struct Shared {
    connections: Vec<Arc<dyn Connection>>,
    names: Names,
    report: Report,
    changes: broadcast::Sender<StateChange>,
}

/// The connections of one backend, found by [`Registry::backend`].
#[derive(Clone, Copy, Debug)]
pub struct Backend<'a> {
    registry: &'a Registry,
    name: &'static str,
    numbers: &'a Numbers,
}

impl Registry {
    pub(crate) fn new(connections: Vec<Arc<dyn Connection>>, report: Report) -> Self {
        let changes = broadcast::Sender::new(WATCH_CAPACITY);
        for connection in &connections {
            connection.base().health().tell(changes.clone());
        }
        let names = connections.iter().map(|c| (c.base().backend(), c.base().name()));
        Self(Arc::new(Shared {
            names: Names::new(names),
            connections,
            report,
            changes,
        }))
    }

    /// The connections of the backend with this name.
    ///
    /// # Errors
    /// `Config` when this registry has none; it proposes the nearest name.
    #[inline]
    pub fn backend(&self, name: &str) -> Result<Backend<'_>, Error> {
        match self.0.names.backend(name) {
            Some((name, numbers)) => Ok(Backend {
                registry: self,
                name,
                numbers,
            }),
            None => Err(self.no_backend(name)),
        }
    }

    #[cold]
    fn no_backend(&self, name: &str) -> Error {
        let known = self.0.connections.iter().map(|c| c.base().backend());
        not_found(&format!("backend `{name}`"), name, known)
    }

    /// Every connection, in the order of the report.
    pub fn connections(&self) -> impl Iterator<Item = AnyConnection> + '_ {
        self.0.connections.iter().cloned().map(AnyConnection)
    }

    /// What start-up found.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    /// The state changes of every connection from now on: connecting, ready, degraded with its cause, closed. Costs
    /// nothing while nobody listens.
    ///
    /// ```no_run
    /// # async fn example(db: registry_core::Registry) {
    /// let mut changes = db.watch();
    /// while let Some(change) = changes.next().await {
    ///     println!("{} is {}", change.connection, change.state);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(self.0.changes.subscribe())
    }

    /// Reads the files of every `{ file = … }` again. New sessions use what they say; old ones go on until they have
    /// done their work. A connection looks by itself whenever it opens a session; this is for those who do not want to
    /// wait for that, and to learn whether it works. A connection that failed over to another host of its list goes back
    /// to the first one, where that is writable.
    ///
    /// # Errors
    /// The first connection whose files cannot be read, or that does not open with what they say; one that is away is asked,
    /// too.
    pub async fn reload(&self) -> Result<(), Error> {
        reload_all(&self.0.connections).await
    }

    /// Reads secrets again at USR1, as long as the registry lives; false when the signal is not to be had.
    #[cfg(all(feature = "supervise", unix))]
    pub(crate) fn reload_on_signal(&self) -> bool {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut asked) = signal(SignalKind::user_defined1()) else {
            return false;
        };
        let shared = Arc::downgrade(&self.0);
        // It ends with the registry: with the first signal after it, and with the runtime.
        background::spawn(&Handle::current(), async move {
            while asked.recv().await.is_some() {
                let Some(registry) = shared.upgrade().map(Registry) else {
                    return;
                };
                if let Err(error) = registry.reload().await {
                    tracing::error!("secrets were not reloaded: {error}");
                }
            }
        });
        true
    }

    /// Closes every connection, all at once: each waits for its work in hand, up to 5 s. Every later call answers
    /// `Closed`.
    ///
    /// # Errors
    /// `Timeout` that names the connections whose work was still in hand; all are closed all the same.
    pub async fn close(&self) -> Result<(), Error> {
        close_all(&self.0.connections).await
    }
}

fn reload_all(connections: &[Arc<dyn Connection>]) -> BoxFuture<'_, Result<(), Error>> {
    Box::pin(async move {
        let reloads = connections.iter().map(|c| connection::reload(&**c));
        let results = crate::together::join_all(reloads).await;
        results.into_iter().collect()
    })
}

pub(crate) fn close_all(connections: &[Arc<dyn Connection>]) -> BoxFuture<'_, Result<(), Error>> {
    Box::pin(async move {
        let closing = connections.iter().map(|c| connection::close(&**c));
        let results = crate::together::join_all(closing).await;
        let mut failed: Vec<Error> = results.into_iter().filter_map(Result::err).collect();
        match failed.len() {
            0 => Ok(()),
            1 => Err(failed.remove(0)),
            _ => {
                let words: Vec<_> = failed
                    .iter()
                    .map(|e| format!("{}: {}", e.connection(), e.message()))
                    .collect();
                Err(Error::new(ErrorKind::Timeout, words.join("; ")).during("close"))
            }
        }
    })
}

impl Backend<'_> {
    /// The connection with this name, as written in the file or as the field.
    ///
    /// # Errors
    /// `Config` when this backend has none of this name; it proposes the nearest.
    #[inline]
    pub fn get(&self, name: &str) -> Result<AnyConnection, Error> {
        match self.numbers.number(name) {
            Some(number) => Ok(AnyConnection(Arc::clone(&self.registry.0.connections[number]))),
            None => Err(self.no_connection(name)),
        }
    }

    #[cold]
    fn no_connection(&self, name: &str) -> Error {
        let connections = self.registry.0.connections.iter();
        let mine = connections.filter(|c| c.base().backend() == self.name);
        let known = mine.map(|c| c.base().name());
        not_found(&format!("connection `{}.{name}`", self.name), name, known)
    }

    /// Every connection of this backend.
    pub fn connections(&self) -> impl Iterator<Item = AnyConnection> + '_ {
        self.registry.connections().filter(|c| c.backend() == self.name)
    }
}

fn not_found<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let mut known: Vec<_> = known.collect();
    known.dedup();
    let error = Error::new(ErrorKind::Config, format!("no {what} in this registry"));
    match registry_config::suggest(name, known.iter().copied()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(format!("there are: {}", known.join(", "))),
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0.connections).finish()
    }
}
