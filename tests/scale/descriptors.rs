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
            since.elapsed() < Duration::from_secs(5),
            "{} open, {level} before",
            open()
        );
        tokio::task::yield_now().await;
    }
}
