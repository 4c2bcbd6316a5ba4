//! Reading a small file that someone else wrote: never for ever, never all of a large one, and never shown.

use crate::error::plain;
use std::fs;
use std::io::Read as _;
use std::path::Path;

/// The text of a regular file of at most `limit` bytes. The error names the file and never its content.
pub(crate) fn read(path: &Path, limit: u64) -> Result<String, String> {
    let shown = path.display();
    let failed = |cause: std::io::Error| format!("cannot read the file `{shown}`: {}", plain(&cause));
    // Looked at before it is opened: opening a pipe without a writer would wait for ever.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("`{shown}` is not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(format!("the file `{shown}` holds more than {limit} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| format!("the file `{shown}` is not valid UTF-8"))
}
