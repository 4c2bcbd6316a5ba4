//! `nx-27017` from PyPI, in a folder of the user's cache.

use crate::launch::Place;
use crate::{Error, cache, find, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The release that is installed.
pub(crate) const VERSION: &str = "0.8.1";
/// The Pythons that it runs on are 3.10 to 3.14.
const PYTHONS: [&str; 6] = [
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
];
const SUITS: &str = "import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))";
const DEADLINE: Duration = Duration::from_secs(600);

/// An installation: an interpreter, and the folder of packages where that is not its own.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    python: PathBuf,
    packages: Option<PathBuf>,
}

fn name() -> String {
    format!("nx-27017-{VERSION}")
}

/// The folder that it is or will be in.
pub(crate) fn folder() -> PathBuf {
    cache::folder().join(name())
}

/// The installation, if it is complete and its Python is still there.
pub(crate) fn installed() -> Option<Installed> {
    let folder = folder();
    let python = folder.join("bin/python");
    if python.exists() {
        let mut libraries = std::fs::read_dir(folder.join("lib")).ok()?.flatten();
        let complete = libraries.any(|library| library.path().join("site-packages/nx_27017").is_dir());
        return complete.then_some(Installed {
            python,
            packages: None,
        });
    }
    let packages = folder.join("packages");
    let python = packages.join("nx_27017").is_dir().then(self::python).flatten()?;
    Some(Installed {
        python,
        packages: Some(packages),
    })
}

/// A Python that it runs on.
pub(crate) fn python() -> Option<PathBuf> {
    PYTHONS
        .iter()
        .filter_map(|name| find::program(&[name]))
        .find(|python| {
            let mut command = Command::new(python);
            command.args(["-c", SUITS]);
            run::output(command, None, Duration::from_secs(20)).is_ok()
        })
}

/// Whether this Python can make the folder: by `venv` with its own pip, or by a pip that is there already.
pub(crate) fn can_install(python: &Path) -> bool {
    has(python, VENV) || has(python, "pip")
}

/// What Debian keeps in a package of its own.
const VENV: &str = "venv, ensurepip";

fn has(python: &Path, modules: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", &format!("import {modules}")]);
    run::output(command, None, Duration::from_secs(20)).is_ok()
}

/// What a user would type to install it.
pub(crate) fn commands() -> Vec<String> {
    let (folder, python) = (folder(), python());
    let folder = folder.display();
    match python {
        Some(python) if !has(&python, VENV) && has(&python, "pip") => {
            let python = python.display();
            vec![format!(
                "{python} -m pip install --target '{folder}/packages' nx-27017=={VERSION}"
            )]
        }
        _ => vec![
            format!("python3 -m venv '{folder}'"),
            format!("'{folder}/bin/python' -m pip install nx-27017=={VERSION}"),
        ],
    }
}

/// Installs it; nothing happens when it is there.
pub(crate) fn install(python: &Path) -> Result<(), Error> {
    if installed().is_none() && folder().exists() {
        // A command that was interrupted, or a Python that has gone.
        std::fs::remove_dir_all(folder()).map_err(Error::io(format!("remove {}", folder().display())))?;
    }
    let requirement = format!("nx-27017=={VERSION}");
    let pip = |python: &Path| {
        let mut command = Command::new(python);
        command.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            &requirement,
        ]);
        command
    };
    let made = cache::once(&name(), |draft| {
        let mut venv = Command::new(python);
        venv.args(["-m", "venv"]).arg(draft);
        if run::output(venv, None, DEADLINE).is_ok() {
            return run::output(pip(&draft.join("bin/python")), None, DEADLINE).map(drop);
        }
        // Debian keeps `ensurepip` in a package of its own: what is left of the attempt is in nobody's way.
        let _ = std::fs::remove_dir_all(draft.join("bin"));
        let mut command = pip(python);
        command.arg("--target").arg(draft.join("packages"));
        run::output(command, None, DEADLINE).map(drop)
    });
    made.map(drop)
}

impl Installed {
    pub(crate) fn command(&self, place: &Place<'_>) -> Command {
        let mut command = Command::new(&self.python);
        command.args([
            "-m",
            "nx_27017.nx_27017",
            "--host",
            "127.0.0.1",
            "--port",
            &place.port.to_string(),
        ]);
        // A file for each database: what one holds is not seen in another.
        command.arg("--data-dir").arg(place.folder.join("data"));
        // It takes an old file of this name for a sign that it runs already.
        let pid = place.folder.join(format!("{}.pid", place.container));
        command
            .arg("--pid-file")
            .arg(pid)
            .arg("--log-file")
            .arg("/dev/null");
        if let Some(packages) = &self.packages {
            command.env("PYTHONPATH", packages);
        }
        command
    }
}
