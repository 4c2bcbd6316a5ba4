//! Why a server cannot be reached, in words: what the drivers keep to themselves.

use crate::error::{Error, plain};
use crate::kind::ErrorKind;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// Runs the driver's own attempt against these hosts; when it takes more than half of `deadline`, looks with a plain
/// socket what is there, so that a deadline can say more than that it passed. What is `known` of a host by then, by its
/// place, needs no look.
pub(crate) async fn with_cause<T>(
    hosts: &[(String, u16)],
    deadline: Duration,
    what: &str,
    known: impl Fn(usize) -> Option<String>,
    attempt: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::pin!(attempt);
    // A little before the caller's own deadline: the answer below is the better one.
    let mine = deadline.mul_f64(0.98);
    let look = async {
        tokio::time::sleep(mine / 2).await;
        let mut found = Vec::new();
        for (place, (host, port)) in hosts.iter().enumerate() {
            if let Some(words) = known(place) {
                found.push(words);
                continue;
            }
            let left = (mine / 2).mul_f64(0.9) / u32::try_from(hosts.len()).unwrap_or(1).max(1);
            found.push(
                match tokio::time::timeout(left, TcpStream::connect((host.as_str(), *port))).await {
                    Ok(Ok(_)) => format!(
                        "{host}:{port} accepts connections but does not answer as {what}: \
                     another service, or a server that hangs"
                    ),
                    Ok(Err(cause)) => unreachable_words(host, *port, &cause),
                    Err(_) => format!(
                        "no answer from {host}:{port}: packets are dropped on the way, or the host is down"
                    ),
                },
            );
        }
        found
    };
    let mut found = Vec::new();
    let result = tokio::time::timeout(mine, async {
        tokio::select! {
            result = &mut attempt => return result,
            words = look => found = words,
        }
        (&mut attempt).await
    })
    .await;
    match result {
        Ok(result) => result,
        Err(_) if found.is_empty() => Err(Error::new(
            ErrorKind::Timeout,
            format!("not open within {deadline:?}"),
        )),
        Err(_) => Err(Error::new(
            ErrorKind::Timeout,
            format!("not open within {deadline:?}: {}", found.join("; ")),
        )),
    }
}

/// Fails at once when nothing is to be had at any of these hosts; otherwise keeps quiet.
#[cfg(feature = "mongodb")]
pub(crate) async fn all_refuse(hosts: &[(String, u16)]) -> Error {
    let attempts =
        hosts.iter().map(
            async |(host, port)| match TcpStream::connect((host.as_str(), *port)).await {
                Ok(_) => std::future::pending().await,
                Err(cause) => unreachable_words(host, *port, &cause),
            },
        );
    let words = crate::together::join_all(attempts).await;
    Error::new(ErrorKind::Unreachable, words.join("; "))
}

/// An I/O error while connecting, in words.
pub(crate) fn unreachable_words(host: &str, port: u16, cause: &io::Error) -> String {
    let address = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    match cause.kind() {
        io::ErrorKind::ConnectionRefused => format!("connection refused: nothing listens at {address}"),
        io::ErrorKind::ConnectionReset => format!("{address} reset the connection"),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            format!("{address} closed the connection")
        }
        io::ErrorKind::TimedOut => format!("no answer from {address}"),
        _ if is_dns(cause) => format!("the host name `{host}` does not resolve"),
        _ => format!("cannot reach {address}: {}", plain(cause)),
    }
}

/// getaddrinfo's errors have no kind of their own.
fn is_dns(cause: &io::Error) -> bool {
    cause.raw_os_error().is_none() && cause.to_string().contains("lookup")
}
