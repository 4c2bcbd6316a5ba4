//! Values at run time: compiled in < profile < variables.

use crate::error::Error;
use crate::kind::ErrorKind;
use registry_config::{
    ConnectionShape, Diagnostic, Host, HostName, Origin, Override, Reference, Settings, Severity, Shape,
    Value,
};

/// What the environment says, checked against the shape.
#[derive(Debug)]
pub(crate) struct Values {
    profile: Option<String>,
    overrides: Vec<Override>,
    /// What stops the start, a text each.
    pub(crate) problems: Vec<String>,
    /// `compiled in, profile production, 2 variables`
    pub(crate) summary: String,
}

/// Reads the variables of this process. `profile` and `given` are the builder's, and win.
pub(crate) fn read(
    shape: &Shape,
    prefix: &str,
    profile: Option<String>,
    given: Vec<(String, String)>,
) -> Values {
    let mine = |name: &str| name.starts_with(prefix);
    // A variable that is not Unicode cannot be ours unless its name is; its value then fails its own check.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| mine(name) && !given.iter().any(|(other, _)| other == name))
        .chain(given.iter().cloned());
    let found = registry_config::variables(shape, prefix, environment);
    let mut problems = Vec::new();
    for diagnostic in &found.diagnostics {
        let text = without_file(diagnostic);
        match diagnostic.severity {
            Severity::Warning => tracing::warn!("{text}"),
            _ => problems.push(text),
        }
    }
    let chosen = profile.is_some();
    let profile = profile.or(found.profile);
    if chosen
        && let Some(name) = &profile
        && !shape.profiles.iter().any(|known| known == name)
    {
        let near = registry_config::suggest(name, shape.profiles.iter().map(AsRef::as_ref));
        let help = near
            .map(|near| format!("\nhelp: did you mean `{near}`?"))
            .unwrap_or_default();
        problems.push(format!("no profile `{name}` in {}{help}", shape.file));
    }
    let mut summary = "compiled in".to_owned();
    if let Some(name) = &profile {
        summary += &format!(", profile {name}");
    }
    match found.overrides.len() {
        0 => {}
        1 => summary += ", 1 variable",
        n => summary += &format!(", {n} variables"),
    }
    Values {
        profile,
        overrides: found.overrides,
        problems,
        summary,
    }
}

impl Values {
    /// The merged values of one connection.
    pub(crate) fn of(&self, connection: &ConnectionShape, file: &str) -> Result<Settings, Error> {
        let mine: Vec<Override> = self
            .overrides
            .iter()
            .filter(|o| o.backend == connection.backend && o.field == connection.field)
            .cloned()
            .collect();
        registry_config::resolve(connection, self.profile.as_deref(), &mine).map_err(|diagnostics| {
            let texts: Vec<_> = diagnostics.iter().map(|d| one_line(d, file)).collect();
            Error::new(ErrorKind::Config, texts.join("; "))
        })
    }
}

fn without_file(diagnostic: &Diagnostic) -> String {
    match &diagnostic.help {
        Some(help) => format!("{}\nhelp: {help}", diagnostic.message),
        None => diagnostic.message.clone(),
    }
}

fn one_line(diagnostic: &Diagnostic, file: &str) -> String {
    let mut text = match diagnostic.position {
        Some(position) => format!(
            "{file}:{}:{}: {}",
            position.line, position.column, diagnostic.message
        ),
        None => diagnostic.message.clone(),
    };
    if let Some(help) = &diagnostic.help {
        text += &format!(" ({help})");
    }
    text
}

/// Which layer set the value that a failure of this kind is about: `host from DBREG_MYSQL__MAIN__HOST`.
pub(crate) fn layer_in_question(error: &Error, settings: &Settings, file: &str) -> String {
    let keys: &[(&str, &str)] = match error.kind() {
        ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Protocol => &[
            ("connections", "host"),
            ("socket", "socket"),
            ("url", "url"),
            ("path", "path"),
        ],
        ErrorKind::Auth => &[("password", "password"), ("username", "username"), ("url", "url")],
        ErrorKind::UnknownDatabase => &[("db", "db"), ("url", "url"), ("path", "path")],
        ErrorKind::Tls => &[("tls", "tls"), ("tls_ca", "tls_ca")],
        _ => &[],
    };
    let found = keys
        .iter()
        .find_map(|(key, word)| Some((*word, settings.value(key)?)));
    let Some((word, setting)) = found else {
        return String::new();
    };
    let place = match &setting.origin {
        Origin::Variable(name) => name.clone(),
        Origin::File { position, .. } => format!("{file}:{}", position.line),
        _ => return format!("{word} by default"),
    };
    let reference = match &setting.value {
        Value::Reference(reference) => Some(reference),
        Value::Hosts(hosts) => hosts.iter().find_map(|host| match host {
            Host {
                host: HostName::Reference(reference),
                ..
            } => Some(reference),
            _ => None,
        }),
        _ => None,
    };
    match reference {
        Some(Reference::Env(name)) => format!("{word} from {name} ({place})"),
        Some(Reference::File(path)) => format!("{word} from {path} ({place})"),
        None => format!("{word} from {place}"),
    }
}
