//! For terminals: the line in question, with the value cut off.

use crate::paint::is_refused;
use crate::source::Source;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use registry_config::{Diagnostic, Position, Severity, backends};
use std::ops::Range;

pub(super) fn render(diagnostic: &Diagnostic, source: &Source) -> String {
    let renderer = if is_refused() {
        Renderer::plain()
    } else {
        Renderer::styled()
    };
    draw(diagnostic, source, &renderer.decor_style(DecorStyle::Unicode))
}

fn draw(diagnostic: &Diagnostic, source: &Source, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Warning => Level::WARNING,
        _ => Level::ERROR,
    };
    let title = level.primary_title(&diagnostic.message).id(diagnostic.code);
    let mut group = Group::with_title(title);
    let excerpt = diagnostic
        .position
        .and_then(|position| excerpt(diagnostic, &source.text, position));
    group = match (diagnostic.position, excerpt) {
        (Some(position), Some((text, span))) => {
            let mark = AnnotationKind::Primary.span(span);
            group.element(
                Snippet::source(text)
                    .path(&source.name)
                    .line_start(position.line as usize)
                    .annotation(mark),
            )
        }
        (Some(Position { line, column }), None) => group.element(
            Origin::path(&source.name)
                .line(line as usize)
                .char_column(column as usize),
        ),
        (None, _) => group.element(Origin::path(&source.name)),
    };
    if let Some((Position { line, column }, label)) = &diagnostic.related {
        group = group.element(Level::NOTE.message(format!("{}:{line}:{column}: {label}", source.name)));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    let mut out = renderer.render(&[group]);
    out.push_str("\n\n");
    out
}

/// What may be shown of a line, and what to mark in it: a table's header of the format, or a key up to its `=`. Only
/// words that cannot be secrets are shown: those of the format, and those that the message names anyway. A line of a
/// secret over several lines looks like anything.
fn excerpt(diagnostic: &Diagnostic, text: &str, position: Position) -> Option<(String, Range<usize>)> {
    let line = text.lines().nth(position.line as usize - 1)?;
    let indent = line.len() - line.trim_start().len();
    let body = line.trim_start();
    let shown = if body.starts_with('[') {
        let header = &body[..=body.find(']')?];
        let names = header.trim_matches(['[', ']']);
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let first = names.split('.').next()?;
        let known = backends()
            .iter()
            .map(|spec| spec.name)
            .chain(["defaults", "profile"]);
        let known = known.into_iter().any(|word| word == first) || is_named(diagnostic, first);
        (known && names.chars().all(is_name)).then(|| header.to_owned())?
    } else {
        let (key, _) = body.split_once('=')?;
        let name = key.trim();
        (is_key(name) || is_named(diagnostic, name)).then(|| format!("{key}= …"))?
    };
    let mut shown = format!("{}{shown}", &line[..indent]);
    let column = position.column as usize - 1;
    let width = shown.chars().count();
    if column >= width {
        // A place in the value: the mark stands where it would, under a value that is not there.
        shown.extend(std::iter::repeat_n(' ', column - width).chain(['…']));
    }
    let start = shown.char_indices().nth(column).map_or(0, |(index, _)| index);
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']');
    let first = shown[start..].chars().next().map_or(0, char::len_utf8);
    let length = shown[start..].find(|c| !word(c)).unwrap_or(shown.len() - start);
    let span = start..start + length.max(first);
    Some((shown, span))
}

fn is_key(name: &str) -> bool {
    let keys = backends()
        .iter()
        .flat_map(|spec| spec.keys.iter().chain(spec.host_keys));
    let mut paths = keys.map(|key| key.path);
    paths.any(|path| path == name || path.split('.').any(|part| part == name))
}

fn is_named(diagnostic: &Diagnostic, word: &str) -> bool {
    diagnostic.message.contains(&format!("`{word}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str) -> String {
        let source = Source {
            name: "databases.toml".to_owned(),
            text: text.to_owned(),
        };
        let loaded = registry_config::load(text, &source.name);
        assert!(!loaded.diagnostics.is_empty());
        loaded
            .diagnostics
            .iter()
            .map(|diagnostic| draw(diagnostic, &source, &Renderer::plain()))
            .collect()
    }

    #[test]
    fn keys_and_headers_are_shown_and_values_are_not() {
        let text = "[mysql.main]\nhots = \"db1\"\npassword = \"CANARY\"\nhost = \"db1\"\nport = 70000\n\n\
            [mysq.x]\nhost = \"a\"\n\n[mysql.Main]\nhost = 'b'\n  pool = { min = 20, max = 10 }\n";
        insta::assert_snapshot!(drawn(text));
    }

    #[test]
    fn no_line_that_may_hold_a_secret_is_shown() {
        for text in [
            "[mysql.main]\nhost = \"a\"\npassword = \"CANARY\n",
            "[mysql.main]\nhost = \"a\"\npassword = \"\"\"\nCANARY=\n[CANARY]\nCANARY\n\"\"\"\n",
            "[mysql.main]\nhost = \"a\"\npassword = '''\nCANARY = \"\n",
            "[mysql.main]\nhost = \"a\"\nCANARY\n",
            "[mysql.main]\nhost = \"a\"\npassword = { CANARY = 1 }\n",
            "[mysql.main]\nhost = \"a\"\npassword CANARY = 1\n",
            "[mysql.main] password = \"CANARY\"\n",
            "[mysql.main]\nurl = \"mysql://a:CANARY@b/c\"\n",
            "[mysql.main]\nhost = [\"a\", \"CANARY\"]\npassword = [\n\"CANARY\"\n]\n",
        ] {
            let drawn = drawn(text);
            assert!(!drawn.contains("CANARY"), "{text}\n{drawn}");
        }
    }
}
