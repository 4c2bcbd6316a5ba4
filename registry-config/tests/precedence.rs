//! Later wins: backend default, defaults, connection, profile, variables.

use registry_config::{
    HostName, Loaded, Origin, Reference, Scope, Settings, Value, load, resolve, variables,
};
use std::time::Duration;

fn loaded(source: &str) -> Loaded {
    let loaded = load(source, "databases.toml");
    let found: Vec<String> = loaded
        .diagnostics
        .iter()
        .map(|found| found.render("databases.toml"))
        .collect();
    assert_eq!(found, [""; 0]);
    loaded
}

/// The settings of the first connection, with variables.
fn settings(
    source: &str,
    profile: Option<&str>,
    environment: &[(&str, &str)],
) -> Result<Settings, Vec<String>> {
    let loaded = loaded(source);
    let owned = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let read = variables(&loaded.shape, "DBREG", owned);
    let render = |found: Vec<registry_config::Diagnostic>| {
        found.iter().map(|found| found.render("databases.toml")).collect()
    };
    if !read.diagnostics.is_empty() {
        return Err(render(read.diagnostics));
    }
    resolve(&loaded.shape.connections[0], profile, &read.overrides).map_err(render)
}

fn addresses(settings: &Settings) -> Vec<String> {
    settings.hosts().iter().map(|host| host.address(None)).collect()
}

const FILE: &str = r#"
[mysql.main]
host = "db1"
port = 3307
username = "shop"
password = { env = "SHOP_DB_PASSWORD" }
db = "shop"
pool = { max = 15 }

[defaults.mysql]
pool = { max = 20, min = 3 }
timeout = "40s"

[profile.live.mysql.main]
host = "db2"
pool.idle_timeout = "1m"
"#;

#[test]
fn tables_merge_key_by_key() {
    let base = settings(FILE, None, &[]).unwrap();
    assert_eq!(
        (base.count("pool.max"), base.count("pool.min")),
        (Some(15), Some(3))
    );
    assert_eq!(base.duration("timeout"), Some(Duration::from_secs(40)));
    assert_eq!(base.duration("connect_timeout"), Some(Duration::from_secs(5)));
    assert_eq!(base.duration("pool.idle_timeout"), Some(Duration::from_secs(600)));
    assert_eq!(base.text("start"), Some("required"));
    assert_eq!(base.text("tls"), None);
    assert_eq!(base.value("host"), None);
    assert_eq!(addresses(&base), ["db1:3307"]);

    let live = settings(FILE, Some("live"), &[]).unwrap();
    assert_eq!(addresses(&live), ["db2:3307"]);
    assert_eq!(live.duration("pool.idle_timeout"), Some(Duration::from_secs(60)));
    assert_eq!(live.count("pool.max"), Some(15));

    let set = settings(
        FILE,
        Some("live"),
        &[
            ("DBREG_MYSQL__MAIN__POOL__MAX", "7"),
            ("DBREG_MYSQL__MAIN__DB", "other"),
        ],
    )
    .unwrap();
    assert_eq!((set.count("pool.max"), set.text("db")), (Some(7), Some("other")));
}

#[test]
fn each_value_knows_where_it_came_from() {
    let live = settings(FILE, Some("live"), &[("DBREG_MYSQL__MAIN__DB", "other")]).unwrap();
    let origin = |key: &str| live.origin(key).unwrap().describe("databases.toml");
    assert_eq!(origin("connect_timeout"), "default");
    assert_eq!(origin("timeout"), "databases.toml:12");
    assert_eq!(origin("pool.max"), "databases.toml:8");
    assert_eq!(origin("connections"), "databases.toml:15");
    assert_eq!(origin("db"), "DBREG_MYSQL__MAIN__DB");
    let scope = Scope::Profile("live".into());
    assert!(matches!(live.origin("connections"), Some(Origin::File { scope: found, .. }) if *found == scope));
    let keys: Vec<&str> = live.iter().map(|(key, _)| key).collect();
    assert_eq!(keys[..4], ["username", "password", "db", "connections"]);
}

#[test]
fn url_and_its_group_replace_each_other() {
    let file = format!("{FILE}\n[profile.url.mysql.main]\nurl = {{ env = \"SHOP_URL\" }}\n");
    let set = settings(&file, Some("url"), &[]).unwrap();
    assert_eq!(
        set.value("url").unwrap().value,
        Value::Reference(Reference::Env("SHOP_URL".into()))
    );
    for key in ["username", "password", "db", "connections"] {
        assert_eq!(set.value(key), None, "{key}");
    }
    assert_eq!(set.count("pool.max"), Some(15));

    let back = [
        ("DBREG_MYSQL__MAIN__HOST", "db9"),
        ("DBREG_MYSQL__MAIN__USERNAME", "x"),
    ];
    let set = settings(&file, Some("url"), &back).unwrap();
    assert_eq!(
        (set.value("url"), set.text("username"), addresses(&set)),
        (None, Some("x"), vec!["db9".to_owned()])
    );

    let set = settings(
        FILE,
        None,
        &[("DBREG_MYSQL__MAIN__URL", "mysql://u:secret@db8/x")],
    )
    .unwrap();
    assert!(matches!(&set.value("url").unwrap().value, Value::Secret(_)));
    assert_eq!(set.text("db"), None);
    assert!(!format!("{set:?}").contains("secret@"));
}

#[test]
fn host_and_port_patch_one_host() {
    let set = |environment: &[(&str, &str)]| settings(FILE, None, environment).map(|set| addresses(&set));
    assert_eq!(set(&[("DBREG_MYSQL__MAIN__HOST", "db9")]).unwrap(), ["db9:3307"]);
    assert_eq!(set(&[("DBREG_MYSQL__MAIN__PORT", "1")]).unwrap(), ["db1:1"]);
    assert_eq!(
        set(&[("DBREG_MYSQL__MAIN__CONNECTIONS", "[::1]:5")]).unwrap(),
        ["[::1]:5"]
    );
    assert_eq!(
        set(&[("DBREG_MYSQL__MAIN__CONNECTIONS", "a,b:1")]).unwrap(),
        ["a", "b:1"]
    );
}

#[test]
fn a_port_of_the_defaults_waits_for_a_host() {
    let file = "[defaults.mysql]\nport = 3310\n[mysql.main]\nhost = \"db1\"\n";
    assert_eq!(addresses(&settings(file, None, &[]).unwrap()), ["db1:3310"]);
    let file = "[defaults.mysql]\nport = 3310\n[mysql.main]\nconnections = [{ host = \"db1\" }]\n";
    assert_eq!(addresses(&settings(file, None, &[]).unwrap()), ["db1:3310"]);
    let file = "[defaults.mysql]\nport = 3310\n[mysql.main]\nsocket = \"/run/mysqld.sock\"\n";
    assert_eq!(
        settings(file, None, &[]).unwrap().text("socket"),
        Some("/run/mysqld.sock")
    );
}

#[test]
fn socket_and_hosts_replace_each_other() {
    let file = "[mysql.main]\nsocket = \"/run/a.sock\"\nusername = \"u\"\n[profile.tcp.mysql.main]\nhost = \"db1\"\n\
                [mysql.other]\nhost = \"db1\"\n";
    let base = settings(file, None, &[]).unwrap();
    assert_eq!(
        (base.text("socket"), base.hosts().len()),
        (Some("/run/a.sock"), 0)
    );
    let tcp = settings(file, Some("tcp"), &[]).unwrap();
    assert_eq!(
        (tcp.text("socket"), tcp.hosts().len(), tcp.text("username")),
        (None, 1, Some("u"))
    );
}

#[test]
fn over_several_hosts_a_list_is_replaced_or_refused() {
    let file = "[mongodb.logs]\ndb = \"logs\"\nconnections = [{ host = \"m1\" }, { host = \"m2\" }]\n\
                [profile.one.mongodb.logs]\nhost = \"m9\"\nport = 5\n";
    assert_eq!(addresses(&settings(file, None, &[]).unwrap()), ["m1", "m2"]);
    assert_eq!(addresses(&settings(file, Some("one"), &[]).unwrap()), ["m9:5"]);
    for (key, value) in [("HOST", "m7"), ("PORT", "7")] {
        let error = settings(file, None, &[(&format!("DBREG_MONGODB__LOGS__{key}"), value)]).unwrap_err();
        assert_eq!(
            error,
            [format!(
                "databases.toml: DBREG_MONGODB__LOGS__{key} is for one host, and this connection has 2; write \
                 DBREG_MONGODB__LOGS__CONNECTIONS=… instead [variable-over-several-hosts]"
            )]
        );
    }
    let list = [("DBREG_MONGODB__LOGS__CONNECTIONS", "a:1,b")];
    assert_eq!(addresses(&settings(file, None, &list).unwrap()), ["a:1", "b"]);
}

#[test]
fn rules_over_several_values_hold_for_variables_too() {
    let set = |environment: &[(&str, &str)]| settings(FILE, None, environment).unwrap_err();
    assert_eq!(
        set(&[("DBREG_MYSQL__MAIN__POOL__MIN", "30")]),
        [
            "databases.toml: `pool.min` is 30 from DBREG_MYSQL__MAIN__POOL__MIN, which is more than `pool.max`, 15 \
          [pool-min-over-max]\n  help: write at most 15 as `min`, or at least 30 as `max`"
        ]
    );
    assert_eq!(
        set(&[
            ("DBREG_MYSQL__MAIN__TLS_CA", "x.pem"),
            ("DBREG_MYSQL__MAIN__TLS", "off")
        ]),
        [
            "databases.toml: DBREG_MYSQL__MAIN__TLS_CA: `tls_ca` has no use while `tls` is `off` [tls-ca-without-tls]\n  \
          help: remove `tls_ca`, or write `tls = \"verify\"`"
        ]
    );
}

#[test]
fn hosts_may_be_references() {
    let set = settings(
        "[mysql.main]\nhost = { file = \"/run/host\" }\nport = 3308\n",
        None,
        &[],
    )
    .unwrap();
    assert_eq!(
        set.hosts()[0].host,
        HostName::Reference(Reference::File("/run/host".into()))
    );
    assert_eq!(addresses(&set), ["</run/host>:3308"]);
}

#[test]
fn what_breaks_without_profile_is_told_once() {
    let file = "[mysql.main]\nhost = \"db1\"\npool = { min = 9, max = 1 }\n[profile.a.mysql.main]\ndb = \"a\"\n\
                [profile.b.mysql.main]\ndb = \"b\"\n";
    let codes: Vec<&str> = load(file, "f")
        .diagnostics
        .iter()
        .map(|found| found.code)
        .collect();
    assert_eq!(codes, ["pool-min-over-max"]);
}
