//! What the driver knows about the hosts when it finds none for a call. It has no other way to tell than its message,
//! which ends with a description of them.

use crate::error::Error;
use crate::kind::ErrorKind;
use mongodb::error::ErrorKind as Driver;

/// Whether the driver found no host, and knows no more about them than that they keep silent.
pub(super) fn is_silent(error: &mongodb::error::Error) -> bool {
    match error.kind.as_ref() {
        Driver::ServerSelection { message, .. } => explained(message).is_none() && !is_tls(message),
        _ => false,
    }
}

/// Whether a session failed over TLS.
pub(super) fn is_tls(message: &str) -> bool {
    message.contains("certificate") || message.contains("TLS")
}

/// Why none of the hosts is fit for a call although some of them answer.
pub(super) fn explained(message: &str) -> Option<Error> {
    let (_, topology) = message.split_once("Topology: ")?;
    let misnamed = topology.contains("does not match actual name");
    if misnamed || !topology.contains("Servers: [") {
        // The driver drops from its list who answers as something else.
        let is_set = misnamed || topology.contains("Type: ReplicaSet");
        let (words, help) = if is_set {
            (
                "the hosts answer, and none of them is a member of the replica set that `replica_set` names",
                "write the name that `rs.status()` on one of them shows as `set`",
            )
        } else {
            (
                "the hosts answer, and they are no replica set: each is a server of its own",
                "keep one of them: a list is for the members of one set, or for several mongos",
            )
        };
        return Some(Error::new(ErrorKind::Config, words).help(help));
    }
    let has = |role: &str| topology.contains(&format!("Type: {role}"));
    let (words, help) = match (has("RsPrimary"), has("RsSecondary")) {
        (false, true) => (
            "the replica set has no primary now: an election goes on, or too many members are away",
            "those who only read can go on with `read_preference = \"primary_preferred\"`",
        ),
        (true, _) => (
            "no member of the replica set is fit for reads with this `read_preference`",
            "write one that the primary may answer too, such as `read_preference = \"secondary_preferred\"`",
        ),
        (false, false) => return None,
    };
    Some(Error::new(ErrorKind::Unreachable, words).help(help))
}
