//! Reading `databases.toml`.

use std::io::ErrorKind;
use std::io::Read as _;
use std::path::{Path, PathBuf};

pub(crate) const FILE: &str = "databases.toml";
/// Ten thousand connections need a tenth of it. A pipe is welcome, `/dev/zero` is not.
const MOST_BYTES: usize = 16 << 20;

/// A file and its text. The text holds what nobody may print: it leaves this crate only through `registry_config`.
pub(crate) struct Source {
    /// As messages name it.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Source {
    /// Reads the file, or the `databases.toml` of a folder.
    ///
    /// # Errors
    /// What to tell the user.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let path = if path.is_dir() {
            path.join(FILE)
        } else {
            PathBuf::from(path)
        };
        let name = path.display().to_string();
        match read_some(&path) {
            Ok(bytes) if bytes.len() > MOST_BYTES => Err(format!(
                "cannot read {name}: it has more than {MOST_BYTES} bytes; give the path of databases.toml instead"
            )),
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Self { name, text }),
                Err(error) => {
                    let valid = error.utf8_error().valid_up_to();
                    let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
                    let line = before.matches('\n').count() + 1;
                    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                    Err(format!(
                        "{name}:{line}:{column}: expected UTF-8, found other bytes"
                    ))
                }
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Err(format!(
                "cannot read {name}: there is no such file; `dbreg init` writes one, or give the path of yours"
            )),
            Err(error) => Err(format!("cannot read {name}: {error}")),
        }
    }
}

/// The whole file, or a little more of it than is accepted.
fn read_some(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(MOST_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
