//! Workers and masters that are killed or stopped.

use super::application::{APPLICATION, Application, Servers, lives, send};
use super::{HEARTBEAT, until};
use dbreg::DbRegistry;
use std::process::ExitCode;
use std::time::Duration;

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

    let stopped = *after.last().unwrap();
    send("STOP", stopped);
    until("it is killed", || (!lives(stopped)).then_some(()));
    application.both_serve();
    let status = application.status();
    let killed = |worker: usize| status["workers"][worker]["last_exit"]["how"] == "signal 9";
    assert!(killed(0) || killed(1), "{status}");
    application.end();
    servers.sessions_end();
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
    servers.sessions_end();
    assert!(
        std::net::TcpStream::connect(application.address).is_err(),
        "nobody holds the socket"
    );
}

#[derive(DbRegistry)]
#[registry(path = "examples/serve/databases.toml")]
struct App;

/// The application whose workers panic a second after they were ready.
pub(crate) fn that_panics() -> ExitCode {
    dbreg::supervise().name("serve").workers(2).run(async |_| {
        let _db = App::connect_or_exit().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        panic!("as the test wants it");
    })
}

/// The application whose first worker blocks every thread of its runtime once it was ready.
pub(crate) fn that_blocks() -> ExitCode {
    let master = dbreg::supervise().name("serve").workers(2).heartbeat(HEARTBEAT);
    master.run(async |worker| {
        let _db = App::connect_or_exit().await;
        if worker.number() == 0 {
            let block = |_| tokio::spawn(async { std::thread::sleep(Duration::from_secs(3_600)) });
            (0..256).for_each(|task| drop(block(task)));
        }
        worker.shutdown().await;
    })
}

/// A blocked runtime has no heart to beat; the other worker stays.
pub(crate) fn blocked(servers: &Servers) {
    let application = Application::start_with(servers, &[(APPLICATION, "blocks".as_ref())]);
    let second = until("both are ready", || {
        let status = application.status();
        (status["ready"] == 2).then(|| status["workers"][1]["pid"].clone())
    });
    until("the first is killed, and ready again", || {
        let first = &application.status()["workers"][0];
        (first["last_exit"]["how"] == "signal 9" && first["state"] == "ready").then_some(())
    });
    let status = application.status();
    assert_eq!(status["workers"][1]["pid"], second.0);
    assert_eq!(status["workers"][1]["restarts"], 0);
    drop(application);
    servers.sessions_end();
}

/// It is started again and again, each time with its cause told, and no session of the one before stays.
pub(crate) fn panicking(servers: &Servers) {
    let application = Application::start_with(servers, &[(APPLICATION, "panics".as_ref())]);
    // Each is ready for a second, between pauses that grow: that both are at one moment may take long.
    let mut again = [false; 2];
    until("both panicked twice, and serve again", || {
        let status = application.status();
        for (number, again) in again.iter_mut().enumerate() {
            let worker = &status["workers"][number];
            *again |= worker["last_exit"]["how"] == "exit code 101"
                && worker["restarts"].as_u64() >= Some(2)
                && worker["state"] == "ready";
        }
        (again == [true; 2]).then_some(())
    });
    application.end();
    servers.sessions_end();
}
