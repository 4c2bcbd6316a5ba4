//! One mistake is one message: for each file that is refused, a crate that uses everything everywhere earns exactly the
//! messages of the file, and no error that only follows from them.

use crate::scratch::{Message, Scratch};
use registry_config::{Loaded, load};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// Uses of the whole, which every registry has.
const USES: &str = include_str!("uses/registry.rs");
/// Uses of one connection.
const CONNECTION: &str = include_str!("uses/connection.rs");

/// A binary with a struct, and uses of the connections that it should have: backend, field, optional.
fn source(head: &str, connections: &[(&str, String, bool)]) -> String {
    let mut text = format!("{head}\n{USES}\n");
    for (i, (table, field, optional)) in connections.iter().enumerate() {
        // A handle whose feature is off is rustc's own error; the place is ours in any case.
        let available = if *optional { ".available().unwrap()" } else { "" };
        let tagged = format!("dbreg::At<dbreg::Memcached, app_registry::{table}::{field}>");
        let ty = if *optional {
            format!("dbreg::Optional<{tagged}>")
        } else {
            tagged
        };
        let uses = CONNECTION
            .replace("BACKEND", table)
            .replace("FIELD", field)
            .replace("TYPE", &ty)
            .replace("AVAILABLE", available);
        write!(text, "mod uses_{i} {{\nuse super::*;\n{uses}\n}}\n").unwrap();
    }
    text
}

fn errors_by_target(messages: Vec<Message>) -> BTreeMap<String, Vec<Message>> {
    let mut by_target: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for message in messages.into_iter().filter(|message| message.is_error) {
        by_target.entry(message.target.clone()).or_default().push(message);
    }
    by_target
}

/// Several binaries in one crate, checked at once.
struct Cases {
    scratch: Scratch,
    expected: BTreeMap<String, Vec<String>>,
}

impl Cases {
    fn new(name: &str) -> Self {
        Self {
            scratch: Scratch::with_memcached(name),
            expected: BTreeMap::new(),
        }
    }

    /// A binary, and the beginnings of the messages that it earns.
    fn add(&mut self, name: &str, source: &str, expected: Vec<String>) {
        self.scratch.file(&format!("src/bin/{name}.rs"), source);
        self.expected.insert(name.to_owned(), expected);
    }

    fn check(self) {
        let mut found = errors_by_target(self.scratch.messages());
        for (name, expected) in self.expected {
            let errors = found.remove(&name).unwrap_or_default();
            let shown: String = errors.iter().map(|error| error.rendered.as_str()).collect();
            assert_eq!(errors.len(), expected.len(), "{name}: {expected:#?}\n{shown}");
            for text in expected {
                assert!(
                    errors.iter().any(|error| error.text.starts_with(&text)),
                    "{name}: {text}\n{shown}"
                );
            }
        }
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn each_refused_file_earns_its_own_messages_and_no_others() {
    let mut cases = Cases::new("refused-files");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("registry-config/tests/reject");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 60, "{files:?}");
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "toml"))
    {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        let path = format!("{name}.toml");
        cases.scratch.file(&path, &text);
        let Loaded {
            shape,
            diagnostics,
            names_certain,
            ..
        } = load(&text, &path);
        let mut expected: Vec<String> = diagnostics
            .iter()
            .map(|diagnostic| diagnostic.render(&path))
            .collect();
        let is_certain = names_certain && !shape.connections.is_empty();
        let connections: Vec<_> = if is_certain {
            shape
                .connections
                .iter()
                .map(|c| (c.backend, c.field.to_string(), c.optional))
                .collect()
        } else {
            ["mysql", "mongodb", "memcached", "sqlite", "postgres"]
                .map(|backend| (backend, "main".to_owned(), false))
                .into()
        };
        if is_certain {
            let off: BTreeSet<_> = connections.iter().map(|(backend, ..)| *backend).collect();
            expected.extend(off.iter().filter(|backend| **backend != "memcached").map(|off| {
                let first = shape.connections.iter().find(|c| c.backend == *off).unwrap();
                let place = first.position;
                format!(
                    "{path}:{}:{}: [{off}.{}] needs the feature `{off}`",
                    place.line, place.column, first.name
                )
            }));
        }
        let head = format!("#[derive(dbreg::DbRegistry)]\n#[registry(path = \"{path}\")]\npub struct App;\n");
        cases.add(name, &source(&head, &connections), expected);
    }
    cases.check();
}

#[test]
fn each_wrong_attribute_and_each_wrong_item_earns_one_message() {
    let mut cases = Cases::new("wrong-attributes");
    let toml = "toml = \"[memcached.main]\\nhost = \\\"c1\\\"\"";
    let main = [("memcached", "main".to_owned(), false)];
    let with = |attribute: &str, item: &str| {
        source(
            &format!("#[derive(dbreg::DbRegistry)]\n#[registry({attribute})]\n{item}\n"),
            &main,
        )
    };
    for (name, attribute, message) in [
        (
            "unknown-key",
            "tml = \"\"",
            "unknown key `tml`; did you mean `toml`",
        ),
        (
            "key-twice",
            "path = \"a\", path = \"b\"",
            "expected `path` once, found it again",
        ),
        (
            "path-and-toml",
            "path = \"a.toml\", toml = \"\"",
            "expected `path` or `toml`, found both",
        ),
        ("value-of-a-wrong-kind", "path = 1", "expected `path` in the form"),
        ("relative-crate", "crate = dbreg", "expected an absolute path"),
        (
            "absolute-file",
            "path = \"/a.toml\"",
            "expected a path relative to the folder of Cargo.toml",
        ),
        (
            "missing-file",
            "path = \"no/such.toml\"",
            "no/such.toml: no such file in ",
        ),
        (
            "folder-instead-of-a-file",
            "path = \"src\"",
            "expected a file, found a folder at ",
        ),
        (
            "bad-name",
            "name = \"app registry\"",
            "expected the name of a new struct",
        ),
        ("bad-prefix", "env = \"shop\"", "expected upper-case letters"),
    ] {
        cases.add(
            name,
            &with(attribute, "pub struct App;"),
            vec![message.to_owned()],
        );
    }
    cases.add(
        "unknown-only",
        &with(
            &format!("{toml}, only(\"memcached.mian\", \"mysql\")"),
            "pub struct App;",
        ),
        vec![
            "no connection `memcached.mian` in #[registry(toml)]; did you mean `memcached.main`".to_owned(),
            "no connection of MySQL in #[registry(toml)]; the connections are `memcached.main`".to_owned(),
        ],
    );
    cases.add(
        "several-at-once",
        &with("pth = \"a\", name = \"b\"", "pub enum App { One }"),
        vec![
            "expected a struct".to_owned(),
            "unknown key `pth`".to_owned(),
            "expected the name".to_owned(),
        ],
    );
    cases.add(
        "enum",
        &with(toml, "pub enum App { One }"),
        vec!["expected a struct, found an enum".to_owned()],
    );
    cases.add(
        "union",
        &with(toml, "pub union App { one: u8 }"),
        vec!["expected a struct, found a union".to_owned()],
    );
    let lifetime = vec!["expected a struct without generics".to_owned()];
    cases.add(
        "lifetime",
        &with(toml, "pub struct App<'a>(pub &'a str);"),
        lifetime,
    );
    cases.check();
}

#[test]
fn what_is_right_earns_no_message() {
    let mut cases = Cases::new("right");
    let toml = "[memcached.main]\nhost = \"c1\"\n[memcached.type]\nhost = \"c2\"\nstart = \"optional\"\n\
                [memcached.user-db]\nhost = \"c3\"\n[sqlite.local]\npath = \"a.db\"\n";
    cases.scratch.file("databases.toml", toml);
    let connections = [
        ("memcached", "main".to_owned(), false),
        ("memcached", "r#type".to_owned(), true),
        ("memcached", "user_db".to_owned(), false),
    ];
    let head = "#[derive(dbreg::DbRegistry)]\n#[registry(only(\"memcached\"))]\npub struct App;\n";
    cases.add("everything", &source(head, &connections), Vec::new());
    cases.check();
}
