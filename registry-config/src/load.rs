//! From the text of a file to its validated model.

use crate::backends::backends;
use crate::diagnostic::Diagnostic;
use crate::doubt;
use crate::position::Lines;
use crate::settings::resolve;
use crate::shape::{ConnectionShape, Entry, Layer, Position, Scope, Shape};
use crate::syntax::{self, Checked, Trust};
use crate::value::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

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
    let mut loader = Loader::new(&checked, &lines);
    if checked.trust != Trust::Nothing {
        loader.read();
    }
    loader.finish(file)
}

/// A connection that is being put together.
pub(crate) struct Draft {
    pub(crate) shape: ConnectionShape,
    pub(crate) parts: Vec<Part>,
}

/// One of the tables of a connection: what is known about it beside its entries.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) scope: Scope,
    pub(crate) position: Position,
    /// Keys that were meant to be there and could not be read.
    pub(crate) failed: Vec<&'static str>,
    /// Whether a piece of it could not be read at all.
    pub(crate) broken: bool,
}

/// The state of the walk over the tables.
pub(crate) struct Loader<'a> {
    pub(crate) text: &'a str,
    pub(crate) lines: &'a Lines<'a>,
    /// The headers of tables that could not be read.
    pub(crate) broken: &'a [usize],
    pub(crate) trust: Trust,
    /// Pieces of the text that could not be read; a connection may stand in one of them.
    pub(crate) lost_text: &'a [&'a str],
    /// The fields of connections that have a bad name, or a backend that does not exist.
    pub(crate) lost_fields: Vec<String>,
    pub(crate) names_certain: bool,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) drafts: Vec<Draft>,
    pub(crate) defaults: BTreeMap<&'static str, (Layer, Part)>,
    pub(crate) profiles: Vec<String>,
    /// Keys that were told to be tables.
    pub(crate) not_tables: Vec<String>,
    /// Whether a key outside of all tables was told.
    pub(crate) has_stray_key: bool,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(checked: &'a Checked<'a>, lines: &'a Lines<'a>) -> Self {
        Self {
            text: &checked.text,
            lines,
            broken: &checked.broken,
            trust: checked.trust,
            lost_text: &checked.lost,
            lost_fields: Vec::new(),
            names_certain: checked.trust == Trust::Everything,
            diagnostics: checked.diagnostics.clone(),
            drafts: Vec::new(),
            defaults: BTreeMap::new(),
            profiles: Vec::new(),
            not_tables: Vec::new(),
            has_stray_key: false,
        }
    }

    fn finish(mut self, file: &str) -> Loaded {
        if self.trust != Trust::Tables {
            for draft in &self.drafts {
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
            profiles: self.profiles.into_iter().map(Cow::Owned).collect(),
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
    let (over, own): (Vec<&Part>, Vec<&Part>) = draft
        .parts
        .iter()
        .partition(|part| part.scope.profile().is_some());
    let over: BTreeMap<_, &Part> = over
        .into_iter()
        .map(|part| (part.scope.profile(), part))
        .collect();
    for mut shape in in_each_profile(&draft.shape) {
        let profile = shape.layers.iter().find_map(|layer| layer.scope.profile());
        let profile = profile.map(str::to_owned);
        let parts = || own.iter().chain(over.get(&profile.as_deref()));
        if parts().any(|part| part.broken) {
            continue;
        }
        let failed: Vec<&str> = parts().flat_map(|part| part.failed.iter().copied()).collect();
        for part in parts() {
            put_host(&mut shape, part);
        }
        let found = match resolve(&shape, profile.as_deref(), &[]) {
            Ok(settings) => doubt::about(&shape, &settings),
            Err(broken) => broken,
        };
        for diagnostic in found {
            let follows = reads(diagnostic.code).iter().any(|key| failed.contains(key));
            if !follows && !diagnostics.contains(&diagnostic) {
                diagnostics.push(diagnostic);
            }
        }
    }
}

/// Puts a host where one was meant and could not be read: that there is none is no news, and that the database is
/// missing may be. It is this machine, about which there are no doubts.
fn put_host(shape: &mut ConnectionShape, part: &Part) {
    if !part
        .failed
        .iter()
        .any(|key| matches!(*key, "host" | "connections"))
    {
        return;
    }
    let mut layers = shape.layers.to_mut().iter_mut();
    let Some(layer) = layers.find(|layer| layer.scope == part.scope) else {
        return;
    };
    let is_target = |entry: &Entry| matches!(entry.key, "url" | "host" | "connections" | "socket");
    if !layer.entries.iter().any(is_target) {
        layer.entries.to_mut().push(Entry {
            key: "host",
            value: Value::Text(Cow::Borrowed("localhost")),
            position: part.position,
        });
    }
}

/// A connection as it is without a profile, and as it is with each that lays values over it. None has the layers of
/// other profiles: who looks through all of them for each takes the square of their number.
fn in_each_profile(shape: &ConnectionShape) -> impl Iterator<Item = ConnectionShape> {
    let (over, own): (Vec<&Layer>, Vec<&Layer>) = shape
        .layers
        .iter()
        .partition(|layer| layer.scope.profile().is_some());
    std::iter::once(None)
        .chain(over.into_iter().map(Some))
        .map(move |over| ConnectionShape {
            backend: shape.backend,
            name: shape.name.clone(),
            field: shape.field.clone(),
            optional: shape.optional,
            position: shape.position,
            layers: own.iter().copied().chain(over).cloned().collect(),
        })
}

/// The keys that a rule over several values reads: where one of them could not be read, the rule says nothing.
fn reads(code: &str) -> &'static [&'static str] {
    match code {
        "no-host" | "port-without-host" | "several-primaries" | "port-over-several-hosts" => {
            &["url", "host", "connections", "socket", "db"]
        }
        "missing-db" => &["url", "db"],
        "missing-username" => &["url", "username"],
        "bad-db-name" => &["db"],
        "direct-over-several-hosts" => &["direct", "url", "host", "connections"],
        "missing-path" => &["path"],
        "password-without-username" => &["username", "url"],
        "pool-min-over-max" => &["pool.min", "pool.max"],
        "tls-ca-without-tls" => &["tls"],
        "protection-switched-off" => &["protected", "tasks"],
        _ => &[],
    }
}
