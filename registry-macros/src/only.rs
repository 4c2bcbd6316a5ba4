//! `only(…)`: leaves out the connections that this binary does not want.

use crate::expand::combine;
use proc_macro2::Span;
use registry_config::{ConnectionShape, Shape, backend, suggest};
use std::borrow::Cow;
use syn::{Error, LitStr};

/// Moves the other connections to [`Shape::others`]. The error tells every name that the file does not have.
pub(crate) fn apply(only: &[LitStr], shape: &mut Shape) -> Result<(), Error> {
    if only.is_empty() {
        return Ok(());
    }
    if let Some(unknown) = combine(only.iter().filter_map(|entry| check(entry, shape))) {
        return Err(unknown);
    }
    let is_wanted =
        |connection: &ConnectionShape| only.iter().any(|entry| selects(&entry.value(), connection));
    let (wanted, others): (Vec<_>, Vec<_>) = std::mem::take(shape.connections.to_mut())
        .into_iter()
        .partition(is_wanted);
    let label = |other: ConnectionShape| Cow::Owned(format!("{}.{}", other.backend, other.field));
    shape.connections = Cow::Owned(wanted);
    shape.others = others.into_iter().map(label).collect();
    Ok(())
}

/// `mysql` or `mysql.main`, the name as written or as the field.
fn selects(entry: &str, connection: &ConnectionShape) -> bool {
    match entry.split_once('.') {
        Some((backend, name)) => {
            connection.backend == backend && (connection.name == name || connection.field == name)
        }
        None => connection.backend == entry,
    }
}

fn check(entry: &LitStr, shape: &Shape) -> Option<Error> {
    let (text, span): (String, Span) = (entry.value(), entry.span());
    if shape
        .connections
        .iter()
        .any(|connection| selects(&text, connection))
    {
        return None;
    }
    let labels: Vec<String> = shape
        .connections
        .iter()
        .map(|c| format!("{}.{}", c.backend, c.name))
        .collect();
    let mut backends: Vec<&str> = shape.connections.iter().map(|c| c.backend).collect();
    backends.dedup();
    let what = match backend(&text) {
        Some(backend) => format!("no connection of {}", backend.title),
        None => format!("no connection `{text}`"),
    };
    let known = labels.iter().map(String::as_str).chain(backends);
    let help = match suggest(&text, known) {
        Some(near) => format!("did you mean `{near}`"),
        None => format!("the connections are {}", listed(&labels)),
    };
    Some(Error::new(span, format!("{what} in {}; {help}", shape.file)))
}

fn listed(labels: &[String]) -> String {
    const MANY: usize = 12;
    let mut shown: Vec<String> = labels
        .iter()
        .take(MANY)
        .map(|label| format!("`{label}`"))
        .collect();
    if labels.len() > MANY {
        shown.push(format!("and {} more", labels.len() - MANY));
    }
    shown.join(", ")
}
