//! Connection URLs: taken apart by hand, because a parser that guesses sends a piece of the password to a name server.

use crate::host;
use crate::spec::{BackendSpec, HostsRule};
use crate::suggest::suggest;
use crate::value::{Host, Secret};

/// `scheme://username:password@host:port/db?option=value`, taken apart and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionUrl {
    /// One of [`BackendSpec::schemes`].
    pub scheme: String,
    /// The name to log in with.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The hosts, at least one.
    pub hosts: Vec<Host>,
    /// The database.
    pub db: Option<String>,
    /// The options after `?`, in their order. Which of them exist is for the caller to say.
    pub options: Vec<(String, String)>,
}

/// What to do about a character that ends a part of a URL.
const ENCODE: &str =
    "percent-encode `/` as %2F, `@` as %40, `?` as %3F, `#` as %23 and `:` as %3A in username and password";

impl ConnectionUrl {
    /// Takes a URL of this backend apart.
    ///
    /// # Errors
    /// What was expected, in words that hold no part of the URL: each may be a part of its password.
    pub fn parse(url: &str, spec: &BackendSpec) -> Result<Self, String> {
        let example = spec.schemes.first().copied().unwrap_or(spec.name);
        let (scheme, rest) = url.split_once("://").ok_or_else(|| {
            format!("expected a URL such as `{example}://username@host/db`, found no `://`")
        })?;
        if !spec.schemes.contains(&scheme) {
            let known: Vec<String> = spec
                .schemes
                .iter()
                .map(|scheme| format!("`{scheme}://`"))
                .collect();
            let meant = suggest(scheme, spec.schemes.iter().copied())
                .map(|scheme| format!("; did you mean `{scheme}://`"))
                .unwrap_or_default();
            return Err(format!(
                "expected a URL that starts with {}{meant}",
                known.join(" or ")
            ));
        }
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("found a blank or a control character in the URL; percent-encode it".to_owned());
        }
        if rest.contains('#') {
            return Err(format!("found a `#` in the URL; {ENCODE}"));
        }
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if tail.contains('@') {
            return Err(format!("found an `@` behind the host; {ENCODE}"));
        }
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let (username, password) = login.map_or(Ok((None, None)), parse_login)?;
        let hosts = parse_hosts(scheme, hosts, spec)?;
        let (path, query) = tail
            .split_once('?')
            .map_or((tail, ""), |(path, query)| (path, query));
        let db = path.strip_prefix('/').unwrap_or(path);
        if db.contains('/') {
            return Err(format!(
                "found a second `/` behind the host; expected the name of one database, or {ENCODE}"
            ));
        }
        let db = if db.is_empty() { None } else { Some(decode(db)?) };
        let options = query
            .split('&')
            .filter(|option| !option.is_empty())
            .map(parse_option)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            scheme: scheme.to_owned(),
            username,
            password,
            hosts,
            db,
            options,
        })
    }

    /// Whether an option is there although this backend takes none: its own keys say the same, and are checked.
    #[must_use]
    pub fn has_stray_option(&self, spec: &BackendSpec) -> bool {
        spec.name != "mongodb" && !self.options.is_empty()
    }

    /// Whether an option, by its name, holds a secret.
    #[must_use]
    pub fn has_secret_option(&self) -> bool {
        const SECRET: [&str; 6] = ["pass", "pwd", "secret", "token", "credential", "privatekey"];
        self.options.iter().any(|(name, value)| {
            let name = name.to_ascii_lowercase().replace(['-', '_'], "");
            // The properties of a mechanism are a list of their own: `AWS_SESSION_TOKEN:…`.
            let inner = name == "authmechanismproperties" && value.to_ascii_uppercase().contains("TOKEN:");
            inner || !value.is_empty() && SECRET.iter().any(|word| name.contains(word))
        })
    }

    /// Whether the database is missing that this backend cannot do without.
    #[must_use]
    pub fn lacks_db(&self, spec: &BackendSpec) -> bool {
        spec.name == "mongodb" && self.db.is_none()
    }
}

type Login = (Option<String>, Option<Secret>);

fn parse_login(login: &str) -> Result<Login, String> {
    if login.contains('@') {
        return Err(format!("found two `@` before the host; {ENCODE}"));
    }
    let (username, password) = login
        .split_once(':')
        .map_or((login, None), |(name, rest)| (name, Some(rest)));
    if password.is_some_and(|password| password.contains(':')) {
        return Err(format!("found two `:` in username and password; {ENCODE}"));
    }
    if username.is_empty() {
        return Err("expected a username before the `@`, found nothing".to_owned());
    }
    let password = password
        .map(|text| decode(text).map(|text| Secret::new(text.into())))
        .transpose()?;
    Ok((Some(decode(username)?), password))
}

fn parse_hosts(scheme: &str, text: &str, spec: &BackendSpec) -> Result<Vec<Host>, String> {
    if text.is_empty() {
        return Err("expected a host in the URL, found none".to_owned());
    }
    let hosts = host::parse_list(text).map_err(|expected| {
        format!("expected {expected} in the URL; if this is a part of the password, {ENCODE}")
    })?;
    if hosts.len() > 1 && spec.hosts == HostsRule::One {
        return Err(format!(
            "expected one host, found {}: several hosts of {} are not supported yet; keep the first one",
            hosts.len(),
            spec.name
        ));
    }
    if scheme.ends_with("+srv") && (hosts.len() > 1 || hosts[0].port.is_some()) {
        return Err(format!(
            "expected one host without a port: `{scheme}://` asks the name server for both"
        ));
    }
    Ok(hosts)
}

fn parse_option(option: &str) -> Result<(String, String), String> {
    let (name, value) = option
        .split_once('=')
        .ok_or("expected `name=value` between `?` and `&`, found no `=`")?;
    Ok((decode(name)?, decode(value)?))
}

/// Undoes percent-encoding. `+` stays: it is a blank in forms only.
fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err("found a `%` without two hexadecimal digits; write `%` itself as %25".to_owned());
        };
        bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte"));
    }
    String::from_utf8(bytes).map_err(|_| "found percent-encoded bytes that are not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::backend;

    fn parse(url: &str) -> Result<ConnectionUrl, String> {
        let name = if url.starts_with("mongo") {
            "mongodb"
        } else {
            "mysql"
        };
        ConnectionUrl::parse(url, backend(name).unwrap())
    }

    #[test]
    fn takes_urls_apart() {
        let url = parse("mysql://sh%40p:p%2Fw%3A@db1:3307/sh%20op?ssl-mode=VERIFY_CA&x=").unwrap();
        assert_eq!(url.scheme, "mysql");
        assert_eq!(url.username.as_deref(), Some("sh@p"));
        assert_eq!(url.password.as_ref().map(Secret::expose), Some("p/w:"));
        assert_eq!(url.hosts[0].address(None), "db1:3307");
        assert_eq!(url.db.as_deref(), Some("sh op"));
        assert_eq!(
            url.options,
            [
                ("ssl-mode".to_owned(), "VERIFY_CA".to_owned()),
                ("x".to_owned(), String::new())
            ]
        );

        let url = parse("mongodb://m1,[::1]:27018,m3").unwrap();
        assert_eq!(
            (url.username, url.password, url.db, url.hosts.len()),
            (None, None, None, 3)
        );
        let url = parse("mongodb+srv://u:@cluster.example.com/?w=majority").unwrap();
        assert_eq!(
            (url.password.map(|secret| secret.is_empty()), url.db),
            (Some(true), None)
        );
        assert!(parse("mysql://h?a=b").unwrap().db.is_none());
    }

    #[test]
    fn errors_hold_no_part_of_a_secret() {
        for url in [
            "CANARY",
            "CANARY://u:CANARY@h/db",
            "mysql:CANARY@h",
            "mysql://u:CAN/ARY@h/db",
            "mysql://u:CAN@ARY@h/db",
            "mysql://u:CAN?ARY@h/db",
            "mysql://u:CAN#ARY@h/db",
            "mysql://u:CAN:ARY@h/db",
            "mysql://u:CANARY%@h/db",
            "mysql://u:CANARY%zz@h/db",
            "mysql://u:%ffCANARY@h/db",
            "mysql://u:CANARY @h/db",
            "mysql://:CANARY@h/db",
            "mysql://u:CANARY@/db",
            "mysql://u:CANARY@h:0/db",
            "mysql://u:CANARY@h:port/db",
            "mysql://u:CANARY@h,/db",
            "mysql://u:CANARY@h/db/CANARY",
            "mysql://u:CANARY@h/db?CANARY",
            "mysql://u:CANARY",
            "mongodb://u:CANARY@a,,b",
            "mongodb+srv://u:CANARY@a:1",
            "mongodb+srv://u:CANARY@a,b",
        ] {
            let error = parse(url).expect_err(url);
            for part in ["CAN", "ARY"] {
                assert!(!error.contains(part), "{url}: {error}");
            }
        }
        assert!(
            parse("mysql://u:a/b@h/db")
                .unwrap_err()
                .contains("percent-encode")
        );
        assert!(parse("msql://h").unwrap_err().contains("did you mean `mysql://`"));
    }
}
