//! Mistakes of syntax, each told once and in words of our own: the parser's messages quote the line, and the line may
//! hold a secret.
//!
//! A parser cannot know where a broken line was meant to end, so nothing after it in its table is believed. The text
//! is cut at the headers; a table that does not parse on its own is reported once and blanked, and the rest is read
//! as if it were not there.

use crate::diagnostic::Diagnostic;
use crate::name;
use crate::position::Lines;
use crate::tree::Tree;
use std::borrow::Cow;
use std::ops::Range;

/// More mistakes than this are not told at once.
const MOST: usize = 50;

/// A text of which every table parses.
pub(crate) struct Checked<'s> {
    /// The text, of the same length: broken tables are blank.
    pub(crate) text: Cow<'s, str>,
    /// The headers of blanked tables, by offset.
    pub(crate) broken: Vec<usize>,
    /// What can be believed of the text.
    pub(crate) trust: Trust,
    /// The mistakes.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What can be believed of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// All of it.
    Everything,
    /// The headers, and the tables that are not broken.
    Headers,
    /// The tables that are not broken; others may be missing.
    Tables,
    /// Nothing.
    Nothing,
}

/// Finds the mistakes of syntax.
pub(crate) fn check<'s>(source: &'s str, lines: &Lines<'_>) -> Checked<'s> {
    let (_tree, errors) = Tree::parse(source);
    let mut checked = Checked {
        text: Cow::Borrowed(source),
        broken: Vec::new(),
        trust: Trust::Everything,
        diagnostics: Vec::new(),
    };
    let is_syntax = |error: &&toml::de::Error| !is_repetition(error.message());
    if !errors.iter().any(|error| is_syntax(&error)) {
        return checked;
    }
    // Text of several lines may look like headers and keys, and none of it may be believed.
    if !source.contains("\"\"\"") && !source.contains("'''") {
        blank_broken(source, lines, &mut checked);
    }
    if checked.diagnostics.is_empty() {
        checked.trust = Trust::Nothing;
        checked.diagnostics.extend(first(source, &errors, 0, lines));
    }
    checked
}

fn blank_broken(source: &str, lines: &Lines<'_>, checked: &mut Checked<'_>) {
    let mut text = source.as_bytes().to_vec();
    for section in sections(source) {
        let part = &source[section.clone()];
        let (_tree, errors) = Tree::parse(part);
        let Some(diagnostic) = first(part, &errors, section.start, lines) else {
            continue;
        };
        if checked.diagnostics.len() < MOST {
            checked.diagnostics.push(diagnostic);
        }
        // The header alone is kept if it is whole: then the name at least is certain.
        let body = part.find('\n').map_or(section.end, |end| section.start + end);
        let header = &source[section.start..body];
        let whole = header.trim_start().starts_with('[') && Tree::parse(header).1.is_empty();
        checked.trust = if whole && checked.trust != Trust::Tables {
            Trust::Headers
        } else {
            Trust::Tables
        };
        if whole {
            checked
                .broken
                .push(section.start + header.len() - header.trim_start().len());
        }
        for byte in &mut text[if whole { body } else { section.start }..section.end] {
            if !matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
    let text = String::from_utf8(text).expect("whole lines were replaced by blanks");
    checked.text = Cow::Owned(text.replace('\r', " "));
}

/// The text cut at its headers. The first part has none.
fn sections(source: &str) -> Vec<Range<usize>> {
    let mut starts = vec![0];
    let mut offset = 0;
    for line in source.split_inclusive('\n') {
        if offset > 0 && is_header(line) {
            starts.push(offset);
        }
        offset += line.len();
    }
    starts.push(source.len());
    starts
        .windows(2)
        .map(|pair| pair[0]..pair[1])
        .filter(|range| !range.is_empty())
        .collect()
}

/// Whether a line looks like `[a.b]`, be it closed or not. No list of the format has a line like that in it.
fn is_header(line: &str) -> bool {
    let line = line.split('#').next().unwrap_or_default().trim();
    let Some(inner) = line.strip_prefix('[') else {
        return false;
    };
    let inner = inner.trim_start_matches('[').trim_end_matches(']').trim();
    !inner.is_empty()
        && inner
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ' ' | '\t' | '"' | '\''))
}

/// The first mistake of a part, which is the only one that is certainly no consequence of another.
fn first(part: &str, errors: &[toml::de::Error], start: usize, lines: &Lines<'_>) -> Option<Diagnostic> {
    let error = errors
        .iter()
        .filter(|error| !is_repetition(error.message()))
        .min_by_key(|error| error.span().map_or(usize::MAX, |span| span.start))?;
    let offset = error.span().map_or(part.len(), |span| span.start);
    let (message, help) = words(error.message(), part, offset);
    let mut diagnostic = Diagnostic::error("syntax", message).at(lines.position(start + offset));
    diagnostic.help = help.map(str::to_owned);
    Some(diagnostic)
}

/// A key or a table that stands twice is no mistake of syntax: the tree is whole.
fn is_repetition(message: &str) -> bool {
    message.starts_with("duplicate key") || message.starts_with("cannot extend value")
}

/// Our words for a message of the parser, of which only the beginning is looked at.
fn words(message: &str, part: &str, offset: usize) -> (&'static str, Option<&'static str>) {
    let starts = |prefix: &str| message.starts_with(prefix);
    let after = part.get(offset..).unwrap_or_default();
    let line = part
        .get(..offset)
        .unwrap_or_default()
        .rsplit('\n')
        .next()
        .unwrap_or_default();
    if starts("string values must be quoted") {
        return match after.chars().next() {
            None | Some('\n' | '\r' | '#') => ("expected a value after `=`, found nothing", None),
            _ => (
                "expected a value, found a bare word",
                Some("write text in quotes: `key = \"text\"`"),
            ),
        };
    }
    if starts("invalid basic string") || starts("invalid literal string") || starts("invalid multi-line") {
        return (
            "expected a closing quote, found the end of the text",
            Some("close the text with the quote that opens it"),
        );
    }
    if starts("missing escaped value")
        || starts("too few unicode")
        || starts("invalid value")
        || starts("invalid escape")
    {
        return (
            "expected an escape such as `\\\\`, `\\\"` or `\\n` after the `\\`",
            Some("write `\\\\` for a backslash, or the text in single quotes"),
        );
    }
    if starts("unclosed table") || starts("unclosed array table") {
        return (
            "expected a `]` that closes the header",
            Some("write `[backend.connection]` on a line of its own"),
        );
    }
    if starts("unclosed array") || starts("unexpected `=` in array") || starts("missing comma between array")
    {
        return (
            "expected `,` or `]` in a list",
            Some("close the list that was opened before with `]`"),
        );
    }
    if starts("unclosed inline table")
        || starts("missing comma between key-value")
        || starts("missing key for inline")
    {
        return (
            "expected `,` or `}` in a table",
            Some("close the table that was opened before with `}`"),
        );
    }
    if starts("missing assignment between") || starts("invalid inline table element") {
        return ("expected `key = value` in a table in braces", None);
    }
    if starts("extra comma") {
        return ("expected one comma, found another one", None);
    }
    if starts("key with no value") || starts("missing value for key") {
        return (
            "expected `=` and a value after the key",
            Some("write `key = \"text\"`"),
        );
    }
    if starts("invalid unquoted key") || starts("unquoted keys cannot be empty") {
        return ("expected a key made of letters, digits, `_` and `-`", None);
    }
    if starts("keys cannot be multi-line") || starts("missing opening quote") {
        return ("expected a key on one line", None);
    }
    if starts("extra `=`") || starts("extra assignment") {
        return ("expected one `=`, found another one", None);
    }
    if starts("unexpected key or value") || starts("unexpected content") {
        let help =
            (line.contains('"') || line.contains('\'')).then_some("write `\\\"` for a quote within text");
        return ("expected the end of the line after the value", help);
    }
    if starts("cannot recurse") || starts("recursion limit") {
        return ("expected at most 80 levels of lists and tables, found more", None);
    }
    if starts("carriage return") {
        return ("expected a line feed after the carriage return", None);
    }
    if starts("invalid date")
        || starts("invalid time")
        || starts("invalid datetime")
        || starts("invalid offset")
    {
        return (
            "expected a value, found what is neither a date nor a time",
            Some("write text in quotes: `key = \"text\"`"),
        );
    }
    let number = [
        "unexpected leading zero",
        "`_` may",
        "integers with",
        "radix",
        "redundant",
        "unexpected sign",
        "invalid integer",
        "invalid float",
    ];
    if number.iter().any(|prefix| starts(prefix)) {
        return (
            "expected a number such as `3306`",
            Some("write text in quotes: `key = \"text\"`"),
        );
    }
    if starts("invalid comment") {
        return ("expected no control characters in a comment", None);
    }
    (
        "expected `key = value`, `[backend.connection]` or a comment",
        None,
    )
}

/// Keys and tables that stand twice, each with both places.
pub(crate) fn repetitions(text: &str, errors: &[toml::de::Error], lines: &Lines<'_>) -> Vec<Repetition> {
    let sections = sections(text);
    let mut found: Vec<Repetition> = Vec::new();
    for error in errors.iter().filter(|error| is_repetition(error.message())) {
        let Some(span) = error.span() else { continue };
        let Some(section) = sections.iter().find(|section| section.contains(&span.start)) else {
            continue;
        };
        // A header that stands twice repeats its keys too.
        if found
            .iter()
            .any(|known| known.section == *section && (known.is_header || known.offset == span.start))
        {
            continue;
        }
        let line_start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let is_header = is_header(line_of(text, line_start));
        let key = text.get(span.clone()).unwrap_or_default();
        let shown = name::quoted(key).unwrap_or_else(|| "this key".to_owned());
        let earlier = if is_header {
            earlier_header(text, &sections, line_start)
        } else {
            earlier_key(text, section, span.start, key)
        };
        let (code, message, help) = match (is_header, error.message().starts_with("duplicate")) {
            (true, true) => (
                "duplicate-table",
                "this table stands twice".to_owned(),
                "put all its keys under one header",
            ),
            (false, true) => (
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
        let mut diagnostic = Diagnostic::error(code, message)
            .at(lines.position(span.start))
            .help(help);
        if is_header {
            diagnostic = diagnostic.at(lines.position(line_start));
        }
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

/// A key or a table that stands twice.
pub(crate) struct Repetition {
    section: Range<usize>,
    offset: usize,
    is_header: bool,
    pub(crate) key: String,
    pub(crate) diagnostic: Diagnostic,
}

fn line_of(text: &str, start: usize) -> &str {
    text[start..].lines().next().unwrap_or_default()
}

fn earlier_header(text: &str, sections: &[Range<usize>], line_start: usize) -> Option<usize> {
    let path = |line: &str| -> String {
        let line = line.split('#').next().unwrap_or_default();
        line.chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '[' | ']' | '"' | '\''))
            .collect()
    };
    let this = path(line_of(text, line_start));
    let mut before = sections
        .iter()
        .map(|section| section.start)
        .filter(|start| *start < line_start);
    before.find(|start| path(line_of(text, *start)) == this)
}

fn earlier_key(text: &str, section: &Range<usize>, offset: usize, key: &str) -> Option<usize> {
    let mut at = section.start;
    for line in text[section.start..offset].split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        let rest = line.trim_start().strip_prefix(key);
        if at + indent < offset && rest.is_some_and(|rest| rest.trim_start().starts_with(['=', '.'])) {
            return Some(at + indent);
        }
        at += line.len();
    }
    None
}
