//! The password of MySQL changes under load.

use super::application::{Application, PASSWORD, Servers, get};
use super::{Over, PATIENCE, POLL, until};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

const CLIENTS: usize = 8;
/// Requests after each change.
const REQUESTS: u64 = 500;

/// First on the server, then in the file, then USR1 to the master; five times.
pub(crate) fn under_load(servers: &Servers) {
    let folder = tempfile::tempdir().unwrap();
    let (config, secret) = (folder.path().join("databases.toml"), folder.path().join("secret"));
    std::fs::write(&secret, PASSWORD).unwrap();
    std::fs::write(
        &config,
        format!(
            "[mysql.main]\npassword = {{ file = {:?} }}\n",
            secret.to_str().unwrap()
        ),
    )
    .unwrap();
    let application = Application::start_with(servers, &[("DBREG_CONFIG", config.as_os_str())]);
    application.all_work();
    let workers = application.workers();

    let (answered, failed, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    // Odd between the change on the server and the one in the file.
    let phase = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let _over = Over(&over);
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    // One that is under way between the two changes may find the door closed.
                    let began = phase.load(Ordering::SeqCst);
                    let answer = get(application.address, "/");
                    let counts = began.is_multiple_of(2) && began == phase.load(Ordering::SeqCst);
                    match answer {
                        Ok((200, _)) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        other if counts => {
                            println!("  {other:?}");
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => {}
                    }
                }
            });
        }
        for round in 1..=5 {
            let newest = newest_session(servers);
            let password = format!("the password after change {round}");
            phase.fetch_add(1, Ordering::SeqCst);
            change(servers, &password);
            replace(&secret, &password);
            phase.fetch_add(1, Ordering::SeqCst);
            application.signal("USR1");
            until("every session is a new one", || {
                (sessions_up_to(servers, newest) == 0).then_some(())
            });
            let enough = answered.load(Ordering::Relaxed) + REQUESTS;
            let began = Instant::now();
            while answered.load(Ordering::Relaxed) < enough {
                assert!(began.elapsed() < PATIENCE, "no answers after change {round}");
                std::thread::sleep(POLL);
            }
        }
    });
    let (answered, failed) = (answered.into_inner(), failed.into_inner());
    println!("  {failed} failed of {}, with 5 new passwords", answered + failed);
    assert_eq!(failed, 0);
    assert_eq!(application.workers(), workers, "nobody was started again");
    application.end();
    change(servers, PASSWORD);
}

fn change(servers: &Servers, password: &str) {
    let sql = format!("alter user shop identified by '{password}'");
    servers.runtime.block_on(servers.mysql.sql(&sql)).unwrap();
}

/// As a secret store does it: nobody sees half a file.
fn replace(path: &Path, secret: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, secret).unwrap();
    std::fs::rename(new, path).unwrap();
}

fn newest_session(servers: &Servers) -> u64 {
    number(
        servers,
        "select ifnull(max(id), 0) from information_schema.processlist where user = 'shop'",
    )
}

fn sessions_up_to(servers: &Servers, newest: u64) -> u64 {
    let count = "select count(*) from information_schema.processlist where user = 'shop' and id <=";
    number(servers, &format!("{count} {newest}"))
}

fn number(servers: &Servers, query: &str) -> u64 {
    let text = servers.runtime.block_on(servers.mysql.sql(query)).unwrap();
    text.trim().parse().unwrap()
}
