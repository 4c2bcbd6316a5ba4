//! `[profile.P.B.C]`: what a profile lays over a connection.

use crate::backends::backend;
use crate::diagnostic::Diagnostic;
use crate::load::Loader;
use crate::name;
use crate::overlay::Overlay;
use crate::shape::Scope;
use crate::tree::{Key, Node, in_order};
use toml::de::{DeTable, DeValue};

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
