//! The three servers, and the application on them: its log, its status, its answers.

use super::{PATIENCE, POLL, until};
use registry_dev::{MemcachedServer, MongoDbServer, MySqlServer, Port};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// The variable that makes this program the application.
pub(crate) const APPLICATION: &str = "OUTAGE_APPLICATION";
pub(crate) const PASSWORD: &str = "the password of a test";

/// MySQL, MongoDB and memcached, with the shop's database and user.
pub(crate) struct Servers {
    pub(crate) runtime: Runtime,
    pub(crate) mysql: MySqlServer,
    pub(crate) mongodb: MongoDbServer,
    pub(crate) memcached: MemcachedServer,
}

impl Servers {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let (mysql, mongodb, memcached) = runtime.block_on(async {
            tokio::join!(
                registry_dev::mysql(),
                registry_dev::mongodb(),
                registry_dev::memcached()
            )
        });
        let (mysql, mongodb, memcached) = (mysql.unwrap(), mongodb.unwrap(), memcached.unwrap());
        runtime
            .block_on(mysql.create_database("shop", "shop", PASSWORD))
            .unwrap();
        Self {
            runtime,
            mysql,
            mongodb,
            memcached,
        }
    }

    pub(crate) fn stop_mysql(&self) {
        self.runtime.block_on(self.mysql.stop()).unwrap();
    }

    pub(crate) fn start_mysql(&self) {
        self.runtime.block_on(self.mysql.start()).unwrap();
    }

    /// Sessions of the application in MySQL, also those that have not proved who they are yet.
    pub(crate) fn sessions(&self) -> u32 {
        let count = "select count(*) from information_schema.processlist \
                     where user in ('shop', 'unauthenticated user')";
        let text = self.runtime.block_on(self.mysql.sql(count)).unwrap();
        text.trim().parse().unwrap()
    }

    /// Waits for the end of them all: MySQL notices a moment later than who had them.
    pub(crate) fn sessions_end(&self) {
        until("the sessions end", || (self.sessions() == 0).then_some(()));
    }
}

/// The application, ended when it is dropped.
pub(crate) struct Application {
    pub(crate) master: Child,
    folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    _port: Port,
}

impl Application {
    /// Starts the master; whether its workers come up is another question.
    pub(crate) fn start(servers: &Servers) -> Self {
        Self::start_with(servers, &[])
    }

    /// The same with more variables.
    pub(crate) fn start_with(servers: &Servers, variables: &[(&str, &OsStr)]) -> Self {
        let port = Port::claim().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let folder = tempfile::tempdir().unwrap();
        let master = Command::new(std::env::current_exe().unwrap())
            .arg(address.to_string())
            .env(APPLICATION, "serves")
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("SHOP_DB_PASSWORD", PASSWORD)
            .env("DBREG_MYSQL__MAIN__PORT", servers.mysql.port().to_string())
            .env("DBREG_MONGODB__LOGS__PORT", servers.mongodb.port().to_string())
            .env(
                "DBREG_MEMCACHED__CACHE__PORT",
                servers.memcached.port().to_string(),
            )
            .envs(variables.iter().copied())
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            master,
            folder,
            address,
            _port: port,
        }
    }

    /// Starts it, and waits for both workers.
    pub(crate) fn serving(servers: &Servers) -> Self {
        let application = Self::start(servers);
        application.all_work();
        application
    }

    /// Waits until both workers serve, from all their databases.
    pub(crate) fn all_work(&self) {
        self.both_serve();
        assert_eq!(self.get("/").0, 200);
    }

    /// Waits until both workers are ready, and have done what they do between that and their first answer.
    pub(crate) fn both_serve(&self) {
        until("both workers are ready", || {
            (self.status()["ready"] == 2).then_some(())
        });
        let mut seen = BTreeSet::new();
        until("both workers answer", || {
            seen.insert(self.get("/worker").1);
            (seen.len() == 2).then_some(())
        });
    }

    /// Status code and body of an answer, on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(self.address, path).unwrap()
    }

    /// Asks until the answer is 200; gives how long that took.
    pub(crate) fn works_again(&self) -> Duration {
        until("it answers 200", || (self.get("/").0 == 200).then_some(())).1
    }

    pub(crate) fn signal(&self, signal: &str) {
        send(signal, self.master.id());
    }

    /// The status as its socket says it; `null` while there is none.
    pub(crate) fn status(&self) -> Value {
        let ask = || -> std::io::Result<Value> {
            let mut stream = UnixStream::connect(self.folder.path().join("dbreg/serve.sock"))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(b"?")?;
            let mut text = String::new();
            BufReader::new(stream).read_line(&mut text)?;
            serde_json::from_str(&text).map_err(std::io::Error::other)
        };
        ask().unwrap_or_default()
    }

    /// The processes of its workers; of a worker that is not there, none.
    pub(crate) fn workers(&self) -> BTreeSet<u32> {
        let status = self.status();
        let workers = status["workers"].as_array().cloned().unwrap_or_default();
        let pids = workers.iter().filter_map(|worker| worker["pid"].as_u64());
        pids.map(|pid| u32::try_from(pid).unwrap()).collect()
    }

    /// How many open descriptors the master has.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.master.id()))
            .unwrap()
            .count()
    }

    /// The memory that the master holds, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.master.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
            .unwrap()
    }

    /// What lies in its folder, without the lock, which stays.
    pub(crate) fn left_behind(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("dbreg")) else {
            return Vec::new();
        };
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_none_or(|extension| extension != "lock"))
            .collect()
    }

    pub(crate) fn ends(&mut self) -> ExitStatus {
        until("the master ends", || self.master.try_wait().unwrap()).0
    }

    /// TERM, and its orderly end.
    pub(crate) fn end(mut self) {
        self.signal("TERM");
        assert_eq!(self.ends().code(), Some(0));
        assert_eq!(self.left_behind(), Vec::<PathBuf>::new());
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // Twice is at once; and whatever becomes of it, it is collected.
        for _ in 0..2 {
            if self.master.try_wait().is_ok_and(|ended| ended.is_none()) {
                self.signal("TERM");
            }
        }
        let began = Instant::now();
        while self.master.try_wait().is_ok_and(|ended| ended.is_none()) {
            if began.elapsed() > PATIENCE {
                let _ = self.master.kill();
            }
            std::thread::sleep(POLL);
        }
    }
}

/// One request on one connection.
pub(crate) fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let parts = text.split_once("\r\n\r\n").and_then(|(head, body)| {
        let code = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some((code, body.to_owned()))
    });
    parts.ok_or_else(|| std::io::Error::other(format!("no answer, but {text:?}")))
}

pub(crate) fn send(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(status.unwrap().success(), "{signal} to {pid}");
}

/// Whether the process is there and no zombie.
pub(crate) fn lives(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// Every process, zombies too, whose parent this is.
pub(crate) fn children(parent: u32) -> BTreeSet<u32> {
    let processes = std::fs::read_dir("/proc").unwrap();
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, its)| its == parent))
        .collect()
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}
