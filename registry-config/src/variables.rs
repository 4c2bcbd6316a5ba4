//! Variables of the environment that lay values over the file: `DBREG_MYSQL__MAIN__POOL__MAX`.

use crate::backends::{backend, backends};
use crate::conflict;
use crate::diagnostic::Diagnostic;
use crate::name;
use crate::shape::{ConnectionShape, Shape};
use crate::spec::{BackendSpec, KeySpec, Kind};
use crate::suggest::suggest;
use crate::typed;
use crate::value::Value;
use std::collections::BTreeMap;

/// One value that a variable lays over the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Override {
    /// The backend of the connection.
    pub backend: &'static str,
    /// The field of the connection.
    pub field: String,
    /// The path of the key.
    pub key: &'static str,
    /// The value.
    pub value: Value,
    /// The name of the variable.
    pub variable: String,
}

/// What the environment says.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Variables {
    /// Values for the connections of the shape, in the order of the variables' names.
    pub overrides: Vec<Override>,
    /// Errors, and warnings about variables that nobody reads.
    pub diagnostics: Vec<Diagnostic>,
    /// The profile that `DBREG_PROFILE` asks for, if the file has it.
    pub profile: Option<String>,
    /// How many connections may open at the same time: `DBREG_STARTUP_CONCURRENCY`.
    pub startup_concurrency: Option<u16>,
}

/// Reads the variables with this prefix (`DBREG`). Of several with one name the last holds.
#[must_use]
pub fn variables(
    shape: &Shape,
    prefix: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Variables {
    let start = format!("{prefix}_");
    // The last one holds where a name is given twice.
    let ours: BTreeMap<String, String> = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(&start))
        .collect();
    let mut reader = Reader {
        shape,
        prefix,
        out: Variables::default(),
    };
    for (name, value) in &ours {
        reader.read(name, &name[start.len()..], value);
    }
    reader.check_conflicts();
    reader.out
}

struct Reader<'a> {
    shape: &'a Shape,
    prefix: &'a str,
    out: Variables,
}

impl Reader<'_> {
    fn read(&mut self, variable: &str, rest: &str, value: &str) {
        match rest {
            "PROFILE" => return self.read_profile(variable, value),
            // The path of a file with values; whoever reads that file checks it.
            "CONFIG" => return,
            // Those of `#[dbreg::test]`, and of throw-away servers.
            "TEST_HOLD" | "TEST_KEEP" | "TEST_SERVERS" | "DEV_MYSQLD" => return,
            "STARTUP_CONCURRENCY" => return self.read_concurrency(variable, value),
            _ => {}
        }
        let spec = rest.split_once("__").and_then(|(first, rest)| {
            let spec = backends().iter().find(|spec| name::upper(spec.name) == first)?;
            Some((spec, rest))
        });
        match spec {
            Some((spec, rest)) => self.read_value(variable, spec, rest, value),
            None => self.warn(variable),
        }
    }

    fn read_profile(&mut self, variable: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        match self.shape.check_profile(value) {
            Ok(()) => self.out.profile = Some(value.to_owned()),
            Err(mut diagnostic) => {
                diagnostic.message = format!("{variable}: {}", diagnostic.message);
                self.out.diagnostics.push(diagnostic);
            }
        }
    }

    fn read_concurrency(&mut self, variable: &str, value: &str) {
        let number = value.parse().ok().filter(|number| *number > 0);
        if number.is_none() {
            let found = shown_if(is_quantity(value), value);
            let message = format!(
                "{variable} must be a whole number from 1 to {}, found {found}",
                u16::MAX
            );
            self.error("bad-variable", message, None);
        }
        self.out.startup_concurrency = number;
    }

    fn read_value(&mut self, variable: &str, spec: &'static BackendSpec, rest: &str, value: &str) {
        let (field, path) = rest
            .split_once("__")
            .map_or((rest, None), |(field, path)| (field, Some(path)));
        let is_ours = |connection: &&ConnectionShape| {
            connection.backend == spec.name && name::upper(&connection.field) == field
        };
        let Some(connection) = self.shape.connections.iter().find(is_ours) else {
            return self.unknown_connection(variable, spec, field, path);
        };
        let title = format!("[{}.{}]", spec.name, connection.name);
        let Some(path) = path.filter(|path| !path.is_empty()) else {
            let help = format!(
                "write {}_{}__{field}__KEY, such as …__HOST",
                self.prefix,
                name::upper(spec.name)
            );
            return self.error(
                "unknown-variable",
                format!("{variable} names {title}, but no key of it"),
                Some(help),
            );
        };
        let Some(key) = spec.keys.iter().find(|key| key_variable(key) == path) else {
            return self.unknown_key(variable, spec, connection, path);
        };
        if key.path == "start"
            && let Some((message, help)) = refuse_start(connection, value)
        {
            return self.error(
                "start-is-shape",
                format!("{variable}: {message}"),
                Some(help.to_owned()),
            );
        }
        match typed::parse(key, spec, value) {
            Ok(value) => self.out.overrides.push(Override {
                backend: spec.name,
                field: connection.field.clone().into_owned(),
                key: key.path,
                value,
                variable: variable.to_owned(),
            }),
            Err(expected) => {
                let found = shown(key, value)
                    .map(|value| format!(", found {value}"))
                    .unwrap_or_default();
                let help = suggested(key, value);
                self.error(
                    "bad-variable",
                    format!("{variable} must be {expected}{found}"),
                    help,
                );
            }
        }
    }

    fn unknown_connection(&mut self, variable: &str, spec: &BackendSpec, field: &str, path: Option<&str>) {
        let lower = field.to_ascii_lowercase();
        let full = format!("{}.{lower}", spec.name);
        if self.shape.others.iter().any(|other| *other == full) {
            return;
        }
        let stem = |backend: &str, field: &str| {
            let path = path.map(|path| format!("__{path}")).unwrap_or_default();
            format!(
                "{}_{}__{}{path}",
                self.prefix,
                name::upper(backend),
                name::upper(field)
            )
        };
        let same = self
            .shape
            .connections
            .iter()
            .filter(|connection| connection.backend == spec.name);
        let others = self.shape.others.iter().filter_map(|other| other.split_once('.'));
        let fields: Vec<&str> = same
            .map(|connection| connection.field.as_ref())
            .chain(
                others
                    .filter(|(backend, _)| *backend == spec.name)
                    .map(|(_, field)| field),
            )
            .collect();
        let elsewhere = self
            .shape
            .connections
            .iter()
            .find(|connection| connection.field == lower);
        let help = match (suggest(&lower, fields.iter().copied()), elsewhere) {
            (Some(field), _) => Some(format!("did you mean {}", stem(spec.name, field))),
            (None, Some(connection)) => Some(format!(
                "did you mean {}",
                stem(connection.backend, &connection.field)
            )),
            (None, None) if fields.is_empty() => {
                Some(format!("{} has no connection of {}", self.shape.file, spec.name))
            }
            (None, None) => Some(format!(
                "the connections of {} are {}",
                spec.name,
                fields.join(", ")
            )),
        };
        let message = format!(
            "{variable} is for a connection that {} does not have",
            self.shape.file
        );
        self.error("unknown-variable", message, help);
    }

    fn unknown_key(&mut self, variable: &str, spec: &BackendSpec, connection: &ConnectionShape, path: &str) {
        let keys: Vec<String> = spec.keys.iter().map(key_variable).collect();
        let help = match suggest(path, keys.iter().map(String::as_str)) {
            Some(key) => format!(
                "did you mean {}_{}__{}__{key}",
                self.prefix,
                name::upper(spec.name),
                name::upper(&connection.field)
            ),
            None => format!("the keys are {}", keys.join(", ")),
        };
        let message = format!("{variable} is for a key that {} does not have", spec.name);
        self.error("unknown-variable", message, Some(help));
    }

    /// Something else gave the variable its name, Kubernetes for one; or a slip of the pen did.
    fn warn(&mut self, variable: &str) {
        let known: Vec<String> = self.known().collect();
        let mut diagnostic =
            Diagnostic::warning("unread-variable", format!("{variable} is not read by anything"));
        diagnostic.help =
            suggest(variable, known.iter().map(String::as_str)).map(|name| format!("did you mean {name}"));
        self.out.diagnostics.push(diagnostic);
    }

    /// Every variable that would be read.
    fn known(&self) -> impl Iterator<Item = String> {
        let values = self.shape.connections.iter().flat_map(|connection| {
            let keys = backend(connection.backend).map_or(&[] as &[KeySpec], |spec| spec.keys);
            let stem = format!(
                "{}_{}__{}",
                self.prefix,
                name::upper(connection.backend),
                name::upper(&connection.field)
            );
            keys.iter()
                .map(move |key| format!("{stem}__{}", key_variable(key)))
        });
        ["PROFILE", "CONFIG", "STARTUP_CONCURRENCY"]
            .into_iter()
            .map(|word| format!("{}_{word}", self.prefix))
            .chain(values)
    }

    /// Two variables that exclude each other, as two keys of one table would.
    fn check_conflicts(&mut self) {
        for connection in self.shape.connections.iter() {
            let ours: Vec<&Override> = self
                .out
                .overrides
                .iter()
                .filter(|over| over.backend == connection.backend && over.field == connection.field)
                .collect();
            let find = |key: &str| ours.iter().find(|over| over.key == key);
            if let Some((first, second)) = conflict::pair(|key| find(key).is_some())
                && let (Some(one), Some(other)) = (find(first), find(second))
            {
                let message = format!("{} and {} exclude each other", one.variable, other.variable);
                let help = conflict::help((first, second));
                self.out
                    .diagnostics
                    .push(Diagnostic::error("keys-in-conflict", message).help(help));
            }
        }
    }

    fn error(&mut self, code: &'static str, message: String, help: Option<String>) {
        let mut diagnostic = Diagnostic::error(code, message);
        diagnostic.help = help;
        self.out.diagnostics.push(diagnostic);
    }
}

/// `pool.max` as `POOL__MAX`.
fn key_variable(key: &KeySpec) -> String {
    key.path.to_ascii_uppercase().replace('.', "__")
}

/// Whether a connection may be missing is a matter of types: it cannot change after compiling.
pub(crate) fn refuse_start(connection: &ConnectionShape, value: &str) -> Option<(String, &'static str)> {
    if connection.optional {
        let message = format!(
            "[{}.{}] is optional, which only its own table can change",
            connection.backend, connection.name
        );
        return Some((message, "leave `start` out here"));
    }
    (value == "optional").then(|| {
        let message = "`optional` is part of the types that are compiled in".to_owned();
        (
            message,
            "write `required` or `lazy` here, or `start = \"optional\"` in the connection's own table",
        )
    })
}

/// The value of a variable as a message may show it: never one of a key that can hold a secret, and of the others only what
/// is nearly right. What is far from it may be the value of another variable, a password.
fn shown(key: &KeySpec, value: &str) -> Option<String> {
    let is_word = |words: &[&str]| suggest(value, words.iter().copied()).is_some();
    let nearly_right = match key.kind {
        Kind::Port | Kind::Count { .. } | Kind::Duration { .. } => is_quantity(value),
        Kind::Bool => is_quantity(value) || is_word(&["true", "false", "yes", "no", "on", "off"]),
        Kind::Choice(words) => is_word(words),
        _ => return None,
    };
    Some(shown_if(nearly_right, value))
}

fn shown_if(harmless: bool, value: &str) -> String {
    if harmless {
        format!("`{}`", value.escape_debug())
    } else {
        "other text".to_owned()
    }
}

/// Whether it is a short number, with a sign, a fraction or a unit.
fn is_quantity(value: &str) -> bool {
    // A line break at its end is what a file leaves behind.
    let number = value.trim().trim_start_matches(['-', '+']);
    let unit = number.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    value.len() <= 12
        && unit.len() < number.len()
        && unit.len() <= 2
        && unit.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn suggested(key: &KeySpec, value: &str) -> Option<String> {
    match key.kind {
        Kind::Choice(words) => {
            suggest(value, words.iter().copied()).map(|word| format!("did you mean `{word}`"))
        }
        Kind::Duration { .. } if value.parse::<u64>().is_ok() => {
            Some("write the unit too: ms, s, m, h or d".to_owned())
        }
        _ => None,
    }
}
