//! Keys and tables that stand twice, each told with both places. The parser says where the second one is only.

use crate::diagnostic::Diagnostic;
use crate::name;
use crate::position::Lines;
use crate::syntax::{is_header, is_repetition, may_have_text_of_several_lines, sections};
use std::ops::Range;

/// A key or a table that stands twice.
pub(crate) struct Repetition {
    section: Range<usize>,
    offset: usize,
    is_header: bool,
    /// The key, as written.
    pub(crate) key: String,
    /// What to say about it.
    pub(crate) diagnostic: Diagnostic,
}

/// Keys and tables that stand twice, among the errors of the parser.
pub(crate) fn find(text: &str, errors: &[toml::de::Error], lines: &Lines<'_>) -> Vec<Repetition> {
    let sections = sections(text);
    let mut found: Vec<Repetition> = Vec::new();
    for error in errors.iter().filter(|error| is_repetition(error.message())) {
        let Some(span) = error.span() else { continue };
        let Some(section) = sections.iter().find(|section| section.contains(&span.start)) else {
            continue;
        };
        // A table that stands twice repeats its keys too.
        let told = |known: &Repetition| known.is_header || known.offset == span.start;
        if found.iter().any(|known| known.section == *section && told(known)) {
            continue;
        }
        let line_start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let is_header = is_header(line_of(text, line_start));
        let key = text.get(span.clone()).unwrap_or_default();
        let (earlier, at) = if is_header {
            (earlier_table(text, &sections, line_start), line_start)
        } else {
            (earlier_key(text, section.start..span.start, key), span.start)
        };
        // Within the braces of a value, a piece of a secret may have become a key.
        let before = &text[section.start..span.start];
        let certain = is_header
            || text[line_start..span.start].trim().is_empty()
                && earlier.is_some()
                && !is_within_braces(before);
        let shown = name::quoted(key)
            .filter(|_| certain)
            .unwrap_or_else(|| "this key".to_owned());
        let (code, message, help) = match (is_header, error.message().starts_with("duplicate")) {
            (true, true) => (
                "duplicate-table",
                "this table stands twice".to_owned(),
                "put all its keys in one place",
            ),
            (_, true) => (
                "duplicate-key",
                format!("{shown} stands twice in this table"),
                "keep one of them",
            ),
            _ => (
                "duplicate-key",
                format!("{shown} is a value before, and a table here"),
                "keep one of them",
            ),
        };
        let mut diagnostic = Diagnostic::error(code, message).at(lines.position(at)).help(help);
        if let Some(offset) = earlier {
            diagnostic = diagnostic.related(lines.position(offset), "first written here");
        }
        found.push(Repetition {
            section: section.clone(),
            offset: span.start,
            is_header,
            key: key.to_owned(),
            diagnostic,
        });
    }
    found
}

/// Whether what follows may stand in the braces of a value: those of texts and comments are none. After a text of several
/// lines nobody knows.
fn is_within_braces(before: &str) -> bool {
    if may_have_text_of_several_lines(before) {
        return true;
    }
    let mut depth = 0_usize;
    for line in before.lines() {
        let mut quote = None;
        let mut characters = line.chars();
        while let Some(c) = characters.next() {
            match (c, quote) {
                ('\\', Some('"')) => drop(characters.next()),
                (c, Some(open)) if c == open => quote = None,
                (_, Some(_)) => {}
                ('"' | '\'', None) => quote = Some(c),
                ('#', None) => break,
                ('{', None) => depth += 1,
                ('}', None) => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
    depth > 0
}

fn line_of(text: &str, start: usize) -> &str {
    text[start..].lines().next().unwrap_or_default()
}

/// The path in a header: `mysql.main`.
fn path(line: &str) -> String {
    let line = line.split('#').next().unwrap_or_default();
    line.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '[' | ']' | '"' | '\''))
        .collect()
}

/// The header that says the same, or the key in the table around it that does.
fn earlier_table(text: &str, sections: &[Range<usize>], line_start: usize) -> Option<usize> {
    let this = path(line_of(text, line_start));
    let before = || sections.iter().filter(|section| section.start < line_start);
    let with_path = |wanted: &str| before().find(|section| path(line_of(text, section.start)) == wanted);
    if let Some(section) = with_path(&this) {
        return Some(section.start);
    }
    let (around, key) = this.rsplit_once('.')?;
    earlier_key(text, with_path(around)?.clone(), key)
}

/// The first line in a range that begins with this key.
fn earlier_key(text: &str, range: Range<usize>, key: &str) -> Option<usize> {
    let mut at = range.start;
    for line in text[range].split_inclusive('\n') {
        let begins = line.trim_start();
        if begins
            .strip_prefix(key)
            .is_some_and(|rest| rest.trim_start().starts_with(['=', '.']))
        {
            return Some(at + line.len() - begins.len());
        }
        at += line.len();
    }
    None
}
