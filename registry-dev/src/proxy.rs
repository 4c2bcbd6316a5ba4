//! A TCP proxy that behaves as bad networks do.

use crate::port::Port;
use crate::{Error, relay};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

/// How often, and how far apart, it is tried to listen on a port that seems to be in use.
const LISTEN_TRIES: usize = 100;
const LISTEN_PAUSE: Duration = Duration::from_millis(10);

/// What a [`Proxy`] does with its connections, with those that are open as with new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Nothing listens on the port, and open connections were reset. The port stays ours.
    Down,
    /// New connections are accepted, and the server never hears of them; open ones stand still. When the mode ends,
    /// both go on.
    Hang,
    /// New connections are accepted, and the server never hears of them; open ones go on. When the mode ends, all do.
    HangNew,
    /// Connections stay open and nothing passes, in either direction. Nothing is lost: it passes when the mode ends.
    Blackhole,
    /// What is sent arrives this much later, in each direction: a round trip takes twice as long. Any number of
    /// messages may be under way.
    Latency(Duration),
    /// A connection is reset at the first byte that it sends or receives.
    Reset,
    /// Each connection passes this many bytes from the server, counted from its beginning, and is then closed.
    LimitBytes(u64),
}

/// A proxy on a port of its own. It ends with its connections when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    orders: mpsc::Sender<Order>,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicUsize,
    open: AtomicUsize,
}

struct Order {
    /// `None` resets the connections and changes nothing else.
    mode: Option<Mode>,
    done: oneshot::Sender<io::Result<()>>,
}

impl Proxy {
    /// Starts a proxy to this address, in [`Mode::Pass`].
    pub async fn to(server: impl Into<SocketAddr>) -> Result<Self, Error> {
        let claim = Port::claim()?;
        let port = claim.number;
        let listener = listen(port)
            .await
            .map_err(Error::io(format!("listen on port {port}")))?;
        let counts = Arc::new(Counts::default());
        let (orders, receiver) = mpsc::channel(1);
        let state = Acceptor {
            claim,
            server: server.into(),
            listener: Some(listener),
            mode: watch::channel(Mode::Pass).0,
            kill: watch::channel(()).0,
            connections: JoinSet::new(),
            counts: Arc::clone(&counts),
        };
        let task = tokio::spawn(state.run(receiver));
        Ok(Self {
            port,
            orders,
            counts,
            task,
        })
    }

    /// Its port on 127.0.0.1, the same in every mode.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Changes the mode. It holds when this returns: after `Down` nothing listens any more.
    pub async fn set(&self, mode: Mode) -> Result<(), Error> {
        self.order(Some(mode)).await
    }

    /// Resets the open connections; new ones are accepted as before.
    pub async fn kill_connections(&self) -> Result<(), Error> {
        self.order(None).await
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    async fn order(&self, mode: Option<Mode>) -> Result<(), Error> {
        let (done, answer) = oneshot::channel();
        let gone = || io::Error::other("the proxy's runtime has ended");
        let sent = self.orders.send(Order { mode, done }).await;
        let answer = if sent.is_ok() {
            answer.await.unwrap_or_else(|_| Err(gone()))
        } else {
            Err(gone())
        };
        answer.map_err(Error::io(format!(
            "set the proxy on port {} to {mode:?}",
            self.port
        )))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Acceptor {
    claim: Port,
    server: SocketAddr,
    listener: Option<TcpListener>,
    mode: watch::Sender<Mode>,
    kill: watch::Sender<()>,
    /// Dropped, and so aborted, with the acceptor.
    connections: JoinSet<()>,
    counts: Arc<Counts>,
}

impl Acceptor {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                // An order is obeyed before a connection that came later.
                biased;
                order = orders.recv() => {
                    let Some(Order { mode, done }) = order else { return };
                    // Whoever asked may be gone.
                    let _ = done.send(self.obey(mode).await);
                }
                accepted = accept(self.listener.as_ref()) => if let Ok(client) = accepted {
                    self.serve(client);
                },
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    async fn obey(&mut self, mode: Option<Mode>) -> io::Result<()> {
        if let Some(mode) = mode {
            self.mode.send_replace(mode);
        }
        match mode {
            Some(Mode::Down) => self.listener = None,
            Some(_) if self.listener.is_none() => self.listener = Some(listen(self.claim.number).await?),
            _ => {}
        }
        if matches!(mode, None | Some(Mode::Down)) {
            self.kill.send_replace(());
            while self.connections.join_next().await.is_some() {}
        }
        Ok(())
    }

    fn serve(&mut self, client: TcpStream) {
        self.counts.accepted.fetch_add(1, Ordering::SeqCst);
        let open = Open::new(&self.counts);
        let (mode, kill) = (self.mode.subscribe(), self.kill.subscribe());
        let connection = relay::connection(client, self.server, mode, kill);
        self.connections.spawn(async move {
            connection.await;
            drop(open);
        });
    }
}

/// Counts a connection for as long as it lives, also one that is aborted.
struct Open(Arc<Counts>);

impl Open {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A port that was just claimed may seem in use for a moment: a process that is being started beside us holds a copy of
/// every socket until it runs its program, that of the claim's own look among them.
async fn listen(port: u16) -> io::Result<TcpListener> {
    for _ in 0..LISTEN_TRIES {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => tokio::time::sleep(LISTEN_PAUSE).await,
            bound => return bound,
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => std::future::pending().await,
    }
}
