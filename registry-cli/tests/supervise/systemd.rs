//! What systemd hears, by its notification protocol.

use super::master::{Master, PATIENCE, python};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

/// Hears the master as systemd does.
struct Systemd {
    told: Receiver<String>,
    heard: Vec<String>,
}

impl Systemd {
    /// Takes everything at once: the socket holds ten messages, and the master waits for nobody with the next.
    fn on(socket: UnixDatagram) -> Self {
        let (sender, told) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        let heard = Vec::new();
        Self { told, heard }
    }

    /// Listens until there is this line.
    fn hears(&mut self, words: &str) {
        let began = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(began.elapsed());
            let text = self.told.recv_timeout(left);
            let text = text.unwrap_or_else(|cause| panic!("no `{words}`, but {:#?}: {cause}", self.heard));
            self.heard.extend(text.lines().map(str::to_owned));
            if text.lines().any(|line| line.contains(words)) {
                return;
            }
        }
    }
}

#[test]
fn systemd_hears_ready_status_watchdog_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let (path, open) = (folder.path().join("notify"), folder.path().join("open"));
    let mut systemd = Systemd::on(UnixDatagram::bind(&path).unwrap());
    // Away until there is a file; and it cannot reach systemd over the master's head.
    let script = format!(
        r#"
assert os.environ["NOTIFY_SOCKET"] != {path:?}
if not os.path.exists({open:?}):
    tell("STATUS=mysql.main: connection refused")
    sys.exit(69)
tell("EXTEND_TIMEOUT_USEC=7000000")
tell("READY=1")
tell("EXTEND_TIMEOUT_USEC=8000000\\nSTATUS=at work")
while True:
    signal.pause()
"#
    );
    let variables = [
        ("NOTIFY_SOCKET", path.as_os_str()),
        ("WATCHDOG_USEC", "2000000".as_ref()),
    ];
    let mut master = Master::python_with(&variables, &[], &script);
    systemd.hears("STATUS=0 workers ready; mysql.main: connection refused");
    systemd.hears("WATCHDOG=1");
    assert!(
        !systemd.heard.contains(&"READY=1".to_owned()),
        "{:?}",
        systemd.heard
    );
    std::fs::write(&open, "").unwrap();
    // systemd waits for the first worker as long as the master does.
    systemd.hears("EXTEND_TIMEOUT_USEC=7000000");
    systemd.hears("READY=1");
    systemd.hears("STATUS=1 workers ready");
    master.signal("TERM");
    systemd.hears("STOPPING=1");
    assert_eq!(master.ends().code(), Some(0));
    let ready = systemd.heard.iter().filter(|line| *line == "READY=1").count();
    assert_eq!(ready, 1, "{:?}", systemd.heard);
    let later = systemd.heard.iter().any(|line| line.contains("8000000"));
    assert!(!later, "it is ready already: {:?}", systemd.heard);
}

/// The socket of a service may have an abstract name; and the limit of silence may be meant for another process.
#[test]
fn an_abstract_socket_and_a_watchdog_for_somebody_else() {
    use std::os::linux::net::SocketAddrExt as _;
    let name = format!("dbreg-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let mut systemd = Systemd::on(UnixDatagram::bind_addr(&address).unwrap());
    let at = format!("@{name}");
    let variables = [
        ("NOTIFY_SOCKET", at.as_ref()),
        ("WATCHDOG_USEC", "1000".as_ref()),
        ("WATCHDOG_PID", "1".as_ref()),
    ];
    let mut master = Master::python_with(&variables, &[], "tell('READY=1'); signal.pause()");
    systemd.hears("READY=1");
    master.signal("TERM");
    assert_eq!(master.ends().code(), Some(0));
    systemd.hears("STOPPING=1");
    assert!(
        !systemd.heard.contains(&"WATCHDOG=1".to_owned()),
        "{:?}",
        systemd.heard
    );
}

/// A `.socket` unit: the socket is open before the master and after it.
#[test]
fn sockets_that_the_master_was_started_with_go_to_the_workers() {
    let activate = r#"
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
open(sys.argv[1], "w").write(str(port))
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"#;
    // Two sockets: the one that was handed to the master, and the master's own.
    let script = r#"
assert os.environ["LISTEN_FDS"] == "2"
first, second = socket.socket(fileno=3), socket.socket(fileno=4)
assert second.family == socket.AF_UNIX
tell("STATUS=%d\nREADY=1" % first.getsockname()[1])
signal.pause()
"#;
    let folder = tempfile::tempdir().unwrap();
    let (file, own) = (folder.path().join("port"), folder.path().join("own.sock"));
    let mut program = Command::new("python3");
    program
        .args(["-c", activate])
        .arg(&file)
        .arg(env!("CARGO_BIN_EXE_dbreg"));
    let own = format!("unix:{}", own.display());
    let master = Master::spawn(
        program,
        &["--listen", &own],
        &python(script).each_ref().map(String::as_str),
    );
    master.says("is ready");
    let port = std::fs::read_to_string(file).unwrap();
    assert_eq!(master.status()["workers"][0]["says"], port);
    std::net::TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
}
