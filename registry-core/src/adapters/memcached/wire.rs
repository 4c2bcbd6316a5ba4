//! The commands on one session. The protocol of `memcache-async` speaks those that it speaks rightly; the module
//! documentation of [`super`] names the others.

use super::stream::{Stream, garbled};
use futures_util::io::{AsyncReadExt as _, AsyncWriteExt as _};
use memcache_async::ascii::Protocol;
use std::collections::HashMap;
use std::io;

/// A server has some dozens of statistics.
const STATS_LIMIT: usize = 10_000;

/// The values of these keys, which are sorted and all different.
pub(super) async fn get_multi(stream: &mut Stream, keys: &[&str]) -> io::Result<HashMap<String, Vec<u8>>> {
    stream.expect_values(keys.len());
    let values = Protocol::new(&mut *stream).get_multi(keys).await?;
    if !values.keys().all(|key| keys.binary_search(&key.as_str()).is_ok()) {
        return Err(other_key());
    }
    // The protocol keeps the last of two values of one key.
    if values.len() + stream.values_left() != keys.len() {
        return Err(garbled("the server sent two values of one key"));
    }
    Ok(values)
}

/// A single one takes the same way: the answer names its key there.
pub(super) async fn get(stream: &mut Stream, key: &str) -> io::Result<Option<Vec<u8>>> {
    let mut values = get_multi(stream, &[key]).await?;
    Ok(values.remove(key))
}

pub(super) async fn gets(stream: &mut Stream, key: &str) -> io::Result<Option<(Vec<u8>, u64)>> {
    stream.expect_values(1);
    send(stream, &format!("gets {key}\r\n"), None).await?;
    let header = line(stream).await?;
    if header == "END" {
        return Ok(None);
    }
    let parts: Vec<&str> = header.split(' ').collect();
    let ["VALUE", found, _, size, token] = parts[..] else {
        return Err(unexpected());
    };
    if found != key {
        return Err(other_key());
    }
    let (Ok(size), Ok(token)) = (size.parse::<usize>(), token.parse()) else {
        return Err(unexpected());
    };
    // The stream has checked the size against `max_value`.
    let mut value = vec![0; size + 2];
    stream.read_exact(&mut value).await?;
    value.truncate(size);
    if line(stream).await? == "END" {
        Ok(Some((value, token)))
    } else {
        Err(unexpected())
    }
}

pub(super) async fn set(stream: &mut Stream, key: &str, value: &[u8], expiry: u32) -> io::Result<()> {
    stream.claim_acknowledgement();
    Protocol::new(&mut *stream).set(key, value, expiry).await?;
    if acknowledged(stream, "STORED", "NOT_STORED").await? {
        Ok(())
    } else {
        Err(unexpected())
    }
}

pub(super) async fn append(stream: &mut Stream, key: &str, value: &[u8]) -> io::Result<bool> {
    stream.claim_acknowledgement();
    Protocol::new(&mut *stream).append(key, value).await?;
    acknowledged(stream, "STORED", "NOT_STORED").await
}

pub(super) async fn delete(stream: &mut Stream, key: &str) -> io::Result<bool> {
    stream.claim_acknowledgement();
    Protocol::new(&mut *stream).delete(key).await?;
    acknowledged(stream, "DELETED", "NOT_FOUND").await
}

/// `add`, `replace`, `prepend`: whether the value was stored.
pub(super) async fn store(
    stream: &mut Stream,
    verb: &str,
    key: &str,
    value: &[u8],
    expiry: u32,
) -> io::Result<bool> {
    let length = value.len();
    send(
        stream,
        &format!("{verb} {key} 0 {expiry} {length}\r\n"),
        Some(value),
    )
    .await?;
    yes_or_no(&line(stream).await?, "STORED", "NOT_STORED")
}

/// The server's word: `STORED`, `EXISTS` or `NOT_FOUND`.
pub(super) async fn cas(
    stream: &mut Stream,
    key: &str,
    value: &[u8],
    expiry: u32,
    token: u64,
) -> io::Result<super::CasOutcome> {
    let length = value.len();
    send(
        stream,
        &format!("cas {key} 0 {expiry} {length} {token}\r\n"),
        Some(value),
    )
    .await?;
    match line(stream).await?.as_str() {
        "STORED" => Ok(super::CasOutcome::Stored),
        "EXISTS" => Ok(super::CasOutcome::Exists),
        "NOT_FOUND" => Ok(super::CasOutcome::NotFound),
        _ => Err(unexpected()),
    }
}

pub(super) async fn touch(stream: &mut Stream, key: &str, expiry: u32) -> io::Result<bool> {
    send(stream, &format!("touch {key} {expiry}\r\n"), None).await?;
    yes_or_no(&line(stream).await?, "TOUCHED", "NOT_FOUND")
}

pub(super) async fn incr(stream: &mut Stream, key: &str, by: u64) -> io::Result<Option<u64>> {
    found(Protocol::new(stream).increment(key, by).await)
}

pub(super) async fn decr(stream: &mut Stream, key: &str, by: u64) -> io::Result<Option<u64>> {
    found(Protocol::new(stream).decrement(key, by).await)
}

pub(super) async fn flush_all(stream: &mut Stream) -> io::Result<()> {
    Protocol::new(stream).flush().await
}

pub(super) async fn version(stream: &mut Stream) -> io::Result<String> {
    Protocol::new(stream).version().await
}

pub(super) async fn stats(stream: &mut Stream) -> io::Result<HashMap<String, String>> {
    send(stream, "stats\r\n", None).await?;
    let mut stats = HashMap::new();
    for _ in 0..STATS_LIMIT {
        let text = line(stream).await?;
        if text == "END" {
            return Ok(stats);
        }
        let (name, value) = text
            .strip_prefix("STAT ")
            .map(|rest| rest.split_once(' ').unwrap_or((rest, "")))
            .ok_or_else(unexpected)?;
        stats.insert(name.to_owned(), value.to_owned());
    }
    Err(unexpected())
}

fn found(answer: io::Result<u64>) -> io::Result<Option<u64>> {
    match answer {
        Ok(number) => Ok(Some(number)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

async fn acknowledged(stream: &mut Stream, yes: &str, no: &str) -> io::Result<bool> {
    stream.collect_owed()?;
    yes_or_no(&line(stream).await?, yes, no)
}

fn yes_or_no(answer: &str, yes: &str, no: &str) -> io::Result<bool> {
    if answer == yes {
        Ok(true)
    } else if answer == no {
        Ok(false)
    } else {
        Err(unexpected())
    }
}

async fn send(stream: &mut Stream, command: &str, value: Option<&[u8]>) -> io::Result<()> {
    stream.write_all(command.as_bytes()).await?;
    if let Some(value) = value {
        stream.write_all(value).await?;
        stream.write_all(b"\r\n").await?;
    }
    stream.flush().await
}

/// The next line, without its end. The stream bounds its length.
async fn line(stream: &mut Stream) -> io::Result<String> {
    let mut text = Vec::new();
    let mut part = [0; 512];
    while !text.ends_with(b"\n") {
        let count = stream.read(&mut part).await?;
        text.extend_from_slice(&part[..count]);
    }
    text.truncate(text.len().saturating_sub(2));
    String::from_utf8(text).map_err(|_| unexpected())
}

fn unexpected() -> io::Error {
    garbled("the server answered something that is no answer to this command")
}

fn other_key() -> io::Error {
    garbled("the server answered with another key than was asked for")
}
