//! Values of settings: what a key may hold.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Text that is compiled in (`Borrowed`) or read (`Owned`).
pub type Text = Cow<'static, str>;

/// The value of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// Plain text: a database name, a path, a choice such as `"verify"`.
    Text(Text),
    /// A reference that is resolved at each start.
    Reference(Reference),
    /// A secret that stands here as itself: `""`, or the value of a variable.
    Secret(Secret),
    /// A number, such as a pool size.
    Count(u64),
    /// A TCP port.
    Port(u16),
    /// A length of time.
    Duration(Duration),
    /// `true` or `false`.
    Bool(bool),
    /// The list of hosts.
    Hosts(Cow<'static, [Host]>),
}

/// Where a value is to be found at start: `{ env = "…" }` or `{ file = "…" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// An environment variable, by name.
    Env(Text),
    /// A file, by path; relative to the working directory of the process.
    File(Text),
}

/// One server of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name or address, or a reference to it. IPv6 without brackets.
    pub host: HostName,
    /// Port, when it is not the backend's own.
    pub port: Option<u16>,
    /// What the server is for.
    pub role: Role,
    /// Share of the load, 1 or more.
    pub weight: u32,
}

/// The name of a host: written, or a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// Written in the file.
    Literal(Text),
    /// Resolved at start.
    Reference(Reference),
}

/// What a server of a connection is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Takes writes. The default.
    #[default]
    Primary,
    /// Takes reads only.
    Replica,
}

/// A secret. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Text);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub const fn new(text: Text) -> Self {
        Self(text)
    }

    /// The secret itself. The one place where it leaves: to hand it to a driver.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True for `""`, which means "no password".
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "\"\"" } else { "«secret»" })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "variable {name}"),
            Self::File(path) => f.write_str(path),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Reference(reference) => write!(f, "<{reference}>"),
        }
    }
}
