//! `[profile.P.B.C]`: what a profile lays over a connection.

use crate::backends::backend;
use crate::diagnostic::Diagnostic;
use crate::load::Loader;
use crate::name;
use crate::shape::Scope;
use crate::spec::BackendSpec;
use crate::suggest::suggest;
use crate::tree::{Key, Node, in_order};
use crate::value::Value;
use crate::variables::refuse_start;
use toml::de::{DeTable, DeValue};

/// One table of a profile.
pub(crate) struct Overlay<'t, 's> {
    pub(crate) profile: &'t str,
    pub(crate) spec: &'static BackendSpec,
    pub(crate) node: &'t Node<'s>,
    pub(crate) table: &'t DeTable<'s>,
}

impl Loader<'_> {
    /// Reads `[profile]`. The connections are known by now.
    pub(crate) fn read_profiles(&mut self, key: &Key<'_>, node: &Node<'_>) {
        let help = "write `[profile.NAME.BACKEND.CONNECTION]`".to_owned();
        let Some(table) = self.table(key, node, help.clone()) else {
            return;
        };
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
            let twin = self
                .profiles
                .iter()
                .find(|(name, _)| name::field(name) == name::field(text));
            if let Some((name, other)) = twin {
                let message = format!("the profiles `{text}` and `{name}` differ in nothing that counts");
                let diagnostic = Diagnostic::error("names-meet", message)
                    .at(position)
                    .related(*other, "the other one");
                self.diagnostics
                    .push(diagnostic.help("give one of them another name"));
                continue;
            }
            self.profiles.push((text.to_owned(), position));
            self.read_profile(text, table);
        }
    }

    fn read_profile(&mut self, profile: &str, table: &DeTable<'_>) {
        for (key, node) in in_order(table) {
            let text = key.get_ref().as_ref();
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
                        profile,
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

    fn lay_over(&mut self, overlay: &Overlay<'_, '_>, key: &Key<'_>) {
        let text = key.get_ref().as_ref();
        let field = name::field(text);
        let backend = overlay.spec.name;
        let found = self
            .drafts
            .iter()
            .position(|draft| draft.shape.backend == backend && draft.shape.field == field);
        let Some(index) = found else {
            return self.no_such_connection(overlay, key);
        };
        let scope = Scope::Profile(overlay.profile.to_owned().into());
        let draft = &self.drafts[index];
        if let Some(part) = draft.parts.iter().find(|part| part.scope == scope) {
            let name = &draft.shape.name;
            let message = format!(
                "[{backend}.{name}] has two tables in the profile `{}`",
                overlay.profile
            );
            let diagnostic = Diagnostic::error("names-meet", message)
                .at(self.header(key, overlay.node))
                .related(part.position, "the other one");
            self.diagnostics
                .push(diagnostic.help("put all keys under one header"));
            return;
        }
        self.read_overlay(overlay, key, index);
        self.check_start(index);
    }

    /// An overlay may not touch whether a connection may be missing.
    fn check_start(&mut self, index: usize) {
        let shape = &self.drafts[index].shape;
        let start = shape
            .layers
            .last()
            .and_then(|layer| layer.entries.iter().find(|entry| entry.key == "start"));
        let Some((Value::Text(word), position)) = start.map(|entry| (&entry.value, entry.position)) else {
            return;
        };
        if let Some((message, help)) = refuse_start(shape, word) {
            self.diagnostics.push(
                Diagnostic::error("start-is-shape", message)
                    .at(position)
                    .help(help),
            );
        }
    }

    fn no_such_connection(&mut self, overlay: &Overlay<'_, '_>, key: &Key<'_>) {
        let text = key.get_ref().as_ref();
        let field = name::field(text);
        // The connection may be there, in a place that could not be read.
        if self.lost_text.iter().any(|lost| lost.contains(text)) || self.lost_fields.contains(&field) {
            return;
        }
        let backend = overlay.spec.name;
        let position = self.header(key, overlay.node);
        if let Some(other) = self.drafts.iter().find(|draft| draft.shape.field == field) {
            let (was, place) = (&other.shape, other.shape.position);
            let message = format!(
                "the profile `{}` changes the backend of [{}.{}] to {backend}",
                overlay.profile, was.backend, was.name
            );
            let help = format!(
                "write `[profile.{}.{}.{}]`; a profile changes values only",
                overlay.profile, was.backend, was.name
            );
            let diagnostic = Diagnostic::error("backend-changed", message).at(position);
            self.diagnostics
                .push(diagnostic.related(place, "the connection stands here").help(help));
            return;
        }
        let names: Vec<&str> = self
            .drafts
            .iter()
            .filter(|draft| draft.shape.backend == backend)
            .map(|draft| draft.shape.name.as_ref())
            .collect();
        let shown = name::quoted(text)
            .map(|name| format!(" {name}"))
            .unwrap_or_default();
        let help = match suggest(text, names.iter().copied()) {
            Some(name) => format!("did you mean `[profile.{}.{backend}.{name}]`", overlay.profile),
            None => format!("write the connection itself first: `[{backend}.NAME]`"),
        };
        let message = format!(
            "the profile `{}` lays values over the connection{shown} of {backend}, which does not exist",
            overlay.profile
        );
        self.diagnostics.push(
            Diagnostic::error("unknown-connection", message)
                .at(position)
                .help(help),
        );
    }
}
