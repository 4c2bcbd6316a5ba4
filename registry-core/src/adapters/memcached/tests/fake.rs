//! A server that answers one command badly, and everything else as memcached does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};

/// The bad answer.
#[derive(Clone, Debug)]
pub(super) enum Bad {
    /// These bytes; then the end of the connection, or silence.
    Bytes { bytes: Vec<u8>, close: bool },
    /// Nothing until the client has left.
    Silence,
}

/// Starts it; gives its port. The first command with this verb is answered badly.
pub(super) async fn start(verb: &'static str, bad: Bad) -> u16 {
    start_counted(verb, bad).await.0
}

/// Starts it; gives its port, and how many clients have connected so far.
pub(super) async fn start_counted(verb: &'static str, bad: Bad) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let bad = Arc::new(Mutex::new(Some(bad)));
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            // A client that leaves in the middle is what many tests are about.
            tokio::spawn(serve(tcp, verb, Arc::clone(&bad)));
        }
    });
    (port, count)
}

async fn serve(tcp: TcpStream, verb: &'static str, bad: Arc<Mutex<Option<Bad>>>) -> std::io::Result<()> {
    let (read, mut write) = tcp.into_split();
    let mut read = BufReader::new(read);
    while let Some(command) = command(&mut read).await? {
        let words: Vec<&str> = command.split(' ').collect();
        let now = if words[0] == verb {
            bad.lock().unwrap().take()
        } else {
            None
        };
        match now {
            Some(Bad::Bytes { bytes, close }) => {
                write.write_all(&bytes).await?;
                if close {
                    return Ok(());
                }
            }
            Some(Bad::Silence) => {}
            None => write.write_all(good(&words).as_bytes()).await?,
        }
    }
    Ok(())
}

async fn command(read: &mut BufReader<OwnedReadHalf>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    if read.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let line = line.trim_end().to_owned();
    let words: Vec<&str> = line.split(' ').collect();
    if let ["set" | "add" | "append", _, _, _, length, ..] = words[..] {
        let mut value = vec![0; length.parse::<usize>().unwrap() + 2];
        read.read_exact(&mut value).await?;
    }
    Ok(Some(line))
}

/// The right answer: every key holds its own name.
fn good(words: &[&str]) -> String {
    match words {
        ["get", keys @ ..] => {
            let value = |key: &&str| format!("VALUE {key} 0 {}\r\n{key}\r\n", key.len());
            keys.iter().map(value).chain(["END\r\n".to_owned()]).collect()
        }
        ["set" | "add" | "append", ..] => "STORED\r\n".to_owned(),
        ["incr", ..] => "7\r\n".to_owned(),
        ["version"] => "VERSION 1.6.18\r\n".to_owned(),
        _ => "ERROR\r\n".to_owned(),
    }
}
