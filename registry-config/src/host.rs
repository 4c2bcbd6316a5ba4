//! Hosts: what may stand as the name of one, and the short form of a list, `db1:3306,db2`.

use crate::value::{Host, HostName, Role};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl Host {
    /// A host as the backend's default has it: its own port, primary, weight 1.
    #[must_use]
    pub const fn new(host: HostName) -> Self {
        Self {
            host,
            port: None,
            role: Role::Primary,
            weight: 1,
        }
    }

    /// `db1:3306`, `[::1]:3306`: the host as reports show it. A reference is shown by its name, a socket by its path.
    #[must_use]
    pub fn address(&self, default_port: Option<u16>) -> String {
        let name = match &self.host {
            HostName::Literal(text) if text.ends_with(".sock") => return text.to_string(),
            HostName::Literal(text) if text.contains(':') => format!("[{text}]"),
            other => other.to_string(),
        };
        match self.port.or(default_port) {
            Some(port) => format!("{name}:{port}"),
            None => name,
        }
    }
}

/// Whether a host is this machine itself, by its name or address: what is sent there stays here.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    // An address of nobody, 0.0.0.0 or `::`, leads here too.
    let is_here = |address: IpAddr| {
        let address = address.to_canonical();
        address.is_loopback() || address.is_unspecified()
    };
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_here)
}

/// What [`check`] answers to `db1:3306`.
pub(crate) const PORT_APART: &str = "the port has a key of its own, `port`";

/// The same for a file, where its text may be shown: the port, and the name if it is one.
pub(crate) fn port_apart(text: &str) -> Option<String> {
    let (name, rest) = text.split_once(':')?;
    let port = port(rest)?;
    Some(match check(name) {
        Ok(()) => format!("the port has a key of its own: `host = \"{name}\", port = {port}`"),
        Err(_) => format!("the port has a key of its own: `port = {port}`"),
    })
}

/// Whether `text` is the name or the address of a host; the answer for a person when it is not. The text itself is
/// never part of the answer: a whole URL with a password may stand there.
pub(crate) fn check(text: &str) -> Result<(), (&'static str, Option<&'static str>)> {
    if text.is_empty() {
        return Err(("found nothing", None));
    }
    if text.contains("://") {
        return Err(("found a URL", Some("write `url = …` instead of `host`")));
    }
    if text.contains('@') {
        return Err((
            "found an `@`",
            Some("the login has keys of its own: `username` and `password`"),
        ));
    }
    if text.starts_with('/') {
        return Err((
            "found a path",
            Some("write `socket = \"/path\"` for a Unix socket"),
        ));
    }
    if text.contains(',') {
        return Err((
            "found a `,`",
            Some("write several hosts as `connections = [{ host = \"db1\" }, { host = \"db2\" }]`"),
        ));
    }
    if text.starts_with('[') {
        return Err((
            "found brackets",
            Some("write an IPv6 address without brackets, and the port as `port`"),
        ));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok(());
    }
    if let Some((_, rest)) = text.split_once(':') {
        return Err(match port(rest) {
            Some(_) => ("found a port in it", Some(PORT_APART)),
            None => ("found a `:`", None),
        });
    }
    if text.len() > 253 {
        return Err(("found more than 253 characters", None));
    }
    if !text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    {
        return Err(("found a character that no host name has", None));
    }
    let labels = text.strip_suffix('.').unwrap_or(text);
    if labels
        .split('.')
        .any(|label| label.is_empty() || label.len() > 63 || label.starts_with('-'))
    {
        return Err(("found an empty or broken part between dots", None));
    }
    if labels.chars().all(|c| c.is_ascii_digit() || c == '.') && text.parse::<Ipv4Addr>().is_err() {
        return Err(("found digits and dots that are no IPv4 address", None));
    }
    Ok(())
}

/// A port in decimal digits, 1 to 65535.
pub(crate) fn port(text: &str) -> Option<u16> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|port| *port != 0)
}

/// `db1`, `db1:3306`, `[::1]:3306`, `::1`.
pub(crate) fn parse(text: &str) -> Result<Host, &'static str> {
    let (name, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let (name, rest) = inner
                .split_once(']')
                .ok_or("an IPv6 address with its brackets closed")?;
            if name.parse::<Ipv6Addr>().is_err() {
                return Err("an IPv6 address between the brackets");
            }
            (
                name,
                if rest.is_empty() {
                    None
                } else {
                    Some(rest.strip_prefix(':').ok_or("`:` and a port after `]`")?)
                },
            )
        }
        None if text.parse::<Ipv6Addr>().is_ok() => (text, None),
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    check(name).map_err(|_| "a host name or address")?;
    let mut host = Host::new(HostName::Literal(name.to_owned().into()));
    if let Some(rest) = rest {
        host.port = Some(port(rest).ok_or("a port from 1 to 65535 after `:`")?);
    }
    Ok(host)
}

/// `db1:3306,db2,[::1]:3306`.
pub(crate) fn parse_list(text: &str) -> Result<Vec<Host>, &'static str> {
    text.split(',')
        .map(|item| match item.trim() {
            "" => Err("a host between every two commas"),
            item => parse(item),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_and_addresses() {
        for text in [
            "db1",
            "db-1.example.com",
            "db_1",
            "localhost",
            "10.0.0.5",
            "::1",
            "2001:db8::1",
            "example.com.",
        ] {
            assert!(check(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn knows_this_machine() {
        for host in [
            "localhost",
            "LOCALHOST",
            "127.0.0.2",
            "::1",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "::",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "::2", "::ffff:10.0.0.1", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        let long = "a".repeat(254);
        for text in [
            "",
            " ",
            "db 1",
            "db1:3306",
            "[::1]",
            "user@db1",
            "mysql://db1",
            "/tmp/mysql.sock",
            "a,b",
            "10.0.0.256",
            "1.2.3",
            "-a",
            "a..b",
            "ä",
            "db1:pw",
            &long,
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_port_is_shown_with_its_name_if_that_is_one() {
        let apart = |text: &str| {
            let (found, help) = check(text).unwrap_err();
            assert_eq!((found, help), ("found a port in it", Some(PORT_APART)), "{text}");
            port_apart(text).unwrap()
        };
        assert_eq!(
            apart("db1:27018"),
            "the port has a key of its own: `host = \"db1\", port = 27018`"
        );
        for text in ["d 1:0443", ":443", "shop!:443"] {
            assert_eq!(apart(text), "the port has a key of its own: `port = 443`");
        }
        for text in ["db1:0", "db1:+1", "db1:65536", "db1:pw", "db1:1:2"] {
            assert_eq!(check(text), Err(("found a `:`", None)), "{text}");
        }
    }

    #[test]
    fn reads_lists() {
        let hosts = parse_list("db1:3306, db2,[::1]:3307,2001:db8::1").unwrap();
        let shown: Vec<String> = hosts.iter().map(|host| host.address(None)).collect();
        assert_eq!(shown, ["db1:3306", "db2", "[::1]:3307", "[2001:db8::1]"]);
        assert_eq!(hosts[1].address(Some(3306)), "db2:3306");
        for text in [
            "",
            ",",
            "db1,",
            "db1:",
            "db1:0",
            "db1:65536",
            "db1:+1",
            "[::1",
            "[x]",
            "[::1]3306",
            "db1:1:2",
        ] {
            assert!(parse_list(text).is_err(), "{text}");
        }
    }
}
