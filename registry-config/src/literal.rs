//! One value of the file, against the kind that its key has.

use crate::diagnostic::Diagnostic;
use crate::duration;
use crate::host;
use crate::spec::{BackendSpec, KeySpec, Kind};
use crate::suggest::suggest;
use crate::tree::{self, Node, in_order};
use crate::typed;
use crate::url::ConnectionUrl;
use crate::value::{Reference, Secret, Value};
use std::borrow::Cow;
use toml::de::{DeInteger, DeTable, DeValue};

/// A mistake in a value, without its place.
pub(crate) struct Mistake {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// The offset, when it is not that of the value.
    pub(crate) at: Option<usize>,
}

impl Mistake {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            at: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.at = Some(offset);
        self
    }

    pub(crate) fn diagnostic(self) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.code, self.message);
        diagnostic.help = self.help;
        diagnostic
    }
}

/// Reads the value of `name`, a key as messages show it. Everything but the list of hosts, which has keys of its own.
pub(crate) fn read(name: &str, key: &KeySpec, spec: &BackendSpec, node: &Node<'_>) -> Result<Value, Mistake> {
    match (node.get_ref(), key.kind) {
        (DeValue::Table(table), _) if key.reference => read_reference(name, table).map(Value::Reference),
        (DeValue::Table(table), _) if looks_like_reference(table) => {
            let message = format!("`{name}` takes no reference; expected {}", key.expected());
            Err(Mistake::new("no-reference", message)
                .help("write the value itself, or set it by a variable `DBREG_…`"))
        }
        (DeValue::String(text), Kind::Secret) => read_secret(name, text),
        (value, Kind::Secret) => {
            let message = format!("`{name}` expects a reference, found {}", without_value(value));
            Err(literal_secret(name, message))
        }
        (DeValue::String(text), Kind::Url) => read_url(name, text, spec),
        (DeValue::String(text), Kind::Text | Kind::Path | Kind::KeyPrefix) => read_text(name, key, text),
        (DeValue::String(text), Kind::Host) => read_host(name, text),
        (DeValue::String(text), Kind::Choice(words)) => read_choice(name, words, text),
        (DeValue::String(text), Kind::Duration { .. }) => read_duration(name, key, text),
        (DeValue::Integer(number), Kind::Port | Kind::Count { .. }) => read_number(name, key, spec, number),
        (DeValue::Boolean(flag), Kind::Bool) => Ok(Value::Bool(*flag)),
        (value, _) => Err(wrong_type(name, key, value)),
    }
}

/// What was found in place of a secret. It is not quoted, whatever it is.
fn without_value(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::Boolean(_) => "a bare word",
        value => tree::found(value),
    }
}

fn wrong_type(name: &str, key: &KeySpec, value: &DeValue<'_>) -> Mistake {
    let mistake = Mistake::new(
        "wrong-type",
        format!(
            "`{name}` expects {}, found {}",
            key.expected(),
            tree::found(value)
        ),
    );
    match (key.kind, value) {
        (Kind::Duration { .. }, DeValue::Integer(_) | DeValue::Float(_)) => mistake.help(format!(
            "write it with its unit and in quotes: `{} = \"5s\"`",
            last(name)
        )),
        (Kind::Port | Kind::Count { .. } | Kind::Bool, DeValue::String(_)) => {
            mistake.help("write it without quotes")
        }
        (
            Kind::Text | Kind::Path | Kind::KeyPrefix | Kind::Choice(_),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_),
        ) => mistake.help("write it in quotes"),
        (Kind::Host, DeValue::Array(_)) => {
            mistake.help("write several hosts as `connections = [{ host = \"db1\" }, { host = \"db2\" }]`")
        }
        (Kind::Text | Kind::Host | Kind::Url, DeValue::Boolean(_)) => mistake.help("write it in quotes"),
        _ => mistake,
    }
}

/// The last part of a path: `max` of `pool.max`.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn read_text(name: &str, key: &KeySpec, text: &str) -> Result<Value, Mistake> {
    if text.is_empty() {
        let message = format!(
            "`{name}` expects {}, found nothing between the quotes",
            key.expected()
        );
        return Err(Mistake::new("empty-text", message).help("write a value, or remove the line"));
    }
    if text.contains(char::is_control) {
        let message = format!(
            "`{name}` expects {} of one line, found a control character",
            key.expected()
        );
        return Err(Mistake::new("control-character", message));
    }
    if key.kind == Kind::KeyPrefix && !typed::is_key_prefix(text) {
        let found = match text.len() {
            length if length > typed::PREFIX_LIMIT => format!("{length} bytes"),
            _ => "a blank".to_owned(),
        };
        let message = format!("`{name}` expects {}, found {found}", key.expected());
        return Err(Mistake::new("bad-prefix", message).help("write it as keys begin: `prefix = \"shop:\"`"));
    }
    Ok(Value::Text(Cow::Owned(text.to_owned())))
}

fn read_secret(name: &str, text: &str) -> Result<Value, Mistake> {
    if text.is_empty() {
        return Ok(Value::Secret(Secret::new(Cow::Borrowed(""))));
    }
    Err(literal_secret(
        name,
        format!("`{name}` stands in the file as itself; expected a reference"),
    ))
}

fn literal_secret(name: &str, message: String) -> Mistake {
    let name = last(name);
    Mistake::new("literal-secret", message).help(format!(
        "write `{name} = {{ env = \"SHOP_DB_PASSWORD\" }}` or `{name} = {{ file = \"/run/secrets/shop\" }}`"
    ))
}

fn read_url(name: &str, text: &str, spec: &BackendSpec) -> Result<Value, Mistake> {
    let url = ConnectionUrl::parse(text, spec).map_err(|reason| {
        let (message, help) = reason
            .split_once("; ")
            .map_or((reason.as_str(), None), |(m, h)| (m, Some(h)));
        let mut mistake = Mistake::new("bad-url", format!("`{name}`: {message}"));
        mistake.help = help.map(str::to_owned);
        mistake
    })?;
    if url.password.as_ref().is_some_and(|password| !password.is_empty()) {
        let message = format!("the password of `{name}` stands in the file as itself; expected a reference");
        let help = "write `url = { env = \"SHOP_DB_URL\" }`, or `username`, `password = { env = … }`, `host` and `db`";
        return Err(Mistake::new("literal-secret", message).help(help));
    }
    if url.has_secret_option() {
        let message = format!(
            "an option of `{name}` is a secret that stands in the file as itself; expected a reference"
        );
        return Err(Mistake::new("literal-secret", message).help("write `url = { env = \"SHOP_DB_URL\" }`"));
    }
    if url.has_stray_option(spec) {
        let message = format!(
            "`{name}` has options behind its `?`, and {} takes none there",
            spec.name
        );
        let help = "write them as keys of the connection, such as `tls`, and the URL without `?`";
        return Err(Mistake::new("bad-url", message).help(help));
    }
    if url.lacks_db(spec) {
        let message = format!("`{name}` names no database, and {} needs one", spec.name);
        return Err(Mistake::new("missing-db", message).help(format!("write `{}://host/db`", url.scheme)));
    }
    if url.lacks_username(spec) {
        let message = format!("`{name}` names no user, and {} needs one", spec.name);
        let help = format!("write `{}://name@host/db`", url.scheme);
        return Err(Mistake::new("missing-username", message).help(help));
    }
    Ok(Value::Text(Cow::Owned(text.to_owned())))
}

fn read_host(name: &str, text: &str) -> Result<Value, Mistake> {
    match host::check(text) {
        Ok(()) => Ok(Value::Text(Cow::Owned(text.to_owned()))),
        Err((found, help)) => {
            let mut mistake = Mistake::new(
                "bad-host",
                format!("`{name}` expects the name or address of a host, {found}"),
            );
            mistake.help = match help {
                Some(host::PORT_APART) => host::port_apart(text),
                help => help.map(str::to_owned),
            };
            Err(mistake)
        }
    }
}

fn read_choice(name: &str, words: &[&'static str], text: &str) -> Result<Value, Mistake> {
    if let Some(word) = words.iter().find(|word| **word == text) {
        return Ok(Value::Text(Cow::Borrowed(*word)));
    }
    let mut mistake = Mistake::new(
        "unknown-word",
        format!("`{name}` expects {}, found another word", typed::one_of(words)),
    );
    mistake.help = suggest(text, words.iter().copied()).map(|word| format!("did you mean `{word}`"));
    Err(mistake)
}

fn read_duration(name: &str, key: &KeySpec, text: &str) -> Result<Value, Mistake> {
    let Kind::Duration { min, max } = key.kind else {
        return Err(Mistake::new(
            "wrong-type",
            format!("`{name}` expects {}", key.expected()),
        ));
    };
    let Some(duration) = duration::parse_duration(text) else {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let found = if digits {
            "a number without unit"
        } else {
            "other text"
        };
        let message = format!("`{name}` expects a length of time, found {found}");
        return Err(Mistake::new("bad-duration", message).help(
            "write a whole number with its unit: `\"250ms\"`, `\"5s\"`, `\"10m\"`, `\"1h30m\"`, `\"2d\"`",
        ));
    };
    if (min..=max).contains(&duration) {
        return Ok(Value::Duration(duration));
    }
    let message = format!(
        "`{name}` expects {}, found {}",
        key.expected(),
        duration::format_duration(duration)
    );
    Err(Mistake::new("out-of-range", message))
}

fn read_number(
    name: &str,
    key: &KeySpec,
    spec: &BackendSpec,
    number: &DeInteger<'_>,
) -> Result<Value, Mistake> {
    let parsed = u64::from_str_radix(number.as_str(), number.radix()).ok();
    let value = match key.kind {
        Kind::Port => parsed
            .and_then(|number| u16::try_from(number).ok())
            .filter(|port| *port != 0)
            .map(Value::Port),
        Kind::Count { min, max } => parsed
            .filter(|number| (min..=max).contains(number))
            .map(Value::Count),
        _ => None,
    };
    value.ok_or_else(|| {
        let digits = number.as_str();
        let shown = if digits.len() <= 20 {
            number.to_string()
        } else {
            "a far larger number".to_owned()
        };
        let message = format!("`{name}` expects {}, found {shown}", key.expected());
        match (key.kind, spec.default_port) {
            (Kind::Port, Some(port)) => Mistake::new("bad-port", message).help(format!(
                "the port of {} is {port}, which needs no line",
                spec.name
            )),
            _ => Mistake::new("out-of-range", message),
        }
    })
}

fn looks_like_reference(table: &DeTable<'_>) -> bool {
    table.contains_key("env") || table.contains_key("file")
}

/// `{ env = "NAME" }` or `{ file = "/path" }`. No key of the table is quoted: a slip of the pen may have made a key of
/// the secret itself.
fn read_reference(name: &str, table: &DeTable<'_>) -> Result<Reference, Mistake> {
    let help = format!(
        "write `{0} = {{ env = \"NAME\" }}` or `{0} = {{ file = \"/path\" }}`",
        last(name)
    );
    let bad = |message: String| Mistake::new("bad-reference", message).help(help.clone());
    if let Some((key, _)) = in_order(table)
        .into_iter()
        .find(|(key, _)| !matches!(key.get_ref().as_ref(), "env" | "file"))
    {
        let mistake = bad(format!(
            "the table of `{name}` expects `env` or `file`, found another key"
        ))
        .at(key.span().start);
        return Err(match suggest(key.get_ref(), ["env", "file"]) {
            Some(meant) => mistake.help(format!("did you mean `{meant}`")),
            None => mistake,
        });
    }
    let (form, node) = match (table.get("env"), table.get("file")) {
        (Some(node), None) => ("env", node),
        (None, Some(node)) => ("file", node),
        (Some(_), Some(_)) => return Err(bad(format!("`{name}` expects `env` or `file`, found both"))),
        (None, None) => {
            return Err(bad(format!(
                "`{name}` expects `env` or `file` in its table, found neither"
            )));
        }
    };
    let at = node.span().start;
    let DeValue::String(text) = node.get_ref() else {
        let what = if form == "env" {
            "the name of a variable"
        } else {
            "a path"
        };
        return Err(bad(format!(
            "`{form}` expects {what} in quotes, found {}",
            without_value(node.get_ref())
        ))
        .at(at));
    };
    let owned = Cow::Owned(text.clone().into_owned());
    if form == "env" {
        let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let message =
                "`env` expects the name of a variable, made of letters, digits and `_`, found other text";
            return Err(bad(message.to_owned()).at(at));
        }
        return Ok(Reference::Env(owned));
    }
    if text.is_empty() || text.contains(char::is_control) {
        return Err(bad(
            "`file` expects a path, found an empty one or one with control characters".to_owned(),
        )
        .at(at));
    }
    Ok(Reference::File(owned))
}
