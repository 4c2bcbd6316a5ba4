//! Opening an SQLite connection: values -> options, the proof, the pool.

use super::error::explain;
use crate::adapters::sql;
use crate::base::Base;
use crate::connection::Opened;
use crate::error::Error;
use crate::kind::ErrorKind;
use registry_config::Settings;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;

pub(super) struct Target {
    pub(super) pool: SqlitePool,
    min: u64,
}

/// Everything that needs no file.
pub(super) fn target(base: &Arc<Base>, settings: &Settings) -> Result<Target, Error> {
    let path = settings
        .text("path")
        .ok_or_else(|| Error::new(ErrorKind::Config, "no path"))?;
    let memory = path == ":memory:";
    let options = if memory {
        // Parsed once: each parse of this URL names another shared database.
        SqliteConnectOptions::from_str("sqlite::memory:")?
    } else {
        SqliteConnectOptions::new()
            .filename(as_file(Path::new(path)))
            .create_if_missing(true)
    };
    let options = options.foreign_keys(true).disable_statement_logging();
    // A database in memory lives as long as its last session: none may expire, and one stays for good.
    let limits = if memory {
        sql::Limits::default()
    } else {
        sql::Limits::new(settings)
    };
    let mut pool = sql::options::<sqlx::Sqlite>(&base.generations, settings, limits);
    if memory {
        pool = pool.min_connections(1);
    }
    Ok(Target {
        pool: pool.connect_lazy_with(options),
        min: settings.count("pool.min").unwrap_or(0),
    })
}

/// A path as SQLite takes it for the name of a file: one that begins with `file:` would be a URI, with options in it.
pub(super) fn as_file(path: &Path) -> Cow<'_, Path> {
    if path.as_os_str().as_encoded_bytes().starts_with(b"file:") {
        Cow::Owned(Path::new(".").join(path))
    } else {
        Cow::Borrowed(path)
    }
}

/// The proof by a command, on the session that stays.
pub(super) async fn open(target: &Target, path: &str) -> Result<Opened, Error> {
    let version: String = sqlx::query_scalar("select sqlite_version()")
        .fetch_one(&target.pool)
        .await
        .map_err(|error| explain(error, path))?;
    sql::fill(&target.pool, target.min).await?;
    Ok(Opened {
        detail: format!("SQLite {version}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_is_no_uri() {
        for (path, expected) in [
            ("file:x.db?mode=memory", "./file:x.db?mode=memory"),
            ("/srv/file:x.db", "/srv/file:x.db"),
            ("file/x.db", "file/x.db"),
        ] {
            assert_eq!(as_file(Path::new(path)), Path::new(expected));
        }
    }
}
