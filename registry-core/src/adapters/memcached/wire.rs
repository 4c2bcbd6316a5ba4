//! The commands on one session. The protocol of `memcache-async` speaks those that it speaks rightly; the module
//! documentation of [`super`] names the others.

use super::frame::{Answer, garbled, other_key, unexpected};
use super::stream::{Ending, Stream};
use super::write::Write;
use futures_util::io::{AsyncReadExt as _, AsyncWriteExt as _};
use memcache_async::ascii::Protocol;
use std::collections::HashMap;
use std::io;

/// A server has some dozens of statistics.
const STATS_LIMIT: usize = 10_000;

fn two_values() -> io::Error {
    garbled("the server sent two values of one key")
}

/// The values of these keys, which are all different, each at the place of its key. Read by ourselves: what the protocol
/// makes of an answer, a map with keys of its own, costs more than the answer.
pub(super) async fn get_each(stream: &mut Stream, keys: &[&[u8]]) -> io::Result<Vec<Option<Vec<u8>>>> {
    stream.expect(Ending::End, keys.len());
    stream.write_keys(keys);
    let mut values = vec![None; keys.len()];
    let mut next = 0;
    stream.arrive().await?;
    loop {
        while let Some(key) = keys.get(next)
            && let Some(value) = stream.value_at_hand(key)
        {
            if values[next].replace(value).is_some() {
                return Err(two_values());
            }
            next += 1;
        }
        if stream.ends_at_hand() {
            return Ok(values);
        }
        let look = |found: &[u8]| {
            // A server answers in the order of the question, and leaves out what it has not; a proxy may answer in another.
            let mut places = (next..keys.len()).chain(0..next);
            next = places.find(|place| keys[*place] == found).ok_or_else(other_key)?;
            Ok(())
        };
        let Some(value) = stream.next_value(look).await? else {
            return Ok(values);
        };
        if values[next].replace(value).is_some() {
            return Err(two_values());
        }
        next += 1;
    }
}

/// The value of one key. Not by the protocol, which makes a buffer of 8 KiB for each answer, and does not look at its key.
pub(super) async fn get(stream: &mut Stream, key: &str) -> io::Result<Option<Vec<u8>>> {
    let look = |found: &[u8]| (found == key.as_bytes()).then_some(()).ok_or_else(other_key);
    stream.expect(Ending::End, 1);
    stream.write_keys(&[key.as_bytes()]);
    stream.arrive().await?;
    let value = match stream.value_at_hand(key.as_bytes()) {
        None => stream.next_value(look).await?,
        value => value,
    };
    let Some(value) = value else {
        return Ok(None);
    };
    if stream.ends_at_hand() {
        return Ok(Some(value));
    }
    match stream.next_value(look).await? {
        None => Ok(Some(value)),
        Some(_) => Err(two_values()),
    }
}

pub(super) async fn gets(stream: &mut Stream, key: &str) -> io::Result<Option<(Vec<u8>, u64)>> {
    stream.expect(Ending::End, 1);
    send(stream, &format!("gets {key}\r\n")).await?;
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

/// Carries out one command that changes something; its answer fits it.
pub(super) async fn write(stream: &mut Stream, write: &Write<'_>) -> io::Result<Answer> {
    stream.write_command(|out| write.put(out));
    stream.finish_lines().await?;
    let answer = stream.take_answer().ok_or_else(unexpected)?;
    if write.verb.takes(&answer) {
        Ok(answer)
    } else {
        Err(unexpected())
    }
}

/// Stores a value if the token still holds: the server's word.
pub(super) async fn cas(
    stream: &mut Stream,
    key: &str,
    value: &[u8],
    expiry: u32,
    token: u64,
) -> io::Result<Answer> {
    let length = value.len();
    stream.write_command(|out| {
        out.extend_from_slice(format!("cas {key} 0 {expiry} {length} {token}\r\n").as_bytes());
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    });
    stream.finish_lines().await?;
    match stream.take_answer() {
        Some(answer @ (Answer::Stored | Answer::Exists | Answer::NotFound | Answer::Refused(_))) => {
            Ok(answer)
        }
        _ => Err(unexpected()),
    }
}

pub(super) async fn flush_all(stream: &mut Stream) -> io::Result<()> {
    stream.expect(Ending::Line, 0);
    Protocol::new(stream).flush().await
}

pub(super) async fn version(stream: &mut Stream) -> io::Result<String> {
    stream.expect(Ending::Line, 0);
    Protocol::new(stream).version().await
}

pub(super) async fn stats(stream: &mut Stream) -> io::Result<HashMap<String, String>> {
    stream.expect(Ending::End, 0);
    send(stream, "stats\r\n").await?;
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

async fn send(stream: &mut Stream, command: &str) -> io::Result<()> {
    stream.write_all(command.as_bytes()).await?;
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
