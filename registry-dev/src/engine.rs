//! Engines of fleets: what stands between an application and many servers, or makes one of them.

use crate::install::{install_packages, turn};
use crate::packages::{self, Installer};
use crate::{Error, find};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where MariaDB's packages put the library of Galera.
const GALERA: [&str; 2] = ["/usr/lib/galera/libgalera_smm.so", "/usr/lib/libgalera_smm.so"];

/// An engine of a fleet. This crate finds and installs it; a test that wants it starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// twemproxy, the program `nutcracker`: a proxy in front of several memcached servers.
    Twemproxy,
    /// Galera, a library that MariaDB loads: several servers that write together.
    Galera,
    /// PgBouncer: a proxy in front of a PostgreSQL server, which holds few sessions with it for many clients.
    PgBouncer,
}

impl Engine {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Twemproxy, Self::Galera, Self::PgBouncer];

    /// The program, or the library.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] with the command that installs it.
    pub fn find(self) -> Result<PathBuf, Error> {
        let found = match self {
            Self::Twemproxy => find::program(&["nutcracker"]),
            Self::Galera => GALERA.iter().map(PathBuf::from).find(|path| Path::is_file(path)),
            Self::PgBouncer => find::program(&["pgbouncer"]),
        };
        found.ok_or_else(|| Error::NotInstalled {
            engine: self,
            command: self.package().map(|package| packages::command(&[package])),
        })
    }

    /// `None` where this system has no package of it.
    fn package(self) -> Option<&'static str> {
        match (self, Installer::find()) {
            (Self::Twemproxy, Some(Installer::Brew)) => Some("twemproxy"),
            (Self::Twemproxy, _) => Some("nutcracker"),
            (Self::Galera, Some(Installer::Brew)) => None,
            (Self::Galera, _) => Some("galera-4"),
            (Self::PgBouncer, _) => Some("pgbouncer"),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Twemproxy => "twemproxy",
            Self::Galera => "Galera",
            Self::PgBouncer => "PgBouncer",
        })
    }
}

/// Installs those of these engines that are missing and of which this system has a package, as
/// [`install`](crate::install) does.
///
/// # Errors
/// [`Error::Refused`] with the command to type, where this user may not install packages.
pub fn install_engines(engines: &[Engine], out: &mut dyn Write) -> Result<(), Error> {
    let missing = || {
        let missing = engines.iter().filter(|engine| engine.find().is_err());
        missing
            .filter_map(|engine| Some((*engine, engine.package()?)))
            .unzip::<_, _, Vec<_>, Vec<_>>()
    };
    if missing().0.is_empty() {
        return Ok(());
    }
    let _turn = turn()?;
    let (engines, packages) = missing();
    if !packages.is_empty() {
        install_packages(&packages, || packages::command(&packages), out)?;
    }
    engines.into_iter().try_for_each(|engine| engine.find().map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_one_message_with_the_command_that_installs_it() {
        for engine in Engine::ALL {
            let command = engine.package().map(|package| packages::command(&[package]));
            let said = Error::NotInstalled { engine, command }.to_string();
            assert!(said.starts_with(&format!("{engine} is not installed")), "{said}");
            let package = engine.package().unwrap_or("no package");
            assert!(said.contains(package), "{said}");
        }
    }
}
