//! What the network says before any driver: names to addresses, and whether something listens there.

use super::exam::Mark;
use registry_core::{Error, ErrorKind, Place};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// The addresses of the hosts, in their order.
pub(super) struct Addresses {
    hosts: Vec<(String, Result<Vec<SocketAddr>, Error>)>,
    pub(super) time: Duration,
}

impl Addresses {
    /// `db1 is 10.0.0.5`; nothing where every host is an address.
    pub(super) fn detail(&self) -> Option<String> {
        let told = self.hosts.iter().filter_map(|(name, found)| match found {
            Ok(found) => {
                let host = name.rsplit_once(':').map_or(name.as_str(), |(host, _)| host);
                let literal = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
                let mut found: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
                found.dedup();
                (!literal).then(|| format!("{host} is {}", found.join(", ")))
            }
            Err(error) => Some(error.message().to_owned()),
        });
        let told: Vec<String> = told.collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// Doubtful when some of several names do not resolve.
    pub(super) fn mark(&self) -> Mark {
        let all = self.hosts.iter().all(|(_, found)| found.is_ok());
        if all { Mark::Good } else { Mark::Doubtful }
    }
}

/// Resolves the name of every host.
///
/// # Errors
/// The first error, when none resolves.
pub(super) async fn resolve(places: &[Place], limit: Duration) -> Result<Addresses, Error> {
    let start = Instant::now();
    let hosts = places.iter().filter_map(|place| match place {
        Place::Host(host, port) => Some((host.as_str(), *port)),
        _ => None,
    });
    let lookups = hosts.map(async |(host, port)| {
        let shown = shown(host, port);
        let found = match timeout(limit, lookup_host((host, port))).await {
            Ok(Ok(found)) => Ok(found.collect::<Vec<_>>()),
            Ok(Err(_)) => Err(Error::new(
                ErrorKind::Unreachable,
                format!("the host name `{host}` does not resolve"),
            )),
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!("no name server answered for `{host}` within {limit:?}"),
            )),
        };
        (shown, found)
    });
    let hosts = futures_util::future::join_all(lookups).await;
    match hosts.iter().find_map(|(_, found)| found.as_ref().err()) {
        Some(error) if hosts.iter().all(|(_, found)| found.is_err()) => Err(error.clone()),
        _ => Ok(Addresses {
            hosts,
            time: start.elapsed(),
        }),
    }
}

/// Who answered a plain connection attempt.
pub(super) struct Connected {
    /// Of the first that answered.
    pub(super) time: Option<Duration>,
    hosts: usize,
    pub(super) failed: Vec<Error>,
}

impl Connected {
    pub(super) fn detail(&self) -> String {
        if self.hosts == 1 {
            return String::new();
        }
        let failed: Vec<&str> = self.failed.iter().map(Error::message).collect();
        let there = self.hosts - failed.len();
        let after = if failed.is_empty() { "" } else { "; " };
        format!("{there} of {} hosts{after}{}", self.hosts, failed.join("; "))
    }
}

/// Connects to every host, and hangs up. `None` where there is nothing to connect to.
///
/// # Errors
/// The first error, when no host answers.
pub(super) async fn connect(
    addresses: &Addresses,
    places: &[Place],
    limit: Duration,
) -> Result<Option<Connected>, Error> {
    let attempts = addresses.hosts.iter().map(async |(name, found)| match found {
        Ok(found) => knock(name, found, limit).await,
        Err(error) => Err(error.clone()),
    });
    let mut results = futures_util::future::join_all(attempts).await;
    for place in places {
        if let Place::Socket(path) = place {
            results.push(knock_at_socket(path, limit).await);
        }
    }
    let hosts = results.len();
    let (mut time, mut failed) = (None, Vec::new());
    for result in results {
        match result {
            Ok(elapsed) => time = time.or(Some(elapsed)),
            Err(error) => failed.push(error),
        }
    }
    if hosts > 0 && failed.len() == hosts {
        return Err(failed.swap_remove(0));
    }
    Ok((hosts > 0).then_some(Connected { time, hosts, failed }))
}

async fn knock(name: &str, addresses: &[SocketAddr], limit: Duration) -> Result<Duration, Error> {
    let start = Instant::now();
    match timeout(limit, TcpStream::connect(addresses)).await {
        Ok(Ok(_)) => Ok(start.elapsed()),
        Ok(Err(cause)) => Err(refused(name, &cause)),
        Err(_) => {
            let message =
                format!("no answer from {name}: packets are dropped on the way, or the host is down");
            Err(Error::new(ErrorKind::Timeout, message))
        }
    }
}

#[cfg(unix)]
async fn knock_at_socket(path: &str, limit: Duration) -> Result<Duration, Error> {
    let start = Instant::now();
    // PostgreSQL's is named by its folder as well.
    let within = std::path::Path::new(path).join(".s.PGSQL.5432");
    let path = match within.to_str() {
        Some(within) if std::path::Path::new(path).is_dir() => within,
        _ => path,
    };
    match timeout(limit, tokio::net::UnixStream::connect(path)).await {
        Ok(Ok(_)) => Ok(start.elapsed()),
        Ok(Err(cause)) if cause.kind() == std::io::ErrorKind::NotFound => Err(Error::new(
            ErrorKind::Unreachable,
            format!("there is no socket `{path}`"),
        )),
        Ok(Err(cause)) => Err(refused(path, &cause)),
        Err(_) => Err(Error::new(
            ErrorKind::Timeout,
            format!("no answer from the socket `{path}`"),
        )),
    }
}

#[cfg(not(unix))]
async fn knock_at_socket(path: &str, _: Duration) -> Result<Duration, Error> {
    Err(Error::new(
        ErrorKind::Config,
        format!("`{path}`: there are no Unix sockets here"),
    ))
}

fn refused(name: &str, cause: &std::io::Error) -> Error {
    let message = match cause.kind() {
        std::io::ErrorKind::ConnectionRefused => format!("connection refused: nothing listens at {name}"),
        std::io::ErrorKind::PermissionDenied => format!("permission to connect to {name} was denied"),
        _ => format!("cannot reach {name}: {}", cause.kind()),
    };
    Error::new(ErrorKind::Unreachable, message)
}

fn shown(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
