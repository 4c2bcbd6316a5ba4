//! One table of a connection, against the keys of its backend.

use crate::conflict;
use crate::diagnostic::Diagnostic;
use crate::literal::{self, Mistake};
use crate::position::Lines;
use crate::shape::{Entry, Scope};
use crate::spec::{BackendSpec, KeySpec, Kind};
use crate::suggest::suggest;
use crate::tree::{self, Node, in_order};
use crate::value::{Host, HostName, Role, Value};
use std::borrow::Cow;
use toml::de::{DeTable, DeValue};

/// What a table says.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    /// Keys that were meant to be here and could not be read. What misses them is no second mistake.
    pub(crate) failed: Vec<&'static str>,
}

/// Reads the tables of one backend.
pub(crate) struct TableReader<'a> {
    pub(crate) lines: &'a Lines<'a>,
    pub(crate) spec: &'static BackendSpec,
    pub(crate) scope: &'a Scope,
    pub(crate) diagnostics: &'a mut Vec<Diagnostic>,
}

impl TableReader<'_> {
    /// Reads a whole table.
    pub(crate) fn read(&mut self, table: &DeTable<'_>) -> Table {
        let mut out = Table::default();
        self.read_keys("", table, &mut out);
        self.check_conflict(&mut out);
        out
    }

    pub(crate) fn report(&mut self, mistake: Mistake, offset: usize) {
        let position = self.lines.position(mistake.at.unwrap_or(offset));
        self.diagnostics.push(mistake.diagnostic().at(position));
    }

    fn read_keys(&mut self, prefix: &str, table: &DeTable<'_>, out: &mut Table) {
        for (key, node) in in_order(table) {
            let path = format!("{prefix}{}", key.get_ref());
            if let Some(spec) = self.spec.key(&path) {
                self.read_key(spec, node, out);
                continue;
            }
            let below = format!("{path}.");
            let inner: Vec<&'static KeySpec> = self
                .spec
                .keys
                .iter()
                .filter(|key| key.path.starts_with(&below))
                .collect();
            match node.get_ref() {
                _ if inner.is_empty() => self.unknown_key(prefix, key, node, out),
                DeValue::Table(table) => self.read_keys(&below, table, out),
                value => {
                    out.failed.extend(inner.iter().map(|key| key.path));
                    let message = format!("`{path}` expects a table, found {}", tree::found(value));
                    let example = inner
                        .iter()
                        .find(|key| key.path.ends_with(".max"))
                        .unwrap_or(&inner[0])
                        .path;
                    let example = &example[below.len()..];
                    let help = format!("write `{path} = {{ {example} = 20 }}`");
                    self.report(Mistake::new("wrong-type", message).help(help), node.span().start);
                }
            }
        }
    }

    fn read_key(&mut self, key: &'static KeySpec, node: &Node<'_>, out: &mut Table) {
        let offset = node.span().start;
        let value = if key.kind == Kind::Hosts {
            self.read_hosts(node)
        } else {
            literal::read(key.path, key, self.spec, node)
                .and_then(|value| self.check_start(key, value))
                .map_err(Some)
        };
        match value {
            Ok(value) => out.entries.push(Entry {
                key: key.path,
                value,
                position: self.lines.position(offset),
            }),
            Err(mistake) => {
                out.failed.push(key.path);
                if let Some(mistake) = mistake {
                    self.report(mistake, offset);
                }
            }
        }
    }

    /// `optional` decides about types, so it has one place.
    fn check_start(&self, key: &KeySpec, value: Value) -> Result<Value, Mistake> {
        let optional = key.path == "start" && value == Value::Text("optional".into());
        let place = match self.scope {
            Scope::Defaults => "[defaults]",
            Scope::Profile(_) => "a profile",
            Scope::Config(_) => "a file that is read at the start",
            Scope::Connection => return Ok(value),
        };
        if !optional {
            return Ok(value);
        }
        let message =
            format!("`start = \"optional\"` stands in {place}; it is part of the connection's type");
        let own = format!(
            "write it in the connection's own table, `[{}.NAME]`",
            self.spec.name
        );
        let help = match self.scope {
            Scope::Config(_) => format!("{own}, of the file that is compiled in"),
            _ => own,
        };
        Err(Mistake::new("start-is-shape", message).help(help))
    }

    /// The list of hosts. `Err(None)` when the mistakes in it are reported already.
    fn read_hosts(&mut self, node: &Node<'_>) -> Result<Value, Option<Mistake>> {
        const HELP: &str = "write `connections = [{ host = \"db1\" }]`";
        let DeValue::Array(array) = node.get_ref() else {
            let message = format!(
                "`connections` expects a list of tables, found {}",
                tree::found(node.get_ref())
            );
            return Err(Some(Mistake::new("wrong-type", message).help(HELP)));
        };
        if array.is_empty() {
            let message = "`connections` expects at least one host, found an empty list";
            return Err(Some(Mistake::new("no-host", message).help(HELP)));
        }
        let hosts: Vec<Option<Host>> = array.iter().map(|item| self.read_host(item)).collect();
        match hosts.into_iter().collect::<Option<Vec<Host>>>() {
            Some(hosts) => Ok(Value::Hosts(Cow::Owned(hosts))),
            None => Err(None),
        }
    }

    fn read_host(&mut self, item: &Node<'_>) -> Option<Host> {
        let DeValue::Table(table) = item.get_ref() else {
            let message = format!(
                "a host in `connections` is a table, found {}",
                tree::found(item.get_ref())
            );
            let help = "write `{ host = \"db1\" }`, and the port as `{ host = \"db1\", port = 3306 }`";
            self.report(Mistake::new("wrong-type", message).help(help), item.span().start);
            return None;
        };
        let mut host = Host::new(HostName::Literal(Cow::Borrowed("")));
        let (mut named, mut good) = (false, true);
        for (key, node) in in_order(table) {
            let text = key.get_ref().as_ref();
            let Some(spec) = self.spec.host_keys.iter().find(|key| key.path == text) else {
                named |= suggest(text, ["host"]).is_some();
                good = false;
                self.unknown_host_key(key);
                continue;
            };
            named |= spec.path == "host";
            match literal::read(spec.path, spec, self.spec, node) {
                Ok(value) => set(&mut host, spec.path, value),
                Err(mistake) => {
                    good = false;
                    self.report(mistake, node.span().start);
                }
            }
        }
        if !named {
            let message = "a host in `connections` has no `host`";
            self.report(
                Mistake::new("no-host", message).help("write `{ host = \"db1\" }`"),
                item.span().start,
            );
        }
        (named && good).then_some(host)
    }

    fn check_conflict(&mut self, table: &mut Table) {
        let find = |key: &str| table.entries.iter().find(|entry| entry.key == key);
        let has = |key: &str| find(key).is_some();
        let Some((first, second)) = conflict::pair(has) else {
            return;
        };
        if let (Some(one), Some(other)) = (find(first), find(second)) {
            let diagnostic = Diagnostic::error(
                "keys-in-conflict",
                format!("`{first}` and `{second}` exclude each other"),
            )
            .help(conflict::help((first, second)));
            let (early, late) = if one.position < other.position {
                (one, other)
            } else {
                (other, one)
            };
            let label = format!("`{}` stands here", early.key);
            self.diagnostics
                .push(diagnostic.at(late.position).related(early.position, label));
            // Whether there is a host depends on which of the two is kept.
            table.failed.extend((second == "socket").then_some(second));
        }
    }
}

fn set(host: &mut Host, key: &str, value: Value) {
    match (key, value) {
        ("host", Value::Text(text)) => host.host = HostName::Literal(text),
        ("host", Value::Reference(reference)) => host.host = HostName::Reference(reference),
        ("port", Value::Port(port)) => host.port = Some(port),
        ("role", Value::Text(word)) if word == "replica" => host.role = Role::Replica,
        ("weight", Value::Count(weight)) => host.weight = u32::try_from(weight).unwrap_or(u32::MAX),
        _ => {}
    }
}
