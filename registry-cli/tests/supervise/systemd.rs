//! What systemd hears, by its notification protocol.

use super::master::{Master, PATIENCE};
use std::os::unix::net::UnixDatagram;

/// Hears the master as systemd does.
struct Systemd {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Systemd {
    /// Listens until there is this line.
    fn hears(&mut self, words: &str) {
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer);
            let length =
                length.unwrap_or_else(|cause| panic!("no `{words}`, but {:#?}: {cause}", self.heard));
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
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
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut systemd = Systemd {
        socket,
        heard: Vec::new(),
    };
    // Away until there is a file; and it cannot reach systemd over the master's head.
    let script = format!(
        r#"
assert os.environ["NOTIFY_SOCKET"] != {path:?}
if not os.path.exists({open:?}):
    tell("STATUS=mysql.main: connection refused")
    sys.exit(69)
tell("READY=1")
while True:
    signal.pause()
"#
    );
    let variables = [
        ("NOTIFY_SOCKET", path.as_os_str()),
        ("WATCHDOG_USEC", "200000".as_ref()),
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
    systemd.hears("READY=1");
    systemd.hears("STATUS=1 workers ready");
    master.signal("TERM");
    systemd.hears("STOPPING=1");
    assert_eq!(master.ends().code(), Some(0));
    let ready = systemd.heard.iter().filter(|line| *line == "READY=1").count();
    assert_eq!(ready, 1, "{:?}", systemd.heard);
}

/// The socket of a service may have an abstract name; and the limit of silence may be meant for another process.
#[test]
fn an_abstract_socket_and_a_watchdog_for_somebody_else() {
    use std::os::linux::net::SocketAddrExt as _;
    let name = format!("dbreg-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut systemd = Systemd {
        socket,
        heard: Vec::new(),
    };
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
