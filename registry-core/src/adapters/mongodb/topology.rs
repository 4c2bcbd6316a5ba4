//! What the driver knows about the hosts when it finds none for a call. It has no other way to tell than its message,
//! which ends with a description of them.

use crate::error::Error;
use crate::kind::ErrorKind;
use mongodb::error::ErrorKind as Driver;

/// What there is to say about hosts of which none is fit; nothing when the driver knows no more than that they keep
/// silent, or when the error is another one.
pub(super) fn judged(error: &mongodb::error::Error, hosts: &[(String, u16)]) -> Judged {
    let Driver::ServerSelection { message, .. } = error.kind.as_ref() else {
        return Judged::AsItIs;
    };
    // Without hosts there is nothing to look at with plain sockets: those of DNS, and sockets of Unix.
    if hosts.is_empty() || explained(message).is_some() || is_tls(message) {
        return Judged::AsItIs;
    }
    // The driver drops from its list who answers as something else, and adds whom the members of a set name.
    let ours: Vec<String> = hosts
        .iter()
        .map(|(host, port)| format!("{host}:{port}").to_lowercase())
        .collect();
    let listed: Vec<&str> = message
        .split("Address: ")
        .skip(1)
        .filter_map(|rest| rest.split(',').next())
        .collect();
    let dropped: Vec<&str> = ours
        .iter()
        .map(String::as_str)
        .filter(|address| !listed.contains(address))
        .collect();
    let added: Vec<&str> = listed
        .iter()
        .copied()
        .filter(|address| !ours.iter().any(|host| host == address))
        .collect();
    let error = |words: String| Error::new(ErrorKind::Unreachable, words);
    match (dropped.is_empty(), added.is_empty()) {
        (false, false) => Judged::Explained(
            error(format!(
                "{} answers, and names as the members of its replica set {}, of which none answers from here",
                dropped.join(", "),
                added.join(", ")
            ))
            .help("make these names known here, or write `direct = true` and one host to take it as it is"),
        ),
        (false, true) => Judged::Explained(error(format!(
            "{} is a server of its own, or of another replica set, and no other host answers",
            dropped.join(", ")
        ))),
        (true, _) => Judged::Silent,
    }
}

/// What becomes of an error of the driver.
pub(super) enum Judged {
    /// It says enough.
    AsItIs,
    /// A look with plain sockets tells more.
    Silent,
    /// This says it better.
    Explained(Error),
}

/// What to do where no encrypted session is to be had.
pub(super) const NO_TLS: &str = "if the server offers no TLS, write `tls = \"off\"` if this network is yours, or give the server a certificate";

/// What rustls says of a server that answers in plain text.
const PLAIN_TEXT: &str = "received corrupt message of type InvalidContentType";

/// Whether a session failed over TLS.
pub(super) fn is_tls(message: &str) -> bool {
    message.contains("certificate") || message.contains("TLS") || message.contains(PLAIN_TEXT)
}

/// Why none of the hosts is fit for a call although some of them answer.
pub(super) fn explained(message: &str) -> Option<Error> {
    let (_, topology) = message.split_once("Topology: ")?;
    if let Some((_, verdict)) = topology.split_once("invalid peer certificate: ") {
        let verdict = verdict.split(", labels").next().unwrap_or(verdict);
        let error = Error::new(ErrorKind::Tls, format!("invalid peer certificate: {verdict}"));
        return Some(error.help(
            "write `tls_ca = \"path\"` for a private authority, `tls = \"require\"` to encrypt without checking who \
             answers, or `tls = \"off\"` if this network is yours",
        ));
    }
    if topology.contains(PLAIN_TEXT) {
        let words = "the server answers in plain text where the session was to be encrypted";
        return Some(Error::new(ErrorKind::Tls, words).help(NO_TLS));
    }
    let misnamed = topology.contains("does not match actual name");
    if misnamed || !topology.contains("Servers: [") {
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
