//! Throw-away crates that depend on this checkout, for what a test cannot see from within: the compiler's messages,
//! what is left in `target/`, what is built again. They share one target directory, work offline on a copy of the
//! workspace's `Cargo.lock`, and use the feature with the fewest dependencies.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// One crate.
pub(crate) struct Scratch {
    folder: PathBuf,
    target: PathBuf,
}

/// An error or a warning of the compiler.
#[derive(Debug)]
pub(crate) struct Message {
    /// The binary or library that it is about.
    pub(crate) target: String,
    pub(crate) is_error: bool,
    /// Its own text, without the places.
    pub(crate) text: String,
    /// As it is printed.
    pub(crate) rendered: String,
}

impl Scratch {
    /// A crate with this name and these lines for its manifest, with the files of no earlier run.
    pub(crate) fn new(name: &str, dependencies: &str) -> Self {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scratch");
        let folder = all.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(folder.join("src")).unwrap();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let dependencies = dependencies.replace("$DBREG", &workspace.display().to_string());
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n\n\
             [workspace]\n\n[profile.release.package.\"*\"]\nopt-level = 0\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        Self {
            folder,
            target: all.join("target"),
        }
    }

    /// A crate that depends on dbreg with the feature `memcached`.
    pub(crate) fn with_memcached(name: &str) -> Self {
        Self::new(name, "dbreg = { path = \"$DBREG\", features = [\"memcached\"] }")
    }

    /// Writes a file.
    pub(crate) fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The target directory, shared by all.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Runs cargo.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO"))
            .args(arguments)
            .arg("--offline")
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_TERM_COLOR", "never")
            .env_remove("CARGO_BUILD_TARGET_DIR")
            .output()
            .unwrap()
    }

    /// Builds every target of the crate, those after one with errors too, and gives what the compiler says about the
    /// crate itself. A `cargo check` says the same, and would need all that the crate depends on once more.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let output = self.cargo(&["build", "--keep-going", "--message-format=json"]);
        let name = self.folder.file_name().unwrap().to_str().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let messages: Vec<Message> = stdout
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|message| message["reason"] == "compiler-message")
            .filter(|message| {
                message["package_id"]
                    .as_str()
                    .is_some_and(|id| id.contains(&format!("/{name}#")))
            })
            .filter(|message| {
                message["message"]["spans"]
                    .as_array()
                    .is_some_and(|spans| !spans.is_empty())
            })
            .map(|message| Message {
                target: message["target"]["name"].as_str().unwrap().to_owned(),
                is_error: message["message"]["level"] == "error",
                text: message["message"]["message"].as_str().unwrap().to_owned(),
                rendered: message["message"]["rendered"].as_str().unwrap().to_owned(),
            })
            .collect();
        // Without this, a crate that does not even resolve would look like one without mistakes.
        let failed_elsewhere = !output.status.success() && messages.iter().all(|message| !message.is_error);
        assert!(!failed_elsewhere, "{}", String::from_utf8_lossy(&output.stderr));
        messages
    }
}
