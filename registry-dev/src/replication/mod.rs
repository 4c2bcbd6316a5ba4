//! Several servers, of which one is the primary and the others replicate it.

mod mysql;
mod postgres;
mod standby;

pub use mysql::{MySqlReplicated, mysql_replicated};
pub use postgres::{PostgresReplicated, postgres_replicated};

use crate::{Error, Provider, Server};
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a replica may take to have what another server had.
const CATCH_UP: Duration = Duration::from_secs(30);
/// How long a primary that may hang is asked to take no more writes.
const FAREWELL: Duration = Duration::from_secs(5);
/// Between two looks at something that will happen in milliseconds.
const POLL: Duration = Duration::from_millis(10);

/// Servers of one kind, one of which is the primary.
#[derive(Debug)]
pub struct Replicated<S> {
    servers: Vec<S>,
    primary: AtomicUsize,
}

impl<S> Replicated<S> {
    /// How many servers there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always a primary")]
    pub fn len(&self) -> usize {
        self.servers.len()
    }

    /// A server by its number, which stays the same whatever its role.
    ///
    /// # Panics
    /// When there is none of this number.
    #[must_use]
    pub fn server(&self, index: usize) -> &S {
        &self.servers[index]
    }

    /// Every server, by number.
    pub fn servers(&self) -> impl Iterator<Item = &S> {
        self.servers.iter()
    }

    /// The number of the primary.
    #[must_use]
    pub fn primary_index(&self) -> usize {
        self.primary.load(Ordering::SeqCst)
    }

    /// The primary: the server that takes writes.
    #[must_use]
    pub fn primary(&self) -> &S {
        self.server(self.primary_index())
    }

    /// The other servers, whether they live or not.
    pub fn replicas(&self) -> impl Iterator<Item = &S> {
        self.others().map(|index| self.server(index))
    }

    /// The numbers of the servers that are no primary.
    fn others(&self) -> impl Iterator<Item = usize> + use<S> {
        let primary = self.primary_index();
        (0..self.servers.len()).filter(move |index| *index != primary)
    }
}

impl<S: Deref<Target = Server> + Send + 'static> Replicated<S> {
    /// Starts servers beside each other. The first is the primary; nobody follows it yet.
    async fn start<F>(servers: impl Iterator<Item = F>) -> Result<Self, Error>
    where
        F: Future<Output = Result<S, Error>> + Send + 'static,
    {
        let starting: Vec<_> = servers.map(tokio::spawn).collect();
        assert!(!starting.is_empty(), "a primary is the least there is");
        let mut servers = Vec::new();
        for server in starting {
            let server = server
                .await
                .map_err(|error| Error::io("finish the start of a server")(std::io::Error::other(error)));
            servers.push(server??);
        }
        if servers
            .iter()
            .any(|server| server.provider() != Provider::Program)
        {
            return Err(Error::command(
                "docker",
                "servers in containers do not reach each other",
            ));
        }
        Ok(Self {
            servers,
            primary: AtomicUsize::new(0),
        })
    }

    /// The numbers of the servers that are no primary and run.
    fn living(&self) -> impl Iterator<Item = usize> {
        self.others().filter(|index| self.servers[*index].pid().is_some())
    }
}
