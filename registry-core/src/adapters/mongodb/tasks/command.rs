//! The commands of a migration: a file's text as documents.

use super::OWN;
use super::value::{self, Known};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::fixture::literal;
use crate::tasks::tree::mistakes::{Mistakes, shown};
use crate::tasks::tree::{Data, Node, json, toml};
use crate::tasks::{Script, Value, to_hex};
use mongodb::bson::{Bson, Document};
use registry_config::Diagnostic;
use sha2::{Digest as _, Sha256};

/// One command of a migration.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Command {
    /// `createIndexes`
    pub(super) name: String,
    pub(super) document: Document,
    /// By which it is known that it was carried out as it stands.
    pub(super) checksum: String,
}

/// The key of a file with several commands.
const LIST: &str = "commands";
/// What the driver adds to a command by itself.
const OF_THE_DRIVER: &[&str] = &["lsid", "txnNumber", "startTransaction", "autocommit"];

/// SHA-256, in 64 hexadecimal digits.
pub(super) fn checksum(text: &str) -> String {
    to_hex(&Sha256::digest(text.as_bytes()))
}

/// The commands of a file: the document that it is, the list that it is, or the list in its key `commands`.
///
/// # Errors
/// Every mistake in it.
pub(super) fn read(script: &Script) -> Result<Vec<Command>, Error> {
    let path = script.path.to_string_lossy();
    let mut mistakes = Mistakes::new(&path, &script.text);
    let is_json = script
        .path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let root = if is_json {
        json::read(&script.text, &mut mistakes)
    } else {
        toml::read(&script.text, &mut mistakes)
    };
    let commands = root.map_or_else(Vec::new, |root| commands(root, &mut mistakes));
    let (found, _) = mistakes.into_found();
    if found.is_empty() {
        return Ok(commands);
    }
    let lines = found
        .iter()
        .map(|mistake| mistake.render("").replace("\n  help: ", "; "));
    let lines: Vec<String> = lines.collect();
    Err(Error::new(ErrorKind::Config, lines.join("; ")))
}

fn commands(root: Node, mistakes: &mut Mistakes<'_>) -> Vec<Command> {
    let Node { at, data } = root;
    let nodes = match data {
        Data::List(nodes) => nodes,
        Data::Table(mut entries) if entries.len() == 1 && entries[0].key == LIST => {
            let node = entries.remove(0).node;
            match node.data {
                Data::List(nodes) => nodes,
                other => {
                    let message = format!("`{LIST}` expects a list of commands, found {}", other.found());
                    mistakes.push(node.at, Diagnostic::error("wrong-type", message));
                    return Vec::new();
                }
            }
        }
        data => vec![Node { at, data }],
    };
    if nodes.is_empty() {
        mistakes.push(
            at,
            Diagnostic::error("no-command", "expected a command, found none"),
        );
    }
    nodes
        .into_iter()
        .filter_map(|node| command(node, mistakes))
        .collect()
}

fn command(node: Node, mistakes: &mut Mistakes<'_>) -> Option<Command> {
    let at = node.at;
    let mut refuse = |message: String, help: &str| {
        let diagnostic = Diagnostic::error("bad-command", message);
        mistakes.push(
            at,
            if help.is_empty() {
                diagnostic
            } else {
                diagnostic.help(help)
            },
        );
    };
    let example = "write `{ \"createIndexes\": \"events\", \"indexes\": [{ \"key\": { \"at\": 1 }, \"name\": \"at\" }] }`";
    let entries = match literal(node.data) {
        Value::Table(entries) if !entries.is_empty() => entries,
        Value::Table(_) => {
            refuse("expected a command, found an empty table".to_owned(), example);
            return None;
        }
        _ => {
            refuse(
                "expected a command as a table, found something else".to_owned(),
                example,
            );
            return None;
        }
    };
    let document = match value::document(&entries, &Known::new()) {
        Ok(document) => document,
        Err(message) => {
            refuse(message, "");
            return None;
        }
    };
    let name = entries[0].0.clone();
    if let Some(key) = document
        .keys()
        .find(|key| key.starts_with('$') || OF_THE_DRIVER.contains(&key.as_str()))
    {
        refuse(format!("{} is for the driver to add", shown(key)), "remove it");
    } else if name.eq_ignore_ascii_case("dropDatabase") {
        refuse(
            format!("{} is no migration", shown(&name)),
            "the verb `drop` drops a database",
        );
    } else if names_own(&Bson::Document(document.clone())) {
        let message = format!("a migration does not touch the collections of dbreg itself, `{OWN}…`");
        refuse(message, "");
    } else {
        let checksum = checksum(&document.to_string());
        return Some(Command {
            name,
            document,
            checksum,
        });
    }
    None
}

/// Whether any text in it may be one of dbreg's own collections: the mark that protects the database is in one.
fn names_own(value: &Bson) -> bool {
    match value {
        Bson::String(text) => text.starts_with(OWN) || text.contains(&format!(".{OWN}")),
        Bson::Array(values) => values.iter().any(names_own),
        Bson::Document(document) => document.values().any(names_own),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    fn script(name: &str, text: &str) -> Script {
        Script {
            path: name.into(),
            text: text.to_owned(),
        }
    }

    fn documents(name: &str, text: &str) -> Vec<Document> {
        let commands = read(&script(name, text)).unwrap();
        commands.into_iter().map(|command| command.document).collect()
    }

    #[track_caller]
    fn assert_refused(name: &str, text: &str, expected: &str) {
        let error = read(&script(name, text)).unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    }

    #[test]
    fn one_command_or_a_list() {
        let create = doc! { "create": "events", "capped": true, "size": 4096 };
        let index =
            doc! { "createIndexes": "events", "indexes": [{ "key": { "b": 1, "a": -1 }, "name": "ba" }] };
        assert_eq!(
            documents("1_a.toml", "create = \"events\"\ncapped = true\nsize = 4096\n"),
            std::slice::from_ref(&create)
        );
        let toml = "[[commands]]\ncreate = \"events\"\ncapped = true\nsize = 4096\n[[commands]]\n\
                    createIndexes = \"events\"\n[[commands.indexes]]\nkey = { b = 1, a = -1 }\nname = \"ba\"\n";
        assert_eq!(documents("1_a.toml", toml), [create.clone(), index.clone()]);
        let json = r#"[{"create": "events", "capped": true, "size": 4096},
            {"createIndexes": "events", "indexes": [{"key": {"b": 1, "a": -1}, "name": "ba"}]}]"#;
        assert_eq!(documents("1_a.json", json), [create.clone(), index]);
        assert_eq!(
            documents("1_a.JSON", r#"{"create": "x"}"#),
            [doc! { "create": "x" }]
        );
        let of_json = read(&script("1_a.json", r#"{"create": "x"}"#)).unwrap();
        assert_eq!(
            of_json,
            read(&script("1_a.toml", "create = \"x\"")).unwrap(),
            "the same checksum too"
        );
    }

    #[test]
    fn what_is_refused_says_why_and_where() {
        assert_refused("1_a.json", "[]", "1_a.json:1:1: expected a command, found none");
        assert_refused(
            "1_a.json",
            "[{}]",
            "1_a.json:1:2: expected a command, found an empty table",
        );
        assert_refused("1_a.json", "[7]", "1_a.json:1:2: expected a command as a table");
        assert_refused("1_a.json", "[1,", "1_a.json:1:3: eof");
        assert_refused(
            "1_a.toml",
            "commands = 7",
            "1_a.toml:1:12: `commands` expects a list of commands, found a number",
        );
        assert_refused("1_a.toml", "dropDatabase = 1", "the verb `drop` drops a database");
        assert_refused(
            "1_a.json",
            r#"{"create": "x", "$db": "admin"}"#,
            "`$db` is for the driver to add",
        );
        assert_refused(
            "1_a.json",
            r#"{"create": {"$oid": "x"}}"#,
            "expected Extended JSON",
        );
        let own = r#"{"aggregate": "a", "pipeline": [{"$out": "_dbreg_metadata"}], "cursor": {}}"#;
        assert_refused("1_a.json", own, "does not touch the collections of dbreg itself");
        let other = r#"{"renameCollection": "x.y", "to": "x._dbreg_metadata"}"#;
        assert_refused(
            "1_a.json",
            other,
            "does not touch the collections of dbreg itself",
        );
    }
}
