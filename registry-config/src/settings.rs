//! The values of one connection after merging its layers, each with the place that it came from.

use crate::backends::backend;
use crate::check;
use crate::diagnostic::Diagnostic;
use crate::shape::{ConnectionShape, Position, Scope};
use crate::spec::BackendSpec;
use crate::url::ConnectionUrl;
use crate::value::{Host, Value};
use crate::variables::Override;
use std::fmt;
use std::time::Duration;

/// The merged values of one connection for one profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub(crate) entries: Vec<(&'static str, Setting)>,
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The default of the backend.
    Default,
    /// A table of the file.
    File {
        /// Which table.
        scope: Scope,
        /// Where the value stands.
        position: Position,
    },
    /// An environment variable, by name.
    Variable(String),
}

impl Settings {
    /// The value of a key, by its path: `db`, `pool.max`. The hosts, however they were written, are `connections`.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Setting> {
        self.entries
            .iter()
            .find(|(path, _)| *path == key)
            .map(|(_, setting)| setting)
    }

    /// The text of a key that holds plain text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.value(key)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of a key that holds a number or a port.
    #[must_use]
    pub fn count(&self, key: &str) -> Option<u64> {
        match self.value(key)?.value {
            Value::Count(number) => Some(number),
            Value::Port(port) => Some(port.into()),
            _ => None,
        }
    }

    /// The length of time of a key that holds one.
    #[must_use]
    pub fn duration(&self, key: &str) -> Option<Duration> {
        match self.value(key)?.value {
            Value::Duration(duration) => Some(duration),
            _ => None,
        }
    }

    /// The answer of a key that holds `true` or `false`.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)?.value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// The hosts; none when `url`, a socket or a path stands for them.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        match self.value("connections") {
            Some(Setting {
                value: Value::Hosts(hosts),
                ..
            }) => hosts,
            _ => &[],
        }
    }

    /// The URL, where it is written in the file as itself.
    pub(crate) fn written_url(&self, spec: &BackendSpec) -> Option<ConnectionUrl> {
        match &self.value("url")?.value {
            Value::Text(url) => ConnectionUrl::parse(url, spec).ok(),
            _ => None,
        }
    }

    /// Where the value of a key came from.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.value(key).map(|setting| &setting.origin)
    }

    /// The same for a connection that lives long: without what only the verbs want to know of it.
    #[doc(hidden)]
    #[must_use]
    pub fn without_verbs(mut self) -> Self {
        self.entries
            .retain(|(key, _)| !matches!(*key, "protected" | "tasks"));
        self.entries.shrink_to_fit();
        self
    }

    /// The same without user and password: enough to know where it leads.
    #[doc(hidden)]
    #[must_use]
    pub fn without_login(&self) -> Self {
        let entries = self.entries.iter();
        let entries = entries.filter(|(key, _)| !matches!(*key, "username" | "password"));
        Self {
            entries: entries.cloned().collect(),
        }
    }

    /// Every value, in the order of the backend table.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Setting)> {
        self.entries.iter().map(|(key, setting)| (*key, setting))
    }
}

impl Origin {
    /// The origin as reports show it: `default`, `databases.toml:3`, `DBREG_MYSQL__MAIN__DB`.
    #[must_use]
    pub fn describe(&self, file: &str) -> String {
        match self {
            Self::File { position, .. } => {
                let file = self.file().unwrap_or(file);
                format!("{file}:{}", position.line)
            }
            other => other.to_string(),
        }
    }

    /// The file that was named at the start, when the value came from there.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::File {
                scope: Scope::Config(file),
                ..
            } => Some(file),
            _ => None,
        }
    }

    /// The place in its file, when it is one.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::File { position, .. } => Some(*position),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { position, .. } => match self.file() {
                Some(file) => write!(f, "{file}:{}", position.line),
                None => write!(f, "line {}", position.line),
            },
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// Merges the layers of a connection and checks the rules over several values.
///
/// Later wins: backend default, `[defaults.B]`, `[B.C]`, `[profile.P.B.C]`, the file named at the start, variables.
///
/// # Errors
/// Every rule that the merged values break. What a variable broke has no position and names the variable.
pub fn resolve(
    connection: &ConnectionShape,
    profile: Option<&str>,
    overrides: &[Override],
) -> Result<Settings, Vec<Diagnostic>> {
    let Some(spec) = backend(connection.backend) else {
        let message = format!("unknown backend `{}`", connection.backend);
        return Err(vec![
            Diagnostic::error("unknown-backend", message).at(connection.position),
        ]);
    };
    let merged = crate::merge::merge(connection, spec, profile, overrides);
    let diagnostics = check::merged(connection, spec, &merged);
    if diagnostics.is_empty() {
        Ok(merged.settings(spec))
    } else {
        Err(diagnostics)
    }
}
