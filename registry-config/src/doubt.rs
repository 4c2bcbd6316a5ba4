//! What is valid and worth a second look: warnings, which `dbreg check` tells and no build does.

use crate::diagnostic::Diagnostic;
use crate::ketama::ketama_hashes;
use crate::settings::Settings;
use crate::shape::ConnectionShape;

/// The doubts about the merged values of a connection.
pub(crate) fn about(connection: &ConnectionShape, settings: &Settings) -> Vec<Diagnostic> {
    match connection.backend {
        "memcached" => hosts_without_keys(settings),
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
