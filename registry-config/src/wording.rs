//! Our words for the parser's messages, of which only the beginning is looked at: the rest may quote the file.

/// What is wrong, and what to write instead.
pub(crate) type Words = (&'static str, Option<&'static str>);

const IN_QUOTES: Option<&str> = Some("write text in quotes: `key = \"text\"`");
const KEY_AND_VALUE: Option<&str> = Some("write `key = \"text\"`");
const COMMA_IN_LIST: Words = (
    "expected `,` or `]` in a list",
    Some("close the list with `]`, or write a `,` between its entries"),
);
const COMMA_IN_TABLE: Words = (
    "expected `,` or `}` in a table",
    Some("close the table with `}`, or write a `,` between its entries"),
);
const ESCAPE: Words = (
    "expected an escape such as `\\\\`, `\\\"` or `\\n` after the `\\`",
    Some("write `\\\\` for a backslash, or the text in single quotes"),
);
const DATE: Words = (
    "expected a value, found what is neither text nor a number nor a date",
    IN_QUOTES,
);
const NUMBER: Words = (
    "expected a number such as `3306`",
    Some("write a plain number, or text in quotes"),
);
const KEY: Words = (
    "expected a key made of letters, digits, `_` and `-`",
    KEY_AND_VALUE,
);
const NO_VALUE: Words = ("expected `=` and a value after the key", KEY_AND_VALUE);
const DEPTH: Words = ("expected at most 80 levels of lists and tables, found more", None);
const HEADER: Words = (
    "expected a `]` that closes the header",
    Some("write `[backend.connection]` on a line of its own"),
);
const LINE_OF_TEXT: Words = (
    "expected a closing quote, found the end of the line",
    Some("close the text with the quote that opens it"),
);
const LINES_OF_TEXT: Words = (
    "expected the three quotes that close this text, found the end of the file",
    Some("write the text on one line, in single or double quotes"),
);

/// Beginnings of messages. The first that fits counts.
const TABLE: &[(&str, Words)] = &[
    ("invalid basic string", LINE_OF_TEXT),
    ("invalid literal string", LINE_OF_TEXT),
    ("invalid multi-line", LINES_OF_TEXT),
    ("missing escaped value", ESCAPE),
    ("too few unicode", ESCAPE),
    ("invalid value", ESCAPE),
    ("unclosed table", HEADER),
    ("unclosed array table", HEADER),
    ("unclosed array", COMMA_IN_LIST),
    ("unexpected `=` in array", COMMA_IN_LIST),
    ("missing comma between array", COMMA_IN_LIST),
    ("unclosed inline table", COMMA_IN_TABLE),
    ("missing comma between key-value", COMMA_IN_TABLE),
    ("missing key for inline", COMMA_IN_TABLE),
    (
        "missing assignment between",
        ("expected `key = value` in a table", None),
    ),
    (
        "invalid inline table element",
        ("expected `key = value` in a table", None),
    ),
    ("extra comma", ("expected one comma, found another one", None)),
    ("key with no value", NO_VALUE),
    ("missing value for key", NO_VALUE),
    ("missing value", NO_VALUE),
    ("invalid unquoted key", KEY),
    ("unquoted keys cannot be empty", KEY),
    ("keys cannot be multi-line", ("expected a key on one line", None)),
    ("missing opening quote", ("expected an opening quote", None)),
    ("extra", ("expected one `=`, found another one", None)),
    ("cannot recurse", DEPTH),
    ("recursion limit", DEPTH),
    (
        "carriage return",
        ("expected a line feed after the carriage return", None),
    ),
    ("invalid date", DATE),
    ("invalid time", DATE),
    ("invalid offset", DATE),
    ("unexpected leading zero", NUMBER),
    ("`_` may", NUMBER),
    ("integers with", NUMBER),
    ("radix", NUMBER),
    ("redundant", NUMBER),
    ("unexpected sign", NUMBER),
    ("invalid integer", NUMBER),
    ("invalid hexadecimal", NUMBER),
    ("invalid octal", NUMBER),
    ("invalid binary", NUMBER),
    ("incomplete number", NUMBER),
    ("invalid float", NUMBER),
    (
        "invalid comment",
        ("expected no control characters in a comment", None),
    ),
];

/// Our words for a message; `after` is the text from the place of the mistake on.
pub(crate) fn words(message: &str, after: &str) -> Words {
    let line = after.lines().next().unwrap_or_default();
    if message.starts_with("string values must be quoted") {
        return match line.trim_start().chars().next() {
            None | Some('#') => ("expected a value after `=`, found nothing", None),
            _ => ("expected a value, found a bare word", IN_QUOTES),
        };
    }
    if message.starts_with("unexpected key or value") || message.starts_with("unexpected content") {
        let quote = line.contains(['"', '\'']);
        let help = quote.then_some("write `\\\"` for a quote within text");
        return ("expected the end of the line after the value", help);
    }
    TABLE
        .iter()
        .find(|(beginning, _)| message.starts_with(beginning))
        .map_or(
            (
                "expected `key = value`, `[backend.connection]` or a comment",
                None,
            ),
            |(_, words)| *words,
        )
}
