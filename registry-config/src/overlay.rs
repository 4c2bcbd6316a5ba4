//! A table that lays values over a connection: that of a profile, or of the file that is named at the start.

use crate::diagnostic::Diagnostic;
use crate::load::Loader;
use crate::name;
use crate::shape::Scope;
use crate::spec::BackendSpec;
use crate::suggest::suggest;
use crate::tree::{Key, Node};
use crate::value::Value;
use crate::variables::refuse_start;
use toml::de::DeTable;

/// Such a table.
pub(crate) struct Overlay<'t, 's> {
    pub(crate) scope: Scope,
    pub(crate) spec: &'static BackendSpec,
    pub(crate) node: &'t Node<'s>,
    pub(crate) table: &'t DeTable<'s>,
}

impl Overlay<'_, '_> {
    /// What lays the values over the connection, as messages name it.
    fn subject(&self) -> String {
        match &self.scope {
            Scope::Profile(profile) => format!("the profile `{profile}`"),
            _ => "this file".to_owned(),
        }
    }

    /// The header for the connection of this name.
    fn header(&self, backend: &str, name: &str) -> String {
        match &self.scope {
            Scope::Profile(profile) => format!("`[profile.{profile}.{backend}.{name}]`"),
            _ => format!("`[{backend}.{name}]`"),
        }
    }
}

impl Loader<'_> {
    pub(crate) fn lay_over(&mut self, overlay: &Overlay<'_, '_>, key: &Key<'_>) {
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
        let draft = &self.drafts[index];
        if let Some(part) = draft.parts.iter().find(|part| part.scope == overlay.scope) {
            let message = format!(
                "[{backend}.{}] has two tables in {}",
                draft.shape.name,
                overlay.subject()
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
                "{} changes the backend of [{}.{}] to {backend}",
                overlay.subject(),
                was.backend,
                was.name
            );
            let header = overlay.header(was.backend, &was.name);
            let mut diagnostic = Diagnostic::error("backend-changed", message).at(position);
            let what = if let Scope::Profile(_) = overlay.scope {
                diagnostic = diagnostic.related(place, "the connection stands here");
                "a profile"
            } else {
                "it"
            };
            let help = format!("write {header}; {what} changes values only");
            self.diagnostics.push(diagnostic.help(help));
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
        let help = match (suggest(text, names.iter().copied()), &overlay.scope) {
            (Some(name), _) => format!("did you mean {}", overlay.header(backend, name)),
            (None, Scope::Profile(_)) => format!("write the connection itself first: `[{backend}.NAME]`"),
            (None, _) => {
                "it changes values only: write the connection into the file that is compiled in".to_owned()
            }
        };
        let message = format!(
            "{} lays values over the connection{shown} of {backend}, which does not exist",
            overlay.subject()
        );
        self.diagnostics.push(
            Diagnostic::error("unknown-connection", message)
                .at(position)
                .help(help),
        );
    }
}
