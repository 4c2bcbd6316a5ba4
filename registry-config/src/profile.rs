//! `[profile.P.B.C]`: what a profile lays over a connection, and `[profile.P]`, what it lays over all.

use crate::backends::backend;
use crate::diagnostic::Diagnostic;
use crate::load::{Loader, Part};
use crate::name;
use crate::overlay::Overlay;
use crate::shape::{Entry, Layer, Position, Scope};
use crate::tree::{self, Key, Node, in_order};
use crate::value::Value;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// The one key that a profile has itself.
const PROTECTED: &str = "protected";

impl Loader<'_> {
    /// Reads `[profile]`. The connections are known by now.
    pub(crate) fn read_profiles(&mut self, key: &Key<'_>, node: &Node<'_>) {
        let help = "write `[profile.NAME.BACKEND.CONNECTION]`".to_owned();
        let Some(table) = self.table(key, node, help.clone()) else {
            return;
        };
        // By what they are called in code: each name, and where it stands.
        let mut seen: BTreeMap<String, (&str, Position)> = BTreeMap::new();
        for (key, node) in in_order(table) {
            let Some(table) = self.table(key, node, help.clone()) else {
                continue;
            };
            let text = key.get_ref().as_ref();
            let position = self.header(key, node);
            if let Err(bad) = name::check(text) {
                let example = format!("[profile.{}]", bad.proposal);
                self.bad_name(text, "profile", &bad, position, &example);
                continue;
            }
            let field = name::field(text);
            if let Some((name, other)) = seen.get(&field) {
                let message = format!("the profiles `{text}` and `{name}` differ in nothing that counts");
                let diagnostic = Diagnostic::error("names-meet", message)
                    .at(position)
                    .related(*other, "the other one");
                self.diagnostics
                    .push(diagnostic.help("give one of them another name"));
                continue;
            }
            seen.insert(field, (text, position));
            self.profiles.push(text.to_owned());
            self.read_profile(text, table);
        }
    }

    fn read_profile(&mut self, profile: &str, table: &DeTable<'_>) {
        let mut protection = None;
        for (key, node) in in_order(table) {
            let text = key.get_ref().as_ref();
            if text == PROTECTED && !matches!(node.get_ref(), DeValue::Table(_)) {
                protection = self.read_protection(profile, node);
                continue;
            }
            let Some(spec) = backend(text) else {
                let place = format!("profile.{profile}");
                if matches!(node.get_ref(), DeValue::Table(_)) {
                    self.unknown_backend_in(&place, key, node);
                } else {
                    self.misplaced(&place, key);
                }
                continue;
            };
            let help = format!("write `[profile.{profile}.{text}.CONNECTION]`");
            let Some(table) = self.table(key, node, help) else {
                continue;
            };
            let mut misplaced = false;
            for (key, node) in in_order(table) {
                if let DeValue::Table(table) = node.get_ref() {
                    let overlay = Overlay {
                        scope: Scope::Profile(profile.to_owned().into()),
                        spec,
                        node,
                        table,
                    };
                    self.lay_over(&overlay, key);
                } else if !misplaced {
                    misplaced = true;
                    self.misplaced(&format!("profile.{profile}.{text}"), key);
                }
            }
        }
        if let Some(position) = protection {
            self.protect_all(profile, position);
        }
    }

    /// `protected` of a whole profile. Gives its place when it says so.
    fn read_protection(&mut self, profile: &str, node: &Node<'_>) -> Option<Position> {
        let position = self.lines.position(node.span().start);
        let help = "write `protected = true`, or leave it out";
        let message = match node.get_ref() {
            DeValue::Boolean(true) => return Some(position),
            DeValue::Boolean(false) => {
                format!("`protected` of [profile.{profile}] cannot be switched off: nothing is below it")
            }
            value => format!("`protected` expects `true`, found {}", tree::found(value)),
        };
        let diagnostic = Diagnostic::error("wrong-type", message).at(position);
        self.diagnostics.push(diagnostic.help(help));
        None
    }

    /// Lays `protected = true` over every connection. After the tables of the profile, so that it joins theirs.
    fn protect_all(&mut self, profile: &str, position: Position) {
        let scope = Scope::Profile(profile.to_owned().into());
        let entry = Entry {
            key: PROTECTED,
            value: Value::Bool(true),
            position,
        };
        for draft in &mut self.drafts {
            let layers = draft.shape.layers.to_mut();
            let Some(layer) = layers.iter_mut().find(|layer| layer.scope == scope) else {
                layers.push(Layer {
                    scope: scope.clone(),
                    entries: vec![entry.clone()].into(),
                });
                draft.parts.push(Part {
                    scope: scope.clone(),
                    position,
                    failed: Vec::new(),
                    broken: false,
                });
                continue;
            };
            let entries = layer.entries.to_mut();
            match entries.iter().find(|own| own.key == PROTECTED) {
                None => entries.push(entry.clone()),
                Some(own) if own.value == Value::Bool(false) => {
                    let message = format!("`protected` is `true` for the whole profile `{profile}`");
                    let diagnostic = Diagnostic::error("protection-switched-off", message).at(own.position);
                    let diagnostic = diagnostic.related(position, "`protected = true` stands here");
                    self.diagnostics
                        .push(diagnostic.help("leave `protected` out here"));
                }
                Some(_) => {}
            }
        }
    }

    /// A key in a table of a profile that is not the table of a connection.
    fn misplaced(&mut self, place: &str, key: &Key<'_>) {
        let shown = name::quoted(key.get_ref()).unwrap_or_else(|| "a key".to_owned());
        let message = format!("{shown} stands in [{place}]; expected the table of a connection");
        let path = if place.matches('.').count() > 1 {
            place.to_owned()
        } else {
            format!("{place}.BACKEND")
        };
        let help = format!("write it under `[{path}.CONNECTION]`");
        let position = self.position(key);
        self.diagnostics.push(
            Diagnostic::error("connection-without-name", message)
                .at(position)
                .help(help),
        );
    }
}
