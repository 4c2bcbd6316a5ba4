//! A real twemproxy in front of three real memcached servers, beside a connection that knows all three.

use crate::document::{block, with};
use crate::program::Program;
use dbreg::DbRegistry;
use registry_dev::{Engine, MemcachedServer, Port};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

#[derive(DbRegistry)]
#[registry(toml = r#"
[memcached.proxied]
host = "127.0.0.1"

[memcached.direct]
connections = [{ host = "127.0.0.1", port = 1 }, { host = "127.0.0.1", port = 2 }, { host = "127.0.0.1", port = 3 }]
"#)]
struct App;

/// The same without weights, and with the next host in the place of a dead one.
mod rehashing {
    use dbreg::DbRegistry;

    #[derive(DbRegistry)]
    #[registry(toml = r#"
[memcached.proxied]
host = "127.0.0.1"

[memcached.direct]
connections = [{ host = "127.0.0.1", port = 1 }, { host = "127.0.0.1", port = 2 }, { host = "127.0.0.1", port = 3 }]
on_dead_host = "rehash"
failure_limit = 1
"#)]
    pub(super) struct App;
}

/// Enough that each of three hosts has some, and that a map which differs anywhere shows.
const KEYS: usize = 2_000;
const KEPT: Duration = Duration::from_secs(60);

struct Fleet {
    servers: Vec<MemcachedServer>,
    _proxy: Program,
    db: AppRegistry,
}

/// The hosts of the document, in its order.
const HOSTS: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

async fn servers() -> Vec<MemcachedServer> {
    let mut servers = Vec::new();
    for _ in HOSTS {
        servers.push(registry_dev::memcached().await.unwrap());
    }
    servers
}

/// The document's configuration of twemproxy, on loopback.
fn configuration(servers: &[MemcachedServer], listen: &Port) -> String {
    let listen = format!("listen: 127.0.0.1:{}", listen.number());
    let yaml = block("yaml", "distribution: ketama");
    // A machine with much to do may need longer than one that serves.
    let patient = ("timeout: 400", "timeout: 10000".to_owned());
    let yaml = with(yaml, [("listen: 127.0.0.1:22121", listen), patient]);
    let lines = HOSTS.map(|host| format!("{host}:11211:"));
    let here = servers.iter().map(|server| format!("{}:", server.address()));
    with(yaml, lines.iter().map(String::as_str).zip(here))
}

async fn start() -> Fleet {
    let servers = servers().await;
    let listen = Port::claim().unwrap();
    let at = |index: usize| servers[index].port();
    let proxy = run(&configuration(&servers, &listen), &listen);

    // Our side of the document, with the same changes.
    let toml = block("toml", "[memcached.direct]");
    let lines: Vec<String> = HOSTS.iter().map(|host| format!("host = \"{host}\"")).collect();
    let changes = lines.iter().enumerate().map(|(index, line)| {
        (
            line.as_str(),
            format!("host = \"127.0.0.1\", port = {}", at(index)),
        )
    });
    let toml = with(toml, changes);
    let toml = with(toml, [("port = 22121", format!("port = {}", listen.number()))]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), toml).unwrap();
    let db = App::builder().config_file(file.path()).connect().await.unwrap();
    Fleet {
        servers,
        _proxy: proxy,
        db,
    }
}

/// twemproxy with this configuration, once it accepts.
fn run(yaml: &str, listen: &Port) -> Program {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("nutcracker.yml"), yaml).unwrap();
    let statistics = Port::claim().unwrap();
    let mut command = Command::new(Engine::Twemproxy.find().unwrap_or_else(|error| panic!("{error}")));
    command.arg("--conf-file").arg(path("nutcracker.yml"));
    command.arg("--pid-file").arg(path("pid"));
    command.args(["--output=/dev/stderr", "--stats-addr=127.0.0.1"]);
    command.arg(format!("--stats-port={}", statistics.number()));
    let program = Program::start(folder, &command);
    program.until("twemproxy accepts", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, listen.number())).ok()
    });
    program
}

/// What this server has under the key, asked without any client.
fn value_at(stream: &mut TcpStream, key: &str) -> Option<String> {
    // In one piece: the rest of a line in pieces waits for the server's delayed acknowledgement.
    stream.write_all(format!("get {key}\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.ends_with(b"END\r\n") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the server closed");
        answer.extend_from_slice(&buffer[..count]);
    }
    let answer = String::from_utf8(answer).unwrap();
    answer
        .starts_with("VALUE ")
        .then(|| answer.lines().nth(1).unwrap().to_owned())
}

#[tokio::test]
async fn a_value_stored_through_twemproxy_is_on_the_host_that_dbreg_names() {
    let fleet = start().await;
    let (proxied, direct) = (&fleet.db.memcached.proxied, &fleet.db.memcached.direct);
    let mut raw: Vec<(String, TcpStream)> = Vec::new();
    for server in &fleet.servers {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        raw.push((server.address().to_string(), stream));
    }
    let mut counts = [0; HOSTS.len()];
    for number in 0..KEYS {
        let key = format!("user:{number}:basket");
        let value = format!("value {number}");
        proxied.set(&key, &value, KEPT).await.unwrap();
        let named = direct.host_of(&key).unwrap().to_string();
        for (index, (host, stream)) in raw.iter_mut().enumerate() {
            let here = *host == named;
            assert_eq!(
                value_at(stream, &key),
                here.then(|| value.clone()),
                "{key} at {host}"
            );
            counts[index] += usize::from(here);
        }
    }
    // The third host has a weight of two in the document.
    assert!(counts.iter().all(|count| *count > KEYS / 8), "{counts:?}");
    assert!(counts[2] > counts[0] && counts[2] > counts[1], "{counts:?}");
    fleet.db.close().await.unwrap();
}

#[tokio::test]
async fn both_ways_are_one_cache() {
    let fleet = start().await;
    let (proxied, direct) = (&fleet.db.memcached.proxied, &fleet.db.memcached.direct);
    for number in 0..50 {
        let (there, back) = (format!("there:{number}"), format!("back:{number}"));
        proxied.set(&there, "through twemproxy", KEPT).await.unwrap();
        assert_eq!(
            direct.get(&there).await.unwrap().unwrap(),
            b"through twemproxy"[..]
        );
        direct.set(&back, "past it", KEPT).await.unwrap();
        assert_eq!(proxied.get(&back).await.unwrap().unwrap(), b"past it"[..]);
        assert!(proxied.delete(&back).await.unwrap());
        assert_eq!(direct.get(&back).await.unwrap(), None);
    }
    fleet.db.close().await.unwrap();
}

#[tokio::test]
async fn both_go_on_without_a_dead_host_in_the_same_way() {
    let servers = servers().await;
    let listen = Port::claim().unwrap();
    let yaml = with(
        configuration(&servers, &listen),
        [
            (
                "auto_eject_hosts: false",
                "auto_eject_hosts: true\n  server_failure_limit: 1\n  server_retry_timeout: 600000"
                    .to_owned(),
            ),
            (":2\n", ":1\n".to_owned()),
        ],
    );
    let _proxy = run(&yaml, &listen);
    let hosts: Vec<String> = servers
        .iter()
        .map(|server| server.address().to_string())
        .collect();
    let db = rehashing::App::builder()
        .variable("DBREG_MEMCACHED__PROXIED__PORT", listen.number())
        .variable("DBREG_MEMCACHED__DIRECT__CONNECTIONS", hosts.join(","))
        .connect()
        .await
        .unwrap();
    let (proxied, direct) = (&db.memcached.proxied, &db.memcached.direct);
    servers[1].kill().await.unwrap();
    let mut moved = 0;
    for number in 0..300 {
        let (key, value) = (format!("user:{number}:basket"), format!("value {number}"));
        moved += usize::from(direct.host_of(&key).unwrap().to_string() == hosts[1]);
        // The first call that meets the dead host is the one that tells that it is.
        let mut stored = proxied.set(&key, &value, KEPT).await;
        if stored.is_err() {
            stored = proxied.set(&key, &value, KEPT).await;
        }
        stored.unwrap();
        let mut found = direct.get(&key).await;
        if found.is_err() {
            found = direct.get(&key).await;
        }
        assert_eq!(found.unwrap().as_deref(), Some(value.as_bytes()), "{key}");
    }
    assert!(moved > 30, "{moved}");
    db.close().await.unwrap();
}
