//! Laying one layer of values over another.

use crate::diagnostic::Diagnostic;
use crate::safety;
use crate::settings::{Origin, Setting, Settings};
use crate::shape::{ConnectionShape, Scope};
use crate::spec::BackendSpec;
use crate::value::{Host, HostName, Value};
use crate::variables::Override;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The keys that `url` stands for. A layer with one of them takes the place of a `url` below it, and the other way.
pub(crate) const GROUP: [&str; 7] = [
    "username",
    "password",
    "db",
    "connections",
    "host",
    "port",
    "socket",
];

/// The layers so far.
#[derive(Default)]
pub(crate) struct Merged {
    values: BTreeMap<&'static str, Setting>,
    /// The port of a layer that had no host to give it to.
    port: Option<(u16, Origin)>,
    /// The key that took the place of a `url`.
    pub(crate) replaced_url: Option<(&'static str, Origin)>,
    /// What could not be laid over the rest.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Lays all layers of a connection over each other.
pub(crate) fn merge(
    connection: &ConnectionShape,
    spec: &BackendSpec,
    profile: Option<&str>,
    overrides: &[Override],
) -> Merged {
    let mut merged = Merged::default();
    for key in spec.keys {
        if let Some(value) = key.default_value() {
            merged.values.insert(
                key.path,
                Setting {
                    value,
                    origin: Origin::Default,
                },
            );
        }
    }
    let layers = connection.layers.iter();
    let ranked = layers.filter_map(|layer| Some((rank_of(&layer.scope, profile)?, layer)));
    let mut ranked: Vec<_> = ranked.collect();
    // The order of the layers is the order of the rule, whatever the order in the file was.
    ranked.sort_by_key(|(rank, _)| *rank);
    for (_, layer) in ranked {
        let entries = layer.entries.iter().map(|entry| {
            let origin = Origin::File {
                scope: layer.scope.clone(),
                position: entry.position,
            };
            (
                entry.key,
                Setting {
                    value: entry.value.clone(),
                    origin,
                },
            )
        });
        merged.lay(entries.collect());
    }
    let variables = overrides
        .iter()
        .filter(|over| over.backend == connection.backend && over.field == connection.field)
        .map(|over| {
            (
                over.key,
                Setting {
                    value: over.value.clone(),
                    origin: Origin::Variable(over.variable.clone()),
                },
            )
        });
    merged.lay(variables.collect());
    merged
}

fn rank_of(scope: &Scope, profile: Option<&str>) -> Option<u8> {
    match scope {
        Scope::Defaults => Some(0),
        Scope::Connection => Some(1),
        Scope::Profile(name) => (profile == Some(name.as_ref())).then_some(2),
        Scope::Config(_) => Some(3),
    }
}

impl Merged {
    pub(crate) fn get(&self, key: &str) -> Option<&Setting> {
        self.values.get(key)
    }

    pub(crate) fn count(&self, key: &str) -> Option<(u64, &Origin)> {
        match self.get(key)? {
            Setting {
                value: Value::Count(number),
                origin,
            } => Some((*number, origin)),
            _ => None,
        }
    }

    pub(crate) fn hosts(&self) -> &[Host] {
        match self.get("connections") {
            Some(Setting {
                value: Value::Hosts(hosts),
                ..
            }) => hosts,
            _ => &[],
        }
    }

    /// A port that found no host although a table other than the defaults asks for it.
    pub(crate) fn stray_port(&self) -> Option<&Origin> {
        let (_, origin) = self.port.as_ref()?;
        let from_defaults = matches!(
            origin,
            Origin::File {
                scope: Scope::Defaults,
                ..
            }
        );
        (!from_defaults && self.hosts().is_empty() && self.get("url").is_none()).then_some(origin)
    }

    /// The result, in the order of the backend table.
    pub(crate) fn settings(mut self, spec: &BackendSpec) -> Settings {
        // They are kept for as long as the connection lives: no room for more than there are.
        let mut entries = Vec::with_capacity(self.values.len());
        let found = spec
            .keys
            .iter()
            .filter_map(|key| Some((key.path, self.values.remove(key.path)?)));
        entries.extend(found);
        Settings { entries }
    }

    fn lay(&mut self, mut layer: BTreeMap<&'static str, Setting>) {
        self.diagnostics.extend(safety::keep(&self.values, &mut layer));
        if layer.contains_key("url") {
            // Both in one layer are a mistake that was told where the layer was read.
            layer.retain(|key, _| !GROUP.contains(key));
            for key in GROUP {
                self.values.remove(key);
            }
            self.port = None;
            self.replaced_url = None;
        } else if let Some((key, setting)) = GROUP.iter().find_map(|key| layer.get_key_value(key))
            && self.values.remove("url").is_some()
        {
            self.replaced_url = Some((*key, setting.origin.clone()));
        }
        if layer.contains_key("connections") || layer.contains_key("host") {
            self.values.remove("socket");
        } else if layer.contains_key("socket") {
            self.values.remove("connections");
            self.port = None;
        }
        self.lay_hosts(&layer);
        let others = layer
            .into_iter()
            .filter(|(key, _)| !matches!(*key, "connections" | "host" | "port"));
        self.values.extend(others);
    }

    /// Folds `connections`, or `host` and `port`, into the list.
    fn lay_hosts(&mut self, layer: &BTreeMap<&'static str, Setting>) {
        let host = layer
            .get("host")
            .and_then(|setting| Some((host_name(&setting.value)?, &setting.origin)));
        let port = layer.get("port").and_then(|setting| match setting.value {
            Value::Port(port) => Some((port, &setting.origin)),
            _ => None,
        });
        if let Some(Setting {
            value: Value::Hosts(hosts),
            origin,
        }) = layer.get("connections")
        {
            self.set_hosts(hosts.to_vec(), origin.clone());
            return;
        }
        let several = self.hosts().len() > 1;
        match (host, port) {
            (None, None) => {}
            (Some((_, Origin::Variable(variable))), _) | (_, Some((_, Origin::Variable(variable))))
                if several =>
            {
                self.refuse_variable(variable);
            }
            (None, Some((_, origin))) if several => {
                let message = format!(
                    "`port` is for one host, and here it lies over {}",
                    self.hosts().len()
                );
                let mut diagnostic = Diagnostic::error("port-over-several-hosts", message).of(origin);
                if let Some(hosts) = self.get("connections") {
                    diagnostic = diagnostic.beside(origin, &hosts.origin, "the hosts that it lies over");
                }
                let help = "write the whole list: `connections = [{ host = \"db1\", port = 3307 }, …]`";
                self.diagnostics.push(diagnostic.help(help));
            }
            (Some((name, origin)), port) => {
                let mut hosts = if several {
                    Vec::new()
                } else {
                    self.hosts().to_vec()
                };
                match hosts.first_mut() {
                    Some(first) => first.host = name,
                    None => hosts.push(Host::new(name)),
                }
                if let Some((port, _)) = port {
                    hosts[0].port = Some(port);
                }
                self.set_hosts(hosts, origin.clone());
            }
            (None, Some((port, origin))) => {
                let mut hosts = self.hosts().to_vec();
                match hosts.first_mut() {
                    Some(first) => {
                        first.port = Some(port);
                        self.set_hosts(hosts, origin.clone());
                    }
                    None => self.port = Some((port, origin.clone())),
                }
            }
        }
    }

    /// The list, in which a port that waited for a host finds it.
    fn set_hosts(&mut self, mut hosts: Vec<Host>, origin: Origin) {
        if let Some((port, _)) = self.port {
            for host in hosts.iter_mut().filter(|host| host.port.is_none()) {
                host.port = Some(port);
            }
        }
        let value = Value::Hosts(Cow::Owned(hosts));
        self.values.insert("connections", Setting { value, origin });
    }

    fn refuse_variable(&mut self, variable: &str) {
        let stem = variable
            .strip_suffix("__HOST")
            .or_else(|| variable.strip_suffix("__PORT"))
            .unwrap_or(variable);
        let message = format!(
            "{variable} is for one host, and this connection has {}; write {stem}__CONNECTIONS=… instead",
            self.hosts().len()
        );
        self.diagnostics
            .push(Diagnostic::error("variable-over-several-hosts", message));
    }
}

fn host_name(value: &Value) -> Option<HostName> {
    match value {
        Value::Text(text) => Some(HostName::Literal(text.clone())),
        Value::Reference(reference) => Some(HostName::Reference(reference.clone())),
        _ => None,
    }
}
