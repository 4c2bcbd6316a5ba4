//! The schema of one value: a key's kind, its default, and whether a reference may stand there.

use super::Part;
use registry_config::{BackendSpec, KeySpec, Kind, Value, format_duration};
use serde_json::{Map, Value as Json, json};

/// A name of a connection or a profile.
const NAME: &str = "^(?![Ss][Ee][Ll][Ff]$|[Ss][Uu][Pp][Ee][Rr]$|[Cc][Rr][Aa][Tt][Ee]$)[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*$";
/// An IPv4 address; or labels, of which one has more than digits; or an IPv6 address, whose colons are two at least.
const HOST: &str = "^(?:(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?:\\.(?!$)|$)){4}\
    |(?![0-9.]+$)(?!.{254})[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(?:\\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\\.?\
    |[0-9A-Fa-f.]*(?::[0-9A-Fa-f.]*){2,})$";
const DURATION: &str = "^\\s*(?:[0-9]+(?:ms|s|m|h|d))+\\s*$";
const ONE_LINE: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";
const KEY_PREFIX: &str = "^[^\\s\\u0000-\\u0020\\u007f-\\u009f]*$";

/// What values share.
pub(super) fn definitions() -> Map<String, Json> {
    let reference = json!({
        "type": "object",
        "description": "Resolved at each start: `{ env = \"NAME\" }` or `{ file = \"/path\" }`.",
        "properties": {
            "env": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "description": "The name of a variable." },
            "file": { "type": "string", "minLength": 1, "pattern": ONE_LINE, "description": "The path of a file." },
        },
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    });
    let all = [
        (
            "name",
            json!({ "type": "string", "maxLength": 64, "pattern": NAME }),
        ),
        ("reference", reference),
    ];
    all.into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

/// The value of a key in a table of this part.
pub(super) fn of(key: &KeySpec, spec: &BackendSpec, part: Part) -> Json {
    let plain = plain(key, spec, part);
    let mut schema = if key.reference {
        json!({ "anyOf": [plain, { "$ref": "#/$defs/reference" }] })
    } else {
        plain
    };
    schema["description"] = json!(description(key));
    if let Some(default) = key.default_value().as_ref().and_then(written) {
        schema["default"] = default;
    }
    schema
}

fn plain(key: &KeySpec, spec: &BackendSpec, part: Part) -> Json {
    match key.kind {
        Kind::Secret => json!({ "const": "" }),
        Kind::Url => json!({ "type": "string", "pattern": url(spec) }),
        Kind::Host => json!({ "type": "string", "pattern": HOST }),
        Kind::Port => json!({ "type": "integer", "minimum": 1, "maximum": u16::MAX }),
        Kind::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Duration { .. } => json!({ "type": "string", "pattern": DURATION }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Choice(words) => {
            // Whether a connection may be missing is part of its type, and has one place.
            let is_shape = |word: &str| key.path == "start" && part != Part::Connection && word == "optional";
            let words: Vec<&str> = words.iter().copied().filter(|word| !is_shape(word)).collect();
            json!({ "enum": words })
        }
        Kind::KeyPrefix => {
            json!({ "type": "string", "minLength": 1, "maxLength": 200, "pattern": KEY_PREFIX })
        }
        Kind::Hosts => json!({
            "type": "array",
            "minItems": 1,
            "uniqueItems": true,
            "items": { "$ref": format!("#/$defs/{}-host", spec.name) },
        }),
        // Text and paths, and whatever comes to be written as text.
        _ => json!({ "type": "string", "minLength": 1, "pattern": ONE_LINE }),
    }
}

/// A URL without a password. MongoDB's has a database, and may have options.
fn url(spec: &BackendSpec) -> String {
    let schemes = spec.schemes.join("|").replace('+', "\\+");
    let login = "(?:[^\\s:/?#@]*:?@)?";
    let rest = if spec.name == "mongodb" {
        "/[^\\s/?#@]+(?:\\?[^\\s#]*)?"
    } else {
        "(?:/[^\\s/?#@]*)?"
    };
    format!("^(?:{schemes})://{login}[^\\s/?#@]+{rest}$")
}

fn description(key: &KeySpec) -> String {
    let limits = match key.kind {
        Kind::Duration { min, max } => format!(" From {} to {}.", format_duration(min), format_duration(max)),
        _ => String::new(),
    };
    let default = key
        .default
        .map(|default| format!(" Default: `{default}`."))
        .unwrap_or_default();
    format!("{}.{limits}{default}", key.doc)
}

/// A default as it would be written.
fn written(value: &Value) -> Option<Json> {
    match value {
        Value::Text(text) => Some(json!(text)),
        Value::Count(number) => Some(json!(number)),
        Value::Port(port) => Some(json!(port)),
        Value::Duration(duration) => Some(json!(format_duration(*duration))),
        Value::Bool(flag) => Some(json!(flag)),
        _ => None,
    }
}
