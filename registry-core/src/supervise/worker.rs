//! The worker's side of a supervised program.

use super::link::{self, Link};
use crate::background;
use listenfd::ListenFd;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::{ExitCode, Termination};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long tasks that block may hold up the end of a worker.
const LINGER: Duration = Duration::from_secs(1);

/// What the master gave to a worker: its number, the sockets, and the word when to end.
pub struct Worker {
    link: Link,
    listeners: ListenFd,
    ending: watch::Receiver<bool>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("number", &self.number())
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Its number, from 0. A worker that takes the place of another has the same.
    #[must_use]
    pub fn number(&self) -> usize {
        self.link.number
    }

    /// The TCP socket of the `index`th `listen`, not blocking, as tokio wants it; `None` when it was taken already, and
    /// when there is none.
    ///
    /// # Errors
    /// When the descriptor is no TCP socket.
    pub fn take_tcp_listener(&mut self, index: usize) -> std::io::Result<Option<TcpListener>> {
        let listener = self.listeners.take_tcp_listener(index)?;
        if let Some(listener) = &listener {
            listener.set_nonblocking(true)?;
        }
        Ok(listener)
    }

    /// The Unix socket of the `index`th `listen`, not blocking.
    ///
    /// # Errors
    /// When the descriptor is no Unix socket.
    pub fn take_unix_listener(&mut self, index: usize) -> std::io::Result<Option<UnixListener>> {
        let listener = self.listeners.take_unix_listener(index)?;
        if let Some(listener) = &listener {
            listener.set_nonblocking(true)?;
        }
        Ok(listener)
    }

    /// Says that the worker can do its work. A worker that connects a registry need not: it is ready then.
    pub fn ready(&self) {
        self.link.ready(false);
    }

    /// Resolves when the worker is to end: finish what is in hand, take nothing new, return. It is killed after the
    /// master's grace.
    pub fn shutdown(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut ending = self.ending.clone();
        async move {
            // Without a sender there is no runtime left that could wait.
            let _ = ending.wait_for(|ending| *ending).await;
        }
    }
}

/// Runs the worker to its end.
pub(crate) fn run<F, Fut>(link: Link, work: F) -> ExitCode
where
    F: FnOnce(Worker) -> Fut,
    Fut: Future,
    Fut::Output: Termination,
{
    link.watch_master();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => return super::refuse(&format!("cannot start the runtime: {cause}")),
    };
    let code = runtime.block_on(async {
        let ending = match asked_to_end() {
            Ok(ending) => ending,
            Err(cause) => return super::refuse(&format!("cannot wait for signals: {cause}")),
        };
        link::will_end(ending.clone());
        let worker = Worker {
            link,
            listeners: ListenFd::from_env(),
            ending,
        };
        work(worker).await.report()
    });
    runtime.shutdown_timeout(LINGER);
    code
}

/// Whether this process was asked to end, from now on.
fn asked_to_end() -> io::Result<watch::Receiver<bool>> {
    let mut term = signal(SignalKind::terminate())?;
    let (end, ending) = watch::channel(false);
    // It ends with the runtime.
    background::spawn(&Handle::current(), async move {
        term.recv().await;
        let _ = end.send(true);
        // The signal may come again: it says nothing new.
        std::future::pending::<()>().await;
    });
    Ok(ending)
}

/// The link of this process when it is a worker.
pub(crate) fn link() -> Option<Link> {
    link::link()
}
