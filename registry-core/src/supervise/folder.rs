//! The folder of the masters of one user, and the lock that one name can have one master only.

use rustix::process::geteuid;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// A name that this process is the master of. The lock ends with it.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    name: String,
    /// Held, not used.
    _lock: File,
}

/// The folder: `$XDG_RUNTIME_DIR/dbreg`, `/run/dbreg` for root, else a folder of the user's in the one for temporary
/// files.
fn place() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(runtime) if !runtime.is_empty() => PathBuf::from(runtime).join("dbreg"),
        _ if geteuid().is_root() && Path::new("/run").is_dir() => PathBuf::from("/run/dbreg"),
        _ => std::env::temp_dir().join(format!("dbreg-{}", geteuid().as_raw())),
    }
}

/// The folder, made when it is not there. Only its owner can look into it.
fn own() -> io::Result<PathBuf> {
    let path = place();
    DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
    let found = fs::metadata(&path)?;
    // In a folder that everyone can write to, someone else may have been faster.
    if found.uid() != geteuid().as_raw() || found.mode() & 0o077 != 0 {
        let words = format!(
            "`{}` must belong to this user alone; write `chmod 700`",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
    }
    Ok(path)
}

/// The folder, for somebody who asks a master: root may ask those of other users.
fn others() -> io::Result<PathBuf> {
    let path = place();
    let owner = fs::metadata(&path)?.uid();
    if owner != geteuid().as_raw() && !geteuid().is_root() {
        let words = format!("`{}` belongs to another user", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
    }
    Ok(path)
}

/// The path of the socket of the master of this name.
pub(crate) fn socket(name: &str) -> io::Result<PathBuf> {
    Ok(others()?.join(format!("{name}.sock")))
}

/// The names of masters, running or not, that have left something here.
pub(crate) fn names() -> io::Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(others()?)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".sock").map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

impl Folder {
    /// Takes the name.
    ///
    /// # Errors
    /// Words that name the process that has it.
    pub(crate) fn claim(name: &str) -> io::Result<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 48 || name.starts_with('.') || !name.chars().all(fits) {
            let words = format!(
                "expected a name of letters, digits, `-`, `_` and `.`, found `{}`",
                name.escape_debug()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        }
        let path = own()?;
        let options = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .clone();
        let mut lock = options.open(path.join(format!("{name}.lock")))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                lock.read_to_string(&mut holder)?;
                let words = format!(
                    "a master named `{name}` is running, process {}; stop it, or give this one another name",
                    holder.trim()
                );
                return Err(io::Error::new(io::ErrorKind::AddrInUse, words));
            }
            Err(TryLockError::Error(cause)) => return Err(cause),
        }
        lock.set_len(0)?;
        lock.rewind()?;
        write!(lock, "{}", std::process::id())?;
        let folder = Self {
            path,
            name: name.to_owned(),
            _lock: lock,
        };
        folder.sweep();
        Ok(folder)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join(format!("{}.sock", self.name))
    }

    /// The socket on which a worker reports.
    pub(crate) fn notify(&self, id: u32) -> PathBuf {
        self.path.join(format!("{}.{id}.notify", self.name))
    }

    /// Takes away the sockets of this name, ours or those of a master that was killed.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.path) else {
            return;
        };
        let mine = format!("{}.", self.name);
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(&mine)) else {
                continue;
            };
            let number = rest.strip_suffix(".notify");
            if rest == "sock" || number.is_some_and(|number| number.parse::<u32>().is_ok()) {
                // Gone already is as good.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.sweep();
    }
}
