//! What SQLite says when it cannot open a file, with the file.

use crate::error::Error;
use crate::kind::ErrorKind;

/// A failed opening, with the path: SQLite's own words are "unable to open database file".
pub(super) fn explain(error: sqlx::Error, path: &str) -> Error {
    if matches!(error, sqlx::Error::Database(_)) {
        let message = format!("cannot open `{path}`: {}", Error::from(error).message());
        return Error::new(ErrorKind::Config, message).help("the folder must exist and be writable");
    }
    error.into()
}
