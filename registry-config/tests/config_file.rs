//! A file that is named at the start: it changes values and nothing else.

use registry_config::{ConfigFile, Settings, Shape, config_file, load, resolve, variables};

const FILE: &str = r#"
[mysql.user-db]
host = "db1"
username = "shop"
db = "shop"
pool = { max = 8 }

[mysql.audit]
host = "db2"
start = "optional"

[mongodb.logs]
connections = [{ host = "m1" }, { host = "m2" }]
db = "logs"

[profile.live.mysql.user-db]
db = "live"
timeout = "9s"
"#;

const NAME: &str = "/etc/shop/values.toml";

fn shape() -> Shape {
    let loaded = load(FILE, "databases.toml");
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    loaded.shape
}

fn read(source: &str) -> ConfigFile {
    config_file(&shape(), source, NAME)
}

/// What is said about a file, a line each.
fn said(source: &str) -> String {
    let rendered: Vec<String> = read(source)
        .diagnostics
        .iter()
        .map(|found| found.render("databases.toml"))
        .collect();
    rendered.join("\n")
}

/// The values of `[mysql.user-db]`.
fn settings(source: &str, profile: Option<&str>, variable: Option<(&str, &str)>) -> Result<Settings, String> {
    assert_eq!(said(source), "");
    let read = read(source);
    let environment = variable.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let variables = variables(&read.shape, "DBREG", environment);
    resolve(&read.shape.connections[0], profile, &variables.overrides).map_err(|found| {
        let rendered: Vec<String> = found.iter().map(|d| d.render("databases.toml")).collect();
        rendered.join("\n")
    })
}

#[test]
fn lies_between_the_profile_and_the_variables() {
    let values = "[mysql.user-db]\ndb = \"second\"\nhost = \"db9\"\npool.min = 2\n";
    let variable = ("DBREG_MYSQL__USER_DB__HOST", "db10");
    let settings = settings(values, Some("live"), Some(variable)).unwrap();
    let origin = |key: &str| settings.origin(key).unwrap().describe("databases.toml");
    assert_eq!(
        (settings.text("db"), origin("db").as_str()),
        (Some("second"), "/etc/shop/values.toml:2")
    );
    assert_eq!(origin("timeout"), "databases.toml:18");
    assert_eq!(origin("pool.min"), "/etc/shop/values.toml:4");
    assert_eq!(origin("pool.max"), "databases.toml:6");
    assert_eq!(origin("connections"), "DBREG_MYSQL__USER_DB__HOST");
}

#[test]
fn a_name_may_be_written_as_the_field_and_the_shape_stays() {
    let read = read("[mysql.user_db]\ndb = \"second\"\n[mongodb.logs]\nhost = \"m9\"\nstart = \"lazy\"\n");
    assert!(read.diagnostics.is_empty(), "{:?}", read.diagnostics);
    let mut without = read.shape.clone();
    for connection in without.connections.to_mut() {
        connection
            .layers
            .to_mut()
            .retain(|layer| !matches!(layer.scope, registry_config::Scope::Config(_)));
    }
    assert_eq!(without, shape());
    let logs = resolve(&read.shape.connections[2], None, &[]).unwrap();
    assert_eq!(logs.hosts().len(), 1);
    assert_eq!(logs.text("start"), Some("lazy"));
}

#[test]
fn an_empty_file_changes_nothing() {
    for source in ["", "# nothing yet\n", "[mysql.user-db]\n"] {
        assert_eq!(settings(source, None, None), settings("", None, None));
    }
}

#[test]
fn rules_over_several_values_name_the_file_of_each() {
    let found = settings("[mysql.user-db]\npool.min = 9\n", None, None).unwrap_err();
    insta::assert_snapshot!(found, @"
    /etc/shop/values.toml:2:12: `pool.min` is 9, which is more than `pool.max`, 8 as compiled in [pool-min-over-max]
      help: write at most 8 as `min`, or at least 9 as `max`
    ");
    let found = settings("[mysql.user-db]\npool = { min = 9, max = 3 }\n", None, None).unwrap_err();
    insta::assert_snapshot!(found, @"
    /etc/shop/values.toml:2:25: `pool.min` is 9, which is more than `pool.max`, 3 [pool-min-over-max]
      /etc/shop/values.toml:2:16: `pool.min` stands here
      help: write at most 3 as `min`, or at least 9 as `max`
    ");
    let read = read("[mongodb.logs]\nport = 27018\n");
    let found = resolve(&read.shape.connections[2], None, &[]).unwrap_err();
    insta::assert_snapshot!(found[0].render("databases.toml"), @"
    /etc/shop/values.toml:2:8: `port` is for one host, and here it lies over 2 [port-over-several-hosts]
      help: write the whole list: `connections = [{ host = \"db1\", port = 3307 }, …]`
    ");
}

#[test]
fn everything_that_would_change_the_shape_is_refused_at_its_place() {
    let source = r#"
stray = 1

[defaults.mysql]
pool = { max = 3 }

[profile.live.mysql.user-db]
db = "x"

[mysql.user-bd]
host = "db1"

[mysql.nobody]
host = "db1"

[mysql.logs]
host = "db1"

[mysql.user_db]
start = "optional"

[mysql.user-db]
db = "twice"

[mysql.audit]
start = "required"
colour = "red"
hots = "db1"

[mongodb]
host = "m1"

[postgres.main]
host = "p1"

[mariadb.main]
host = "p1"

[mongodb.logs]
db = 7
port = 70000
"#;
    insta::assert_snapshot!(said(source));
}

#[test]
fn a_connection_of_another_binary_is_checked_and_not_used() {
    let mut shape = shape();
    let left_out = shape.connections.to_mut().remove(0);
    shape.others.to_mut().push("mysql.user_db".into());
    assert_eq!(left_out.field, "user_db");
    let read = config_file(&shape, "[mysql.user-db]\ndb = \"x\"\n", NAME);
    assert_eq!((read.diagnostics.len(), &read.shape), (0, &shape));
    let read = config_file(&shape, "[mysql.user-db]\nbd = \"x\"\n", NAME);
    assert_eq!(read.diagnostics.len(), 1);
}

#[test]
fn no_secret_is_printed() {
    for line in [
        "password = \"hunter01\"",
        "password = \"hunter01",
        "password = hunter01",
        "url = \"mysql://shop:hunter01@db1\"",
        "pasword = \"hunter01\"",
        "password = { evn = \"hunter01\" }",
        "hunter01 = 1",
    ] {
        let text = said(&format!("[mysql.user-db]\n{line}\n"));
        assert!(text.contains("/etc/shop/values.toml:2:"), "{line}: {text}");
        let quotes_a_name = line.starts_with("hunter01");
        assert!(quotes_a_name || !text.contains("hunter"), "{line}: {text}");
    }
}
