//! The error of every backend: kind, connection, operation, message, source.

use crate::kind::{EXIT_CONFIG, EXIT_UNAVAILABLE, ErrorKind};
#[cfg(feature = "tasks")]
use registry_config::Position;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
#[cfg(feature = "tasks")]
use std::path::Path;
use std::sync::Arc;

/// What a call of any connection fails with. Cheap to clone; it holds no secret, and its text no control character.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    /// `mysql.main`
    connection: Option<Cow<'static, str>>,
    operation: Cow<'static, str>,
    message: String,
    help: Option<String>,
    transient: bool,
    exit_code: i32,
    recorded: bool,
    /// The server takes no writes, and another may.
    read_only: bool,
    /// What it is about, in a file that is named later.
    #[cfg(feature = "tasks")]
    place: Option<Position>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind. Control characters of `message` are escaped, and it is cut at 2,000 characters:
    /// text of a server may be anything.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self(Arc::new(Inner {
            kind,
            connection: None,
            operation: Cow::Borrowed(""),
            message: printable(message.as_ref()),
            help: None,
            transient: kind.is_transient(),
            exit_code: kind.exit_code(),
            recorded: false,
            read_only: false,
            #[cfg(feature = "tasks")]
            place: None,
            source: None,
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The same error in other words.
    #[cfg(any(
        feature = "memcached",
        feature = "mysql",
        feature = "mongodb",
        feature = "postgres"
    ))]
    pub(crate) fn said_otherwise(self, message: impl AsRef<str>) -> Self {
        self.with(|inner| inner.message = printable(message.as_ref()))
    }

    /// It is about what stands there in a file, which is [named](Self::in_file) where it is known.
    #[cfg(all(
        feature = "tasks",
        any(
            feature = "mysql",
            feature = "sqlite",
            feature = "postgres",
            feature = "mongodb",
            feature = "memcached"
        )
    ))]
    pub(crate) fn at(self, position: Position) -> Self {
        self.with(|inner| inner.place = Some(position))
    }

    /// The error of a file: with its path in front, and the place in it where there is one.
    #[cfg(feature = "tasks")]
    pub(crate) fn in_file(self, path: &Path) -> Self {
        self.with(|inner| {
            let (path, said) = (path.display(), &inner.message);
            let message = match inner.place.take() {
                Some(position) => format!("{path}:{position}: {said}"),
                None => format!("{path}: {said}"),
            };
            inner.message = printable(&message);
        })
    }

    /// The same error as one of another kind; what it was is its source.
    #[cfg(feature = "tasks")]
    pub(crate) fn taken_for(self, kind: ErrorKind) -> Self {
        let cause = self.clone();
        let other = self.with(|inner| {
            inner.kind = kind;
            inner.transient = kind.is_transient();
            inner.exit_code = kind.exit_code();
        });
        other.caused_by(cause)
    }

    /// Names the connection, `mysql.main`; the first name stays.
    #[must_use]
    pub fn connection_named(self, connection: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| {
            inner.connection.get_or_insert(connection.into());
        })
    }

    /// Names the operation; the first name stays.
    #[must_use]
    pub fn during(self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| {
            if inner.operation.is_empty() {
                inner.operation = operation.into();
            }
        })
    }

    /// What to do about it.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        self.with(|inner| inner.help = Some(help.into()))
    }

    /// The error of the driver behind it. The caller vouches that its texts hold no secret.
    #[must_use]
    pub fn caused_by(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.source = Some(Arc::new(source)))
    }

    /// Overrides what the kind says about passing by itself (a deadlock is an operation that may be tried again).
    #[must_use]
    pub fn transient(self, transient: bool) -> Self {
        self.with(|inner| inner.transient = transient)
    }

    /// A refused credential that comes from a file: rotation may mend it, so the process may be started again.
    #[cfg_attr(
        not(any(feature = "mysql", feature = "mongodb", feature = "postgres")),
        expect(dead_code, reason = "only backends with a login")
    )]
    pub(crate) fn with_credential_file(self) -> Self {
        self.with(|inner| {
            if inner.kind == ErrorKind::Auth {
                inner.exit_code = EXIT_UNAVAILABLE;
            }
        })
    }

    /// The server refused a write because it takes none: it may not be the primary any more.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn by_read_only_server(self) -> Self {
        self.with(|inner| {
            inner.read_only = true;
            inner.transient = true;
        })
    }

    /// Whether the server refused a write because it takes none.
    pub(crate) fn is_by_read_only_server(&self) -> bool {
        self.0.read_only
    }

    /// Marks it as written to an error log; true when it already was.
    pub(crate) fn mark_recorded(self) -> (Self, bool) {
        let was = self.0.recorded;
        (
            if was {
                self
            } else {
                self.with(|inner| inner.recorded = true)
            },
            was,
        )
    }

    /// The same error for another call: it counts again.
    pub(crate) fn again(self) -> Self {
        self.with(|inner| {
            inner.recorded = false;
            inner.operation = Cow::Borrowed("");
        })
    }

    /// Why it failed.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The connection, as `backend.name`; empty when the error has not left one yet.
    #[must_use]
    pub fn connection(&self) -> &str {
        self.0.connection.as_deref().unwrap_or_default()
    }

    /// What was being done: `connect`, `execute`, `get`, …
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The cause, without the names of connection and operation.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The next step, where there is one.
    #[must_use]
    pub fn next_step(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Whether the same operation may succeed later without anyone's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// The exit code of a process that cannot start because of it: [`EXIT_CONFIG`] or [`EXIT_UNAVAILABLE`].
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        debug_assert!([EXIT_CONFIG, EXIT_UNAVAILABLE].contains(&self.0.exit_code));
        self.0.exit_code
    }
}

/// How many characters of a text an error has.
pub(crate) const TEXT_LIMIT: usize = 2_000;

/// Server text as one printable line: control characters escaped, cut at the limit.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(TEXT_LIMIT));
    for (count, c) in text.trim_end().chars().enumerate() {
        if count == TEXT_LIMIT {
            out.push('…');
            break;
        }
        // Bidirectional overrides and other invisible characters can rewrite a log line as well as control ones.
        if c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The words of an I/O error without the number in brackets.
pub(crate) fn plain(cause: &std::io::Error) -> String {
    match cause.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => {
            let text = cause.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.connection().is_empty() {
            write!(f, "{}: ", self.connection())?;
        }
        if !self.operation().is_empty() {
            write!(f, "{}: ", self.operation())?;
        }
        f.write_str(self.message())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind())?;
        if let Some(help) = self.next_step() {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
