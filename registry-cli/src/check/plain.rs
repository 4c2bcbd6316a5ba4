//! Plain text: what goes into a pipe or a log.

use crate::source::Source;
use registry_config::{Diagnostic, Loaded, Severity};

pub(super) fn render(diagnostic: &Diagnostic, source: &Source) -> String {
    let mut out = diagnostic.render(&source.name);
    if diagnostic.severity == Severity::Warning {
        out.insert_str(0, "warning: ");
    }
    out.push('\n');
    out
}

/// One line: what the file holds, or how much is wrong with it.
pub(super) fn summary(loaded: &Loaded, file: &str) -> String {
    let is_warning = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Warning;
    let warnings = loaded.diagnostics.iter().filter(is_warning).count();
    let doubts = match warnings {
        0 => String::new(),
        number => format!(", {}", count(number, "warning")),
    };
    if let number @ 1.. = loaded.diagnostics.len() - warnings {
        return format!("{file}: {}{doubts}\n", count(number, "mistake"));
    }
    let shape = &loaded.shape;
    let connections = count(shape.connections.len(), "connection");
    let profiles = match shape.profiles.len() {
        0 => String::new(),
        number => format!(", {}", count(number, "profile")),
    };
    format!("{file}: {connections}{profiles}, no mistakes{doubts}\n")
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
