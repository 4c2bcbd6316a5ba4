//! Installing what is missing.

use crate::missing::{install_command, is_installed};
use crate::packages::{self, Installer};
use crate::{Error, Kind, cache, nx};
use std::fs::File;
use std::io::Write;

/// Installs those of these servers that this machine cannot run yet: system packages with apt-get as root or with
/// Homebrew, `nx-27017` from PyPI into the user's cache folder. Nothing asks questions, and no service is started. Each
/// step is said on `out` first.
///
/// It blocks, for seconds or minutes. Two installations wait for each other.
///
/// # Errors
/// [`Error::Refused`] with the command to type, where this user may not install packages.
pub fn install(kinds: &[Kind], out: &mut dyn Write) -> Result<(), Error> {
    let missing = |kinds: &[Kind]| -> Vec<Kind> {
        kinds
            .iter()
            .copied()
            .filter(|kind| !is_installed(*kind))
            .collect()
    };
    if missing(kinds).is_empty() {
        return Ok(());
    }
    let _turn = turn()?;
    let kinds = missing(kinds);
    let packages = packages::needed(&kinds);
    if !packages.is_empty() {
        install_packages(&packages, || install_command(&kinds), out)?;
    }
    if kinds.contains(&Kind::MongoDb) {
        let none = || {
            Error::command(
                "install",
                "nx-27017 needs a Python from 3.10 to 3.14, and there is none",
            )
        };
        let python = nx::python().ok_or_else(none)?;
        say(
            out,
            &format!(
                "installing nx-27017 {} from PyPI into {}",
                nx::VERSION,
                nx::folder().display()
            ),
        )?;
        nx::install(&python)?;
    }
    match missing(&kinds).first() {
        None => Ok(()),
        Some(kind) => Err(Error::command(
            "install",
            format!("the {kind} server is still not found"),
        )),
    }
}

/// Ours, for as long as it is held: two installations wait for each other.
pub(crate) fn turn() -> Result<File, Error> {
    let cache = cache::folder();
    std::fs::create_dir_all(&cache).map_err(Error::io(format!("create {}", cache.display())))?;
    cache::lock(&cache.join("install.lock"))
}

/// Installs system packages, or refuses with the command that a user with more rights would type.
pub(crate) fn install_packages(
    packages: &[&str],
    command: impl FnOnce() -> String,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let refused = || Error::Refused { command: command() };
    let installer = Installer::find()
        .filter(|installer| installer.may())
        .ok_or_else(refused)?;
    let with = if installer == Installer::Apt {
        "apt-get, starting no service"
    } else {
        "brew"
    };
    say(out, &format!("installing {} with {with}", packages.join(", ")))?;
    packages::install(installer, packages)
}

fn say(out: &mut dyn Write, line: &str) -> Result<(), Error> {
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(Error::io("write what is being done"))
}
