//! The prepared data directory that every MySQL server starts from.

use crate::flavor::Flavor;
use crate::run::{output, owner};
use crate::{Error, cache};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Raised whenever the commands below change what they write.
const LAYOUT: u32 = 2;
/// Small: every copy of the template holds one.
pub(crate) const LOG_FILE_SIZE: &str = "--loose-innodb-log-file-size=4M";
/// MySQL's own server makes itself a certificate, when it is set up and at each start.
pub(crate) const NO_TLS: &str = "--loose-auto-generate-certs=OFF";
/// `root` by the port as well as by the socket. A line is a statement.
const ROOT: &str = "create user root@'127.0.0.1';\ngrant all on *.* to root@'127.0.0.1' with grant option;\n";
const DEADLINE: Duration = Duration::from_secs(120);

/// The programs of one installation.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) server: PathBuf,
    /// `mariadb-install-db`; MySQL's own server does this itself.
    pub(crate) install: Option<PathBuf>,
    pub(crate) client: PathBuf,
}

impl Programs {
    /// What the server says of its version.
    pub(crate) fn version(&self) -> Result<String, Error> {
        let mut version = Command::new(&self.server);
        version.args(["--no-defaults", "--version"]);
        output(version, None, Duration::from_secs(20))
    }
}

/// The template for the server of this version; made at the first use, MariaDB's in half a second and MySQL's in some.
pub(crate) fn template(programs: &Programs, version: &str) -> Result<PathBuf, Error> {
    let number: String = version
        .split_whitespace()
        .skip_while(|word| *word != "Ver")
        .skip(1)
        .take(1)
        .collect();
    let number = number.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
    let flavor = Flavor::of(version);
    let name = match flavor {
        Flavor::MariaDb => "mariadb",
        Flavor::MySql => "mysql",
    };
    cache::once(&format!("{name}-{number}-{LAYOUT}"), |folder| match flavor {
        Flavor::MariaDb => install_mariadb(programs, folder),
        Flavor::MySql => install_mysql(programs, folder),
    })
}

fn install_mariadb(programs: &Programs, folder: &Path) -> Result<(), Error> {
    let program = programs.install.as_deref();
    let mut command = Command::new(program.unwrap_or(Path::new("mariadb-install-db")));
    command
        .args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ])
        .args(owner())
        .arg(LOG_FILE_SIZE)
        .arg(joined("--datadir=", folder));
    output(command, None, DEADLINE).map(drop)
}

/// MySQL's own server does it itself. What MariaDB gives `root`, access by the port, it gets here, too; and each copy finds an
/// identity of its own.
fn install_mysql(programs: &Programs, folder: &Path) -> Result<(), Error> {
    let statements = folder.with_extension("sql");
    let doing = |what: &str, path: &Path| format!("{what} {}", path.display());
    std::fs::write(&statements, ROOT).map_err(Error::io(doing("write", &statements)))?;
    let mut command = Command::new(&programs.server);
    command
        .args(["--no-defaults", "--initialize-insecure", NO_TLS, LOG_FILE_SIZE])
        .args(owner())
        .arg(joined("--init-file=", &statements))
        .arg(joined("--datadir=", folder));
    let made = output(command, None, DEADLINE);
    // In the way of nobody, should it stay.
    let _ = std::fs::remove_file(&statements);
    made?;
    let identity = folder.join("auto.cnf");
    std::fs::remove_file(&identity).map_err(Error::io(doing("remove", &identity)))
}

pub(crate) fn joined(option: &str, path: &Path) -> OsString {
    let mut option = OsString::from(option);
    option.push(path);
    option
}
