//! systemd's notification protocol (sd_notify(3)): lines of `NAME=value` in one datagram. The workers speak it to the
//! master, and the master to systemd.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The variable that names the socket.
pub(crate) const SOCKET: &str = "NOTIFY_SOCKET";
/// The variable with the limit of silence, in microseconds.
pub(crate) const WATCHDOG: &str = "WATCHDOG_USEC";
/// The variable with the process that the limit is for.
pub(crate) const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// The largest datagram: a report of many connections is cut.
pub(crate) const LIMIT: usize = 16 * 1024;

/// The longest time that one sign of work is good for, whatever it asks for.
const LONGEST_WORK: Duration = Duration::from_secs(24 * 60 * 60);

/// What a worker says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) ready: bool,
    pub(crate) beat: bool,
    /// It is still at work on its start, and says so again within this time.
    pub(crate) at_work: Option<Duration>,
    /// It reads its secrets again on USR1.
    pub(crate) reloads: bool,
    pub(crate) status: Option<String>,
    /// The hosts that it could not reach.
    pub(crate) hosts: Vec<String>,
}

impl Notice {
    /// Takes in what was said later, of what stays: which program it is, what it does, what it misses.
    pub(crate) fn renew(&mut self, later: Self) {
        self.reloads |= later.reloads;
        if later.status.is_some() {
            self.status = later.status;
        }
        if !later.hosts.is_empty() {
            self.hosts = later.hosts;
        }
    }
}

/// Sends lines to a socket: a path, or an abstract name behind `@`.
pub(crate) fn send(socket: &OsStr, lines: &str) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    // A master that does not read must not hold up its worker.
    sender.set_nonblocking(true)?;
    let bytes = lines.as_bytes();
    let bytes = &bytes[..bytes.len().min(LIMIT)];
    match socket.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt as _;
            sender.send_to_addr(bytes, &SocketAddr::from_abstract_name(name)?)?
        }
        path => sender.send_to_addr(bytes, &SocketAddr::from_pathname(OsStr::from_bytes(path))?)?,
    };
    Ok(())
}

/// Reads a datagram. Lines that are not known are left out, as the protocol wants it.
pub(crate) fn parse(datagram: &[u8]) -> Notice {
    let mut notice = Notice::default();
    for line in String::from_utf8_lossy(datagram).lines() {
        match line.split_once('=') {
            Some(("READY", "1")) => notice.ready = true,
            Some(("WATCHDOG", "1")) => notice.beat = true,
            Some(("EXTEND_TIMEOUT_USEC", time)) => {
                let time = time.parse().ok().map(Duration::from_micros);
                notice.at_work = time.map(|time| time.min(LONGEST_WORK));
            }
            Some(("X_DBREG_RELOADS", "1")) => notice.reloads = true,
            Some(("STATUS", text)) => notice.status = Some(crate::error::printable(text)),
            Some(("X_DBREG_HOSTS", hosts)) => {
                notice.hosts = hosts
                    .split(',')
                    .filter(|h| !h.is_empty())
                    .map(str::to_owned)
                    .collect();
            }
            _ => {}
        }
    }
    notice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_lines_and_no_others() {
        let notice = parse(
            b"READY=1\nSTATUS=mysql.main: \x1b[31mred\nX_OTHER=7\nX_DBREG_HOSTS=a:1,b:2\nnonsense\n\xff",
        );
        assert_eq!(notice.at_work, None);
        assert!(notice.ready && !notice.beat && !notice.reloads);
        assert_eq!(notice.status.as_deref(), Some("mysql.main: \\u{1b}[31mred"));
        assert_eq!(notice.hosts, ["a:1", "b:2"]);
        for (said, understood) in [
            ("5000000", Some(Duration::from_secs(5))),
            ("18446744073709551615", Some(LONGEST_WORK)),
            ("-1", None),
            ("soon", None),
        ] {
            let notice = parse(format!("EXTEND_TIMEOUT_USEC={said}").as_bytes());
            assert_eq!(notice.at_work, understood, "{said}");
        }
    }

    #[test]
    fn a_socket_that_nobody_reads_is_an_error_and_no_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        send(path.as_os_str(), "READY=1").unwrap_err();
        let _reader = UnixDatagram::bind(&path).unwrap();
        let full = (0..10_000).find_map(|_| send(path.as_os_str(), "WATCHDOG=1").err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }
}
