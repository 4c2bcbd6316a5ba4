//! For programs: JSON, and the commands of GitHub Actions.

use registry_config::{Diagnostic, Position, Severity};
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(super) fn json(diagnostics: &[Diagnostic], file: &str) -> String {
    let line = |position: Option<Position>| position.map(|position| position.line);
    let column = |position: Option<Position>| position.map(|position| position.column);
    let object = |diagnostic: &Diagnostic| {
        let related = diagnostic.related.as_ref().map(
            |(position, label)| json!({ "line": position.line, "column": position.column, "message": label }),
        );
        json!({
            "file": file,
            "line": line(diagnostic.position),
            "column": column(diagnostic.position),
            "severity": severity(diagnostic),
            "code": diagnostic.code,
            "message": diagnostic.message,
            "help": diagnostic.help,
            "related": related,
        })
    };
    let array: Vec<Value> = diagnostics.iter().map(object).collect();
    format!("{:#}\n", Value::Array(array))
}

pub(super) fn github(diagnostics: &[Diagnostic], file: &str) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let mut message = diagnostic.message.clone();
        if let Some((position, label)) = &diagnostic.related {
            let Position { line, column } = position;
            // Writing to a `String` cannot fail.
            let _ = write!(message, "\n{file}:{line}:{column}: {label}");
        }
        if let Some(help) = &diagnostic.help {
            let _ = write!(message, "\nhelp: {help}");
        }
        let _ = write!(out, "::{} file={}", severity(diagnostic), property(file));
        if let Some(Position { line, column }) = diagnostic.position {
            let _ = write!(out, ",line={line},col={column}");
        }
        let _ = writeln!(out, ",title={}::{}", property(diagnostic.code), data(&message));
    }
    out
}

fn severity(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.severity {
        Severity::Warning => "warning",
        _ => "error",
    }
}

/// Escapes what would end a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes what would end a property of a command, too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_command_of_github_early() {
        let diagnostic = Diagnostic::error("a-code", "100 %\r\nfound ::error::")
            .at(Position { line: 2, column: 3 })
            .related(Position { line: 1, column: 1 }, "there")
            .help("a\nb");
        let expected = "::error file=C%3A\\a%2Cb%25.toml,line=2,col=3,title=a-code::100 %25%0D%0Afound ::error::\
            %0AC:\\a,b%25.toml:1:1: there%0Ahelp: a%0Ab\n";
        assert_eq!(github(&[diagnostic], r"C:\a,b%.toml"), expected);
    }
}
