//! Throw-away packages in a folder of their own, with a target of their own, that are built as a user's would be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// One package.
pub(crate) struct Scratch {
    folder: PathBuf,
    target: PathBuf,
    source: String,
    edits: u32,
}

/// What a build took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    /// The processor's time, of every process of it: what a busy machine changes least.
    pub(crate) processor: Duration,
    pub(crate) wall: Duration,
}

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the benches are a folder of the workspace")
}

/// The line of a dependency in the workspace's manifest, so that both sides use the same versions and features.
pub(crate) fn dependency(name: &str) -> String {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace has a manifest");
    let line = manifest
        .lines()
        .find(|line| line.starts_with(&format!("{name} = ")));
    line.unwrap_or_else(|| panic!("no version of {name}")).to_owned()
}

impl Scratch {
    /// A package with these dependencies and this source, and nothing built yet.
    pub(crate) fn new(name: &str, dependencies: &[String], source: &str) -> Self {
        let folder = registry_bench::folder().join("compile").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("the last run's folder can be removed");
        }
        fs::create_dir_all(folder.join("src")).expect("cargo's folder can be written to");
        let lock = root().join("Cargo.lock");
        fs::copy(lock, folder.join("Cargo.lock")).expect("the workspace has a lock file");
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{}\n",
            dependencies.join("\n")
        );
        let scratch = Self {
            target: folder.join("target"),
            folder,
            source: source.to_owned(),
            edits: 0,
        };
        scratch.file("Cargo.toml", &manifest);
        scratch.file("src/main.rs", source);
        scratch.cargo(&["fetch"]);
        scratch
    }

    /// The same, with what both need built once.
    pub(crate) fn beside(self, other: &Self) -> Self {
        let target = other.target.clone();
        Self { target, ..self }
    }

    /// Writes a file.
    pub(crate) fn file(&self, path: &str, text: &str) {
        fs::write(self.folder.join(path), text).expect("cargo's folder can be written to");
    }

    /// Changes a constant in the source.
    pub(crate) fn edit(&mut self) {
        self.edits += 1;
        let edited = self
            .source
            .replace("EDIT: u32 = 0", &format!("EDIT: u32 = {}", self.edits));
        self.file("src/main.rs", &edited);
    }

    /// Removes what was built.
    pub(crate) fn clean(&self) {
        if self.target.exists() {
            fs::remove_dir_all(&self.target).expect("cargo's folder can be written to");
        }
    }

    /// Builds it, for development.
    pub(crate) fn build(&self) -> Took {
        let (before, began) = (children(), Instant::now());
        self.cargo(&["build", "--offline"]);
        Took {
            processor: children() - before,
            wall: began.elapsed(),
        }
    }

    fn cargo(&self, arguments: &[&str]) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(arguments).arg("--quiet").current_dir(&self.folder);
        command.env("CARGO_TARGET_DIR", &self.target);
        let status = command.status().expect("cargo runs");
        assert!(status.success(), "{} does not build", self.folder.display());
    }
}

/// The processor's time of all processes that this one has waited for, and of theirs.
fn children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("this bench needs Linux");
    // The name, in parentheses, may hold blanks; the fields after it are counted from the third.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |field: usize| -> u64 {
        let word = fields.split_whitespace().nth(field - 3);
        word.and_then(|word| word.parse().ok()).unwrap_or(0)
    };
    // `cutime` and `cstime`, in ticks of the hundredth of a second.
    Duration::from_millis(10 * (ticks(16) + ticks(17)))
}
