//! `reference.toml` shows every key at a value that is not its default.

use registry_config::{HostName, Role, Scope, Value, backends, load, resolve};
use std::collections::BTreeSet;

const REFERENCE: &str = include_str!("../reference.toml");

#[test]
fn reference_is_valid() {
    let loaded = load(REFERENCE, "reference.toml");
    let found: Vec<String> = loaded
        .diagnostics
        .iter()
        .map(|found| found.render("reference.toml"))
        .collect();
    assert_eq!(found, [""; 0]);
    assert!(loaded.names_certain);
    let profiles: Vec<&str> = loaded.shape.profiles.iter().map(AsRef::as_ref).collect();
    assert_eq!(profiles, ["production", "user-test"]);
    let names: Vec<String> = loaded
        .shape
        .connections
        .iter()
        .map(|found| format!("{}.{}", found.backend, found.field))
        .collect();
    assert_eq!(
        names,
        [
            "mysql.main",
            "mysql.reports",
            "mysql.legacy",
            "mysql.local",
            "mongodb.logs",
            "mongodb.audit",
            "mongodb.single",
            "memcached.cache",
            "memcached.sessions",
            "sqlite.local",
            "postgres.main",
            "postgres.reports",
            "postgres.local",
            "postgres.legacy"
        ]
    );
    for connection in loaded.shape.connections.iter() {
        for profile in [None, Some("production"), Some("user-test")] {
            resolve(connection, profile, &[]).unwrap();
        }
    }
}

#[test]
fn every_key_stands_in_it_and_differs_from_its_default() {
    let loaded = load(REFERENCE, "reference.toml");
    for spec in backends() {
        let own = loaded
            .shape
            .connections
            .iter()
            .filter(|found| found.backend == spec.name);
        let layers = own
            .flat_map(|found| found.layers.iter())
            .filter(|layer| layer.scope == Scope::Connection);
        let entries: Vec<_> = layers.flat_map(|layer| layer.entries.iter()).collect();
        let seen: BTreeSet<&str> = entries.iter().map(|entry| entry.key).collect();
        let known: BTreeSet<&str> = spec.keys.iter().map(|key| key.path).collect();
        assert_eq!(seen, known, "{}", spec.name);
        for entry in &entries {
            let default = spec.key(entry.key).unwrap().default_value();
            assert_ne!(
                Some(&entry.value),
                default.as_ref(),
                "{}.{}",
                spec.name,
                entry.key
            );
        }
        let hosts: Vec<_> = entries
            .iter()
            .filter_map(|entry| match &entry.value {
                Value::Hosts(hosts) => Some(hosts.iter()),
                _ => None,
            })
            .flatten()
            .collect();
        for key in spec.host_keys {
            let shown = match key.path {
                "host" => hosts.iter().any(|host| matches!(host.host, HostName::Literal(_))),
                "port" => hosts
                    .iter()
                    .any(|host| host.port.is_some_and(|port| Some(port) != spec.default_port)),
                "weight" => hosts.iter().any(|host| host.weight > 1),
                "role" => hosts.iter().any(|host| host.role == Role::Replica),
                other => panic!("{other} is not checked"),
            };
            assert!(shown, "{}.connections.{}", spec.name, key.path);
        }
    }
}
