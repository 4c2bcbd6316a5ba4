//! The keys of one server that begin with a prefix, removed.
//!
//! memcached has no command for it. It lists all keys (`lru_crawler metadump all`, of 1.4.31 and newer), and each of ours
//! is deleted. By sockets of our own: the client has no command that lists, and would look for a key at the host that it
//! belongs to now, not at the one where it was found. A list may miss keys that move meanwhile, so that it is asked for
//! until it has none of ours.

use super::super::address::HostAddress;
use super::super::error::of_io;
use super::super::key::KEY_LIMIT;
use crate::error::Error;
use crate::kind::ErrorKind;
use registry_config::Settings;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// So many keys are deleted by one packet.
const BATCH: usize = 500;
/// So often a list is asked for until it has no key of ours. Whoever writes all the time has new ones in each.
const ROUNDS: usize = 20;
/// So often a crawler that works for somebody else is waited for, and how long each time.
const BUSY: (usize, Duration) = (100, Duration::from_millis(100));
/// The longest line: a key of which each byte is written as three, and numbers.
const LINE: u64 = 3 * KEY_LIMIT as u64 + 512;

/// Removes the keys that begin with `prefix`, which is not empty. Gives how many there were.
pub(super) async fn sweep(host: &HostAddress, settings: &Settings, prefix: &[u8]) -> Result<u64, Error> {
    let of = |key: &str, default| settings.duration(key).unwrap_or(default);
    let limits = Limits {
        connect: of("connect_timeout", Duration::from_secs(3)),
        read: of("timeout", Duration::from_secs(2)),
    };
    let mut removed = 0;
    for _ in 0..ROUNDS {
        match round(host, limits, prefix).await? {
            0 => return Ok(removed),
            count => removed += count,
        }
    }
    let message = format!("{host}: keys are written faster than they can be removed");
    Err(Error::new(ErrorKind::Operation, message).help("stop what writes them, and run this again"))
}

#[derive(Clone, Copy)]
struct Limits {
    connect: Duration,
    read: Duration,
}

/// A connection of our own.
struct Wire<'h> {
    host: &'h HostAddress,
    stream: BufReader<TcpStream>,
    limits: Limits,
    line: Vec<u8>,
}

impl<'h> Wire<'h> {
    async fn connect(host: &'h HostAddress, limits: Limits) -> Result<Self, Error> {
        let connecting = TcpStream::connect((host.host(), host.port()));
        let connected = tokio::time::timeout(limits.connect, connecting).await;
        let stream = connected
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|cause| of_io(host, &cause))?;
        Ok(Self {
            host,
            stream: BufReader::new(stream),
            limits,
            line: Vec::new(),
        })
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let sent = tokio::time::timeout(self.limits.read, self.stream.get_mut().write_all(bytes)).await;
        let sent = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        sent.map_err(|cause| of_io(self.host, &cause))
    }

    /// The next line, without its end; empty at the end of the stream.
    async fn line(&mut self) -> Result<&[u8], Error> {
        self.line.clear();
        let mut bounded = (&mut self.stream).take(LINE);
        let read = bounded.read_until(b'\n', &mut self.line);
        let read = tokio::time::timeout(self.limits.read, read).await;
        let read = read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        read.map_err(|cause| of_io(self.host, &cause))?;
        if self.line.len() as u64 == LINE {
            let message = format!("{}: the server answered a line without end", self.host);
            return Err(Error::new(ErrorKind::Protocol, message));
        }
        Ok(self.line.trim_ascii_end())
    }
}

/// Lists once, and deletes what is found. Gives how many keys were removed.
async fn round(host: &HostAddress, limits: Limits, prefix: &[u8]) -> Result<u64, Error> {
    let mut list = Wire::connect(host, limits).await?;
    let mut deleter = Wire::connect(host, limits).await?;
    let mut batch: Vec<Vec<u8>> = Vec::new();
    let mut removed = 0;
    let mut busy = 0;
    list.send(b"lru_crawler metadump all\r\n").await?;
    loop {
        let line = list.line().await?;
        if let Some(entry) = line.strip_prefix(b"key=") {
            let key = decoded(entry.split(|byte| *byte == b' ').next().unwrap_or_default());
            if key.starts_with(prefix) {
                batch.push(key);
            }
            if batch.len() == BATCH {
                removed += delete(&mut deleter, &mut batch).await?;
            }
        } else if line == b"END" {
            break;
        } else if line.starts_with(b"BUSY") && busy < BUSY.0 {
            busy += 1;
            tokio::time::sleep(BUSY.1).await;
            list.send(b"lru_crawler metadump all\r\n").await?;
        } else {
            let words = String::from_utf8_lossy(line);
            // A proxy that does not know the command hangs up.
            let words = if words.is_empty() { "nothing" } else { &*words };
            let message = format!("{host}: expected the list of its keys, the server answered {words}");
            let help = "start it without `-o no_lru_crawler`; others have keys there, so that all of them are not removed instead";
            return Err(Error::new(ErrorKind::Operation, message).help(help));
        }
    }
    removed += delete(&mut deleter, &mut batch).await?;
    Ok(removed)
}

/// Deletes the keys, and gives how many of them were there.
async fn delete(wire: &mut Wire<'_>, batch: &mut Vec<Vec<u8>>) -> Result<u64, Error> {
    let mut packet = Vec::new();
    for key in batch.iter() {
        if key.len() > KEY_LIMIT || key.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            // Written by another protocol; sent in this one it would be a command.
            let message = format!(
                "{}: a key that begins with the prefix has spaces or control characters",
                wire.host
            );
            let help = "remove it by the client that has written it, or write `--all-keys`";
            return Err(Error::new(ErrorKind::Operation, message).help(help));
        }
        packet.extend_from_slice(b"delete ");
        packet.extend_from_slice(key);
        packet.extend_from_slice(b"\r\n");
    }
    wire.send(&packet).await?;
    let mut removed = 0;
    for _ in batch.drain(..) {
        match wire.line().await? {
            b"DELETED" => removed += 1,
            b"NOT_FOUND" => {}
            other => {
                let words = String::from_utf8_lossy(other).into_owned();
                let message = format!(
                    "{}: expected that a key is deleted, the server answered {words}",
                    wire.host
                );
                return Err(Error::new(ErrorKind::Operation, message));
            }
        }
    }
    Ok(removed)
}

/// The bytes of a key as it is listed: `%20` for a space.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let escaped = match (byte, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded() {
        for (text, expected) in [
            ("shop%3A1", "shop:1"),
            ("a%2520", "a%20"),
            ("%C3%BC", "ü"),
            ("50%", "50%"),
            ("%zz%4", "%zz%4"),
            ("", ""),
        ] {
            assert_eq!(decoded(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }
}
