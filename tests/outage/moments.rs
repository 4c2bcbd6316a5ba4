//! TERM at every moment of a start.

use super::application::{Application, Servers};
use std::time::{Duration, Instant};

/// How many moments of a start are looked at, and for how long at most.
const MOMENTS: u32 = 20;
const LONGEST: Duration = Duration::from_secs(1);

pub(crate) fn term(servers: &Servers) {
    let own = std::process::id();
    let began = Instant::now();
    let application = Application::serving(servers);
    // Longer than one takes here, and not by much: workers that serve already take their time to end.
    let start = (began.elapsed() * 3 / 2).min(LONGEST);
    application.end();
    println!("  {MOMENTS} moments of {start:?}");
    for moment in 0..MOMENTS {
        let began = Instant::now();
        let mut application = Application::start(servers);
        let moment = start * moment / MOMENTS;
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
    servers.sessions_end();
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
