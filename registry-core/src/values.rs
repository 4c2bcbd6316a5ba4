//! Values at run time: compiled in < profile < the file that is named at the start < variables.

use crate::error::Error;
use crate::file;
use crate::kind::ErrorKind;
use registry_config::{
    ConfigFile, ConnectionShape, Diagnostic, Host, HostName, Origin, Override, Position, Reference, Settings,
    Severity, Shape, Value, Variables,
};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The most that a file of values may hold: what is larger is not one.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;

/// What the application says in its builder, or a tool on its command line. It wins over the environment.
#[doc(hidden)]
#[derive(Clone, Default)]
pub struct Given {
    pub profile: Option<String>,
    pub config_file: Option<PathBuf>,
    pub variables: Vec<(String, String)>,
}

/// What the layers above the compiled-in values say, checked against the shape.
#[derive(Debug)]
pub(crate) struct Values<'s> {
    /// The shape, with the values of the second file laid over it.
    pub(crate) shape: Cow<'s, Shape>,
    pub(crate) profile: Option<String>,
    overrides: Vec<Override>,
    /// What `DBREG_STARTUP_CONCURRENCY` says.
    pub(crate) startup_concurrency: Option<usize>,
    /// What stops the start, a text each.
    pub(crate) problems: Vec<String>,
    /// What is told and stops nothing, a text each.
    pub(crate) warnings: Vec<String>,
    /// `compiled in, profile production, /etc/shop/databases.toml, 2 variables`
    pub(crate) summary: String,
}

/// Reads the second file and the variables of this process.
pub(crate) fn read<'s>(shape: &'s Shape, prefix: &str, given: Given) -> Values<'s> {
    let mut values = Values {
        shape: Cow::Borrowed(shape),
        profile: None,
        overrides: Vec::new(),
        startup_concurrency: None,
        problems: Vec::new(),
        warnings: Vec::new(),
        summary: "compiled in".to_owned(),
    };
    let found = read_variables(shape, prefix, &given.variables);
    for diagnostic in &found.diagnostics {
        let text = with_help(diagnostic.message.clone(), diagnostic);
        match diagnostic.severity {
            Severity::Warning => {
                tracing::warn!("{text}");
                values.warnings.push(text);
            }
            _ => values.problems.push(text),
        }
    }
    values.choose_profile(given.profile, found.profile);
    let variable = format!("{prefix}_CONFIG");
    let by_variable = || {
        let given = given.variables.iter().rev().find(|(name, _)| *name == variable);
        let value = given
            .map(|(_, value)| value.into())
            .or_else(|| std::env::var_os(&variable))?;
        (!value.is_empty()).then(|| (PathBuf::from(value), Some(variable.as_str())))
    };
    let file = given.config_file.map(|path| (path, None)).or_else(by_variable);
    if let Some((path, source)) = file {
        values.lay_file(&path, source);
    }
    match found.overrides.len() {
        0 => {}
        1 => values.summary += ", 1 variable",
        n => values.summary += &format!(", {n} variables"),
    }
    values.overrides = found.overrides;
    values.startup_concurrency = found.startup_concurrency.map(|at_once| at_once as usize);
    values
}

fn read_variables(shape: &Shape, prefix: &str, given: &[(String, String)]) -> Variables {
    let own = format!("{prefix}_");
    let (mut environment, mut unreadable) = (Vec::new(), Vec::new());
    for (name, value) in std::env::vars_os() {
        // One whose name is not Unicode is none of ours.
        let Ok(name) = name.into_string() else { continue };
        if !name.starts_with(&own) || given.iter().any(|(other, _)| *other == name) {
            continue;
        }
        match value.into_string() {
            Ok(value) => environment.push((name, value)),
            // The value of a connection; what else there is, a path, is not read here.
            Err(_) if name.contains("__") => {
                unreadable.push(format!("{name} must be text in UTF-8, found other bytes"));
            }
            Err(value) => environment.push((name, value.to_string_lossy().into_owned())),
        }
    }
    let environment = environment.into_iter().chain(given.iter().cloned());
    let mut found = registry_config::variables(shape, prefix, environment);
    let unreadable = unreadable
        .into_iter()
        .map(|words| Diagnostic::error("bad-variable", words));
    found.diagnostics.extend(unreadable);
    found
}

impl Values<'_> {
    fn choose_profile(&mut self, given: Option<String>, by_variable: Option<String>) {
        let Some(name) = given.as_ref().or(by_variable.as_ref()) else {
            return;
        };
        if given.is_some()
            && let Err(diagnostic) = self.shape.check_profile(name)
        {
            self.problems
                .push(with_help(diagnostic.message.clone(), &diagnostic));
        }
        self.summary += &format!(", profile {name}");
        self.profile = Some(name.clone());
    }

    /// Lays the second file over the shape. `variable` is the one that named it.
    fn lay_file(&mut self, path: &Path, variable: Option<&str>) {
        let shown = path.display().to_string();
        self.summary += &format!(", {shown}");
        let source = match file::read(path, FILE_LIMIT) {
            Ok(source) => source,
            Err(cause) => {
                let subject = variable.map(|name| format!("{name}: ")).unwrap_or_default();
                self.problems.push(format!("{subject}{cause}"));
                return;
            }
        };
        let ConfigFile {
            shape, diagnostics, ..
        } = registry_config::config_file(&self.shape, &source, &shown);
        self.problems
            .extend(diagnostics.iter().map(|d| with_help(placed(d, &shown), d)));
        self.shape = Cow::Owned(shape);
    }

    /// The profile that is laid over the base.
    #[cfg(feature = "tasks")]
    pub(crate) fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

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

fn with_help(text: String, diagnostic: &Diagnostic) -> String {
    match &diagnostic.help {
        Some(help) => format!("{text}\nhelp: {help}"),
        None => text,
    }
}

/// The message with its place, where it has one.
fn placed(diagnostic: &Diagnostic, file: &str) -> String {
    let file = diagnostic.file.as_deref().unwrap_or(file);
    match diagnostic.position {
        Some(Position { line, column, .. }) => format!("{file}:{line}:{column}: {}", diagnostic.message),
        None => diagnostic.message.clone(),
    }
}

fn one_line(diagnostic: &Diagnostic, file: &str) -> String {
    let mut text = placed(diagnostic, file);
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
        ErrorKind::Tls => &[("tls", "tls"), ("tls_ca", "tls_ca"), ("url", "url")],
        // What no server refused: the file of SQLite that cannot be opened, a set that the hosts do not belong to.
        ErrorKind::Config => &[("path", "path"), ("url", "url"), ("replica_set", "replica_set")],
        _ => &[],
    };
    // What could not be read of a reference says by itself whose value it is.
    let named = error
        .operation()
        .strip_prefix('`')
        .and_then(|key| key.strip_suffix('`'));
    let of_named = named.and_then(|key| {
        let setting = settings.value(if key == "host" { "connections" } else { key })?;
        Some((key, setting))
    });
    let likely = || {
        keys.iter()
            .find_map(|(key, word)| Some((*word, settings.value(key)?)))
    };
    let Some((word, setting)) = of_named.or_else(likely) else {
        return String::new();
    };
    let place = match &setting.origin {
        Origin::Default => return format!("{word} by default"),
        origin => origin.describe(file),
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
