//! What variables may say, and what is said about those that may not.

use registry_config::{Severity, Shape, Value, Variables, load, variables};

const FILE: &str = r#"
[mysql.user-db]
host = "db1"

[mysql.audit]
host = "db2"
start = "optional"

[mongodb.logs]
host = "m1"
db = "logs"

[profile.production.mysql.audit]
host = "db3"

[profile.staging.mysql.audit]
host = "db4"
"#;

fn shape() -> Shape {
    let loaded = load(FILE, "databases.toml");
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    loaded.shape
}

fn read(environment: &[(&str, &str)]) -> Variables {
    let owned = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    variables(&shape(), "DBREG", owned)
}

/// What is said about one variable.
fn said(name: &str, value: &str) -> String {
    let read = read(&[(name, value)]);
    assert!(read.overrides.is_empty(), "{name}");
    let lines: Vec<String> = read
        .diagnostics
        .iter()
        .map(|found| {
            let severity = if found.severity == Severity::Warning {
                "warning: "
            } else {
                ""
            };
            let help = found
                .help
                .as_ref()
                .map(|help| format!(" | {help}"))
                .unwrap_or_default();
            format!("{severity}{}{help}", found.message)
        })
        .collect();
    lines.join("\n")
}

/// A line for each variable, with what is said about it.
fn snapshot(name: &str, environment: &[(&str, &str)]) {
    let lines: Vec<String> = environment
        .iter()
        .map(|(name, value)| said(name, value))
        .collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("variables-snapshots");
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, lines.join("\n")));
}

#[test]
fn values_reach_their_keys() {
    let read = read(&[
        ("DBREG_MYSQL__USER_DB__PASSWORD", "s3cret"),
        ("DBREG_MYSQL__USER_DB__POOL__ACQUIRE_TIMEOUT", "2s"),
        ("DBREG_MYSQL__USER_DB__START", "lazy"),
        ("DBREG_PROFILE", "staging"),
        ("DBREG_CONFIG", "/etc/databases.toml"),
        ("PATH", "/bin"),
        ("DBREG", "x"),
        ("DBREGX_MYSQL__MAIN__DB", "x"),
    ]);
    assert!(read.diagnostics.is_empty(), "{:?}", read.diagnostics);
    assert_eq!(read.profile.as_deref(), Some("staging"));
    let keys: Vec<(&str, &str, &str)> = read
        .overrides
        .iter()
        .map(|over| (over.backend, over.field.as_str(), over.key))
        .collect();
    assert_eq!(
        keys,
        [
            ("mysql", "user_db", "password"),
            ("mysql", "user_db", "pool.acquire_timeout"),
            ("mysql", "user_db", "start")
        ]
    );
    assert!(matches!(&read.overrides[0].value, Value::Secret(secret) if secret.expose() == "s3cret"));
    assert!(!format!("{read:?}").contains("s3cret"));
}

#[test]
fn another_prefix_reads_other_variables() {
    let environment = [("SHOP_MYSQL__AUDIT__DB", "a"), ("DBREG_MYSQL__NOBODY__DB", "b")];
    let owned = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let read = variables(&shape(), "SHOP", owned);
    assert_eq!((read.overrides.len(), read.diagnostics.len()), (1, 0));
}

#[test]
fn names_that_lead_nowhere() {
    snapshot(
        "names_that_lead_nowhere",
        &[
            ("DBREG_MYSQL__USRE_DB__HOST", "x"),
            ("DBREG_MYSQL__LOGS__HOST", "x"),
            ("DBREG_MYSQL__NOBODY__HOST", "x"),
            ("DBREG_SQLITE__LOCAL__PATH", "x"),
            ("DBREG_MYSQL__USER_DB", "x"),
            ("DBREG_MYSQL__USER_DB__", "x"),
            ("DBREG_MYSQL__USER_DB__PASWORD", "hunter2"),
            ("DBREG_MYSQL__USER_DB__COLOUR", "red"),
            ("DBREG_PROFILE", "producton"),
            ("DBREG_PROFILE", "test"),
        ],
    );
}

#[test]
fn names_of_others_are_warned_about() {
    snapshot(
        "names_of_others_are_warned_about",
        &[
            ("DBREG_MYSQL_SERVICE_HOST", "10.0.0.1"),
            ("DBREG_PORT", "tcp://10.0.0.1:80"),
            ("DBREG_MYSQL_USER_DB_HOST", "x"),
            ("DBREG_MYSLQ__USER_DB__HOST", "x"),
            ("DBREG_PROFIL", "x"),
        ],
    );
}

#[test]
fn values_of_the_wrong_type() {
    snapshot(
        "values_of_the_wrong_type",
        &[
            ("DBREG_MYSQL__USER_DB__PORT", "70000"),
            ("DBREG_MYSQL__USER_DB__POOL__MAX", "many\n"),
            ("DBREG_MYSQL__USER_DB__TIMEOUT", "30"),
            ("DBREG_MYSQL__USER_DB__TLS", "verfy"),
            ("DBREG_MYSQL__USER_DB__DB", ""),
            ("DBREG_MYSQL__USER_DB__HOST", "u:hunter2@db1"),
            ("DBREG_MONGODB__LOGS__HOST", "hunter2:4711"),
            ("DBREG_MYSQL__USER_DB__CONNECTIONS", "db1,,db2"),
            ("DBREG_MYSQL__USER_DB__URL", "mysql://u:hun/ter2@db1"),
            ("DBREG_MYSQL__USER_DB__START", "optional"),
            ("DBREG_MYSQL__AUDIT__START", "required"),
        ],
    );
}

#[test]
fn variables_that_exclude_each_other() {
    let read = read(&[
        ("DBREG_MYSQL__USER_DB__URL", "mysql://db1"),
        ("DBREG_MYSQL__USER_DB__HOST", "x"),
    ]);
    assert_eq!(
        read.diagnostics[0].message,
        "DBREG_MYSQL__USER_DB__URL and DBREG_MYSQL__USER_DB__HOST exclude each other"
    );
    assert_eq!(read.diagnostics.len(), 1);
}

#[test]
fn connections_of_other_binaries_are_no_mistake() {
    let mut shape = shape();
    let left_out = shape.connections.to_mut().remove(0);
    shape
        .others
        .to_mut()
        .push(format!("{}.{}", left_out.backend, left_out.field).into());
    let owned = [("DBREG_MYSQL__USER_DB__DB".to_owned(), "x".to_owned())];
    let read = variables(&shape, "DBREG", owned);
    assert_eq!((read.overrides.len(), read.diagnostics.len()), (0, 0));
}

#[test]
fn what_is_for_tests_is_nobodys_mistake() {
    let read = read(&[
        ("DBREG_TEST_HOLD", "10m"),
        ("DBREG_TEST_KEEP", "no"),
        ("DBREG_TEST_SERVERS", "configured"),
        ("DBREG_DEV_MYSQLD", "/opt/mysql/bin/mysqld"),
    ]);
    assert_eq!(read.diagnostics, []);
}

#[test]
fn the_last_of_a_name_holds_whatever_its_value() {
    for values in [["2", "9"], ["9", "2"]] {
        let read = read(&values.map(|value| ("DBREG_MYSQL__USER_DB__POOL__MAX", value)));
        assert_eq!(read.diagnostics, []);
        let [only] = &read.overrides[..] else {
            panic!("one value, found {:?}", read.overrides)
        };
        assert_eq!(only.value, Value::Count(values[1].parse().unwrap()));
    }
}

/// Two variables that were exchanged: the password is in no message.
#[test]
fn what_is_far_from_right_is_not_shown() {
    for key in ["PORT", "TIMEOUT", "TLS", "POOL__MAX", "POOL__TEST_ON_ACQUIRE"] {
        for value in [
            "hunter2",
            "mysql://u:hunter2@h/db",
            "3306hunter2",
            "hunter2hunter2hunter2",
        ] {
            let said = said(&format!("DBREG_MYSQL__USER_DB__{key}"), value);
            assert!(!said.contains("hunter2"), "{key}: {said}");
        }
    }
    let said_so = said("DBREG_STARTUP_CONCURRENCY", "hunter2");
    assert!(!said_so.contains("hunter2"), "{said_so}");
    // What a file leaves behind is shown, and on one line.
    let said_so = said("DBREG_MYSQL__USER_DB__PORT", "3306\n");
    assert!(said_so.contains("found `3306\\n`"), "{said_so}");
}

#[test]
fn the_number_of_those_that_open_at_once() {
    let number = |value| {
        let read = read(&[("DBREG_STARTUP_CONCURRENCY", value)]);
        assert_eq!(read.startup_concurrency.is_some(), read.diagnostics.is_empty());
        read.startup_concurrency
    };
    assert_eq!(number("1"), Some(1));
    assert_eq!(number("500"), Some(500));
    for value in ["0", "", "many", "-1", "65536"] {
        assert_eq!(number(value), None, "{value}");
    }
    assert_eq!(
        said("DBREG_STARTUP_CONCURRENCY", "0"),
        "DBREG_STARTUP_CONCURRENCY must be a whole number from 1 to 65535, found `0`"
    );
    let near = said("DBREG_STARTUP_CONCURENCY", "8");
    assert!(near.contains("did you mean DBREG_STARTUP_CONCURRENCY"), "{near}");
}
