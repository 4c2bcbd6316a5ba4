//! Connection URLs: taken apart by hand, because a parser that guesses sends a piece of the password to a name server.

use crate::host;
use crate::spec::BackendSpec;
use crate::suggest::suggest;
use crate::url_option;
use crate::value::{Host, HostName, Secret};

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
        let (path, query) = tail
            .split_once('?')
            .map_or((tail, ""), |(path, query)| (path, query));
        // Behind the login an option may hold one: `?replicaSet=my@set`.
        let in_option = authority.contains('@') && takes_options(spec);
        if path.contains('@') || (query.contains('@') && !in_option) {
            return Err(format!("found an `@` behind the host; {ENCODE}"));
        }
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let (username, password) = login.map_or(Ok((None, None)), parse_login)?;
        let hosts = parse_hosts(scheme, hosts, spec)?;
        let db = path.strip_prefix('/').unwrap_or(path);
        if db.contains('/') {
            return Err(format!(
                "found a second `/` behind the host; expected the name of one database, or {ENCODE}"
            ));
        }
        let db = if db.is_empty() { None } else { Some(decode(db)?) };
        let options: Vec<(String, String)> = query
            .split('&')
            .filter(|option| !option.is_empty())
            .map(parse_option)
            .collect::<Result<_, _>>()?;
        if takes_options(spec) {
            check_names(&options, spec)?;
            check_topology(scheme, hosts.len(), &options)?;
        }
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
        !takes_options(spec) && !self.options.is_empty()
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

    /// Whether the user is missing that this backend cannot do without: its driver would take who runs the application.
    #[must_use]
    pub fn lacks_username(&self, spec: &BackendSpec) -> bool {
        spec.name == "postgres" && self.username.is_none()
    }

    /// Whether the database is missing that this backend cannot do without.
    #[must_use]
    pub fn lacks_db(&self, spec: &BackendSpec) -> bool {
        spec.name == "mongodb" && self.db.is_none()
    }
}

/// Whether options may stand behind the `?`: where the driver's own URL is the custom of the backend.
fn takes_options(spec: &BackendSpec) -> bool {
    spec.name == "mongodb"
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
    let bad = |expected: &str| {
        format!("expected {expected} in the URL; if this is a part of the password, {ENCODE}")
    };
    let hosts = if takes_options(spec) {
        let hosts = text.split(',').map(|item| parse_host_or_socket(item, &bad));
        hosts.collect::<Result<Vec<Host>, _>>()?
    } else {
        host::parse_list(text).map_err(bad)?
    };
    if scheme.ends_with("+srv") && (hosts.len() > 1 || hosts[0].port.is_some()) {
        return Err(format!(
            "expected one host without a port: `{scheme}://` asks the name server for both"
        ));
    }
    Ok(hosts)
}

/// A host, or the path of a Unix socket, percent-encoded: what ends in `.sock` is one.
fn parse_host_or_socket(item: &str, bad: &dyn Fn(&str) -> String) -> Result<Host, String> {
    if item.ends_with(".sock") {
        return Ok(Host::new(HostName::Literal(decode(item)?.into())));
    }
    match item {
        "" => Err(bad("a host between every two commas")),
        item => host::parse(item).map_err(bad),
    }
}

/// An option that nobody knows. Its name is not shown: it may be a piece of a password that was cut off by a `?`.
fn check_names(options: &[(String, String)], spec: &BackendSpec) -> Result<(), String> {
    let unknown = |(name, _): &&(String, String)| url_option::url_option(name).is_none();
    let Some((name, _)) = options.iter().find(unknown) else {
        return Ok(());
    };
    let number = 1 + options.iter().take_while(|(other, _)| other != name).count();
    let help = match suggest(name, url_option::OPTIONS.iter().copied()) {
        Some(near) => format!("did you mean `{near}`"),
        None => "remove it".to_owned(),
    };
    Err(format!(
        "option {number} behind the `?` is none that {} knows; {help}",
        spec.name
    ))
}

/// What the options say about the hosts, and cannot be meant together.
fn check_topology(scheme: &str, hosts: usize, options: &[(String, String)]) -> Result<(), String> {
    let says = |wanted: &str, value: Option<&str>| {
        options.iter().any(|(name, found)| {
            name.eq_ignore_ascii_case(wanted) && value.is_none_or(|value| value == found)
        })
    };
    let direct = says("directConnection", Some("true"));
    let balanced = says("loadBalanced", Some("true"));
    let alone = "keep one host, or remove the option";
    match () {
        () if direct && hosts > 1 => Err(format!(
            "expected one host with `directConnection=true`, found {hosts}; {alone}"
        )),
        () if direct && scheme.ends_with("+srv") => Err(format!(
            "`directConnection=true` has no use with `{scheme}://`, which stands for several hosts; remove one of them"
        )),
        () if balanced && hosts > 1 => Err(format!(
            "expected one host with `loadBalanced=true`, found {hosts}; {alone}"
        )),
        () if balanced && direct => Err(
            "`loadBalanced=true` and `directConnection=true` exclude each other; keep one of them".to_owned(),
        ),
        () if balanced && says("replicaSet", None) => {
            Err("`loadBalanced=true` and `replicaSet` exclude each other; keep one of them".to_owned())
        }
        () => Ok(()),
    }
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
    if bytes.contains(&0) {
        return Err("found a NUL in the URL; no name and no password has one".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "found percent-encoded bytes that are not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::backend;

    fn parse(url: &str) -> Result<ConnectionUrl, String> {
        let name = match url.split_once(':') {
            Some((scheme, _)) if scheme.starts_with("mongo") => "mongodb",
            Some((scheme, _)) if scheme.starts_with("postgres") => "postgres",
            _ => "mysql",
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
        for url in ["mysql://a@h1,h2:3307/db", "postgres://a@h1,h2:3307/db"] {
            let hosts = parse(url).unwrap().hosts;
            let shown: Vec<String> = hosts.iter().map(|host| host.address(None)).collect();
            assert_eq!(shown, ["h1", "h2:3307"], "{url}");
        }
        let url = parse("mongodb+srv://u:@cluster.example.com/?w=majority").unwrap();
        assert_eq!(
            (url.password.map(|secret| secret.is_empty()), url.db),
            (Some(true), None)
        );
        assert!(parse("mysql://h?a=b").unwrap().db.is_none());

        let url = parse("mongodb://u@%2Ftmp%2Fm.sock,m2/logs?replicaSet=my@set").unwrap();
        let shown: Vec<String> = url.hosts.iter().map(|host| host.address(Some(27017))).collect();
        assert_eq!(shown, ["/tmp/m.sock", "m2:27017"]);
        assert_eq!(url.options[0].1, "my@set");
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
            "mysql://u:%00CANARY@h/db",
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
            "postgres://u:CANARY@a,/db",
            "postgres://u:CAN,ARY@a,b:x/db",
            "mongodb+srv://u:CANARY@a:1",
            "mongodb+srv://u:CANARY@a,b",
            "mongodb://u:CAN?ARY@a/b",
            "mongodb://u:CANARY@a/b?CANARY=CANARY",
            "mongodb://u:CANARY@a,b/db?directConnection=true",
            "mongodb+srv://u:CANARY@a/db?directConnection=true",
            "mongodb://u:CANARY@a/db?loadBalanced=true&replicaSet=CANARY",
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
