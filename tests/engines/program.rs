//! A program that a test starts by itself.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the program until it reads a word, or the end of its input, which comes with the end of the test's process: then
/// nobody else is left to remove the folder. The program's own output is the log.
const GUARD: &str = r#"
trap '' INT TERM HUP QUIT
folder=$1; shift
"$@" </dev/null >"$folder/log" 2>&1 &
pid=$!
exec 2>/dev/null
read -r word
[ "$word" = stop ] && kill -TERM "$pid" || kill -KILL "$pid"
wait "$pid"
[ -n "$word" ] || rm -rf -- "$folder"
"#;

/// A program with a folder of its own. It is killed with this value, and with the process of the test.
#[derive(Debug)]
pub(crate) struct Program {
    guard: Child,
    folder: TempDir,
}

impl Program {
    pub(crate) fn start(folder: TempDir, command: &Command) -> Self {
        let mut guard = Command::new("/bin/sh");
        guard.args(["-c", GUARD, "guard"]).arg(folder.path());
        guard.arg(command.get_program()).args(command.get_args());
        guard.envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let guard = guard.stdin(Stdio::piped()).spawn().unwrap();
        Self { guard, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until there is an answer, and fails with the log when there is none.
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            if began.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.folder().join("log")).unwrap_or_default();
                panic!("not within {PATIENCE:?}: {what}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it in order, and gives its folder.
    pub(crate) fn stop(mut self) -> TempDir {
        let empty = tempfile::tempdir().unwrap();
        self.end(b"stop\n");
        std::mem::replace(&mut self.folder, empty)
    }

    fn end(&mut self, word: &[u8]) {
        if let Some(mut input) = self.guard.stdin.take() {
            // A guard that has ended has nobody left to kill.
            let _ = input.write_all(word);
        }
        let _ = self.guard.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end(b"kill\n");
    }
}
