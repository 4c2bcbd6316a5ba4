//! What an application tells the master that started it: that it is ready, that its runtime is alive, and over what it
//! ended. Without a master nothing happens.

use super::notify;
use crate::background;
use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Whether this worker was asked to end.
pub(super) static ENDING: OnceLock<watch::Receiver<bool>> = OnceLock::new();

/// The variable with the worker's number and its process, `3:4711`: whoever inherits it is not the worker.
pub(crate) const WORKER: &str = "REGISTRY_WORKER";
/// The variable with the path of the master's socket.
pub(crate) const MASTER: &str = "REGISTRY_MASTER";
/// The variable with the milliseconds that a worker may take to end.
pub(crate) const GRACE: &str = "REGISTRY_GRACE_MS";
/// The variable with the number of workers in a row that failed before this one.
pub(crate) const FAILURES: &str = "REGISTRY_FAILURES";

/// Where this process reports to.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) number: usize,
    socket: OsString,
    pub(super) heartbeat: Option<Duration>,
    failures: u32,
}

/// The link of this process, if it is a worker.
pub(crate) fn link() -> Option<Link> {
    let worker = std::env::var(WORKER).ok()?;
    let (number, process) = worker.split_once(':')?;
    if process.parse() != Ok(std::process::id()) {
        return None;
    }
    let limit = std::env::var(notify::WATCHDOG)
        .ok()
        .and_then(|limit| limit.parse().ok());
    Some(Link {
        number: number.parse().ok()?,
        socket: std::env::var_os(notify::SOCKET)?,
        heartbeat: limit.map(Duration::from_micros),
        failures: std::env::var(FAILURES).map_or(0, |count| count.parse().unwrap_or(0)),
    })
}

/// From now on [`ending`] knows.
pub(crate) fn will_end(ending: watch::Receiver<bool>) {
    // A process is one worker at most.
    let _ = ENDING.set(ending);
}

/// Resolves when this process is a worker that was asked to end; never in any other.
pub(crate) async fn ending() {
    if let Some(ending) = ENDING.get()
        && ending.clone().wait_for(|ending| *ending).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// How long this worker may take to end.
pub(super) fn grace() -> Duration {
    let grace = std::env::var(GRACE).ok().and_then(|grace| grace.parse().ok());
    Duration::from_millis(grace.unwrap_or(15_000))
}

impl Link {
    /// Says that the application can do its work, and from then on that its runtime is alive. `reloads` says whether it
    /// takes USR1 as a request to read secrets again.
    pub(crate) fn ready(&self, reloads: bool) {
        static BEATS: AtomicBool = AtomicBool::new(false);
        let reloads = if reloads { "X_DBREG_RELOADS=1\n" } else { "" };
        // With the first heartbeat: a runtime that is blocked from now on never gets to send one.
        let beat = if self.heartbeat.is_some() {
            "WATCHDOG=1\n"
        } else {
            ""
        };
        self.tell(&format!("READY=1\nSTATUS=ready\n{beat}{reloads}"));
        if let Some(limit) = self.heartbeat
            && !BEATS.swap(true, Ordering::SeqCst)
        {
            let link = self.clone();
            // It ends with the runtime, which is what it tells of.
            background::spawn(&Handle::current(), async move {
                let mut pulse = tokio::time::interval(limit / 3);
                loop {
                    pulse.tick().await;
                    link.tell("WATCHDOG=1");
                }
            });
        }
    }

    /// Whether a failed start is told in full: of attempts in a row the 1st, the 2nd, the 4th, and so on. The master
    /// tells the cause whenever it is a new one.
    pub(crate) fn tells_report(&self) -> bool {
        self.failures.saturating_add(1).is_power_of_two()
    }

    /// Says over what the start failed, and over which hosts.
    pub(crate) fn failed(&self, causes: &[String], hosts: &[String]) {
        let (causes, hosts) = (causes.join("; "), hosts.join(","));
        // What the master acts on first: a datagram of many causes is cut.
        self.tell(&format!("X_DBREG_HOSTS={hosts}\nSTATUS={causes}\n"));
    }

    pub(super) fn tell(&self, lines: &str) {
        if let Err(cause) = notify::send(&self.socket, lines) {
            tracing::debug!("the master does not listen: {cause}");
        }
    }

    /// Ends this process when the master is gone: TERM at once, and after the grace the end. The signal that the system
    /// sends at a parent's death does the same on Linux; this holds elsewhere, and against whoever ignores TERM.
    pub(crate) fn watch_master(&self) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let Some(path) = std::env::var_os(MASTER) else {
                return;
            };
            let grace = grace();
            // A thread of its own: it must not depend on a runtime that may be blocked. It ends with the process.
            std::thread::spawn(move || {
                let Ok(mut stream) = UnixStream::connect(path) else {
                    return;
                };
                // The master never writes: this returns at its end.
                let _ = stream.read(&mut [0]);
                let _ =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
                std::thread::sleep(grace);
                std::process::exit(crate::EXIT_UNAVAILABLE);
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_told_less_and_less_often() {
        let tells = |failures: &u32| {
            let link = Link {
                number: 0,
                socket: OsString::new(),
                heartbeat: None,
                failures: *failures,
            };
            link.tells_report()
        };
        let told: Vec<u32> = (0..20).filter(tells).collect();
        assert_eq!(told, [0, 1, 3, 7, 15]);
        assert!(!tells(&u32::MAX));
    }
}
