//! A folder with migrations and fixtures, and the verbs on it.

use dbreg::tasks::{Shape, TasksBuilder, TasksReport, Verb};
use std::path::Path;

/// A project on one connection.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    file: String,
}

impl Project {
    /// On a database of a MongoDB server.
    pub(crate) fn mongodb(port: u16, db: &str) -> Self {
        Self::new(format!(
            "[mongodb.logs]\nhost = \"127.0.0.1\"\nport = {port}\ndb = \"{db}\"\n"
        ))
    }

    /// With this `databases.toml`.
    pub(crate) fn new(file: String) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            file,
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        let loaded = registry_config::load(&self.file, "databases.toml");
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        loaded.shape
    }

    /// Writes a file: `migrations/1_a.json` for the connection.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.folder.path().join(path)).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn tasks(&self) -> TasksBuilder {
        TasksBuilder::new(self.shape()).root(self.path())
    }

    /// Runs a verb with the options that `with` gives it.
    pub(crate) async fn run_with(
        &self,
        verb: Verb,
        with: impl FnOnce(TasksBuilder) -> TasksBuilder,
    ) -> TasksReport {
        with(self.tasks()).build().unwrap().run(verb, |_| {}).await
    }

    pub(crate) async fn run(&self, verb: Verb) -> TasksReport {
        self.run_with(verb, |tasks| tasks).await
    }

    /// Runs a verb that must succeed; gives the words of its last step.
    pub(crate) fn done(&self, verb: Verb) -> impl Future<Output = String> {
        self.done_with(verb, |tasks| tasks)
    }

    pub(crate) async fn done_with(
        &self,
        verb: Verb,
        with: impl FnOnce(TasksBuilder) -> TasksBuilder,
    ) -> String {
        let report = self.run_with(verb, with).await;
        assert!(report.is_success(), "{report}");
        report.connections[0].steps.last().unwrap().outcome.words()
    }

    /// Runs a verb that must fail; gives its message and its next step.
    pub(crate) async fn failed_with(
        &self,
        verb: Verb,
        with: impl FnOnce(TasksBuilder) -> TasksBuilder,
    ) -> String {
        let report = self.run_with(verb, with).await;
        let error = report.failures().next().unwrap_or_else(|| panic!("{report}"));
        let path = format!("{}/", self.path().display());
        let help = error.next_step().map(|help| format!("; {help}"));
        format!("{}{}", error.message(), help.unwrap_or_default()).replace(&path, "")
    }

    pub(crate) async fn failed(&self, verb: Verb) -> String {
        self.failed_with(verb, |tasks| tasks).await
    }
}
