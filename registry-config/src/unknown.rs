//! Keys that a backend does not have, and what was meant by them.

use crate::backends::backends;
use crate::literal::Mistake;
use crate::merge::GROUP;
use crate::name;
use crate::shape::Scope;
use crate::spec::HostsRule;
use crate::suggest::suggest;
use crate::table::{Table, TableReader};
use crate::tree::{Key, Node};
use crate::typed::all_of;
use toml::de::DeValue;

impl TableReader<'_> {
    /// A key in an entry of `connections`.
    pub(crate) fn unknown_host_key(&mut self, key: &Key<'_>) {
        let text = key.get_ref().as_ref();
        let known: Vec<&str> = self.spec.host_keys.iter().map(|key| key.path).collect();
        let shown = name::quoted(text)
            .map(|key| format!(" {key}"))
            .unwrap_or_default();
        let message = format!("unknown key{shown} of a host of {}", self.spec.name);
        let meant = alias(text)
            .filter(|key| known.contains(key))
            .or_else(|| suggest(text, known.iter().copied()));
        let help = match meant {
            Some(key) => format!("did you mean `{key}`"),
            None if self.spec.key(text).is_some() => {
                format!("`{text}` is for the whole connection: write it outside of `connections`")
            }
            None => format!("the keys of a host are {}", all_of(&known)),
        };
        self.report(Mistake::new("unknown-key", message).help(help), key.span().start);
    }

    /// A key of a connection, or of a table in it; `prefix` is the path of that table, with its dot.
    pub(crate) fn unknown_key(&mut self, prefix: &str, key: &Key<'_>, node: &Node<'_>, out: &mut Table) {
        let text = key.get_ref().as_ref();
        let path = format!("{prefix}{text}");
        let offset = key.span().start;
        if let Some(mistake) = self.senseless(&path) {
            // Whatever was meant to say where the data is did not say it.
            out.failed.extend(["path", "connections"]);
            return self.report(mistake, offset);
        }
        let name = self.spec.name;
        let shown = name::quoted(&path)
            .map(|key| format!(" {key}"))
            .unwrap_or_default();
        let meant = self.meant(prefix, text);
        out.failed
            .extend(meant.and_then(|key| self.spec.key(key)).map(|key| key.path));
        let is_table = matches!(node.get_ref(), DeValue::Table(_));
        if is_table && *self.scope == Scope::Defaults && meant.is_none() && prefix.is_empty() {
            let message = format!("[defaults.{name}] expects keys, found the table{shown}");
            let help =
                format!("write the keys under `[defaults.{name}]`; they are for every connection of {name}");
            return self.report(Mistake::new("unknown-key", message).help(help), offset);
        }
        let owner = backends().iter().find(|spec| spec.key(&path).is_some());
        let help = match (meant, owner) {
            (Some(key), _) => format!("did you mean `{key}`"),
            (None, Some(owner)) => format!("it is a key of {}; {}", owner.name, self.known(prefix)),
            (None, None) => self.known(prefix),
        };
        self.report(
            Mistake::new("unknown-key", format!("unknown key{shown} of {name}")).help(help),
            offset,
        );
    }

    /// A key that other backends have, and that makes no sense here.
    fn senseless(&self, path: &str) -> Option<Mistake> {
        if self.spec.key(path).is_some() {
            return None;
        }
        let name = self.spec.name;
        if self.spec.hosts == HostsRule::None {
            let (code, help) = match path {
                "username" | "password" => ("no-login", "remove the line"),
                path if path == "url" || GROUP.contains(&path) => {
                    ("unknown-key", "write `path = \"data/app.db\"` instead")
                }
                _ => return None,
            };
            return Some(Mistake::new(code, format!("{name} is a file, and has no `{path}`")).help(help));
        }
        if path == "socket" {
            let help = match name {
                "mongodb" => {
                    "write `host = \"localhost\"` instead, or a `url` with the path percent-encoded, such as \
                     `mongodb://%2Frun%2Fmongodb.sock/logs`"
                }
                _ => "write `host = \"localhost\"` instead",
            };
            return Some(Mistake::new("unknown-key", format!("{name} has no `socket`")).help(help));
        }
        if !self.spec.schemes.is_empty() {
            return None;
        }
        let (code, message, help) = match path {
            "username" | "password" => (
                "no-login",
                format!("{name} has no login, found `{path}`"),
                "remove the line",
            ),
            "db" => (
                "unknown-key",
                format!("{name} has no databases, found `db`"),
                "remove the line",
            ),
            "url" => (
                "unknown-key",
                format!("{name} has no `url`"),
                "write `host = \"cache1\"` instead",
            ),
            "tls" | "tls_ca" => (
                "unknown-key",
                format!("{name} is spoken without TLS, found `{path}`"),
                "remove the line",
            ),
            _ => return None,
        };
        Some(Mistake::new(code, message).help(help))
    }

    /// The key that was meant.
    fn meant(&self, prefix: &str, text: &str) -> Option<&'static str> {
        let path = format!("{prefix}{text}");
        let known = |path: &str| self.spec.key(path).map(|key| key.path);
        let here = || {
            self.spec
                .keys
                .iter()
                .filter_map(|key| key.path.strip_prefix(prefix))
        };
        let elsewhere = || {
            let inner = self
                .spec
                .keys
                .iter()
                .filter_map(|key| key.path.split_once('.').map(|(_, last)| (last, key)));
            inner
                .filter(|(last, _)| *last == text)
                .map(|(_, key)| key.path)
                .next()
        };
        let tables = self
            .spec
            .keys
            .iter()
            .filter_map(|key| key.path.split_once('.').map(|(table, _)| table));
        alias(&path)
            .and_then(known)
            .or_else(|| suggest(text, here()).and_then(|last| known(&format!("{prefix}{last}"))))
            .or_else(elsewhere)
            .or_else(|| suggest(&path, tables))
    }

    /// The keys that may stand in this table.
    fn known(&self, prefix: &str) -> String {
        let mut keys: Vec<&str> = Vec::new();
        for key in self
            .spec
            .keys
            .iter()
            .filter_map(|key| key.path.strip_prefix(prefix))
        {
            let first = key.split('.').next().unwrap_or(key);
            if !keys.contains(&first) {
                keys.push(first);
            }
        }
        let owner = if prefix.is_empty() {
            self.spec.name
        } else {
            prefix.trim_end_matches('.')
        };
        format!("the keys of {owner} are {}", all_of(&keys))
    }
}

/// What other systems call our keys.
fn alias(path: &str) -> Option<&'static str> {
    let folded: String = path
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | '.'))
        .map(|c| c.to_ascii_lowercase())
        .take(40)
        .collect();
    Some(match folded.as_str() {
        "user" | "login" | "uid" | "account" => "username",
        "pass" | "pwd" | "passwd" | "secret" => "password",
        "database" | "dbname" | "databasename" | "schema" => "db",
        "hosts" | "servers" | "nodes" | "seeds" | "replicas" => "connections",
        "hostname" | "server" | "address" | "addr" | "ip" => "host",
        "uri" | "dsn" | "connectionstring" => "url",
        "unixsocket" | "sock" | "socketpath" => "socket",
        "ssl" | "sslmode" | "tlsmode" => "tls",
        "ca" | "sslca" | "cafile" | "sslrootcert" => "tls_ca",
        "rs" | "rsname" | "replset" => "replica_set",
        "authdb" | "authsource" => "auth_source",
        "readpreference" | "readpref" => "read_preference",
        "directconnection" => "direct",
        "maxconnections" | "poolsize" | "maxpoolsize" | "connectionlimit" | "poolmaximum" => "pool.max",
        "minconnections" | "minpoolsize" | "poolminimum" => "pool.min",
        "file" | "filename" => "path",
        "querytimeout" | "commandtimeout" | "operationtimeout" => "timeout",
        _ => return None,
    })
}
