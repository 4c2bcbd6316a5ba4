//! What is valid and worth a second look: warnings, which `dbreg check` tells and no build does.

use crate::backends::backend;
use crate::diagnostic::Diagnostic;
use crate::host::is_loopback;
use crate::ketama::ketama_hashes;
use crate::settings::Settings;
use crate::shape::ConnectionShape;
use crate::url::ConnectionUrl;
use crate::value::{Host, HostName, Role, Value};

/// The doubts about the merged values of a connection.
pub(crate) fn about(connection: &ConnectionShape, settings: &Settings) -> Vec<Diagnostic> {
    let mut found = match connection.backend {
        "memcached" => hosts_without_keys(settings),
        "mysql" | "postgres" => replicas_beside_the_primary(settings),
        _ => Vec::new(),
    };
    found.extend(plain_text_over_the_network(connection, settings));
    found
}

/// A host on another machine that is talked to without TLS: passwords and data travel as they are.
fn plain_text_over_the_network(connection: &ConnectionShape, settings: &Settings) -> Option<Diagnostic> {
    let spec = backend(connection.backend)?;
    let url = settings.written_url(spec);
    let hosts = url.as_ref().map_or_else(|| settings.hosts(), |url| &url.hosts);
    let is_far = |host: &&Host| match &host.host {
        HostName::Literal(name) => !is_loopback(name) && !name.ends_with(".sock"),
        HostName::Reference(_) => false,
    };
    let far = hosts.iter().find(is_far)?.address(None);
    let (origin, message) = match (settings.value("tls"), &url) {
        (Some(tls), _) if tls.value == Value::Text("off".into()) => (
            &tls.origin,
            format!("`tls` is `off`, and {far} is not on this machine"),
        ),
        // What MongoDB's own URLs mean when nothing is said. `mongodb+srv` is encrypted.
        (None, Some(url))
            if url.scheme == "mongodb" && settings.value("tls_ca").is_none() && !asks_for_tls(url) =>
        {
            let message = format!("the URL asks for no TLS, and {far} is not on this machine");
            (settings.origin("url")?, message)
        }
        _ => return None,
    };
    let help = "write `tls = \"verify\"`, or `tls = \"require\"` where the certificate is the server's own";
    Some(
        Diagnostic::warning("plain-text-over-network", message)
            .of(origin)
            .help(help),
    )
}

/// Whether an option of the URL says something of TLS; what it says is the author's.
fn asks_for_tls(url: &ConnectionUrl) -> bool {
    let names = url.options.iter().map(|(name, _)| name.to_ascii_lowercase());
    names
        .into_iter()
        .any(|name| name == "ssl" || name.starts_with("tls"))
}

/// A host whose share of the ring is less than its smallest part.
fn hosts_without_keys(settings: &Settings) -> Vec<Diagnostic> {
    let hosts = settings.hosts();
    let Some(origin) = settings.origin("connections").filter(|_| hosts.len() > 1) else {
        return Vec::new();
    };
    let weights: Vec<u32> = hosts.iter().map(|host| host.weight).collect();
    let shares = hosts.iter().zip(ketama_hashes(&weights));
    let without = shares.filter(|(_, hashes)| *hashes == 0).map(|(host, _)| {
        let message = format!(
            "the weight {} of {} is too small beside the others: no key belongs to it",
            host.weight,
            host.address(None)
        );
        Diagnostic::warning("weight-without-keys", message)
            .of(origin)
            .help("write weights that are closer together, or remove the host")
    });
    without.collect()
}

/// A replica that goes down with its primary, because it is on the same machine. Two servers on loopback are somebody's
/// development.
fn replicas_beside_the_primary(settings: &Settings) -> Vec<Diagnostic> {
    let hosts = settings.hosts();
    let (Some(origin), Some(primary)) = (settings.origin("connections"), hosts.first()) else {
        return Vec::new();
    };
    let is_beside = |host: &&Host| host.role == Role::Replica && is_same_machine(&host.host, &primary.host);
    let beside = hosts.iter().filter(is_beside).map(|host| {
        let message = format!("the replica {} is on the host of its primary", host.address(None));
        Diagnostic::warning("replica-beside-primary", message)
            .of(origin)
            .help("it goes down with the primary, and takes no load off it: put it on another host")
    });
    beside.collect()
}

fn is_same_machine(one: &HostName, other: &HostName) -> bool {
    match (one, other) {
        (HostName::Literal(one), HostName::Literal(other)) => {
            !is_loopback(one) && one.eq_ignore_ascii_case(other)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Severity;
    use crate::load;

    fn doubts(backend: &str, hosts: &str) -> Vec<String> {
        let text = format!("[{backend}.main]\nconnections = [{hosts}]\nusername = \"shop\"\n");
        let found = load(&text, "databases.toml").diagnostics;
        assert!(
            found.iter().all(|found| found.severity == Severity::Warning),
            "{found:?}"
        );
        found.iter().map(|found| found.render("databases.toml")).collect()
    }

    #[test]
    fn a_replica_beside_its_primary_is_told() {
        for backend in ["mysql", "postgres"] {
            let found = doubts(
                backend,
                "{ host = \"db1\" }, { host = \"DB1\", port = 3307, role = \"replica\" }, \
                 { host = \"db2\", role = \"replica\" }",
            );
            let expected = "databases.toml:2:15: the replica DB1:3307 is on the host of its primary [replica-beside-primary]";
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(expected), "{found:?}");
            let local = "{ host = \"127.0.0.1\" }, { host = \"127.0.0.1\", port = 3307, role = \"replica\" }";
            assert!(doubts(backend, local).is_empty());
            let without_roles = "{ host = \"db1\" }, { host = \"db1\", port = 3307 }";
            assert!(doubts(backend, without_roles).is_empty(), "no roles");
        }
    }

    #[test]
    fn tls_that_is_off_for_another_machine_is_told() {
        let rendered = |text: &str| {
            let found = load(text, "databases.toml").diagnostics;
            found
                .iter()
                .map(|found| found.render("databases.toml"))
                .collect::<Vec<_>>()
        };
        let found = rendered("[mysql.main]\nhost = \"db1\"\n[defaults.mysql]\ntls = \"off\"\n");
        let expected =
            "databases.toml:4:7: `tls` is `off`, and db1 is not on this machine [plain-text-over-network]";
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}");
        let found = rendered("[mongodb.logs]\nurl = \"mongodb://m1/logs\"\n");
        assert!(
            found.len() == 1 && found[0].contains(":2:7: the URL asks for no TLS"),
            "{found:?}"
        );
        let found = rendered(
            "[mongodb.logs]\nurl = \"mongodb://m1/logs?tls=true\"\n[profile.live.mongodb.logs]\ntls = \"off\"\n",
        );
        assert!(found.len() == 1 && found[0].contains(":4:7:"), "{found:?}");
        for text in [
            "[mysql.main]\nhost = \"localhost\"\ntls = \"off\"\n",
            "[mysql.main]\nsocket = \"/run/m.sock\"\ntls = \"off\"\n",
            "[mysql.main]\nhost = { env = \"H\" }\ntls = \"off\"\n",
            "[mysql.main]\nhost = \"db1\"\ntls = \"require\"\n",
            "[mongodb.logs]\nurl = \"mongodb://m1/logs\"\ntls = \"verify\"\n",
            "[mongodb.logs]\nurl = \"mongodb+srv://m1.example.com/logs\"\n",
            "[mongodb.logs]\nurl = \"mongodb://127.0.0.1/logs\"\n",
            "[mongodb.logs]\nurl = \"mongodb://%2Ftmp%2Fm.sock/logs\"\n",
        ] {
            assert_eq!(rendered(text), [""; 0], "{text}");
        }
    }
}
