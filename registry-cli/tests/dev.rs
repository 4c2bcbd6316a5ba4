//! `dbreg dev` with real servers: what the command sees, how it ends, and what is left.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test state their expectations by panicking"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn dbreg(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dbreg"));
    command
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/databases"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn dev(file: &str, script: &str) -> Output {
    dbreg(&["dev", "--file", file, "--", "/bin/sh", "-c", script])
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn variables(text: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .filter(|(name, _)| name.contains("__"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn is_open(port: &str) -> bool {
    TcpStream::connect(("127.0.0.1", port.parse().unwrap())).is_ok()
}

#[test]
fn the_command_finds_a_server_for_each_connection_and_they_end_with_it() {
    let script = r#"
        set -e
        export MYSQL_PWD="$DBREG_MYSQL__MAIN__PASSWORD"
        sql() { mariadb --no-defaults --protocol=tcp -h "$DBREG_MYSQL__MAIN__HOST" -P "$DBREG_MYSQL__MAIN__PORT" \
            -u "$DBREG_MYSQL__MAIN__USERNAME" -N -e "$1" "$DBREG_MYSQL__MAIN__DB"; }
        sql 'create table t (n int); insert into t values (41), (42); select max(n) from t'
        sql 'show databases like "reports"' | grep reports && exit 3
        PGPASSWORD="$DBREG_POSTGRES__MAIN__PASSWORD" psql -X -h "$DBREG_POSTGRES__MAIN__HOST" \
            -p "$DBREG_POSTGRES__MAIN__PORT" -U "$DBREG_POSTGRES__MAIN__USERNAME" -d "$DBREG_POSTGRES__MAIN__DB" \
            -c 'create table t (n int)'
        env
    "#;
    let output = dbreg(&["dev", "--file", "right.toml", "--", "/bin/sh", "-c", script])
        .env("DBREG_MYSQL__MAIN__URL", "mysql://elsewhere")
        .env("DBREG_MYSQL__MAIN__POOL__MAX", "3")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(output.stdout.starts_with(b"42\n"));
    let variables = variables(&output.stdout);
    let of = |name: &str| variables[&format!("DBREG_{name}")].as_str();
    assert_eq!(
        (
            of("MYSQL__MAIN__DB"),
            of("MYSQL__MAIN__USERNAME"),
            of("MYSQL__MAIN__TLS")
        ),
        ("shop", "shop", "off")
    );
    assert_eq!(
        (of("POSTGRES__MAIN__DB"), of("POSTGRES__MAIN__USERNAME")),
        ("shop", "shop")
    );
    assert_eq!(of("MYSQL__MAIN__POOL__MAX"), "3");
    assert!(!variables.contains_key("DBREG_MYSQL__MAIN__URL"));
    assert!(of("MYSQL__REPORTS__URL").starts_with("mysql://reports:"));
    assert!(of("MONGODB__LOGS__CONNECTIONS").starts_with("127.0.0.1:"));
    assert_ne!(of("MEMCACHED__CACHE__PORT"), of("MEMCACHED__SESSIONS__PORT"));
    let file = Path::new(of("SQLITE__LOCAL__PATH"));
    assert!(file.is_absolute() && !file.parent().unwrap().exists());
    for port in [
        "MYSQL__MAIN__PORT",
        "MEMCACHED__CACHE__PORT",
        "MEMCACHED__SESSIONS__PORT",
        "POSTGRES__MAIN__PORT",
    ] {
        assert!(!is_open(of(port)), "{port}");
    }
    // In a pipe, one line and no password.
    let err = said(&output);
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(
        err.starts_with("dbreg: MySQL, memcached, MongoDB, PostgreSQL ready in "),
        "{err}"
    );
}

#[test]
fn a_fleet_has_a_server_for_each_host_and_mysql_and_postgres_replicate() {
    let script = r#"
        set -e
        export MYSQL_PWD="$DBREG_MYSQL__MAIN__PASSWORD"
        ports=$(sed -n 's/.*port = \([0-9]*\).*/\1/p' "$DBREG_CONFIG")
        sql() { mariadb --no-defaults --protocol=tcp -h 127.0.0.1 -P "$1" -u "$DBREG_MYSQL__MAIN__USERNAME" \
            -N -e "$2" "$DBREG_MYSQL__MAIN__DB"; }
        set -- $ports
        sql "$1" 'create table t (n int); insert into t values (41), (42)'
        tries=0
        until [ "$(sql "$2" 'select max(n) from t' 2>/dev/null)" = 42 ]; do tries=$((tries + 1)); [ $tries -lt 500 ]; done
        sql "$2" 'insert into t values (43)' 2>&1 | grep -o read-only
        export PGPASSWORD="$DBREG_POSTGRES__WAREHOUSE__PASSWORD"
        pg() { psql -h 127.0.0.1 -p "$1" -U "$DBREG_POSTGRES__WAREHOUSE__USERNAME" -d "$DBREG_POSTGRES__WAREHOUSE__DB" \
            -XqtAc "$2"; }
        pg "$3" 'create table t (n int)'
        pg "$3" 'insert into t values (41), (42)'
        tries=0
        until [ "$(pg "$4" 'select max(n) from t' 2>/dev/null)" = 42 ]; do tries=$((tries + 1)); [ $tries -lt 500 ]; done
        pg "$4" 'insert into t values (43)' 2>&1 | grep -o read-only
        cat "$DBREG_CONFIG"
        env
    "#;
    let mut command = dbreg(&["dev", "--file", "fleet.toml", "--profile", "fleet"]);
    let output = command.args(["--", "/bin/sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(
        stdout.starts_with("read-only\nread-only\n[mysql.main]\n"),
        "{stdout}"
    );
    assert_eq!(stdout.matches(", role = \"replica\" }").count(), 2, "{stdout}");
    assert!(stdout.contains("DBREG_PROFILE=fleet\n"), "{stdout}");
    let variables = variables(&output.stdout);
    assert!(!variables.contains_key("DBREG_MYSQL__MAIN__CONNECTIONS"));
    let caches = &variables["DBREG_MEMCACHED__CACHE__CONNECTIONS"];
    assert_eq!(caches.split(',').count(), 3, "{caches}");
    // One server stands for both seeds.
    let seeds = &variables["DBREG_MONGODB__LOGS__CONNECTIONS"];
    assert!(!seeds.contains(','), "{seeds}");
    let config = stdout.lines().find_map(|line| line.strip_prefix("DBREG_CONFIG="));
    assert!(!Path::new(config.unwrap()).exists());
}

#[test]
fn another_file_of_values_is_no_place_for_roles() {
    let mut command = dbreg(&["dev", "--file", "fleet.toml", "--profile", "fleet", "--", "env"]);
    let output = command.env("DBREG_CONFIG", "/etc/shop.toml").output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = said(&output);
    assert!(
        said.contains("[mysql.main]") && said.contains("`DBREG_CONFIG`"),
        "{said}"
    );
}

#[test]
fn the_exit_status_is_the_commands() {
    assert_eq!(dev("cache.toml", "exit 7").status.code(), Some(7));
    assert_eq!(dev("cache.toml", "kill -TERM $$").status.code(), Some(128 + 15));
    let output = dbreg(&["dev", "--file", "cache.toml", "--", "no-such-command"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(127));
    assert!(said(&output).contains("cannot run `no-such-command`"));
    let output = dbreg(&["dev", "--file", "cache.toml", "--", "/dev/null"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(126));
}

#[test]
fn what_cargo_said_of_dbreg_is_not_said_to_the_command() {
    let environment = |package: &str| {
        let mut command = dbreg(&["dev", "--file", "cache.toml", "--", "env"]);
        command
            .env("CARGO_PKG_NAME", package)
            .env("CARGO_PKG_VERSION", "7.8.9");
        let output = command.env("CARGO_MANIFEST_DIR", "/app").output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let of_cargo = |line: &&str| line.starts_with("CARGO_PKG_") || line.starts_with("CARGO_MANIFEST_");
        text.lines()
            .filter(of_cargo)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // `cargo run --package registry-cli -- dev -- cargo run`, and an application that runs `dbreg dev` itself.
    assert_eq!(environment(env!("CARGO_PKG_NAME")), [""; 0]);
    let theirs = environment("app");
    for said in [
        "CARGO_PKG_NAME=app",
        "CARGO_PKG_VERSION=7.8.9",
        "CARGO_MANIFEST_DIR=/app",
    ] {
        assert!(theirs.iter().any(|line| line == said), "{said}: {theirs:?}");
    }
}

#[test]
fn the_prefix_names_the_variables() {
    let output = dbreg(&["dev", "--file", "cache.toml", "--prefix", "SHOP", "--", "env"])
        .output()
        .unwrap();
    let variables = variables(&output.stdout);
    assert_eq!(variables["SHOP_MEMCACHED__CACHE__HOST"], "127.0.0.1");
    assert!(!variables.contains_key("DBREG_MEMCACHED__CACHE__HOST"));
}

/// Starts a command that waits, and gives the port of its server.
fn waiting(script: &str) -> (Child, String) {
    let mut child = dbreg(&["dev", "--file", "cache.toml", "--", "/bin/sh", "-c", script])
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut port)
        .unwrap();
    let port = port.trim().to_owned();
    assert!(is_open(&port));
    (child, port)
}

fn kill(signal: &str, child: &Child) {
    let line = format!("kill -{signal} {}", child.id());
    assert!(
        Command::new("/bin/sh")
            .arg("-c")
            .arg(line)
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn signals_reach_the_command_which_decides() {
    for (signal, code) in [("TERM", 21), ("INT", 22), ("HUP", 23)] {
        let script = "trap 'exit 21' TERM; trap 'exit 22' INT; trap 'exit 23' HUP
            echo $DBREG_MEMCACHED__CACHE__PORT; while :; do sleep 0.01; done";
        let (mut child, port) = waiting(script);
        kill(signal, &child);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(!is_open(&port));
    }
}

#[test]
fn a_signal_while_servers_start_ends_it_and_them() {
    let folder = tempfile::tempdir().unwrap();
    // When the signal comes late, the command has it, and ends by it too.
    let script = "echo started; exec sleep 600";
    let mut command = dbreg(&["dev", "--file", "right.toml", "--", "/bin/sh", "-c", script]);
    let mut child = command.env("TMPDIR", folder.path()).spawn().unwrap();
    let left = || {
        std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
    };
    let servers = || {
        left()
            .filter(|name| !name.to_string_lossy().starts_with("dbreg-ports"))
            .count()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while servers() == 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    kill("TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    while servers() > 0 {
        assert!(Instant::now() < deadline, "{:?}", left().collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_second_term_ends_a_command_that_does_not_listen() {
    let script = "trap '' TERM; echo $DBREG_MEMCACHED__CACHE__PORT; while :; do sleep 0.01; done";
    let (mut child, port) = waiting(script);
    // Signals of one number that come at once are one.
    let status = loop {
        kill("TERM", &child);
        std::thread::sleep(Duration::from_millis(10));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
    };
    assert_eq!(status.code(), Some(128 + 9));
    assert!(!is_open(&port));
}

#[test]
fn a_file_with_mistakes_starts_nothing() {
    let output = dev("wrong.toml", "echo started");
    assert_eq!(output.status.code(), Some(78));
    assert!(output.stdout.is_empty());
    let said = said(&output);
    assert!(
        said.contains("wrong.toml:2:1: unknown key `hots`") && !said.contains("canary"),
        "{said}"
    );
    assert_eq!(dev("nowhere.toml", "echo started").status.code(), Some(2));
}

#[test]
fn an_unknown_profile_starts_nothing() {
    let mut command = dbreg(&["dev", "--file", "right.toml", "--", "env"]);
    let output = command.env("DBREG_PROFILE", "prodution").output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(said(&output).contains("production"), "{}", said(&output));
}

#[test]
fn a_missing_server_is_one_message_with_the_command_that_installs_it() {
    let mut command = dbreg(&["dev", "--file", "cache.toml", "--", "/usr/bin/env"]);
    let output = command.env("PATH", "/nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let said = said(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("memcached") && said.contains("`dbreg dev --install`"),
        "{said}"
    );
}
