//! Workers and masters that are killed or stopped.

use super::application::{Application, Servers, lives, send};
use super::until;

/// The other worker goes on, the place is filled again.
pub(crate) fn worker(servers: &Servers) {
    let application = Application::serving(servers);
    let before = application.workers();
    let first = *before.first().unwrap();
    send("KILL", first);
    until("it is gone", || {
        assert_eq!(application.get("/worker").0, 200, "the other one serves");
        (!application.workers().contains(&first)).then_some(())
    });
    application.both_serve();
    let after = application.workers();
    assert_eq!(before.intersection(&after).count(), 1);
    application.end();
    assert_eq!(servers.sessions(), 0);
}

/// Killed, a master can end nobody: its workers end by themselves, and their sessions with them.
pub(crate) fn master(servers: &Servers) {
    let mut application = Application::serving(servers);
    let workers = application.workers();
    application.master.kill().unwrap();
    application.master.wait().unwrap();
    until("the workers end", || {
        (!workers.iter().any(|worker| lives(*worker))).then_some(())
    });
    until("their sessions end", || (servers.sessions() == 0).then_some(()));
    assert!(
        std::net::TcpStream::connect(application.address).is_err(),
        "nobody holds the socket"
    );
}
