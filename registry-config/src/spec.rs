//! The backend table: one row per backend says which keys, defaults and hosts it has. The macro, the run time, the
//! command line and the JSON schema all read these rows.

use std::time::Duration;

/// One backend.
#[derive(Debug)]
#[non_exhaustive]
pub struct BackendSpec {
    /// The table's name in the file, the field, and the feature: `mysql`.
    pub name: &'static str,
    /// The name in prose: `MySQL`.
    pub title: &'static str,
    /// The type of the handle in dbreg: `MySql`.
    pub handle: &'static str,
    /// The backend's own port; `None` for a backend without servers.
    pub default_port: Option<u16>,
    /// How many sessions a server takes unless it was told otherwise, and the option that tells it.
    pub session_limit: Option<(u64, &'static str)>,
    /// How many hosts a connection may have.
    pub hosts: HostsRule,
    /// URL schemes that `url` accepts; empty for a backend without `url`.
    pub schemes: &'static [&'static str],
    /// The keys, in the order of the documentation.
    pub keys: &'static [KeySpec],
    /// The keys of one entry of `connections`; empty for a backend without servers.
    pub host_keys: &'static [KeySpec],
}

impl BackendSpec {
    /// The key with this path: `db`, `pool.max`.
    #[must_use]
    pub fn key(&self, path: &str) -> Option<&'static KeySpec> {
        self.keys.iter().find(|key| key.path == path)
    }
}

/// How many hosts a connection may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostsRule {
    /// No server at all (SQLite).
    None,
    /// A list.
    Many,
}

/// One key of a backend.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeySpec {
    /// The path: `db`, `pool.max`.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The default as it would be written, without quotes; `None` when there is none.
    pub default: Option<&'static str>,
    /// Whether `{ env = … }` and `{ file = … }` may stand here.
    pub reference: bool,
    /// One sentence, for the documentation and the schema.
    pub doc: &'static str,
}

impl KeySpec {
    /// A key without default that takes no references.
    pub(crate) const fn new(path: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            path,
            kind,
            default: None,
            reference: false,
            doc,
        }
    }

    /// The default, as it would be written.
    pub(crate) const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// References may stand here.
    pub(crate) const fn reference(mut self) -> Self {
        self.reference = true;
        self
    }

    /// Whether the value may hold a secret: it is never shown then, whatever it is.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Url)
    }
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// Text that is not empty.
    Text,
    /// A secret: a reference, or `""`.
    Secret,
    /// A connection URL, which may hold a secret.
    Url,
    /// The name or address of a host.
    Host,
    /// A TCP port, 1 to 65535.
    Port,
    /// A whole number.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A length of time, such as `"5s"`.
    Duration {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// What keys begin with: text of at most 200 bytes without spaces and control characters.
    KeyPrefix,
    /// The list of hosts.
    Hosts,
    /// A path in the file system.
    Path,
}
