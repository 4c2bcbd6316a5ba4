//! The validated model of a `databases.toml`: what the macro compiles in and the run time starts from.

use crate::diagnostic::Diagnostic;
use crate::name;
use crate::suggest::suggest;
use crate::typed::all_of;
use crate::value::{Text, Value};
use std::borrow::Cow;
use std::fmt;

/// Everything that the file says, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The file, as named in messages (`databases.toml`, relative to the crate).
    pub file: Text,
    /// The profiles that the file names, in the order of the file.
    pub profiles: Cow<'static, [Text]>,
    /// The connections of this binary, in the order of backends and then of the file.
    pub connections: Cow<'static, [ConnectionShape]>,
    /// Connections of the file that this binary left out (`only(..)`), as `backend.field`: a variable that names
    /// one of them is no mistake.
    pub others: Cow<'static, [Text]>,
}

/// One connection: its names, whether it may be missing, and its layers of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionShape {
    /// The backend's name, a [`BackendSpec::name`](crate::BackendSpec::name).
    pub backend: &'static str,
    /// The name as written, in logs and commands.
    pub name: Text,
    /// The name of the field: lower case, `-` as `_`. In variables, this in upper case. Never raw (`r#`).
    pub field: Text,
    /// True when `start = "optional"` stands in `[backend.connection]`.
    pub optional: bool,
    /// Where `[backend.connection]` stands.
    pub position: Position,
    /// `[defaults.backend]` first, then `[backend.connection]`, then each profile's overlay. The run time adds the table
    /// of the file that is named at the start.
    pub layers: Cow<'static, [Layer]>,
}

/// The entries of one table, already validated one by one. Sub-tables are flat: `pool.max`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Which table it is.
    pub scope: Scope,
    /// Its entries, in the order of the file. `host` and `port` stay as they were written.
    pub entries: Cow<'static, [Entry]>,
}

/// Which table a layer comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `[defaults.backend]`
    Defaults,
    /// `[backend.connection]`
    Connection,
    /// `[profile.NAME.backend.connection]`
    Profile(Text),
    /// `[backend.connection]` of a file that was named at the start
    Config(Text),
}

impl Scope {
    /// The profile whose table it is.
    pub(crate) fn profile(&self) -> Option<&str> {
        match self {
            Self::Profile(name) => Some(name),
            _ => None,
        }
    }
}

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key's path, a [`KeySpec::path`](crate::KeySpec::path).
    pub key: &'static str,
    /// The value.
    pub value: Value,
    /// Where the value stands.
    pub position: Position,
}

/// A place in the file, both from 1; columns count characters. Shown as `LINE:COLUMN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Shape {
    /// The connection with these names, `name` as written or as the field.
    #[must_use]
    pub fn connection(&self, backend: &str, name: &str) -> Option<&ConnectionShape> {
        self.connections
            .iter()
            .find(|c| c.backend == backend && (c.name == name || c.field == name))
    }

    /// Whether the file has this profile.
    ///
    /// # Errors
    /// A diagnostic that names the profiles, the one that was meant first.
    pub fn check_profile(&self, name: &str) -> Result<(), Diagnostic> {
        if self.profiles.iter().any(|profile| profile == name) {
            return Ok(());
        }
        let shown = name::quoted(name)
            .map(|name| format!(" {name}"))
            .unwrap_or_default();
        let message = format!("unknown profile{shown} of {}", self.file);
        let profiles: Vec<&str> = self.profiles.iter().map(AsRef::as_ref).collect();
        let known = format!("the profiles are {}", all_of(&profiles));
        Err(Diagnostic::error("unknown-profile", message).help(
            match suggest(name, profiles.iter().copied()) {
                Some(profile) => format!("did you mean `{profile}`; {known}"),
                None if profiles.is_empty() => {
                    format!(
                        "{} has no profiles: write `[profile.NAME.BACKEND.CONNECTION]`",
                        self.file
                    )
                }
                None => known,
            },
        ))
    }
}
