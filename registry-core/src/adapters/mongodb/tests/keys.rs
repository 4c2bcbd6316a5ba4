//! Keys, and keys beside a URL, as the driver's own options.

use super::plan;
use crate::kind::ErrorKind;
use mongodb::options::{ClientOptions, ReadPreference, SelectionCriteria, Tls};

fn options(keys: &str) -> ClientOptions {
    plan(keys)
        .unwrap()
        .options()
        .expect("no name service is needed")
        .clone()
}

fn reads(options: &ClientOptions) -> Option<&ReadPreference> {
    match options.selection_criteria.as_ref()? {
        SelectionCriteria::ReadPreference(preference) => Some(preference),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_key_reaches_the_driver() {
    let options = options(
        r#"
        connections = [{ host = "m1" }, { host = "m2", port = 27018 }]
        db = "logs"
        username = "logger"
        auth_source = "accounts"
        replica_set = "rs0"
        read_preference = "secondary_preferred"
        tls = "require"
        tls_ca = "ca.pem"
        "#,
    );
    let hosts: Vec<String> = options.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["m1:27017", "m2:27018"]);
    assert_eq!(options.repl_set_name.as_deref(), Some("rs0"));
    assert_eq!(options.direct_connection, None);
    assert!(matches!(
        reads(&options),
        Some(ReadPreference::SecondaryPreferred { .. })
    ));
    let credential = options.credential.expect("there is a username");
    assert_eq!(credential.source.as_deref(), Some("accounts"));
    let Some(Tls::Enabled(tls)) = options.tls else {
        panic!("{:?}", options.tls)
    };
    assert_eq!(tls.allow_invalid_certificates, Some(true));
    assert!(tls.ca_file_path.is_some_and(|path| path.ends_with("ca.pem")));
}

#[test]
fn reads_go_where_the_word_says() {
    let preference = |word: &str| {
        let keys = format!("host = \"m1\"\ndb = \"logs\"\nread_preference = \"{word}\"\n");
        reads(&options(&keys)).cloned()
    };
    assert_eq!(preference("primary"), None, "the driver's own");
    let options = None;
    for (word, expected) in [
        (
            "primary_preferred",
            ReadPreference::PrimaryPreferred {
                options: options.clone(),
            },
        ),
        (
            "secondary",
            ReadPreference::Secondary {
                options: options.clone(),
            },
        ),
        (
            "secondary_preferred",
            ReadPreference::SecondaryPreferred {
                options: options.clone(),
            },
        ),
        ("nearest", ReadPreference::Nearest { options }),
    ] {
        assert_eq!(preference(word), Some(expected), "{word}");
    }
}

#[test]
fn one_host_is_meant_as_itself_unless_it_is_said_otherwise() {
    for (keys, expected) in [
        ("host = \"m1\"", Some(true)),
        ("host = \"m1\"\ndirect = false", Some(false)),
        ("host = \"m1\"\nreplica_set = \"rs0\"", None),
        ("host = \"m1\"\nreplica_set = \"rs0\"\ndirect = true", Some(true)),
        ("connections = [{ host = \"m1\" }, { host = \"m2\" }]", None),
        (
            "connections = [{ host = \"m1\" }, { host = \"m2\" }]\ndirect = false",
            Some(false),
        ),
    ] {
        let found = options(&format!("{keys}\ndb = \"logs\"\n")).direct_connection;
        assert_eq!(found, expected, "{keys}");
    }
}

/// Keys that say the opposite of what the URLs below say.
const BESIDE: &str = r#"
    replica_set = "of-key"
    read_preference = "nearest"
    auth_source = "of-key"
    direct = true
    tls = "verify"
"#;

#[test]
fn keys_beside_a_url_say_what_it_leaves_open() {
    let silent = options(&format!("url = \"mongodb://u@m1/logs\"\n{BESIDE}"));
    assert_eq!(silent.repl_set_name.as_deref(), Some("of-key"));
    assert_eq!(silent.direct_connection, Some(true));
    assert!(matches!(reads(&silent), Some(ReadPreference::Nearest { .. })));
    assert_eq!(silent.credential.unwrap().source.as_deref(), Some("of-key"));
    assert!(matches!(silent.tls, Some(Tls::Enabled(_))), "{:?}", silent.tls);

    let url = "mongodb://u@m1/logs?replicaSet=of-url&readPreference=secondary&AUTHSOURCE=of-url&directConnection=false&ssl=false";
    let outspoken = options(&format!("url = \"{url}\"\n{BESIDE}"));
    assert_eq!(outspoken.repl_set_name.as_deref(), Some("of-url"));
    assert_eq!(outspoken.direct_connection, Some(false));
    assert!(matches!(
        reads(&outspoken),
        Some(ReadPreference::Secondary { .. })
    ));
    assert_eq!(outspoken.credential.unwrap().source.as_deref(), Some("of-url"));
    assert_eq!(outspoken.tls, Some(Tls::Disabled));

    let alone = options("url = \"mongodb://u@m1/logs\"\n");
    assert_eq!(
        (alone.repl_set_name, alone.direct_connection, alone.tls),
        (None, None, None)
    );
    assert_eq!(
        alone.credential.unwrap().source.as_deref(),
        Some("logs"),
        "as the driver has it"
    );
}

#[test]
fn a_mechanism_of_the_url_keeps_its_source() {
    let options =
        options("url = \"mongodb://CN%3Dme@m1/logs?authMechanism=MONGODB-X509\"\nauth_source = \"admin\"\n");
    assert_eq!(options.credential.unwrap().source.as_deref(), Some("$external"));
}

#[test]
fn a_direct_connection_to_several_hosts_is_refused_where_the_url_is_known() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for url in ["mongodb://m1,m2/logs", "mongodb+srv://cluster.example.com/logs"] {
        std::fs::write(file.path(), url).unwrap();
        let keys = format!("url = {{ file = {:?} }}\ndirect = true\n", file.path());
        let error = plan(&keys).err().expect("there are several hosts");
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(
            error.next_step().is_some_and(|step| step.contains("direct")),
            "{error:?}"
        );
    }
}
