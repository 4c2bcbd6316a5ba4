//! Which connections a command is about: `mysql.main`, all of `mysql`, or, without a word, all.

use crate::exit::{self, Failure};
use registry_config::{ConnectionShape, Shape, suggest};

/// The connections that the words name, each once, in the order of the file.
///
/// # Errors
/// A word that names none; the message proposes the nearest one.
pub(crate) fn select<'s>(shape: &'s Shape, words: &[String]) -> Result<Vec<&'s ConnectionShape>, Failure> {
    for word in words {
        if !shape
            .connections
            .iter()
            .any(|connection| is_named(connection, word))
        {
            return Err(Failure(exit::USAGE, Some(unknown(shape, word))));
        }
    }
    let wanted = |connection: &&ConnectionShape| {
        words.is_empty() || words.iter().any(|word| is_named(connection, word))
    };
    Ok(shape.connections.iter().filter(wanted).collect())
}

/// `mysql.main`, as it stands in the file.
pub(crate) fn title(connection: &ConnectionShape) -> String {
    format!("{}.{}", connection.backend, connection.name)
}

fn is_named(connection: &ConnectionShape, word: &str) -> bool {
    match word.split_once('.') {
        None => connection.backend == word,
        Some((backend, name)) => {
            connection.backend == backend && (connection.name == name || connection.field == name)
        }
    }
}

fn unknown(shape: &Shape, word: &str) -> String {
    let titles: Vec<String> = shape.connections.iter().map(title).collect();
    let mut backends: Vec<&str> = shape
        .connections
        .iter()
        .map(|connection| connection.backend)
        .collect();
    backends.dedup();
    let candidates = backends.iter().copied().chain(titles.iter().map(String::as_str));
    // `main` alone is a name without its backend.
    let whole = || {
        titles
            .iter()
            .find(|title| title.split_once('.').is_some_and(|(_, name)| name == word))
    };
    let near = suggest(word, candidates).or_else(|| whole().map(String::as_str));
    let shown = word.escape_debug();
    let known = titles.join(", ");
    match near {
        Some(near) => format!("no connection `{shown}` in {}; did you mean `{near}`", shape.file),
        None => format!("no connection `{shown}` in {}; there are: {known}", shape.file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(words: &[&str]) -> Result<String, String> {
        let text =
            "[mysql.main]\nhost = \"a\"\n[mysql.user-db]\nhost = \"b\"\n[sqlite.local]\npath = \"c\"\n";
        let shape = registry_config::load(text, "databases.toml").shape;
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let found = select(&shape, &words).map_err(|Failure(status, message)| {
            assert_eq!(status, exit::USAGE);
            message.unwrap()
        })?;
        Ok(found.into_iter().map(title).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_connection_a_backend_or_all() {
        let all = "mysql.main mysql.user-db sqlite.local";
        for (words, expected) in [
            (&[][..], all),
            (&["mysql"], "mysql.main mysql.user-db"),
            (
                &["sqlite", "mysql.user_db", "mysql.user-db"],
                "mysql.user-db sqlite.local",
            ),
        ] {
            assert_eq!(selected(words).as_deref(), Ok(expected), "{words:?}");
        }
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest_right_one() {
        for (word, near) in [
            ("mysql.mian", "did you mean `mysql.main`"),
            ("mysq.main", "did you mean `mysql.main`"),
            ("mysl", "did you mean `mysql`"),
            ("local", "did you mean `sqlite.local`"),
            ("colour", "there are: mysql.main, mysql.user-db, sqlite.local"),
        ] {
            let message = selected(&["mysql", word]).unwrap_err();
            assert!(message.contains(near), "{message}");
        }
    }
}
