//! Values as they may be shown: what is or may be a secret, by its length alone; and where each came from.

use registry_config::{
    BackendSpec, Host, HostName, Origin, Reference, Role, Scope, Setting, Settings, Value,
};
use registry_config::{KeySpec, format_duration};
use registry_core::reference_length;
use serde_json::{Value as Json, json};

/// A value for people.
pub(crate) fn value(spec: &BackendSpec, key: &KeySpec, value: &Value) -> String {
    match value {
        Value::Secret(secret) if secret.is_empty() => "\"\", none".to_owned(),
        Value::Secret(secret) => masked(secret.expose()),
        Value::Text(text) if key.is_secret() => masked(text),
        Value::Text(text) => text.to_string(),
        Value::Reference(reference) => resolved(reference),
        Value::Count(number) => number.to_string(),
        Value::Port(port) => port.to_string(),
        Value::Duration(duration) => format_duration(*duration),
        Value::Bool(flag) => flag.to_string(),
        Value::Hosts(hosts) => {
            let hosts: Vec<String> = hosts.iter().map(|one| host(one, spec)).collect();
            hosts.join(", ")
        }
        _ => "?".to_owned(),
    }
}

/// The same for programs: `value`, or what it is that is not shown.
pub(crate) fn json(spec: &BackendSpec, key: &KeySpec, value: &Value) -> Json {
    let hidden = |text: &str| json!({ "secret": true, "length": text.chars().count() });
    match value {
        Value::Secret(secret) => hidden(secret.expose()),
        Value::Text(text) if key.is_secret() => hidden(text),
        Value::Text(text) => json!({ "value": text }),
        Value::Reference(reference) => reference_json(reference),
        Value::Count(number) => json!({ "value": number }),
        Value::Port(port) => json!({ "value": port }),
        Value::Duration(duration) => json!({ "value": format_duration(*duration) }),
        Value::Bool(flag) => json!({ "value": flag }),
        Value::Hosts(hosts) => {
            let hosts: Vec<Json> = hosts.iter().map(|one| host_json(one, spec)).collect();
            json!({ "value": hosts })
        }
        _ => json!({}),
    }
}

fn masked(text: &str) -> String {
    format!("<{}>", characters(text.chars().count()))
}

fn characters(length: usize) -> String {
    let s = if length == 1 { "" } else { "s" };
    format!("{length} character{s}")
}

/// Whatever a reference holds is taken for a secret.
fn resolved(reference: &Reference) -> String {
    let from = reference.to_string();
    match reference_length(reference) {
        Ok(length) => format!("<{} of {from}>", characters(length)),
        Err(error) => format!("<{from}: {}>", error.message()),
    }
}

fn reference_json(reference: &Reference) -> Json {
    let (word, name) = match reference {
        Reference::Env(name) => ("env", name),
        Reference::File(path) => ("file", path),
    };
    match reference_length(reference) {
        Ok(length) => json!({ word: name, "secret": true, "length": length }),
        Err(error) => json!({ word: name, "secret": true, "error": error.message() }),
    }
}

fn host(host: &Host, spec: &BackendSpec) -> String {
    let mut text = host.address(spec.default_port);
    if host.role == Role::Replica {
        text += " replica";
    }
    if host.weight != 1 {
        text += &format!(" weight {}", host.weight);
    }
    text
}

fn host_json(host: &Host, spec: &BackendSpec) -> Json {
    let name = match &host.host {
        HostName::Literal(name) => json!(name),
        HostName::Reference(reference) => reference_json(reference),
    };
    let role = match host.role {
        Role::Primary => "primary",
        Role::Replica => "replica",
    };
    let port = host.port.or(spec.default_port);
    json!({ "host": name, "port": port, "role": role, "weight": host.weight })
}

/// The place of a value: `databases.toml:3:12 [mysql.main]`.
pub(crate) fn place(origin: &Origin, file: &str, title: &str) -> String {
    match origin {
        Origin::File { scope, position } => {
            let file = origin.file().unwrap_or(file);
            let table = table(scope, title);
            format!("{file}:{}:{} {table}", position.line, position.column)
        }
        other => other.to_string(),
    }
}

/// The same for programs.
pub(crate) fn place_json(origin: &Origin, file: &str, title: &str) -> Json {
    match origin {
        Origin::File { scope, position } => json!({
            "file": origin.file().unwrap_or(file),
            "line": position.line,
            "column": position.column,
            "table": table(scope, title),
        }),
        Origin::Variable(name) => json!({ "variable": name }),
        _ => json!({ "default": true }),
    }
}

/// The header of the table that a layer is.
fn table(scope: &Scope, title: &str) -> String {
    let backend = title.split('.').next().unwrap_or_default();
    match scope {
        Scope::Defaults => format!("[defaults.{backend}]"),
        Scope::Connection | Scope::Config(_) => format!("[{title}]"),
        Scope::Profile(name) => format!("[profile.{name}.{title}]"),
    }
}

/// What says where the data of a connection is, in one cell, and the key that says it.
pub(crate) fn target<'s>(spec: &BackendSpec, settings: &'s Settings) -> (Vec<String>, Option<&'s Setting>) {
    let setting = |key: &str| settings.value(key);
    if let Some(found) = setting("url") {
        let text = match &found.value {
            Value::Text(text) => Some(text.as_ref()),
            Value::Secret(secret) => Some(secret.expose()),
            _ => None,
        };
        let url = text.and_then(|text| registry_config::ConnectionUrl::parse(text, spec).ok());
        let hosts = match (url, &found.value) {
            (Some(url), _) => url
                .hosts
                .iter()
                .map(|host| host.address(spec.default_port))
                .collect(),
            (None, Value::Reference(reference)) => vec![format!("<{reference}>")],
            _ => Vec::new(),
        };
        return (hosts, Some(found));
    }
    if let Some(found) = setting("socket").or_else(|| setting("path")) {
        let path = match &found.value {
            Value::Text(text) => vec![text.to_string()],
            _ => Vec::new(),
        };
        return (path, Some(found));
    }
    let hosts = settings.hosts().iter();
    let hosts = hosts.map(|host| host.address(spec.default_port)).collect();
    (hosts, setting("connections"))
}
