//! What a script may not begin with: a transaction of its own.

/// The words with which a script opens a transaction, when it does so before anything else than settings. Statements
/// further on are not looked at: they may be the body of a routine.
pub(super) fn opens_transaction(script: &str) -> Option<&'static str> {
    let mut rest = script;
    loop {
        let (first, after) = word(rest)?;
        let is = |words: &[&str]| words.iter().any(|word| first.eq_ignore_ascii_case(word));
        let (second, _) = word(after).unwrap_or_default();
        if is(&["begin"]) {
            // That one of MariaDB's is a block of statements.
            return Some("begin").filter(|_| !second.eq_ignore_ascii_case("not"));
        }
        if is(&["start"]) {
            return Some("start transaction").filter(|_| second.eq_ignore_ascii_case("transaction"));
        }
        // As exports have them before all else.
        if !is(&["set", "use"]) {
            return None;
        }
        rest = next_statement(after)?;
    }
}

/// The next word, and what follows it, of a statement that goes on with one.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = without_blanks(text)?;
    let end = text
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    Some((word, rest)).filter(|_| end > 0)
}

/// The text from the first character on that is neither blank, nor of a comment, nor an empty statement.
fn without_blanks(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '\u{feff}');
        rest = match comment(rest) {
            Some(after) => after,
            None => return Some(rest).filter(|rest| !rest.is_empty()),
        };
    }
}

/// What follows the comment with which the text begins. What stands in one of `/*!` is run: such a one begins and ends as
/// blanks would.
fn comment(text: &str) -> Option<&str> {
    if text.starts_with('#') || is_dashes(text) {
        return Some(text.split_once('\n').map_or("", |(_, rest)| rest));
    }
    for run in ["/*!", "/*M!"] {
        if let Some(rest) = text.strip_prefix(run) {
            return Some(rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
    }
    if let Some(rest) = text.strip_prefix("/*") {
        return Some(rest.split_once("*/").map_or("", |(_, rest)| rest));
    }
    text.strip_prefix("*/")
}

/// `--` is a comment before a blank alone; elsewhere it is twice a minus.
fn is_dashes(text: &str) -> bool {
    text.strip_prefix("--")
        .is_some_and(|rest| rest.chars().next().is_none_or(char::is_whitespace))
}

/// What follows the end of this statement.
fn next_statement(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = match (first, comment(rest)) {
            (';', _) => return rest.strip_prefix(';'),
            ('\'' | '"' | '`', _) => after_quotes(rest, first)?,
            (_, Some(after)) => after,
            _ => rest.get(first.len_utf8()..)?,
        };
    }
    None
}

/// What follows a text in quotes. One that is doubled within is as if another text began there.
fn after_quotes(text: &str, quote: char) -> Option<&str> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if c == quote {
            return text.get(at + quote.len_utf8()..);
        } else {
            is_escaped = c == '\\' && quote != '`';
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::opens_transaction;

    #[test]
    fn a_transaction_is_seen_behind_comments_and_settings() {
        for script in [
            "begin; insert into a values (1); commit",
            "BEGIN",
            "\u{feff}\n-- begin\n--\n# a\r\n/* b; */ ; Begin Work;",
            "/*!40101 SET NAMES utf8mb4 */;\n/*M!100100 begin */;",
            "set sql_mode = 'a;\\'b''c', @a = \"x;\", @`b;` = 1 -- ;\n; use `a;b`; set @c = 5--1; begin;",
        ] {
            assert_eq!(opens_transaction(script), Some("begin"), "{script}");
        }
        for script in [
            "start transaction;",
            "Start /* a */ Transaction with consistent snapshot; select 1",
            "SET SQL_MODE = \"NO_AUTO_VALUE_ON_ZERO\";\nSTART TRANSACTION;\nSET time_zone = \"+00:00\";",
        ] {
            assert_eq!(opens_transaction(script), Some("start transaction"), "{script}");
        }
    }

    #[test]
    fn whatever_else_a_script_begins_with_is_none() {
        for script in [
            "",
            ";",
            "-- begin",
            "/* begin",
            "--begin",
            "(select 1); begin",
            "begin not atomic insert into a values (1); end",
            "start slave; begin",
            "beginning",
            "insert into a values ('begin'); start transaction; commit",
            "create procedure p() begin start transaction; commit; end",
            "set @a = 'begin; start transaction",
            "set @a = 1",
        ] {
            assert_eq!(opens_transaction(script), None, "{script}");
        }
    }
}
