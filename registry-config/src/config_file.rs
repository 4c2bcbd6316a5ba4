//! A file that is named at the start: `[BACKEND.CONNECTION]` tables that lay values over the compiled-in ones.

use crate::backends::backend;
use crate::diagnostic::Diagnostic;
use crate::load::{Draft, Loader};
use crate::name;
use crate::overlay::Overlay;
use crate::position::Lines;
use crate::shape::{Scope, Shape};
use crate::spec::BackendSpec;
use crate::syntax::{self, Trust};
use crate::tree::{Key, Node, Tree, in_order};
use crate::{repetition, value::Text};
use toml::de::DeValue;

/// What [`config_file`] read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConfigFile {
    /// The model, with one more layer on each connection that the file has a table for.
    pub shape: Shape,
    /// Every mistake, in the order of the file. Rules over several values are for [`resolve`](crate::resolve).
    pub diagnostics: Vec<Diagnostic>,
}

/// Lays a file over a model: values of the connections that the model has, and nothing that would change its shape.
/// `file` is its name in messages and origins.
#[must_use]
pub fn config_file(shape: &Shape, source: &str, file: &str) -> ConfigFile {
    let lines = Lines::new(source);
    let checked = syntax::check(source, &lines);
    let mut loader = Loader::new(&checked, &lines);
    loader.drafts = shape
        .connections
        .iter()
        .map(|connection| Draft {
            shape: connection.clone(),
            parts: Vec::new(),
        })
        .collect();
    let file = Text::Owned(file.to_owned());
    if checked.trust != Trust::Nothing {
        loader.read_values(shape, &file);
    }
    let mut diagnostics = loader.diagnostics;
    diagnostics.sort_by_key(|diagnostic| diagnostic.position);
    for diagnostic in &mut diagnostics {
        diagnostic.file = Some(file.as_ref().into());
    }
    let connections = loader.drafts.into_iter().map(|draft| draft.shape).collect();
    let shape = Shape {
        connections,
        ..shape.clone()
    };
    ConfigFile { shape, diagnostics }
}

impl Loader<'_> {
    fn read_values(&mut self, shape: &Shape, file: &Text) {
        let (tree, errors) = Tree::parse(self.text);
        for (key, node) in in_order(tree.root()) {
            match key.get_ref().as_ref() {
                word @ ("defaults" | "profile") => self.part_of_the_shape(word, key, node),
                name => match backend(name) {
                    Some(spec) => self.read_values_of(spec, (key, node), shape, file),
                    None => self.unknown_root(key, node),
                },
            }
        }
        for repetition in repetition::find(self.text, &errors, self.lines) {
            if !self.not_tables.contains(&repetition.key) {
                self.diagnostics.push(repetition.diagnostic);
            }
        }
    }

    fn part_of_the_shape(&mut self, word: &str, key: &Key<'_>, node: &Node<'_>) {
        let message = format!("[{word}] stands in a file that is read at the start");
        let help = "write the values under the connection, such as `[mysql.main]`; the rest is compiled in";
        let position = self.header(key, node);
        self.diagnostics.push(
            Diagnostic::error("not-a-connection", message)
                .at(position)
                .help(help),
        );
    }

    fn read_values_of(
        &mut self,
        spec: &'static BackendSpec,
        (key, node): (&Key<'_>, &Node<'_>),
        shape: &Shape,
        file: &Text,
    ) {
        let help = format!("write `[{}.CONNECTION]`", spec.name);
        let Some(table) = self.table(key, node, help) else {
            return;
        };
        let mut nameless = false;
        for (key, node) in in_order(table) {
            if let DeValue::Table(table) = node.get_ref() {
                let scope = Scope::Config(file.clone());
                self.read_connection_values(
                    &Overlay {
                        scope,
                        spec,
                        node,
                        table,
                    },
                    key,
                    shape,
                );
            } else {
                self.not_a_connection(spec, key, node, &mut nameless);
            }
        }
    }

    /// The connections that this binary left out are known all the same; their tables are checked and not used.
    fn read_connection_values(&mut self, overlay: &Overlay<'_, '_>, key: &Key<'_>, shape: &Shape) {
        let full = format!("{}.{}", overlay.spec.name, name::field(key.get_ref()));
        if shape.others.contains(&Text::Owned(full)) {
            self.read_layer(
                overlay.spec,
                overlay.scope.clone(),
                (key, overlay.node),
                overlay.table,
            );
        } else {
            self.lay_over(overlay, key);
        }
    }
}
