//! memcached.

use crate::folder::Folder;
use crate::launch::{Launch, Place};
use crate::server::{Server, blocking};
use crate::{Error, Kind, Missing, Provider, docker, find};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const IMAGE: &str = "memcached:1.6";
const ANSWER: Duration = Duration::from_secs(2);

/// What a memcached server is started with.
#[derive(Clone, Debug, Default)]
pub struct MemcachedOptions {
    arguments: Vec<String>,
}

impl MemcachedOptions {
    /// One more argument of the server: `-m`, `16`.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }
}

/// A memcached server. What it holds is gone after a stop.
#[derive(Debug)]
pub struct MemcachedServer {
    server: Server,
}

impl std::ops::Deref for MemcachedServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// Starts a memcached server.
pub async fn memcached() -> Result<MemcachedServer, Error> {
    memcached_with(MemcachedOptions::default()).await
}

/// Starts a memcached server with these options.
pub async fn memcached_with(options: MemcachedOptions) -> Result<MemcachedServer, Error> {
    let installed = blocking(|| installed().ok_or_else(|| Error::Missing(Missing::of(Kind::Memcached))));
    let program = installed.await?;
    let server = Server::launch(move || Ok((launch(program, options), Folder::new("memcached")?)));
    Ok(MemcachedServer {
        server: server.await?,
    })
}

/// The program, or `Some(None)` for Docker, or `None` when there is neither.
pub(crate) fn installed() -> Option<Option<PathBuf>> {
    find::program(&["memcached"])
        .map(Some)
        .or_else(|| docker::is_there().then_some(None))
}

fn launch(program: Option<PathBuf>, MemcachedOptions { arguments }: MemcachedOptions) -> Launch {
    let provider = if program.is_some() {
        Provider::Program
    } else {
        Provider::Docker
    };
    let command = move |place: &Place<'_>| {
        let mut command = match &program {
            Some(program) => Command::new(program),
            None => docker::run(place, 11211, None, &[], IMAGE),
        };
        if program.is_some() {
            command.args(["-l", "127.0.0.1", "-U", "0", "-p", &place.port.to_string()]);
            if rustix::process::getuid().is_root() {
                command.args(["-u", "nobody"]);
            }
        }
        command.args(&arguments);
        command
    };
    let probe = move |place: &Place<'_>| probe(place, provider);
    let (command, probe) = (Box::new(command), Box::new(probe));
    Launch {
        grace: Duration::from_secs(10),
        ..Launch::new(Kind::Memcached, provider, command, probe)
    }
}

/// Asks for the statistics; they say which process answers, so that nobody else's server is taken for ours.
fn probe(place: &Place<'_>, provider: Provider) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port))?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(b"stats\r\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let pid = line
        .trim()
        .strip_prefix("STAT pid ")
        .and_then(|pid| pid.parse().ok());
    if pid.is_some() && (provider == Provider::Docker || pid == place.pid) {
        return Ok(());
    }
    Err(io::Error::other("another server answers"))
}
