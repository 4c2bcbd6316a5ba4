//! The temporary folder of one server, and the watchdog that clears up when this process dies.

use crate::Error;
use rustix::process::Signal;
use std::fs::DirBuilder;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// Reads what to end from its standard input. At the end of the input, which comes by a word of ours, by our end or
/// by our being killed, it ends the server and removes the folder.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP QUIT
pid= container= signal=9 tries=50 folder=$1
while read -r word value; do
    case $word in
        pid) pid=$value ;;
        container) container=$value ;;
        signal) signal=$value ;;
        keep) folder= ;;
        tries) tries=$value ;;
    esac
done
if [ -n "$pid" ]; then
    children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null || pgrep -P "$pid")
    if [ "$signal" != 9 ]; then
        kill "-$signal" "$pid"
        kill -CONT $children "$pid"
        while kill -0 "$pid" 2>/dev/null && [ "$tries" -gt 0 ]; do
            tries=$((tries - 1))
            sleep 0.05
        done
    fi
    kill -0 "$pid" 2>/dev/null && kill -KILL "$pid" $children
fi
[ -n "$container" ] && docker rm -f "$container"
[ -n "$folder" ] && { rm -rf -- "$folder" || { sleep 0.2; rm -rf -- "$folder"; }; }
"#;

/// A temporary folder with its watchdog.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// A process of its own rather than `PR_SET_PDEATHSIG`, which fires at the end of a thread and needs unsafe code.
    watchdog: Mutex<Child>,
}

impl Folder {
    pub(crate) fn new(name: &str) -> Result<Self, Error> {
        // A Unix socket's path holds about a hundred bytes.
        let parent = Some(std::env::temp_dir()).filter(|path| path.as_os_str().len() < 60);
        let parent = parent.unwrap_or_else(|| PathBuf::from("/tmp"));
        let random = RandomState::new().build_hasher().finish();
        let path = parent.join(format!("dbreg-{name}-{random:016x}"));
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(WATCHDOG).arg("dbreg-watchdog").arg(&path);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        detach(&mut command);
        let watchdog = command
            .spawn()
            .map_err(Error::io("start the watchdog `/bin/sh`"))?;
        let folder = Self {
            path,
            watchdog: Mutex::new(watchdog),
        };
        // After the watchdog: there is no moment at which our end would leave a folder behind.
        let created = DirBuilder::new().mode(0o700).create(&folder.path);
        if created.is_err() {
            folder.keep();
        }
        created.map_err(Error::io(format!("create {}", folder.path.display())))?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What to end with this process, by which signal; `None` when nothing runs.
    pub(crate) fn guard(&self, pid: Option<u32>, container: Option<&str>, signal: Signal) {
        let pid = pid.map_or_else(String::new, |pid| pid.to_string());
        let (container, signal) = (container.unwrap_or_default(), signal.as_raw());
        self.tell(&format!("pid {pid}\ncontainer {container}\nsignal {signal}\n"));
    }

    /// Leaves the folder where it is.
    pub(crate) fn keep(&self) {
        self.tell("keep\n");
    }

    /// How long the server may take to end with this process, before it is killed.
    pub(crate) fn grace(&self, grace: Duration) {
        self.tell(&format!("tries {}\n", grace.as_millis() / 50));
    }

    /// Leaves the folder where it is, with nothing in it but this file.
    pub(crate) fn keep_only(&self, file: &Path) {
        self.keep();
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let path = entry.path();
            if path != file {
                // What cannot be removed stays: there is nothing better to do with it.
                let _ = if path.is_dir() {
                    std::fs::remove_dir_all(path)
                } else {
                    std::fs::remove_file(path)
                };
            }
        }
    }

    fn tell(&self, words: &str) {
        let mut watchdog = self.watchdog.lock().expect("no holder of this lock panics");
        if let Some(stdin) = watchdog.stdin.as_mut() {
            // A watchdog that somebody killed is missed only when this process is killed too.
            let _ = stdin.write_all(words.as_bytes());
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let watchdog = self.watchdog.get_mut().expect("no holder of this lock panics");
        drop(watchdog.stdin.take());
        let _ = watchdog.wait();
    }
}

/// Keeps a signal to our process group (Ctrl-C) from the child: we, or the watchdog, decide when it ends.
pub(crate) fn detach(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
}
