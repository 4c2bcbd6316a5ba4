//! The user's cache folder, and things in it that are made once.

use crate::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long to wait for another process that makes the same thing.
const LOCK_DEADLINE: Duration = Duration::from_secs(300);

/// `~/.cache/dbreg`, or what the system uses instead.
pub(crate) fn folder() -> PathBuf {
    let from = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = || {
        from("HOME").map(|home| {
            home.join(if cfg!(target_os = "macos") {
                "Library/Caches"
            } else {
                ".cache"
            })
        })
    };
    match from("XDG_CACHE_HOME").or_else(home) {
        Some(cache) => cache.join("dbreg"),
        None => std::env::temp_dir().join(format!("dbreg-cache-{}", rustix::process::getuid().as_raw())),
    }
}

/// The folder `name` of the cache; `make` fills it the first time. It appears complete or not at all, however many
/// processes ask for it at once.
pub(crate) fn once(name: &str, make: impl FnOnce(&Path) -> Result<(), Error>) -> Result<PathBuf, Error> {
    let cache = folder();
    let done = cache.join(name);
    if done.is_dir() {
        return Ok(done);
    }
    fs::create_dir_all(&cache).map_err(Error::io(format!("create {}", cache.display())))?;
    let _lock = lock(&cache.join(format!("{name}.lock")))?;
    if done.is_dir() {
        return Ok(done);
    }
    let draft = tempfile::Builder::new()
        .prefix(&format!("{name}."))
        .tempdir_in(&cache);
    let draft = draft.map_err(Error::io(format!("create a folder in {}", cache.display())))?;
    make(draft.path())?;
    fs::rename(draft.path(), &done).map_err(Error::io(format!("create {}", done.display())))?;
    Ok(done)
}

/// Holds the lock until the file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File, Error> {
    let doing = || format!("lock {}", path.display());
    let file = File::create(path).map_err(Error::io(doing()))?;
    let deadline = Instant::now() + LOCK_DEADLINE;
    while let Err(error) = file.try_lock() {
        match error {
            fs::TryLockError::WouldBlock if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => {
                return Err(Error::Io {
                    doing: doing(),
                    source: other.into(),
                });
            }
        }
    }
    Ok(file)
}

/// Copies a folder with all that is in it. `to` exists and is empty.
pub(crate) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
