//! The open files of this process.

use std::time::{Duration, Instant};

/// Sockets and files, without the descriptor that looks.
pub(crate) fn open() -> usize {
    std::fs::read_dir("/dev/fd").unwrap().count() - 1
}

/// Waits until no more are open than these: the runtime closes a socket in its own time.
pub(crate) async fn down_to(level: usize) {
    let since = Instant::now();
    while open() > level {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "{} open, {level} before",
            open()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
