//! A real cluster of three MariaDB servers with Galera, and a connection with the three as its list.

use crate::document::{block, with};
use crate::program::Program;
use dbreg::{DbRegistry, sqlx};
use registry_dev::{Engine, Port};
use std::collections::HashSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

#[derive(DbRegistry)]
#[registry(toml = r#"
[mysql.main]
connections = [{ host = "127.0.0.1", port = 1 }, { host = "127.0.0.1", port = 2 }, { host = "127.0.0.1", port = 3 }]
username = "shop"
password = { env = "UNUSED_SHOP_DB_PASSWORD" }
db = "shop"
connect_timeout = "2s"
timeout = "5s"
"#)]
struct App;

/// Longer than a cluster needs to notice that a node is gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// Copies nothing. Debian's own scripts of this kind come with a server that is a service; here every node starts from
/// a copy of the same files, and Galera hands over what came after, by itself.
const STATE_TRANSFER: &str = r#"#!/bin/sh
here=$(dirname "$0")
while [ $# -gt 0 ]; do
    case $1 in
        --role) role=$2 ;;
        --gtid) gtid=$2 ;;
        --address) address=$2 ;;
    esac
    shift
done
if [ "$role" = donor ]; then
    echo "$gtid" > "$here/draft" && mv "$here/draft" "$here/gtid"
    echo "done $gtid"
else
    rm -f "$here/gtid"
    echo "ready $address"
    while [ ! -e "$here/gtid" ]; do sleep 0.02; done
    cat "$here/gtid"
fi
"#;

struct Node {
    port: Port,
    group: Port,
    transfer: Port,
}

impl Node {
    fn claim() -> Self {
        let claim = || Port::claim().unwrap();
        Self {
            port: claim(),
            group: claim(),
            transfer: claim(),
        }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.group.number())
    }

    /// The document's configuration of a node, on loopback, with what is small and quick.
    fn configuration(&self, nodes: &[Self], folder: &Path) -> String {
        let list: Vec<String> = nodes.iter().map(Self::address).collect();
        let text = block("ini", "wsrep_on");
        let text = with(
            text,
            [
                ("10.0.0.11,10.0.0.12,10.0.0.13", list.join(",")),
                ("= 10.0.0.11", format!("= {}", self.address())),
                ("= rsync", "= same".to_owned()),
                (
                    "/usr/lib/galera/libgalera_smm.so",
                    Engine::Galera
                        .find()
                        .unwrap_or_else(|error| panic!("{error}"))
                        .display()
                        .to_string(),
                ),
            ],
        );
        format!(
            "{text}datadir = {0}/data\nsocket = {0}/socket\nport = {1}\nbind_address = 127.0.0.1\nskip_name_resolve\n\
             innodb_log_file_size = 4M\ninnodb_buffer_pool_size = 32M\ninnodb_flush_log_at_trx_commit = 0\n\
             wsrep_provider_options = \"gmcast.listen_addr=tcp://{2};ist.recv_addr=127.0.0.1:{3};gcache.size=4M;\
             gcache.page_size=4M\"\n",
            folder.display(),
            self.port.number(),
            self.address(),
            self.transfer.number(),
        )
    }

    /// Starts it on the files in this folder, and waits until it is a part of the cluster.
    fn start(&self, nodes: &[Self], folder: TempDir, scripts: &Path, first: bool) -> Program {
        let configuration = folder.path().join("node.cnf");
        std::fs::write(&configuration, self.configuration(nodes, folder.path())).unwrap();
        let mut command = Command::new(installed("mariadbd"));
        command.arg(format!("--defaults-file={}", configuration.display()));
        command.args(owner());
        if first {
            command.arg("--wsrep-cluster-address=gcomm://");
        }
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", scripts.display()));
        let program = Program::start(folder, &command);
        program.until("a node is ready", || {
            let ready = sql(&program, "show status like 'wsrep_ready'")?;
            ready.contains("ON").then_some(())
        });
        program
    }
}

/// The server refuses to run as root unless it is told to.
fn owner() -> Option<&'static str> {
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    is_root.then_some("--user=root")
}

fn installed(name: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/usr/bin"].map(|folder| Path::new(folder).join(name));
    let found = folders.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is not installed: `cargo verify test` installs it"))
}

/// What the node answers to root on its socket; `None` for an error.
fn sql(node: &Program, statements: &str) -> Option<String> {
    let mut command = Command::new(installed("mariadb"));
    command.args(["--no-defaults", "--user=root", "--batch", "--skip-column-names"]);
    command.arg(format!("--socket={}", node.folder().join("socket").display()));
    let output = command.args(["--execute", statements]).output().unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(answer)
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Three nodes, with the database and the user of `App`.
fn cluster() -> (Vec<Program>, Vec<Node>, TempDir) {
    let scripts = tempfile::tempdir().unwrap();
    let script = scripts.path().join("wsrep_sst_same");
    std::fs::write(&script, STATE_TRANSFER).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();

    let nodes = [(); 3].map(|()| Node::claim());
    let seed = tempfile::tempdir().unwrap();
    let mut install = Command::new(installed("mariadb-install-db"));
    install.args(["--no-defaults", "--skip-test-db"]).args(owner());
    install.args([
        "--auth-root-authentication-method=normal",
        "--innodb-log-file-size=4M",
    ]);
    install.arg(format!("--datadir={}", seed.path().join("data").display()));
    let installed = install.output().unwrap();
    assert!(installed.status.success(), "{installed:?}");

    // The first node makes the cluster and its history; the others start from a copy of that.
    let first = nodes[0].start(&nodes, seed, scripts.path(), true);
    let statements = "create database shop; create user shop@'%' identified by 'shop';
        grant all on shop.* to shop@'%'; grant replica monitor on *.* to shop@'%'; create table shop.orders (number bigint primary key)";
    sql(&first, statements).unwrap();
    let seed = first.stop();
    let folders = [(); 2].map(|()| {
        let folder = tempfile::tempdir().unwrap();
        copy(&seed.path().join("data"), folder.path());
        folder
    });
    let mut running = vec![nodes[0].start(&nodes, seed, scripts.path(), true)];
    for (node, folder) in nodes[1..].iter().zip(folders) {
        running.push(node.start(&nodes, folder, scripts.path(), false));
    }
    (running, nodes.into(), scripts)
}

/// Writes orders from this number on until so many are acknowledged; gives the numbers of those.
async fn write(db: &AppRegistry, from: i64, wanted: usize) -> Vec<i64> {
    let (mut acknowledged, mut number) = (Vec::new(), from);
    let began = Instant::now();
    while acknowledged.len() < wanted {
        assert!(began.elapsed() < PATIENCE, "{:?}", db.mysql.main.errors().latest);
        let inserted = sqlx::query("insert into orders values (?)")
            .bind(number)
            .execute(&db.mysql.main)
            .await;
        match inserted {
            Ok(_) => acknowledged.push(number),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
        // Never the same number again: one that failed may have been written.
        number += 1;
    }
    acknowledged
}

/// Reads through the reader are answered by the nodes that take no writes of ours, and a write is refused there.
async fn reads_of_the_others(db: &AppRegistry, writes: u16) {
    let began = Instant::now();
    let mut others = HashSet::new();
    while others.len() < 2 {
        assert!(began.elapsed() < PATIENCE, "{:?}", db.mysql.main.hosts());
        let port = sqlx::query_scalar::<_, u64>("select cast(@@port as unsigned)");
        let port = port.fetch_one(&db.mysql.main.read()).await.unwrap();
        if port != u64::from(writes) {
            others.insert(port);
        }
    }
    let refused = sqlx::query("insert into orders values (-1)")
        .execute(&db.mysql.main.read())
        .await;
    assert!(refused.unwrap_err().to_string().contains("1792"));
}

#[tokio::test]
async fn a_node_that_dies_loses_no_order_and_the_next_takes_over() {
    let (mut running, nodes, _scripts) = tokio::task::spawn_blocking(cluster).await.unwrap();
    let hosts: Vec<String> = nodes
        .iter()
        .map(|node| format!("127.0.0.1:{}", node.port.number()))
        .collect();
    let db = App::builder()
        .variable("DBREG_MYSQL__MAIN__CONNECTIONS", hosts.join(","))
        .variable("DBREG_MYSQL__MAIN__PASSWORD", "shop")
        .connect()
        .await
        .unwrap();
    let mut acknowledged = write(&db, 1, 100).await;
    reads_of_the_others(&db, nodes[0].port.number()).await;
    drop(running.remove(0));
    acknowledged.extend(write(&db, 1_000_000, 100).await);
    for node in &running {
        let all = sql(
            node,
            "set session wsrep_sync_wait = 1; select number from shop.orders",
        )
        .unwrap();
        let all: Vec<i64> = all.lines().map(|line| line.parse().unwrap()).collect();
        let lost: Vec<&i64> = acknowledged
            .iter()
            .filter(|number| !all.contains(number))
            .collect();
        assert!(lost.is_empty(), "{lost:?}");
    }

    // One of three has no majority: when it has noticed, it answers nothing but an error.
    drop(running.remove(0));
    let last = running.remove(0);
    last.until("a node alone refuses", || {
        sql(&last, "select number from shop.orders")
            .is_none()
            .then_some(())
    });
    let refused = sqlx::query("insert into orders values (?)")
        .bind(2_000_000_i64)
        .execute(&db.mysql.main)
        .await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("1047"), "{refused}");
    db.close().await.unwrap();
}
