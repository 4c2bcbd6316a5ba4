//! A listener that takes nobody any more once its worker is to end, for a rolling restart that loses no request.
//!
//! At a graceful shutdown a server closes the connections whose request it has not begun to read. Such a connection may
//! just have been accepted, with its request on the way: the client would see a reset. So accepting ends first, and the
//! graceful shutdown begins when the requests of the last ones are there. Clients that come meanwhile wait in the
//! socket, which stays open, for the next worker.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long the last clients have for their first byte.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) ending: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl axum::serve::Listener for Listener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        tokio::select! {
            biased;
            () = &mut self.ending => std::future::pending().await,
            // axum's own way with errors: it waits a second when there are no descriptors left.
            client = axum::serve::Listener::accept(&mut self.socket) => client,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}
