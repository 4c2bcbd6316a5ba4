//! From the text of a file to its validated model.

use crate::backends::{backend, backends};
use crate::diagnostic::Diagnostic;
use crate::name;
use crate::position::Lines;
use crate::profile::Overlay;
use crate::settings::resolve;
use crate::shape::{ConnectionShape, Layer, Position, Scope, Shape};
use crate::spec::BackendSpec;
use crate::suggest::suggest;
use crate::syntax::{self, Trust};
use crate::table::{Table, TableReader};
use crate::tree::{self, Key, Node, Tree, in_order};
use crate::typed::one_of;
use crate::value::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// What a file says, and what is wrong with it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The model. Without an error in `diagnostics`, everything in it is valid.
    pub shape: Shape,
    /// Every mistake, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// False when connections may be missing from the shape, because of a mistake in the syntax or in a name.
    pub names_certain: bool,
}

/// Reads a file. `file` is its name in messages.
#[must_use]
pub fn load(source: &str, file: &str) -> Loaded {
    let lines = Lines::new(source);
    let checked = syntax::check(source, &lines);
    let mut loader = Loader {
        text: &checked.text,
        lines: &lines,
        broken: &checked.broken,
        trust: checked.trust,
        names_certain: checked.trust == Trust::Everything,
        diagnostics: checked.diagnostics,
        drafts: Vec::new(),
        defaults: BTreeMap::new(),
        profiles: Vec::new(),
        not_tables: Vec::new(),
    };
    if checked.trust != Trust::Nothing {
        loader.read();
    }
    loader.finish(file)
}

/// A connection that is being put together.
pub(crate) struct Draft {
    pub(crate) shape: ConnectionShape,
    /// Keys that could not be read, by layer.
    pub(crate) failed: Vec<(Scope, Vec<&'static str>)>,
    /// Whether a part of it could not be read at all.
    pub(crate) broken: bool,
}

pub(crate) struct Loader<'a> {
    text: &'a str,
    pub(crate) lines: &'a Lines<'a>,
    broken: &'a [usize],
    pub(crate) trust: Trust,
    names_certain: bool,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) drafts: Vec<Draft>,
    defaults: BTreeMap<&'static str, (Layer, Vec<&'static str>, bool)>,
    pub(crate) profiles: Vec<(String, Position)>,
    /// Keys that were told to be tables.
    not_tables: Vec<String>,
}

impl Loader<'_> {
    fn read(&mut self) {
        let (tree, errors) = Tree::parse(self.text);
        let mut profiles = None;
        for (key, node) in in_order(tree.root()) {
            match key.get_ref().as_ref() {
                "defaults" => self.read_defaults(key, node),
                "profile" => profiles = Some((key, node)),
                name => match backend(name) {
                    Some(spec) => self.read_backend(spec, key, node),
                    None => self.unknown_root(key, node),
                },
            }
        }
        for draft in &mut self.drafts {
            if let Some((layer, failed, broken)) = self.defaults.get(draft.shape.backend) {
                draft.shape.layers.to_mut().insert(0, layer.clone());
                draft.failed.push((Scope::Defaults, failed.clone()));
                draft.broken |= *broken;
            }
        }
        if let Some((key, node)) = profiles {
            self.read_profiles(key, node);
        }
        for repetition in syntax::repetitions(self.text, &errors, self.lines) {
            if !self.not_tables.contains(&repetition.key) {
                self.diagnostics.push(repetition.diagnostic);
            }
        }
    }

    pub(crate) fn position(&self, key: &Key<'_>) -> Position {
        self.lines.position(key.span().start)
    }

    /// Where a table stands: its header, or the key that it is the value of.
    pub(crate) fn header(&self, key: &Key<'_>, node: &Node<'_>) -> Position {
        let start = node.span().start;
        let offset = if self.text.as_bytes().get(start) == Some(&b'[') {
            start
        } else {
            key.span().start
        };
        self.lines.position(offset)
    }

    /// Whether a table, or one within it, was blanked.
    fn is_broken(&self, node: &Node<'_>) -> bool {
        if self.broken.is_empty() {
            return false;
        }
        let mut waiting = vec![node];
        while let Some(node) = waiting.pop() {
            if self.broken.contains(&node.span().start) {
                return true;
            }
            match node.get_ref() {
                DeValue::Table(table) => waiting.extend(table.iter().map(|(_, node)| node)),
                DeValue::Array(array) => waiting.extend(array.iter()),
                _ => {}
            }
        }
        false
    }

    /// The table that must stand at `key`.
    pub(crate) fn table<'t, 's>(
        &mut self,
        key: &Key<'_>,
        node: &'t Node<'s>,
        help: String,
    ) -> Option<&'t DeTable<'s>> {
        if let DeValue::Table(table) = node.get_ref() {
            return Some(table);
        }
        let text = key.get_ref().as_ref();
        let shown = name::quoted(text).unwrap_or_else(|| "this key".to_owned());
        let message = format!("{shown} expects a table, found {}", tree::found(node.get_ref()));
        self.not_tables.push(text.to_owned());
        let position = self.header(key, node);
        self.diagnostics
            .push(Diagnostic::error("wrong-type", message).at(position).help(help));
        None
    }

    fn unknown_root(&mut self, key: &Key<'_>, node: &Node<'_>) {
        let text = key.get_ref().as_ref();
        let shown = name::quoted(text)
            .map(|text| format!(" {text}"))
            .unwrap_or_default();
        let DeValue::Table(_) = node.get_ref() else {
            let message = format!("unknown key{shown} outside of any table");
            let help = "write it under a header such as `[mysql.main]`";
            return self.diagnostics.push(
                Diagnostic::error("unknown-key", message)
                    .at(self.position(key))
                    .help(help),
            );
        };
        self.names_certain = false;
        let words = backends()
            .iter()
            .map(|spec| spec.name)
            .chain(["defaults", "profile"]);
        let help = match suggest(text, words).or_else(|| backend_alias(text)) {
            Some(meant) => format!("did you mean `{meant}`"),
            None => format!("the backends are {}", known_backends()),
        };
        self.diagnostics.push(
            Diagnostic::error("unknown-backend", format!("unknown backend{shown}"))
                .at(self.header(key, node))
                .help(help),
        );
    }

    fn read_backend(&mut self, spec: &'static BackendSpec, key: &Key<'_>, node: &Node<'_>) {
        let help = format!("write a connection of it as `[{}.main]`", spec.name);
        let Some(table) = self.table(key, node, help) else {
            self.names_certain = false;
            return;
        };
        if !spec.available {
            self.names_certain = false;
            let first = in_order(table)
                .first()
                .map_or_else(|| self.header(key, node), |(key, node)| self.header(key, node));
            let names: Vec<&str> = backends()
                .iter()
                .filter(|spec| spec.available)
                .map(|spec| spec.name)
                .collect();
            let message = format!("the adapter for {} does not exist yet", spec.name);
            let help = format!(
                "remove the connections of {}; the backends that exist are {}",
                spec.name,
                and(&names)
            );
            self.diagnostics.push(
                Diagnostic::error("backend-not-available", message)
                    .at(first)
                    .help(help),
            );
        }
        let mut nameless = false;
        for (key, node) in in_order(table) {
            if let DeValue::Table(table) = node.get_ref() {
                self.read_connection(spec, key, node, table);
            } else if !nameless {
                nameless = true;
                self.names_certain = false;
                let text = key.get_ref().as_ref();
                let shown = name::quoted(text).unwrap_or_else(|| "a key".to_owned());
                let message = format!(
                    "{shown} stands in [{}] itself; expected the table of a connection",
                    spec.name
                );
                let diagnostic = Diagnostic::error("connection-without-name", message).at(self.position(key));
                self.diagnostics
                    .push(diagnostic.help(format!("give the connection a name: `[{}.main]`", spec.name)));
            }
        }
    }

    fn read_connection(
        &mut self,
        spec: &'static BackendSpec,
        key: &Key<'_>,
        node: &Node<'_>,
        table: &DeTable<'_>,
    ) {
        let text = key.get_ref().as_ref();
        let position = self.header(key, node);
        if let Err(bad) = name::check(text) {
            self.names_certain = false;
            self.bad_name(
                text,
                "connection",
                &bad,
                position,
                &format!("[{}.{}]", spec.name, bad.proposal),
            );
            return;
        }
        let field = name::field(text);
        let twin = self
            .drafts
            .iter()
            .find(|draft| draft.shape.backend == spec.name && draft.shape.field == field);
        if let Some(Draft { shape, .. }) = twin {
            let message = format!(
                "[{0}.{text}] and [{0}.{1}] would both be the field `{field}`",
                spec.name, shape.name
            );
            let diagnostic = Diagnostic::error("names-meet", message).at(position);
            self.diagnostics.push(
                diagnostic
                    .related(shape.position, "the other one")
                    .help("give one of them another name"),
            );
            return;
        }
        let (entries, failed) = self.read_table(spec, &Scope::Connection, table);
        let optional = entries
            .iter()
            .any(|entry| entry.key == "start" && entry.value == Value::Text("optional".into()));
        let shape = ConnectionShape {
            backend: spec.name,
            name: Cow::Owned(text.to_owned()),
            field: Cow::Owned(field),
            optional,
            position,
            layers: Cow::Owned(vec![Layer {
                scope: Scope::Connection,
                entries: Cow::Owned(entries),
            }]),
        };
        let broken = self.is_broken(node);
        self.drafts.push(Draft {
            shape,
            failed: vec![(Scope::Connection, failed)],
            broken,
        });
    }

    pub(crate) fn bad_name(
        &mut self,
        text: &str,
        what: &str,
        bad: &name::BadName,
        position: Position,
        example: &str,
    ) {
        let shown = name::quoted(text)
            .map(|text| format!(" {text}"))
            .unwrap_or_default();
        let message = format!("bad name{shown} of a {what}: {}", bad.reason);
        self.diagnostics.push(
            Diagnostic::error("bad-name", message)
                .at(position)
                .help(format!("write `{example}`")),
        );
    }

    fn read_table(
        &mut self,
        spec: &'static BackendSpec,
        scope: &Scope,
        table: &DeTable<'_>,
    ) -> (Vec<crate::shape::Entry>, Vec<&'static str>) {
        let mut reader = TableReader {
            lines: self.lines,
            spec,
            scope,
            diagnostics: &mut self.diagnostics,
        };
        let Table { entries, failed } = reader.read(table);
        (entries, failed)
    }

    /// Lays the table of a profile over a connection.
    pub(crate) fn read_overlay(&mut self, overlay: &Overlay<'_, '_>, draft: usize) {
        let scope = Scope::Profile(Cow::Owned(overlay.profile.to_owned()));
        let (entries, failed) = self.read_table(overlay.spec, &scope, overlay.table);
        let broken = self.is_broken(overlay.node);
        let draft = &mut self.drafts[draft];
        draft.broken |= broken;
        draft.failed.push((scope.clone(), failed));
        draft.shape.layers.to_mut().push(Layer {
            scope,
            entries: Cow::Owned(entries),
        });
    }

    fn read_defaults(&mut self, key: &Key<'_>, node: &Node<'_>) {
        let help = "write `[defaults.mysql]`".to_owned();
        let Some(table) = self.table(key, node, help) else {
            return;
        };
        for (key, node) in in_order(table) {
            let text = key.get_ref().as_ref();
            let Some(spec) = backend(text) else {
                self.unknown_backend_in("defaults", key, node);
                continue;
            };
            let help = format!("write `[defaults.{text}]`");
            let Some(table) = self.table(key, node, help) else {
                continue;
            };
            let (entries, failed) = self.read_table(spec, &Scope::Defaults, table);
            let layer = Layer {
                scope: Scope::Defaults,
                entries: Cow::Owned(entries),
            };
            let broken = self.is_broken(node);
            self.defaults.insert(spec.name, (layer, failed, broken));
        }
    }

    /// A backend that does not exist, in a table that does not decide about names.
    pub(crate) fn unknown_backend_in(&mut self, place: &str, key: &Key<'_>, node: &Node<'_>) {
        let text = key.get_ref().as_ref();
        let shown = name::quoted(text)
            .map(|text| format!(" {text}"))
            .unwrap_or_default();
        let help =
            match suggest(text, backends().iter().map(|spec| spec.name)).or_else(|| backend_alias(text)) {
                Some(meant) => format!("did you mean `[{place}.{meant}]`"),
                None => format!("the backends are {}", known_backends()),
            };
        let message = format!("unknown backend{shown} in [{place}]");
        self.diagnostics.push(
            Diagnostic::error("unknown-backend", message)
                .at(self.header(key, node))
                .help(help),
        );
    }

    fn finish(mut self, file: &str) -> Loaded {
        if self.trust != Trust::Tables {
            for draft in self.drafts.iter().filter(|draft| !draft.broken) {
                check_merged(draft, &mut self.diagnostics);
            }
        }
        if self.drafts.is_empty() && self.diagnostics.is_empty() {
            let message = "expected at least one connection, found none";
            let help = "write a table such as `[mysql.main]`, with `host`, `username`, `password` and `db`";
            let position = Position { line: 1, column: 1 };
            self.diagnostics.push(
                Diagnostic::error("no-connections", message)
                    .at(position)
                    .help(help),
            );
        }
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.position);
        let rank = |draft: &Draft| {
            backends()
                .iter()
                .position(|spec| spec.name == draft.shape.backend)
        };
        self.drafts
            .sort_by_key(|draft| (rank(draft), draft.shape.position));
        let shape = Shape {
            file: Cow::Owned(file.to_owned()),
            profiles: self
                .profiles
                .into_iter()
                .map(|(name, _)| Cow::Owned(name))
                .collect(),
            connections: self.drafts.into_iter().map(|draft| draft.shape).collect(),
            others: Cow::Borrowed(&[]),
        };
        Loaded {
            shape,
            diagnostics: self.diagnostics,
            names_certain: self.names_certain,
        }
    }
}

/// The rules over several values, without any profile and with each. What breaks without a profile is not told again.
fn check_merged(draft: &Draft, diagnostics: &mut Vec<Diagnostic>) {
    let profiles = draft.shape.layers.iter().filter_map(|layer| match &layer.scope {
        Scope::Profile(name) => Some(name.as_ref()),
        _ => None,
    });
    for profile in std::iter::once(None).chain(profiles.map(Some)) {
        let failed: Vec<&str> = draft
            .failed
            .iter()
            .filter(|(scope, _)| match scope {
                Scope::Profile(name) => profile == Some(name.as_ref()),
                _ => true,
            })
            .flat_map(|(_, keys)| keys.iter().copied())
            .collect();
        for diagnostic in resolve(&draft.shape, profile, &[]).err().unwrap_or_default() {
            let follows = reads(diagnostic.code).iter().any(|key| failed.contains(key));
            if !follows && !diagnostics.contains(&diagnostic) {
                diagnostics.push(diagnostic);
            }
        }
    }
}

/// The keys that a rule over several values reads: where one of them could not be read, the rule says nothing.
fn reads(code: &str) -> &'static [&'static str] {
    match code {
        "no-host" | "missing-db" | "port-without-host" | "several-hosts" | "port-over-several-hosts" => {
            &["url", "host", "connections", "socket", "db"]
        }
        "missing-path" => &["path"],
        "password-without-username" => &["username", "url"],
        "pool-min-over-max" => &["pool.min", "pool.max"],
        "tls-ca-without-tls" => &["tls"],
        _ => &[],
    }
}

/// `` `mysql`, `mongodb`, `memcached` and `sqlite` ``.
fn and(words: &[&str]) -> String {
    one_of(words).replace(" or ", " and ")
}

fn known_backends() -> String {
    let names: Vec<&str> = backends()
        .iter()
        .filter(|spec| spec.available)
        .map(|spec| spec.name)
        .collect();
    and(&names)
}

/// What people call the backends.
fn backend_alias(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "mariadb" | "maria" => "mysql",
        "mongo" => "mongodb",
        "memcache" => "memcached",
        "sqlite3" => "sqlite",
        "postgresql" | "pg" | "pgsql" => "postgres",
        "default" => "defaults",
        "profiles" => "profile",
        _ => return None,
    })
}
