//! The rules over several values, checked after merging: for each profile at build time, and again at start.

use crate::diagnostic::Diagnostic;
use crate::merge::{GROUP, Merged};
use crate::settings::{Origin, Setting};
use crate::shape::{ConnectionShape, Position};
use crate::spec::{BackendSpec, HostsRule};
use crate::url::ConnectionUrl;
use crate::value::{Host, HostName, Role, Value};

/// Every rule that the merged values break.
pub(crate) fn merged(connection: &ConnectionShape, spec: &BackendSpec, merged: &Merged) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = merged.diagnostics.clone();
    found.extend(check_target(connection, spec, merged));
    found.extend(check_hosts(spec, merged));
    found.extend(check_direct(spec, merged));
    found.extend(check_db_name(spec, merged));
    found.extend(check_pool(merged));
    found.extend(check_login(merged));
    found.extend(check_tls(merged));
    found
}

/// An error at the place of a value, or, for a variable, one that names it.
fn at(origin: &Origin, code: &'static str, message: String) -> Diagnostic {
    match origin {
        Origin::Variable(name) => Diagnostic::error(code, format!("{name}: {message}")),
        _ => Diagnostic::error(code, message).of(origin),
    }
}

/// Something must say where the data is.
fn check_target(connection: &ConnectionShape, spec: &BackendSpec, merged: &Merged) -> Vec<Diagnostic> {
    let title = format!("[{}.{}]", spec.name, connection.name);
    let has = |key: &str| merged.get(key).is_some();
    if spec.hosts == HostsRule::None {
        let missing = spec.key("path").is_some() && !has("path");
        let message = format!("`path` is missing in {title}");
        let help = "write `path = \"data/app.db\"`, or `path = \":memory:\"`";
        return if missing {
            vec![missing_at(connection, "missing-path", message, help)]
        } else {
            Vec::new()
        };
    }
    let no_db = spec.name == "mongodb" && !has("url") && !has("db");
    // The driver would take the name of whoever runs the application.
    let no_username = spec.name == "postgres" && !has("url") && !has("username");
    let no_host = !has("url") && !has("socket") && merged.hosts().is_empty();
    if no_host && let Some((key, origin)) = &merged.replaced_url {
        let message = format!("`{key}` takes the place of the `url` below it, and then {title} has no host");
        return vec![at(origin, "no-host", message).help("write the hosts here too, or the whole `url`")];
    }
    if no_host {
        let (beside, help) = match spec.key("url") {
            Some(_) if no_db => (
                " and no `db`",
                "write `host = \"db1\"` and `db = \"name\"`, or `url = { env = \"NAME\" }`",
            ),
            Some(_) if no_username => (
                " and no `username`",
                "write `host = \"db1\"` and `username = \"name\"`, or `url = { env = \"NAME\" }`",
            ),
            Some(_) => (
                "",
                "write `host = \"db1\"`, `connections = [{ host = \"db1\" }]` or `url = { env = \"NAME\" }`",
            ),
            None => (
                "",
                "write `host = \"cache1\"`, or `connections = [{ host = \"cache1\" }]`",
            ),
        };
        let message = format!("{title} has no host{beside}");
        return vec![missing_at(connection, "no-host", message, help)];
    }
    let mut found = Vec::new();
    if let Some(origin) = merged.stray_port() {
        let help = "write the `host` too, which then takes the place of the socket";
        found.push(
            at(
                origin,
                "port-without-host",
                "`port` has no `host` to belong to".to_owned(),
            )
            .help(help),
        );
    }
    if no_db {
        let message = format!("`db` is missing in {title}");
        found.push(missing_at(
            connection,
            "missing-db",
            message,
            "write `db = \"name\"`",
        ));
    }
    if no_username {
        let message = format!("`username` is missing in {title}");
        let help = "write `username = \"name\"`";
        found.push(missing_at(connection, "missing-username", message, help));
    }
    found
}

fn missing_at(connection: &ConnectionShape, code: &'static str, message: String, help: &str) -> Diagnostic {
    Diagnostic::error(code, message)
        .at(connection.position)
        .help(help)
}

fn check_hosts(spec: &BackendSpec, merged: &Merged) -> Vec<Diagnostic> {
    let hosts = merged.hosts();
    let Some(Setting { origin, .. }) = merged.get("connections") else {
        return Vec::new();
    };
    if hosts.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if hosts[0].role == Role::Replica {
        let message = "the first host is the primary, found a replica".to_owned();
        found.push(at(origin, "replica-first", message).help("write the primary first"));
    }
    let primaries = hosts.iter().filter(|host| host.role == Role::Primary).count();
    if primaries > 1 && primaries < hosts.len() {
        let message = format!("expected one primary beside replicas, found {primaries}");
        let help = "write `role = \"replica\"` for every other host, or no `role` at all: then the first host that is \
            writable is the primary";
        found.push(at(origin, "several-primaries", message).help(help));
    }
    let is_before = |index: &usize| {
        let host = &hosts[*index];
        hosts[..*index].iter().any(|before| is_same(before, host, spec))
    };
    if let Some(index) = (1..hosts.len()).find(is_before) {
        let message = format!("host {} of {} stands in the list before", index + 1, hosts.len());
        found.push(at(origin, "same-host-twice", message).help("write each host once"));
    }
    found
}

/// A direct connection is to one host: a list would be for the driver to choose from, which it then must not do.
fn check_direct(spec: &BackendSpec, merged: &Merged) -> Option<Diagnostic> {
    let wanted = |setting: &&Setting| setting.value == Value::Bool(true);
    let direct = merged.get("direct").filter(wanted)?;
    let in_url = merged.get("url").and_then(|setting| match &setting.value {
        Value::Text(text) => Some((ConnectionUrl::parse(text, spec).ok()?.hosts.len(), setting)),
        _ => None,
    });
    let listed = || Some((merged.hosts().len(), merged.get("connections")?));
    let (count, hosts) = in_url.or_else(listed).filter(|(count, _)| *count > 1)?;
    let (first, second, label) = if rank(&direct.origin) > rank(&hosts.origin) {
        (&direct.origin, &hosts.origin, "the hosts stand here")
    } else {
        (&hosts.origin, &direct.origin, "`direct` stands here")
    };
    let message = format!("`direct` is for one host, and there are {count}");
    let diagnostic = at(first, "direct-over-several-hosts", message).beside(first, second, label);
    Some(diagnostic.help("keep one host, or remove `direct`: the driver then finds out what each host is"))
}

/// What a server takes for no name of a database, or for that of another one.
fn check_db_name(spec: &BackendSpec, merged: &Merged) -> Option<Diagnostic> {
    // Not that of a `url` of MongoDB, which may be the database of the login alone: there the specification allows a dot.
    let Setting {
        value: Value::Text(name),
        origin,
    } = merged.get("db")?
    else {
        return None;
    };
    Some(at(origin, "bad-db-name", database_name_mistake(spec.name, name)?))
}

/// Why a server of this backend takes a text for no name of a database; nothing where it does.
///
/// ```
/// # use registry_config::database_name_mistake;
/// assert!(database_name_mistake("mongodb", "shop_logs").is_none());
/// assert!(database_name_mistake("mongodb", "shop.logs").is_some());
/// // PostgreSQL would cut it off without a word, and lead to another database.
/// assert!(database_name_mistake("postgres", &"x".repeat(64)).is_some());
/// ```
#[must_use]
pub fn database_name_mistake(backend: &str, name: &str) -> Option<String> {
    // <https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions>,
    // <https://www.postgresql.org/docs/current/limits.html>,
    // <https://dev.mysql.com/doc/refman/8.4/en/identifier-length.html>
    const LONGEST: usize = 63;
    const LONGEST_OF_MYSQL: usize = 64;
    let bytes = name.len();
    match backend {
        "mongodb" => {
            let is_wrong = |c: char| matches!(c, '/' | '\\' | '.' | '"' | '$' | ' ' | '\0');
            let found = match name.chars().find(|c| is_wrong(*c)) {
                Some(' ') => "a blank".to_owned(),
                Some(wrong) => format!("`{}`", wrong.escape_default()),
                None if bytes > LONGEST => format!("{bytes} bytes"),
                None => return None,
            };
            Some(format!(
                "expected a name of a database of MongoDB, at most {LONGEST} bytes without `/`, `\\`, `.`, `\"`, `$` and \
                 blanks, found {found}"
            ))
        }
        "postgres" if bytes > LONGEST => Some(format!(
            "expected a name of a database of PostgreSQL, at most {LONGEST} bytes, found {bytes}"
        )),
        "mysql" if name.chars().count() > LONGEST_OF_MYSQL => Some(format!(
            "expected a name of a database of MySQL, at most {LONGEST_OF_MYSQL} characters, found {}",
            name.chars().count()
        )),
        _ => None,
    }
}

fn is_same(a: &Host, b: &Host, spec: &BackendSpec) -> bool {
    let port = |host: &Host| host.port.or(spec.default_port);
    let name = match (&a.host, &b.host) {
        (HostName::Literal(a), HostName::Literal(b)) => a.eq_ignore_ascii_case(b),
        (a, b) => a == b,
    };
    name && port(a) == port(b)
}

fn check_pool(merged: &Merged) -> Option<Diagnostic> {
    let (min, min_origin) = merged.count("pool.min")?;
    let (max, max_origin) = merged.count("pool.max")?;
    if min <= max {
        return None;
    }
    let several_files = min_origin.file() != max_origin.file();
    let shown = |origin: &Origin| match origin {
        Origin::Default => ", the default".to_owned(),
        Origin::Variable(name) => format!(" from {name}"),
        Origin::File { .. } if several_files && origin.file().is_none() => " as compiled in".to_owned(),
        Origin::File { .. } => String::new(),
    };
    let message = format!(
        "`pool.min` is {min}{}, which is more than `pool.max`, {max}{}",
        shown(min_origin),
        shown(max_origin)
    );
    let (first, second, label) = if rank(max_origin) > rank(min_origin) {
        (max_origin, min_origin, "`pool.min` stands here")
    } else {
        (min_origin, max_origin, "`pool.max` stands here")
    };
    let diagnostic = Diagnostic::error("pool-min-over-max", message)
        .of(first)
        .beside(first, second, label);
    Some(diagnostic.help(format!(
        "write at most {max} as `min`, or at least {min} as `max`"
    )))
}

/// Which of two origins decides where a diagnostic about both stands: the later layer, then the later place.
fn rank(origin: &Origin) -> (u8, Position) {
    use crate::shape::Scope;
    match origin {
        Origin::Default => (0, Position::default()),
        Origin::File {
            scope: Scope::Defaults,
            position,
        } => (1, *position),
        Origin::File {
            scope: Scope::Connection,
            position,
        } => (2, *position),
        Origin::File {
            scope: Scope::Profile(_),
            position,
        } => (3, *position),
        Origin::File {
            scope: Scope::Config(_),
            position,
        } => (4, *position),
        Origin::Variable(_) => (5, Position::default()),
    }
}

fn check_login(merged: &Merged) -> Option<Diagnostic> {
    debug_assert!(merged.get("url").is_none() || GROUP.iter().all(|key| merged.get(key).is_none()));
    let Setting { value, origin } = merged.get("password")?;
    let empty = matches!(value, Value::Secret(secret) if secret.is_empty());
    if merged.get("username").is_some() || empty {
        return None;
    }
    let message = "`password` has no `username` to belong to".to_owned();
    Some(at(origin, "password-without-username", message).help("write `username = \"name\"` too"))
}

fn check_tls(merged: &Merged) -> Option<Diagnostic> {
    let off = |setting: &&Setting| setting.value == Value::Text("off".into());
    let tls = merged.get("tls").filter(off)?;
    let ca = merged.get("tls_ca")?;
    let (first, second, label) = if rank(&tls.origin) > rank(&ca.origin) {
        (&tls.origin, &ca.origin, "`tls_ca` stands here")
    } else {
        (&ca.origin, &tls.origin, "`tls` stands here")
    };
    let message = "`tls_ca` has no use while `tls` is `off`".to_owned();
    let diagnostic = at(first, "tls-ca-without-tls", message).beside(first, second, label);
    Some(diagnostic.help("remove `tls_ca`, or write `tls = \"verify\"`"))
}
