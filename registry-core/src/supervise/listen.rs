//! The sockets that the master keeps open while workers come and go.

use listenfd::ListenFd;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

/// Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `:8080` for every address, or `unix:/run/shop.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(String),
    Unix(PathBuf),
}

/// A socket that is listened on.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    /// A Unix socket's file, which goes with it.
    file: Option<PathBuf>,
}

/// The sockets that this process was started with, as systemd does it for a `.socket` unit. They outlive the master.
pub(crate) fn inherited() -> io::Result<Vec<Listener>> {
    let mut sockets = ListenFd::from_env();
    let count = sockets.len();
    let take = |index: usize| {
        let tcp = sockets.take_tcp_listener(index);
        let socket = match tcp {
            Ok(socket) => socket.map(OwnedFd::from),
            Err(_) => sockets.take_unix_listener(index)?.map(OwnedFd::from),
        };
        let wrong = || io::Error::other("it was taken already");
        let socket = socket.ok_or_else(wrong)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Listener { socket, file: None })
    };
    (0..count).map(take).collect()
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let wrong = || {
            format!("expected an address such as `127.0.0.1:8080` or `unix:/run/shop.sock`, found `{text}`")
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        port.parse::<u16>().map_err(|_| wrong())?;
        Ok(Self::Tcp(match host {
            "" => format!("0.0.0.0:{port}"),
            _ => text.to_owned(),
        }))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listener {
    /// Listens. What a dead process left of a Unix socket is taken away; one that is in use is an error.
    pub(crate) fn bind(address: &Address) -> io::Result<Self> {
        let socket = match address {
            Address::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                listener.into()
            }
            Address::Unix(path) => {
                if path.exists() {
                    match UnixStream::connect(path) {
                        Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
                        Err(_) => std::fs::remove_file(path)?,
                    }
                }
                let listener = UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                listener.into()
            }
        };
        let file = match address {
            Address::Tcp(_) => None,
            Address::Unix(path) => Some(path.clone()),
        };
        Ok(Self { socket, file })
    }

    /// Another descriptor of the same socket, for a worker.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.file {
            // It is ours: nothing else could listen there meanwhile.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |text: &str| Address::Tcp(text.to_owned());
        assert_eq!(Address::parse("127.0.0.1:80").unwrap(), tcp("127.0.0.1:80"));
        assert_eq!(Address::parse(":8080").unwrap(), tcp("0.0.0.0:8080"));
        assert_eq!(Address::parse("[::1]:8080").unwrap(), tcp("[::1]:8080"));
        assert_eq!(
            Address::parse("unix:/run/a").unwrap(),
            Address::Unix("/run/a".into())
        );
        for wrong in ["", "8080", "host", "host:port", "host:99999"] {
            assert!(
                Address::parse(wrong).unwrap_err().contains("expected an address"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_unix_socket_that_is_in_use_is_refused_and_a_dead_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let address = Address::Unix(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves it");
        let listener = Listener::bind(&address).unwrap();
        assert_eq!(
            Listener::bind(&address).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
        drop(listener);
        assert!(!path.exists());
    }
}
