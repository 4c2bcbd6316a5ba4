//! The master's socket: it answers with its status, and workers hold on to it to see its end.

use serde_json::{Value, json};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a client sends to be answered.
const QUESTION: u8 = b'?';
/// How many clients are served at once.
const CLIENTS: usize = 1_024;
/// The longest answer that is read.
const ANSWER: usize = 16 * 1_024 * 1_024;
/// How long a client may take to read its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Listens; only this user can connect.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until it is dropped. `status` is what the latest answer is made from.
pub(crate) async fn serve(listener: UnixListener, status: watch::Receiver<Value>) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if clients.len() < CLIENTS => {
                    clients.spawn(answer(stream, status.clone()));
                }
                Ok(_) => {}
                // Out of descriptors, most likely: a pause, or this would spin.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

async fn answer(mut stream: UnixStream, status: watch::Receiver<Value>) {
    let mut byte = [0];
    // A worker sends nothing, and stays until one of the two ends.
    while let Ok(1) = stream.read(&mut byte).await {
        if byte[0] != QUESTION {
            return;
        }
        let text = format!("{}\n", *status.borrow());
        let written = tokio::time::timeout(PATIENCE, stream.write_all(text.as_bytes())).await;
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

/// Asks the master of this name for its status.
///
/// # Errors
/// `NotFound` when no master of this name is running.
pub async fn status(name: &str) -> io::Result<Value> {
    let ask = async {
        let mut stream = UnixStream::connect(super::folder::socket(name)?).await?;
        stream.write_all(&[QUESTION]).await?;
        let mut text = Vec::new();
        let mut chunk = [0; 4096];
        while !text.ends_with(b"\n") && text.len() < ANSWER {
            match stream.read(&mut chunk).await? {
                0 => break,
                n => text.extend_from_slice(&chunk[..n]),
            }
        }
        serde_json::from_slice(&text).map_err(io::Error::other)
    };
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(Err(cause))
            if matches!(
                cause.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            let words = format!("no master named `{name}` is running");
            Err(io::Error::new(io::ErrorKind::NotFound, words))
        }
        Ok(answer) => answer,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the master `{name}` does not answer within {PATIENCE:?}"),
        )),
    }
}

/// The names of the masters of this user that have a socket.
///
/// # Errors
/// When the folder of the masters cannot be read.
pub fn names() -> io::Result<Vec<String>> {
    super::folder::names()
}

/// An empty status, before the first one.
pub(crate) fn nothing() -> Value {
    json!({})
}
