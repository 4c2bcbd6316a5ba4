//! The program, beside a file of its own.

use serde_json::Value;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

/// A folder with a `databases.toml`.
pub(crate) struct Project(TempDir);

impl Project {
    pub(crate) fn new(databases: &str) -> Self {
        let project = Self(tempfile::tempdir().expect("a folder"));
        project.write("databases.toml", databases);
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file in it, such as a migration.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        std::fs::write(path, text).expect("the file is written");
    }

    /// `dbreg` in it, with no variable but these. A secret is `canary`, and never printed.
    pub(crate) async fn dbreg(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_dbreg"));
        command.args(arguments).current_dir(self.path()).env_clear();
        command.envs(variables.iter().copied()).kill_on_drop(true);
        let output = command.output().await.expect("the program runs");
        let text = text(&output);
        assert!(!text.contains("canary"), "{text}");
        output
    }

    /// The array that it printed, and its exit status.
    pub(crate) async fn json(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (Value, i32) {
        let output = self.dbreg(&[arguments, &["--json"]].concat(), variables).await;
        let array = serde_json::from_slice(&output.stdout);
        let array = array.unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
        (array, status(&output))
    }
}

/// All that it printed.
pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

pub(crate) fn status(output: &Output) -> i32 {
    output.status.code().expect("an exit status")
}
