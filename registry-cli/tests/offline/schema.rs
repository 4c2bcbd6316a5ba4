//! The schema against the reference and against every mistake that the format knows.

use crate::program::dbreg;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Mistakes that no schema can express, and why. Whatever stands here passes the schema, and `dbreg check` tells it.
const INEXPRESSIBLE: &[(&str, &[&str])] = &[
    (
        "no value is compared with another",
        &[
            "pool-min-over-default-max",
            "pool-min-over-max",
            "pool-min-over-max-in-defaults",
            "pool-min-over-max-in-profile",
        ],
    ),
    (
        "no name is compared with another, nor a host with its default port",
        &[
            "names-meet",
            "names-of-profiles-meet",
            "profile-with-two-tables-for-one-connection",
            "same-host-twice",
        ],
    ),
    (
        "no table is looked up by the name of another",
        &[
            "port-over-several-hosts",
            "port-without-host",
            "postgres-url-without-user",
            "profile-changes-the-backend",
            "profile-for-no-connection",
            "profile-for-no-connection-of-the-backend",
            "protection-switched-off",
            "start-of-optional-in-profile",
            "username-over-url",
        ],
    ),
    (
        "text is not computed with",
        &[
            "bad-db-name",
            "duration-out-of-range",
            "long-db-name",
            "options-of-a-url",
        ],
    ),
    ("a date is text once it is JSON", &["wrong-type-of-date"]),
];

fn schema() -> Value {
    let output = dbreg(&["schema"]);
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).expect("the schema is JSON")
}

/// The text as JSON; nothing where it is no TOML.
fn as_json(text: &str) -> Option<Value> {
    let table = DeTable::parse(text).ok()?;
    Some(table_as_json(table.get_ref()))
}

fn table_as_json(table: &DeTable<'_>) -> Value {
    let entries = table.iter();
    let entries = entries.map(|(key, value)| (key.get_ref().to_string(), value_as_json(value.get_ref())));
    Value::Object(entries.collect::<Map<_, _>>())
}

fn value_as_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, Value::from)
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| value_as_json(item.get_ref())).collect(),
        DeValue::Table(table) => table_as_json(table),
    }
}

fn format_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../registry-config"))
}

#[test]
fn it_is_a_schema_of_2020_12() {
    let schema = schema();
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    let (sqlite, host) = (&schema["$defs"]["sqlite"], &schema["$defs"]["mysql-host"]);
    insta::assert_snapshot!(format!(
        "{sqlite:#}\n{host:#}\n{:#}",
        schema["properties"]["sqlite"]
    ));
}

#[test]
fn the_reference_and_the_files_of_this_repository_are_valid() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    for path in [
        "reference.toml",
        "../databases.toml",
        "../registry-cli/tests/databases/right.toml",
        "../registry-cli/tests/databases/fleet.toml",
        "../registry-cli/tests/databases/doubtful.toml",
    ] {
        let text = std::fs::read_to_string(format_folder().join(path)).unwrap();
        let value = as_json(&text).unwrap();
        let found: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(found, [""; 0], "{path}");
    }
}

#[test]
fn every_mistake_is_told_or_stands_in_the_list() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let listed: BTreeSet<&str> = INEXPRESSIBLE
        .iter()
        .flat_map(|(_, names)| names.iter().copied())
        .collect();
    let (mut untold, mut known) = (Vec::new(), 0);
    for entry in std::fs::read_dir(format_folder().join("tests/reject")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let Some(value) = as_json(&text) else {
            assert!(!listed.contains(name.as_str()), "{name} is no TOML");
            continue;
        };
        known += 1;
        if validator.is_valid(&value) {
            untold.push(name);
        }
    }
    untold.sort();
    let expected: Vec<&str> = listed.into_iter().collect();
    assert_eq!(untold, expected);
    assert!(known > 80, "{known}");
}

#[test]
fn defaults_may_have_what_a_connection_lacks() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    for (text, expected) in [
        (
            "[defaults.mysql]\nhost = \"a\"\nusername = \"u\"\n[mysql.a]\npassword = { env = \"P\" }",
            true,
        ),
        (
            "[defaults.mysql]\nusername = \"u\"\n[mysql.a]\npassword = { env = \"P\" }",
            false,
        ),
        (
            "[defaults.mongodb]\ndb = \"logs\"\n[mongodb.a]\nhost = \"m1\"",
            true,
        ),
        ("[mongodb.a]\nhost = \"m1\"", false),
        ("[mysql.a]\nurl = \"mysql://u@[2001:db8::1]:3306/db\"", true),
        ("[mysql.a]\nhost = \"10.0.0.5\"", true),
        ("[mysql.a]\nhost = \"2001:db8::1\"", true),
        ("[mysql.a]\nhost = \"db-1.example.com.\"", true),
    ] {
        let value = as_json(text).unwrap();
        assert_eq!(validator.is_valid(&value), expected, "{text}");
        let loaded = registry_config::load(text, "databases.toml");
        assert_eq!(
            loaded.diagnostics.is_empty(),
            expected,
            "{text}: {:?}",
            loaded.diagnostics
        );
    }
}
