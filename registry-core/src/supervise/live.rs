//! A worker's process, and what it says.

use super::event::Id;
use super::master::Readiness;
use super::notify::{self, Notice};
use rustix::process::Pid;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// How long a program of [`Readiness::Alive`] has to live.
const ALIVE: Duration = Duration::from_secs(1);

/// The most that is read of one worker at once: what it left behind may write without end.
const UNREAD: usize = 1_024;

/// A worker's process, and what it said.
pub(super) struct Live {
    pub(super) pid: Pid,
    pub(super) socket: PathBuf,
    pub(super) words: Words,
    pub(super) reader: AbortHandle,
    pub(super) notice: Notice,
}

/// The socket that a worker speaks to. A task reads it, which wakes the master; the master reads it as well, where it must
/// know all that was said until now.
pub(super) struct Words(UnixDatagram);

impl Words {
    /// The socket at this path, for both.
    pub(super) fn bind(path: &Path) -> io::Result<(Self, tokio::net::UnixDatagram)> {
        let socket = UnixDatagram::bind(path)?;
        socket.set_nonblocking(true)?;
        let reader = tokio::net::UnixDatagram::from_std(socket.try_clone()?)?;
        Ok((Self(socket), reader))
    }

    /// What was sent and not read yet. Asks the system: what the runtime knows of the socket is older.
    pub(super) fn unread(&self) -> Vec<Notice> {
        let mut buffer = vec![0; notify::LIMIT];
        let datagrams = std::iter::from_fn(|| {
            let length = self.0.recv(&mut buffer).ok()?;
            Some(notify::parse(&buffer[..length]))
        });
        datagrams.take(UNREAD).collect()
    }
}

/// Reads what one worker sends until the process is gone.
pub(super) async fn read(
    id: Id,
    reader: tokio::net::UnixDatagram,
    notices: mpsc::Sender<(Id, Notice)>,
    readiness: Readiness,
) {
    if readiness == Readiness::Alive {
        tokio::time::sleep(ALIVE).await;
        let ready = Notice {
            ready: true,
            ..Notice::default()
        };
        if notices.send((id, ready)).await.is_err() {
            return;
        }
    }
    let mut buffer = vec![0; notify::LIMIT];
    while reader.readable().await.is_ok() {
        // Before it is read: what this task holds when it is ended is lost.
        let Ok(place) = notices.reserve().await else {
            return;
        };
        match reader.try_recv(&mut buffer) {
            Ok(length) => place.send((id, notify::parse(&buffer[..length]))),
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
