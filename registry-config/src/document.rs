//! The walk over the tables of a file: what each is, and whose.

use crate::backends::{backend, backends};
use crate::diagnostic::Diagnostic;
use crate::load::{Draft, Loader, Part};
use crate::name;
use crate::overlay::Overlay;
use crate::repetition;
use crate::shape::{ConnectionShape, Layer, Position, Scope};
use crate::spec::BackendSpec;
use crate::suggest::suggest;
use crate::table::{Table, TableReader};
use crate::tree::{self, Key, Node, Tree, in_order};
use crate::typed::all_of;
use crate::value::Value;
use std::borrow::Cow;
use toml::de::{DeTable, DeValue};

impl Loader<'_> {
    /// Reads the whole text.
    pub(crate) fn read(&mut self) {
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
            if let Some((layer, part)) = self.defaults.get(draft.shape.backend) {
                draft.shape.layers.to_mut().insert(0, layer.clone());
                draft.parts.push(part.clone());
            }
        }
        if let Some((key, node)) = profiles {
            self.read_profiles(key, node);
        }
        for repetition in repetition::find(self.text, &errors, self.lines) {
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

    /// A table or a key that is neither a backend nor one of the two other words.
    pub(crate) fn unknown_root(&mut self, key: &Key<'_>, node: &Node<'_>) {
        let text = key.get_ref().as_ref();
        let shown = name::quoted(text)
            .map(|text| format!(" {text}"))
            .unwrap_or_default();
        self.names_certain = false;
        let words = backends()
            .iter()
            .map(|spec| spec.name)
            .chain(["defaults", "profile"]);
        let meant = suggest(text, words).or_else(|| backend_alias(text));
        let has_header = self.text[node.span().start..].starts_with('[') || node.span() == key.span();
        let table = match node.get_ref() {
            DeValue::Table(table) if meant.is_some() || has_header => table,
            _ => return self.stray_key(key),
        };
        for (key, _) in in_order(table) {
            self.lost_fields.push(name::field(key.get_ref()));
        }
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`"),
            None => format!("the backends are {}", known_backends()),
        };
        let diagnostic = Diagnostic::error("unknown-backend", format!("unknown backend{shown}"));
        self.diagnostics
            .push(diagnostic.at(self.header(key, node)).help(help));
    }

    /// A key before the first header. Those that follow it there belong to the same mistake.
    fn stray_key(&mut self, key: &Key<'_>) {
        if std::mem::replace(&mut self.has_stray_key, true) {
            return;
        }
        let shown = name::quoted(key.get_ref())
            .map(|text| format!(" {text}"))
            .unwrap_or_default();
        let message = format!("the key{shown} stands outside of any table");
        let help = "write it under a header such as `[mysql.main]`";
        let position = self.position(key);
        self.diagnostics.push(
            Diagnostic::error("key-without-table", message)
                .at(position)
                .help(help),
        );
    }

    fn read_backend(&mut self, spec: &'static BackendSpec, key: &Key<'_>, node: &Node<'_>) {
        let help = format!("write a connection of it as `[{}.main]`", spec.name);
        let Some(table) = self.table(key, node, help) else {
            self.names_certain = false;
            return;
        };
        let mut nameless = false;
        for (key, node) in in_order(table) {
            if let DeValue::Table(table) = node.get_ref() {
                self.read_connection(spec, key, node, table);
            } else {
                self.names_certain = false;
                self.not_a_connection(spec, key, node, &mut nameless);
            }
        }
    }

    /// What stands in `[BACKEND]` and is no table. Keys that follow such a key belong to the same mistake.
    pub(crate) fn not_a_connection(
        &mut self,
        spec: &'static BackendSpec,
        key: &Key<'_>,
        node: &Node<'_>,
        nameless: &mut bool,
    ) {
        if self.text[node.span().start..].starts_with("[[") {
            let help = "write one pair of brackets; a list of hosts is `connections`";
            self.table(key, node, help.to_owned());
        } else if !std::mem::replace(nameless, true) {
            let shown = name::quoted(key.get_ref()).unwrap_or_else(|| "a key".to_owned());
            let message = format!(
                "{shown} stands in [{}] itself; expected the table of a connection",
                spec.name
            );
            let diagnostic = Diagnostic::error("connection-without-name", message).at(self.position(key));
            self.diagnostics
                .push(diagnostic.help(format!("give the connection a name: `[{}.main]`", spec.name)));
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
            self.lost_fields.push(name::field(text));
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
        let (layer, part) = self.read_layer(spec, Scope::Connection, (key, node), table);
        if part.failed.contains(&"start") {
            // It decides the type of the field: what the application does with it would be wrong as well.
            self.names_certain = false;
        }
        let optional = Value::Text("optional".into());
        let shape = ConnectionShape {
            backend: spec.name,
            name: Cow::Owned(text.to_owned()),
            field: Cow::Owned(field),
            optional: layer
                .entries
                .iter()
                .any(|entry| entry.key == "start" && entry.value == optional),
            position,
            layers: Cow::Owned(vec![layer]),
        };
        self.drafts.push(Draft {
            shape,
            parts: vec![part],
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

    /// Reads the keys of one table.
    pub(crate) fn read_layer(
        &mut self,
        spec: &'static BackendSpec,
        scope: Scope,
        (key, node): (&Key<'_>, &Node<'_>),
        table: &DeTable<'_>,
    ) -> (Layer, Part) {
        let mut reader = TableReader {
            lines: self.lines,
            spec,
            scope: &scope,
            diagnostics: &mut self.diagnostics,
        };
        let Table { entries, failed } = reader.read(table);
        let (position, broken) = (self.header(key, node), self.is_broken(node));
        let part = Part {
            scope: scope.clone(),
            position,
            failed,
            broken,
        };
        (
            Layer {
                scope,
                entries: Cow::Owned(entries),
            },
            part,
        )
    }

    /// Lays a table over a connection.
    pub(crate) fn read_overlay(&mut self, overlay: &Overlay<'_, '_>, key: &Key<'_>, draft: usize) {
        let scope = overlay.scope.clone();
        let (layer, part) = self.read_layer(overlay.spec, scope, (key, overlay.node), overlay.table);
        self.drafts[draft].shape.layers.to_mut().push(layer);
        self.drafts[draft].parts.push(part);
    }

    fn read_defaults(&mut self, key: &Key<'_>, node: &Node<'_>) {
        let help = "write `[defaults.mysql]`".to_owned();
        let Some(table) = self.table(key, node, help) else {
            return;
        };
        let mut misplaced = false;
        for (key, node) in in_order(table) {
            let text = key.get_ref().as_ref();
            let Some(spec) = backend(text) else {
                if matches!(node.get_ref(), DeValue::Table(_)) {
                    self.unknown_backend_in("defaults", key, node);
                } else if !std::mem::replace(&mut misplaced, true) {
                    self.misplaced_default(key);
                }
                continue;
            };
            let help = format!("write `[defaults.{text}]`");
            let Some(table) = self.table(key, node, help) else {
                continue;
            };
            let read = self.read_layer(spec, Scope::Defaults, (key, node), table);
            self.defaults.insert(spec.name, read);
        }
    }

    /// A key for every backend at once, which there is not. Those that follow it belong to the same mistake.
    fn misplaced_default(&mut self, key: &Key<'_>) {
        let shown = name::quoted(key.get_ref()).unwrap_or_else(|| "a key".to_owned());
        let message = format!("{shown} stands in [defaults]; expected the table of a backend");
        let position = self.position(key);
        self.diagnostics.push(
            Diagnostic::error("default-without-backend", message)
                .at(position)
                .help("write it under `[defaults.BACKEND]`, such as `[defaults.mysql]`"),
        );
    }

    /// A backend that does not exist, in a table that does not decide about names.
    pub(crate) fn unknown_backend_in(&mut self, place: &str, key: &Key<'_>, node: &Node<'_>) {
        let text = key.get_ref().as_ref();
        let shown = name::quoted(text)
            .map(|text| format!(" {text}"))
            .unwrap_or_default();
        // `[profile.mysql.main]`: the name of the profile was forgotten, and the backend taken for it.
        let nameless = place
            .strip_prefix("profile.")
            .filter(|name| backend(name).is_some());
        if let (Some(backend), Ok(())) = (nameless, name::check(text)) {
            let message = format!("[profile.{backend}.{text}] lacks the name of the profile");
            let position = self.header(key, node);
            let diagnostic = Diagnostic::error("profile-without-name", message).at(position);
            self.diagnostics
                .push(diagnostic.help(format!("write `[profile.NAME.{backend}.{text}]`")));
            return;
        }
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
}

fn known_backends() -> String {
    let names: Vec<&str> = backends().iter().map(|spec| spec.name).collect();
    all_of(&names)
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
