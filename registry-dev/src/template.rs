//! The prepared data directory that every MySQL server starts from.

use crate::run::{output, owner};
use crate::{Error, cache};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Raised whenever the commands below change what they write.
const LAYOUT: u32 = 1;
/// Small: every copy of the template holds one.
pub(crate) const LOG_FILE_SIZE: &str = "--loose-innodb-log-file-size=4M";
const DEADLINE: Duration = Duration::from_secs(120);

/// The programs of one installation.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) server: PathBuf,
    /// `mariadb-install-db`; MySQL's own server does this itself.
    pub(crate) install: Option<PathBuf>,
    pub(crate) client: PathBuf,
}

/// The template for this server's version; made at the first use, in half a second.
pub(crate) fn template(programs: &Programs) -> Result<PathBuf, Error> {
    let mut version = Command::new(&programs.server);
    version.args(["--no-defaults", "--version"]);
    let version = output(version, None, Duration::from_secs(20))?;
    let version: String = version
        .split_whitespace()
        .skip_while(|word| *word != "Ver")
        .skip(1)
        .take(1)
        .collect();
    let version = version.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
    cache::once(&format!("mysql-{version}-{LAYOUT}"), |folder| {
        install(programs, folder)
    })
}

fn install(programs: &Programs, folder: &Path) -> Result<(), Error> {
    let mut data = std::ffi::OsString::from("--datadir=");
    data.push(folder);
    let mut command;
    if let Some(program) = &programs.install {
        command = Command::new(program);
        command.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]);
    } else {
        command = Command::new(&programs.server);
        command.args(["--no-defaults", "--initialize-insecure"]);
    }
    command.args(owner()).arg(LOG_FILE_SIZE).arg(data);
    output(command, None, DEADLINE).map(drop)
}
