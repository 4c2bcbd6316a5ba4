//! `protected` and `tasks`: what lies over a connection may make it safer, never less safe.

use crate::diagnostic::Diagnostic;
use crate::settings::{Origin, Setting};
use crate::shape::Scope;
use crate::value::Value;
use std::collections::BTreeMap;

/// The keys, each with the value that is the safe one.
const SAFE: [(&str, bool); 2] = [("protected", true), ("tasks", false)];

/// Takes out of a layer what would make the connection less safe than the layers below it; gives a mistake for each.
pub(crate) fn keep(
    below: &BTreeMap<&'static str, Setting>,
    layer: &mut BTreeMap<&'static str, Setting>,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (key, safe) in SAFE {
        let (Some(old), Some(new)) = (below.get(key), layer.get(key)) else {
            continue;
        };
        let is_overlay = !matches!(
            new.origin,
            Origin::Default
                | Origin::File {
                    scope: Scope::Defaults | Scope::Connection,
                    ..
                }
        );
        // A default is nobody's word.
        let is_said = old.origin != Origin::Default && old.value == Value::Bool(safe);
        if is_overlay && is_said && new.value != old.value {
            found.push(mistake(key, safe, &new.origin, &old.origin));
            layer.remove(key);
        }
    }
    found
}

fn mistake(key: &str, safe: bool, new: &Origin, old: &Origin) -> Diagnostic {
    let message =
        format!("`{key}` is `{safe}` below this, and what lies over a connection cannot change that");
    let diagnostic = match new {
        Origin::Variable(name) => Diagnostic::error("protection-switched-off", format!("{name}: {message}")),
        _ => Diagnostic::error("protection-switched-off", message).of(new),
    };
    let label = format!("`{key} = {safe}` stands here");
    diagnostic.beside(new, old, &label).help(format!(
        "leave `{key}` out here, or change it in the connection's own table"
    ))
}
