//! Keys that exclude each other in one table, and among variables.

use crate::merge::GROUP;

const HOSTS: [(&str, &str); 5] = [
    ("connections", "host"),
    ("connections", "port"),
    ("connections", "socket"),
    ("host", "socket"),
    ("port", "socket"),
];

/// Every pair of keys that may not stand in one table.
pub fn conflicts() -> impl Iterator<Item = (&'static str, &'static str)> {
    GROUP.into_iter().map(|key| ("url", key)).chain(HOSTS)
}

/// Two keys that stand together and must not. One pair for each table is enough: what comes after depends on which
/// of the two is kept.
pub(crate) fn pair(has: impl Fn(&str) -> bool) -> Option<(&'static str, &'static str)> {
    if has("url") {
        return GROUP.into_iter().find(|key| has(key)).map(|key| ("url", key));
    }
    HOSTS
        .into_iter()
        .find(|(first, second)| has(first) && has(second))
}

/// What to write instead.
pub(crate) fn help((first, second): (&str, &str)) -> &'static str {
    match (first, second) {
        ("url", _) => "keep one of them: `url` stands for username, password, db and hosts",
        ("port", "socket") => {
            "write the socket's whole path and no `port`, or `host` and `port` without `socket`"
        }
        (_, "socket") => "keep the host or the socket",
        _ => "keep one of them: `host` and `port` are short for a list of one host",
    }
}
