//! What is valid and worth a second look: warnings, which `dbreg check` tells and no build does.

use crate::diagnostic::Diagnostic;
use crate::ketama::ketama_hashes;
use crate::settings::Settings;
use crate::shape::ConnectionShape;
use crate::value::{Host, HostName, Role};
use std::net::IpAddr;

/// The doubts about the merged values of a connection.
pub(crate) fn about(connection: &ConnectionShape, settings: &Settings) -> Vec<Diagnostic> {
    match connection.backend {
        "memcached" => hosts_without_keys(settings),
        "mysql" => replicas_beside_the_primary(settings),
        _ => Vec::new(),
    }
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
            let address = one.parse::<IpAddr>();
            let loopback = one.eq_ignore_ascii_case("localhost") || address.is_ok_and(|a| a.is_loopback());
            !loopback && one.eq_ignore_ascii_case(other)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Severity;
    use crate::load;

    fn doubts(hosts: &str) -> Vec<String> {
        let text = format!("[mysql.main]\nconnections = [{hosts}]\n");
        let found = load(&text, "databases.toml").diagnostics;
        assert!(
            found.iter().all(|found| found.severity == Severity::Warning),
            "{found:?}"
        );
        found.iter().map(|found| found.render("databases.toml")).collect()
    }

    #[test]
    fn a_replica_beside_its_primary_is_told() {
        let found = doubts(
            "{ host = \"db1\" }, { host = \"DB1\", port = 3307, role = \"replica\" }, \
             { host = \"db2\", role = \"replica\" }",
        );
        let expected = "databases.toml:2:15: the replica DB1:3307 is on the host of its primary [replica-beside-primary]";
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{found:?}");
        let local = "{ host = \"127.0.0.1\" }, { host = \"127.0.0.1\", port = 3307, role = \"replica\" }";
        assert!(doubts(local).is_empty());
        assert!(
            doubts("{ host = \"db1\" }, { host = \"db1\", port = 3307 }").is_empty(),
            "no roles"
        );
    }
}
