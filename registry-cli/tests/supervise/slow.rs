//! A master that comes late: it hears all that was said before it judges.

use super::master::{Master, lives, send, until};

#[test]
fn the_last_words_of_a_worker_are_heard() {
    let script = r#"
def last(*_):
    tell("STATUS=mysql.main: connection refused")
    os._exit(69)
signal.signal(signal.SIGUSR2, last)
tell("READY=1")
while True:
    signal.pause()
"#;
    let master = Master::python(&[], script);
    master.says("is ready");
    let worker = master.pid_of(0);
    // So that both wait for it: the words, and the news that the worker has ended.
    master.signal("STOP");
    send("USR2", worker);
    until("it has ended", || (!lives(worker)).then_some(()));
    master.signal("CONT");
    master.says("ended with exit code 69 (unavailable): mysql.main: connection refused");
}

#[test]
fn heartbeats_that_were_not_read_yet_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beats");
    let script = format!(
        r#"
tell("READY=1")
s.setblocking(False)
while True:
    try:
        tell("WATCHDOG=1")
    except BlockingIOError:
        pass
    with open({path:?}, "a") as beats:
        beats.write(".")
    time.sleep(0.02)
"#
    );
    let beats = || std::fs::metadata(&path).map_or(0, |file| file.len());
    let more = |count| {
        let before = beats();
        until("its heart beats", || (beats() >= before + count).then_some(()));
    };
    let master = Master::python(&["--heartbeat", "2s"], &script);
    master.says("is ready");
    more(1);
    let worker = master.pid_of(0);
    // For longer than the limit, but not for so long that the master excuses all for its own sake.
    master.signal("STOP");
    more(120);
    master.signal("CONT");
    more(10);
    let status = master.status();
    assert_eq!(status["ready"], 1, "{status}");
    assert_eq!(master.pid_of(0), worker);
}
