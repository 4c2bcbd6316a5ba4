//! A mistake in the file (or in a variable): where, what, and what to write instead.

use crate::settings::Origin;
use crate::shape::Position;
use std::fmt::Write as _;

/// One mistake. It never holds the value of a key that may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Stable, kebab-case: `unknown-key`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// What was expected and what was found; lower case, no full stop.
    pub message: String,
    /// The file, where it is another than the one that is compiled in: the one that was named at the start.
    pub file: Option<Box<str>>,
    /// Where the mistake is; `None` for what stands in no file (a variable, a missing file).
    pub position: Option<Position>,
    /// A second place that belongs to it ("first defined here").
    pub related: Option<(Position, Box<str>)>,
    /// What to write instead.
    pub help: Option<String>,
}

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// Nothing can be built from the file.
    Error,
    /// The file is valid; something in it is worth a second look.
    Warning,
}

impl Diagnostic {
    /// An error without a place.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        let (message, severity) = (message.into(), Severity::Error);
        Self {
            code,
            severity,
            message,
            file: None,
            position: None,
            related: None,
            help: None,
        }
    }

    /// A warning without a place.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// The place of the mistake.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// A second place that belongs to it.
    #[must_use]
    pub fn related(mut self, position: Position, label: impl Into<Box<str>>) -> Self {
        self.related = Some((position, label.into()));
        self
    }

    /// The place of a value.
    pub(crate) fn of(mut self, origin: &Origin) -> Self {
        self.file = origin.file().map(Into::into);
        self.position = origin.position();
        self
    }

    /// The place of a second value, where it stands in the same file as the first.
    pub(crate) fn beside(self, first: &Origin, second: &Origin, label: &str) -> Self {
        match (first.position(), second.position()) {
            (Some(_), Some(position)) if first.file() == second.file() => self.related(position, label),
            _ => self,
        }
    }

    /// What to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The plain rendering: `file:LINE:COLUMN: message [code]`, then the second place and the help, a line each. `file`
    /// is the name of the compiled-in file.
    #[must_use]
    pub fn render(&self, file: &str) -> String {
        let file = self.file.as_deref().unwrap_or(file);
        let mut out = match self.position {
            Some(position) => format!("{file}:{position}: "),
            None => format!("{file}: "),
        };
        // Writing to a `String` cannot fail.
        let _ = write!(out, "{} [{}]", self.message, self.code);
        if let Some((position, label)) = &self.related {
            let _ = write!(out, "\n  {file}:{position}: {label}");
        }
        if let Some(help) = &self.help {
            let _ = write!(out, "\n  help: {help}");
        }
        out
    }
}
