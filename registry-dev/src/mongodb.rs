//! MongoDB, or `nx-27017`, which speaks its protocol over SQLite.

use crate::folder::Folder;
use crate::launch::{Launch, Place};
use crate::server::{Server, blocking};
use crate::{Error, Kind, Missing, Provider, docker, find, nx};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const IMAGE: &str = "mongo:7";
const ANSWER: Duration = Duration::from_secs(2);

/// A MongoDB server without logins. See [`Server::provider`] for what speaks.
#[derive(Debug)]
pub struct MongoDbServer {
    server: Server,
}

impl std::ops::Deref for MongoDbServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// Starts a MongoDB server.
pub async fn mongodb() -> Result<MongoDbServer, Error> {
    let installed = blocking(|| installed().ok_or_else(|| Error::Missing(Missing::of(Kind::MongoDb))));
    let program = installed.await?;
    let server = Server::launch(move || {
        let folder = Folder::new("mongodb")?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data).map_err(Error::io(format!("create {}", data.display())))?;
        Ok((launch(program), folder))
    });
    Ok(MongoDbServer {
        server: server.await?,
    })
}

/// What runs the server.
pub(crate) enum Program {
    Mongod(PathBuf),
    Docker,
    Nx(nx::Installed),
}

/// `mongod`, else Docker, else `nx-27017`.
pub(crate) fn installed() -> Option<Program> {
    let mongod = find::program(&["mongod"]).map(Program::Mongod);
    let mongod = mongod.or_else(|| docker::is_there().then_some(Program::Docker));
    mongod.or_else(|| nx::installed().map(Program::Nx))
}

fn launch(program: Program) -> Launch {
    let provider = match program {
        Program::Mongod(_) => Provider::Program,
        Program::Docker => Provider::Docker,
        Program::Nx(_) => Provider::Nx27017,
    };
    let command = move |place: &Place<'_>| match &program {
        Program::Mongod(path) => {
            let mut command = Command::new(path);
            command.args([
                "--quiet",
                "--bind_ip",
                "127.0.0.1",
                "--nounixsocket",
                "--wiredTigerCacheSizeGB",
                "0.25",
            ]);
            command.arg("--port").arg(place.port.to_string());
            command.arg("--dbpath").arg(place.folder.join("data"));
            command
        }
        Program::Docker => docker::run(place, 27017, Some(("data", "/data/db")), &[], IMAGE),
        Program::Nx(installed) => installed.command(place),
    };
    Launch::new(Kind::MongoDb, provider, Box::new(command), Box::new(probe))
}

/// `{ ping: 1, $db: "admin" }` as an `OP_MSG`.
const PING: &[u8] = b"\x33\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\
    \x1e\0\0\0\x10ping\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0";

fn probe(place: &Place<'_>) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port))?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(PING)?;
    let mut header = [0; 16];
    stream.read_exact(&mut header)?;
    if header[12..] == PING[12..16] {
        return Ok(());
    }
    Err(io::Error::other("another server answers"))
}

#[cfg(test)]
mod tests {
    use super::PING;

    #[test]
    fn the_lengths_of_the_ping_are_right() {
        assert_eq!(PING.len(), usize::from(PING[0]));
        assert_eq!(PING.len() - 21, usize::from(PING[21]));
    }
}
