//! Rules over several keys, as far as a schema can express them.

use super::Part;
use registry_config::{BackendSpec, HostsRule, conflicts};
use serde_json::{Value as Json, json};

/// The rules within one table.
pub(super) fn within(spec: &BackendSpec, part: Part) -> Vec<Json> {
    let has = |key: &str| spec.key(key).is_some();
    let pairs = conflicts().filter(|(one, other)| has(one) && has(other));
    let mut rules: Vec<Json> = pairs.map(|(one, other)| not_both(one, other)).collect();
    if part == Part::Defaults {
        // A connection may still put right what does not go together here.
        return rules;
    }
    if has("tls_ca") {
        let off = json!({ "properties": { "tls": { "const": "off" } }, "required": ["tls", "tls_ca"] });
        rules.push(json!({ "not": off }));
    }
    if has("direct") {
        let several = json!({
            "properties": { "direct": { "const": true }, "connections": { "type": "array", "minItems": 2 } },
            "required": ["direct", "connections"],
        });
        rules.push(json!({ "not": several }));
    }
    if spec.host_keys.iter().any(|key| key.path == "role") {
        rules.push(json!({ "properties": { "connections": roles() } }));
    }
    rules
}

fn not_both(one: &str, other: &str) -> Json {
    json!({ "not": { "required": [one, other] } })
}

/// The first host is no replica; beside replicas there is one primary.
fn roles() -> Json {
    let replica = json!({ "properties": { "role": { "const": "replica" } }, "required": ["role"] });
    json!({
        "prefixItems": [{ "not": replica }],
        "if": { "contains": replica },
        "then": { "contains": { "not": replica }, "maxContains": 1 },
    })
}

/// What every connection needs, unless `[defaults.BACKEND]` has it.
pub(super) fn unless_by_default(spec: &BackendSpec) -> Vec<Json> {
    let has = |key: &&str| spec.key(key).is_some();
    let any = |keys: &[&str]| -> Json {
        let required: Vec<Json> = keys
            .iter()
            .filter(|key| has(key))
            .map(|key| json!({ "required": [key] }))
            .collect();
        json!({ "anyOf": required })
    };
    let mut needs = Vec::new();
    match spec.hosts {
        HostsRule::None => needs.push(any(&["path"])),
        HostsRule::Many => needs.push(any(&["url", "connections", "host", "socket"])),
    }
    if spec.name == "mongodb" {
        needs.push(any(&["url", "db"]));
    }
    if spec.name == "postgres" {
        needs.push(any(&["url", "username"]));
    }
    let rules = needs.into_iter().map(|need| unless(spec, &need, &need));
    let mut rules: Vec<Json> = rules.collect();
    if has(&"password") {
        let there =
            json!({ "properties": { "password": { "not": { "const": "" } } }, "required": ["password"] });
        let login = json!({ "if": there, "then": { "required": ["username"] } });
        rules.push(unless(spec, &json!({ "required": ["username"] }), &login));
    }
    rules
}

/// The connections of a backend obey `rule`, unless its defaults obey `given`.
fn unless(spec: &BackendSpec, given: &Json, rule: &Json) -> Json {
    let by_default = json!({
        "properties": { "defaults": { "properties": { spec.name: given }, "required": [spec.name] } },
        "required": ["defaults"],
    });
    json!({
        "if": { "not": by_default },
        "then": { "properties": { spec.name: { "additionalProperties": rule } } },
    })
}
