//! Mistakes of syntax, each told once and in words of our own: the parser's messages quote the line, and the line may
//! hold a secret.
//!
//! A parser cannot know where a broken line was meant to end, so nothing after it in its table is believed. The text
//! is cut at the headers; a table that does not parse on its own is reported once and blanked, and the rest is read
//! as if it were not there.

use crate::diagnostic::Diagnostic;
use crate::position::Lines;
use crate::tree::Tree;
use crate::wording::words;
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
    /// The pieces that were blanked.
    pub(crate) lost: Vec<&'s str>,
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
        lost: Vec::new(),
        trust: Trust::Everything,
        diagnostics: Vec::new(),
    };
    let is_syntax = |error: &&toml::de::Error| !is_repetition(error.message());
    if !errors.iter().any(|error| is_syntax(&error)) {
        return checked;
    }
    // Text of several lines may look like headers and keys, and none of it may be believed.
    if !may_have_text_of_several_lines(source) {
        blank_broken(source, lines, &mut checked);
    }
    if checked.diagnostics.is_empty() {
        checked.trust = Trust::Nothing;
        checked.diagnostics.extend(first(source, &errors, 0, lines));
    }
    checked
}

/// Whether three quotes stand together, or two that were three before a slip of the pen.
pub(crate) fn may_have_text_of_several_lines(source: &str) -> bool {
    ["\"\"", "''"].iter().any(|quotes| {
        source.match_indices(quotes).any(|(at, _)| {
            let next = source[at + quotes.len()..].chars().next();
            next.is_some_and(|c| !c.is_whitespace() && !matches!(c, ',' | '}' | ']' | '#' | '.' | '='))
        })
    })
}

fn blank_broken<'s>(source: &'s str, lines: &Lines<'_>, checked: &mut Checked<'s>) {
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
        let line = &source[section.start..body];
        let header = line.trim_start_matches('\u{feff}').trim();
        let whole = header.starts_with('[') && Tree::parse(header).1.is_empty();
        if whole {
            let indent = line.find('[').unwrap_or_default();
            checked.broken.push(section.start + indent);
        }
        let tables = !whole || checked.trust == Trust::Tables;
        checked.trust = if tables { Trust::Tables } else { Trust::Headers };
        checked.lost.push(part);
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
pub(crate) fn sections(source: &str) -> Vec<Range<usize>> {
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
pub(crate) fn is_header(line: &str) -> bool {
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
    let mistakes = || errors.iter().filter(|error| !is_repetition(error.message()));
    let error = mistakes().min_by_key(|error| error.span().map_or(usize::MAX, |span| span.start))?;
    let mut offset = error.span().map_or(part.len(), |span| span.start).min(part.len());
    let mut message = error.message();
    if message.starts_with("string values must be quoted")
        && let Some(unclosed) = mistakes().find(|error| error.message().starts_with("unclosed array"))
    {
        // The next line was read as a bare word of the list.
        message = unclosed.message();
    }
    if message.starts_with("invalid multi-line") {
        offset = part[..offset]
            .rfind("\"\"\"")
            .max(part[..offset].rfind("'''"))
            .unwrap_or(offset);
    }
    let (message, help) = words(message, part.get(offset..).unwrap_or_default());
    let mut diagnostic = Diagnostic::error("syntax", message).at(lines.position(start + offset));
    diagnostic.help = help_of_line(part, offset).or(help).map(str::to_owned);
    Some(diagnostic)
}

/// A better help than that of the mistake: what the line was meant to be says more.
fn help_of_line(part: &str, offset: usize) -> Option<&'static str> {
    let start = part.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
    let line = part[start..].trim_start_matches('\u{feff}').trim_start();
    if line.starts_with('[') {
        return Some("write `[backend.connection]` on a line of its own");
    }
    let value = line
        .strip_prefix("password")?
        .trim_start_matches([' ', '\t', '=', ':']);
    // Anything but a reference would be refused next.
    (!value.starts_with('{'))
        .then_some("write `password = { env = \"SHOP_DB_PASSWORD\" }`: no password stands in the file")
}

/// A key or a table that stands twice is no mistake of syntax: the tree is whole.
pub(crate) fn is_repetition(message: &str) -> bool {
    message.starts_with("duplicate key") || message.starts_with("cannot extend value")
}
