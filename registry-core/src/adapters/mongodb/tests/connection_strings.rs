//! The public tests of connection strings, against `url` of `[mongodb.x]`: written in the file, by a variable, in a file
//! of its own. See `registry-core/tests/connection-strings/README.md` for where they come from.
//!
//! Two rules of dbreg are stricter on purpose, and are no exceptions below. What the specification calls valid *with a
//! warning* (an option that nobody knows, a value of the wrong type) is refused: a mistake is told, not passed over. And
//! a URL needs a database, so that one is put into those without.

use super::super::options::{self, Plan};
use crate::base::Base;
use crate::error::Error;
use registry_config::{ConnectionShape, ConnectionUrl, Secret, Settings, Shape, Value};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::error::Error as _;
use std::path::{Path, PathBuf};

/// Options that the driver does not have, or not with the features that dbreg switches on.
const WITHOUT: &[(&str, &str)] = &[
    (
        "authMechanism=GSSAPI",
        "Kerberos is the driver's feature `gssapi-auth`",
    ),
    (
        "authMechanism=MONGODB-AWS",
        "AWS is the driver's feature `aws-auth`",
    ),
    (
        "authMechanismProperties=ENVIRONMENT:test",
        "an environment of the driver's own tests",
    ),
    ("compressors=", "compression is three features of the driver"),
    ("serverSelectionTryOnce=", "for drivers without threads"),
    (
        "timeoutMS=",
        "the driver has no deadline over all: dbreg has, `timeout`",
    ),
    ("tlsAllowInvalidHostnames=", "rustls has no such switch"),
    (
        "tlsCertificateKeyFilePassword=",
        "encrypted keys are the driver's feature `cert-key-password`",
    ),
    (
        "tlsDisableCertificateRevocationCheck=",
        "the driver checks no revocation",
    ),
    ("tlsDisableOCSPEndpointCheck=", "the driver asks no OCSP endpoint"),
];

/// URLs that the specification accepts, and dbreg does not.
const REFUSED: &[(&str, &str)] = &[
    (
        "mongodb://256.0.0.1",
        "digits and dots that are no address are a slip: no resolver knows such a name",
    ),
    (
        "mongodb://bücher.example.com,umläut.example.com/",
        "the driver asks the resolver for the bytes as they are",
    ),
    (
        "mongodb://%2Ftmp%2F %2Fmongodb-27017.sock",
        "a blank in a URL is a slip; %20 is one that is meant",
    ),
    ("mongodb://rel%2F %2Fmongodb-27017.sock", "the same"),
    ("mongodb://example.com/?maxPoolSize=0", "the driver wants a limit"),
];

/// URLs that the specification refuses, and the driver does not.
const ACCEPTED: &[(&str, &str)] = &[(
    "mongodb://localhost/?authMechanism=MONGODB-OIDC",
    "the driver hopes for a callback, and finds at the login that there is none",
)];

struct Case {
    description: String,
    url: String,
    json: Json,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/connection-strings")
}

fn cases(wanted: impl Fn(&str) -> bool) -> Vec<Case> {
    let mut found = Vec::new();
    for group in ["auth", "connection_string", "uri_options"] {
        for entry in std::fs::read_dir(folder().join(group)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !wanted(&name) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let json: Json = serde_json::from_str(&text).unwrap();
            found.extend(json["tests"].as_array().unwrap().iter().map(|case| Case {
                description: format!("{name}: {}", case["description"].as_str().unwrap()),
                url: case["uri"].as_str().unwrap().to_owned(),
                json: case.clone(),
            }));
        }
    }
    found
}

const CREDENTIALS: &str = "credential-disclosure.json";

/// The URL with a database, where it has a place for one and none in it.
fn with_db(url: &str) -> String {
    let Some(start) = url.find("://").map(|at| at + 3) else {
        return url.to_owned();
    };
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    let (front, tail) = url.split_at(end);
    match tail.strip_prefix('/') {
        Some(rest) if rest.is_empty() || rest.starts_with('?') => format!("{front}/shop{rest}"),
        Some(_) => url.to_owned(),
        None => format!("{front}/shop{tail}"),
    }
}

/// What dbreg makes of a URL, by each of the three ways, and everything that it says about it.
struct Verdict {
    plan: Option<Plan>,
    /// As it stands in `databases.toml`.
    is_literal_accepted: bool,
    said: String,
}

fn verdict(url: &str) -> Verdict {
    let mut said = String::new();
    let quoted = serde_json::to_string(url).unwrap();
    let literal = registry_config::load(&format!("[mongodb.x]\nurl = {quoted}\n"), "databases.toml");
    for found in &literal.diagnostics {
        said += &format!("{}\n{found:?}\n", found.render("databases.toml"));
    }
    let of_file = by_file(url);
    let by_variable = by_variable(url, &mut said);
    let mut hear = |error: Error| {
        said += &format!("{error}\n{error:?}\n{:?}\n", error.next_step());
        let mut source = error.source();
        while let Some(cause) = source {
            said += &format!("{cause}\n{cause:?}\n");
            source = cause.source();
        }
    };
    let of_file = of_file.map_err(&mut hear).ok();
    let by_variable = by_variable.and_then(|settings| plan(&settings).map_err(&mut hear).ok());
    assert_eq!(of_file.is_some(), by_variable.is_some(), "{url}\n{said}");
    Verdict {
        plan: by_variable,
        is_literal_accepted: literal.diagnostics.is_empty(),
        said,
    }
}

fn shape(reference: &str) -> Shape {
    let loaded = registry_config::load(&format!("[mongodb.x]\nurl = {reference}\n"), "databases.toml");
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    loaded.shape
}

fn plan(settings: &Settings) -> Result<Plan, Error> {
    let shape: ConnectionShape = shape("{ env = \"X\" }").connections[0].clone();
    options::plan(Base::new(&shape, settings).connect_timeout(), settings)
}

fn by_file(url: &str) -> Result<Plan, Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), url).unwrap();
    let shape = shape(&format!("{{ file = {:?} }}", file.path()));
    plan(&registry_config::resolve(&shape.connections[0], None, &[]).unwrap())
}

fn by_variable(url: &str, said: &mut String) -> Option<Settings> {
    let shape = shape("{ env = \"X\" }");
    let variable = ("DBREG_MONGODB__X__URL".to_owned(), url.to_owned());
    let found = registry_config::variables(&shape, "DBREG", [variable]);
    *said += &format!("{:?}\n{:?}\n", found.diagnostics, found.overrides);
    if !found.diagnostics.is_empty() {
        return None;
    }
    let settings = registry_config::resolve(&shape.connections[0], None, &found.overrides).unwrap();
    assert!(matches!(settings.value("url").unwrap().value, Value::Secret(_)));
    Some(settings)
}

fn has_option(url: &str, option: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let option = option.to_ascii_lowercase();
    query
        .split('&')
        .any(|pair| pair.to_ascii_lowercase().starts_with(&option))
}

#[test]
fn the_verdict_is_that_of_the_specification() {
    let cases = cases(|file| file != CREDENTIALS);
    assert!(cases.len() > 290, "{}", cases.len());
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for Case {
        description,
        url,
        json,
    } in &cases
    {
        let should = json["valid"].as_bool().unwrap() && json["warning"].as_bool() != Some(true);
        // A password that no message of ours holds by accident.
        let password = json["auth"]["password"].as_str().unwrap_or_default();
        let url = url.replace(&format!(":{password}@"), ":canary-5e1c@");
        let Verdict {
            plan,
            is_literal_accepted,
            said,
        } = verdict(&with_db(&url));
        for secret in ["canary", "hunter2", "token%21", "token!@"] {
            assert!(!said.contains(secret), "{description}: {said}");
        }
        assert!(!(is_literal_accepted && url.contains("canary")), "{description}");
        // What needs no driver is found while compiling, and never refused there alone.
        assert!(
            !is_literal_accepted || plan.is_some() || !said.is_empty(),
            "{description}"
        );
        let excused = |list: &'static [(&str, &str)], fits: &dyn Fn(&str) -> bool| {
            list.iter().find(|(what, _)| fits(what)).map(|(what, _)| *what)
        };
        let excuse = match (should, plan.is_some()) {
            (true, false) => excused(WITHOUT, &|option| has_option(&url, option))
                .or_else(|| excused(REFUSED, &|known| known == json["uri"])),
            (false, true) => excused(ACCEPTED, &|known| known == json["uri"]),
            _ => continue,
        };
        match excuse {
            Some(excuse) => {
                used.insert(excuse);
            }
            None => wrong.push(format!("{description}\n  {url}\n  valid: {should}; {said}")),
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
    let listed: BTreeSet<&str> = [WITHOUT, REFUSED, ACCEPTED]
        .into_iter()
        .flatten()
        .map(|(what, _)| *what)
        .collect();
    assert_eq!(used, listed, "an exception that no case needs");
}

#[test]
fn the_parts_of_a_url_are_those_of_the_specification() {
    let spec = registry_config::backend("mongodb").unwrap();
    let mut seen = 0;
    for Case {
        description,
        url,
        json,
    } in cases(|file| file.starts_with("valid-"))
    {
        let Ok(found) = ConnectionUrl::parse(&url, spec) else {
            let is_stricter = json["warning"].as_bool() == Some(true);
            assert!(
                is_stricter || REFUSED.iter().any(|(known, _)| *known == url),
                "{description}"
            );
            continue;
        };
        seen += 1;
        let Some(hosts) = json["hosts"].as_array() else {
            continue;
        };
        let hosts: Vec<String> = hosts
            .iter()
            .map(|host| {
                let name = host["host"].as_str().unwrap();
                match host["port"].as_u64() {
                    Some(port) if name.contains(':') => format!("[{name}]:{port}"),
                    Some(port) => format!("{name}:{port}"),
                    None if name.contains(':') => format!("[{name}]"),
                    None => name.to_owned(),
                }
            })
            .collect();
        let ours: Vec<String> = found.hosts.iter().map(|host| host.address(None)).collect();
        assert_eq!(ours, hosts, "{description}");
        let text = |key: &str| json["auth"][key].as_str().map(str::to_owned);
        if json["auth"].is_object() {
            assert_eq!(found.username, text("username"), "{description}");
            let password = found.password.as_ref().map(Secret::expose);
            assert_eq!(
                password.unwrap_or_default(),
                text("password").unwrap_or_default(),
                "{description}"
            );
            assert_eq!(found.db, text("db"), "{description}");
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn no_message_holds_a_part_of_a_credential() {
    const SENTINEL: &str = "SENTINELpassword1234";
    let encoded: String = SENTINEL.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let cases = cases(|file| file == CREDENTIALS);
    assert!(cases.len() > 100, "{}", cases.len());
    for Case { description, url, .. } in cases {
        for url in [with_db(&url), url] {
            let Verdict { said, .. } = verdict(&url);
            for part in [
                SENTINEL,
                &SENTINEL.to_lowercase(),
                &encoded,
                "SENTINEL",
                "sentinel",
            ] {
                assert!(!said.contains(part), "{description}: {url}\n{said}");
            }
            assert!(
                !said.is_empty(),
                "{description}: nothing was said that could have held it"
            );
        }
    }
}
