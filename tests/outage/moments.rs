//! TERM at every moment of a start.

use super::application::{Application, Servers};
use super::until;
use std::time::{Duration, Instant};

/// How long a start is looked at: longer than one takes. And the step between two moments.
const START: u64 = 400;
const STEP: u64 = 11;

pub(crate) fn term(servers: &Servers) {
    let own = std::process::id();
    for moment in (0..START).step_by(STEP as usize) {
        let began = Instant::now();
        let mut application = Application::start(servers);
        let moment = Duration::from_millis(moment);
        // Busy, to hit the moment.
        while began.elapsed() < moment {
            std::hint::spin_loop();
        }
        application.signal("TERM");
        let status = application.ends();
        assert!(
            matches!(status.code(), Some(0) | None),
            "TERM after {moment:?}: {status}"
        );
        assert_eq!(
            application.left_behind(),
            Vec::<std::path::PathBuf>::new(),
            "{moment:?}"
        );
        let address = application.address;
        assert!(std::net::TcpStream::connect(address).is_err(), "{moment:?}");
        drop(application);
        assert!(!orphans(own), "{moment:?}");
    }
    until("its sessions end", || (servers.sessions() == 0).then_some(()));
}

/// Whether a process of the application is left.
fn orphans(own: u32) -> bool {
    let exe = std::env::current_exe().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap();
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut same = pids.filter(|pid| {
        *pid != own && std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|its| its == exe)
    });
    same.next().is_some()
}
