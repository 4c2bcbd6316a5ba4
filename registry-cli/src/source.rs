//! Reading `databases.toml`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub(crate) const FILE: &str = "databases.toml";

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
        match std::fs::read(&path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Self { name, text }),
                Err(error) => {
                    let valid = error.utf8_error().valid_up_to();
                    let line = error.as_bytes()[..valid]
                        .iter()
                        .filter(|byte| **byte == b'\n')
                        .count()
                        + 1;
                    Err(format!("{name}:{line}: expected UTF-8, found other bytes"))
                }
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Err(format!(
                "cannot read {name}: there is no such file; write one beside Cargo.toml, or give its path"
            )),
            Err(error) => Err(format!("cannot read {name}: {error}")),
        }
    }
}
