//! What generated code uses, and nobody else. It may change in any release.

pub use registry_config::{
    ConnectionShape, Entry, Host, HostName, Layer, Position, Reference, Role, Scope, Secret, Shape, Text,
    Value,
};
pub use registry_core::{At, Opening, Optional, Root};
pub use std::borrow::Cow::{self, Borrowed};
pub use std::time::Duration;

/// Text that is compiled in.
pub const fn text(text: &'static str) -> Text {
    Cow::Borrowed(text)
}

/// A place in the file.
pub const fn at(line: u32, column: u32) -> Position {
    Position { line, column }
}

/// Defines a function that gives a key with its value, from what the generated code has of it.
macro_rules! entries {
    ($($name:ident($($argument:ident: $ty:ty),*) => $value:expr;)+) => {
        $(
            /// A key with its value.
            pub const fn $name(key: &'static str, $($argument: $ty,)* line: u32, column: u32) -> Entry {
                Entry { key, value: $value, position: at(line, column) }
            }
        )+
    };
}

entries! {
    text_entry(value: &'static str) => Value::Text(text(value));
    env_entry(name: &'static str) => Value::Reference(Reference::Env(text(name)));
    file_entry(path: &'static str) => Value::Reference(Reference::File(text(path)));
    empty_entry() => Value::Secret(Secret::new(text("")));
    count_entry(count: u64) => Value::Count(count);
    port_entry(port: u16) => Value::Port(port);
    duration_entry(seconds: u64, nanos: u32) => Value::Duration(Duration::new(seconds, nanos));
    flag_entry(flag: bool) => Value::Bool(flag);
}

/// A host that the file names.
pub const fn literal_host(name: &'static str) -> HostName {
    HostName::Literal(text(name))
}

/// A host that a variable names.
pub const fn env_host(name: &'static str) -> HostName {
    HostName::Reference(Reference::Env(text(name)))
}

/// A host that a file names.
pub const fn file_host(path: &'static str) -> HostName {
    HostName::Reference(Reference::File(text(path)))
}

/// A server; port 0 for the backend's own.
pub const fn host(host: HostName, port: u16, role: Role, weight: u32) -> Host {
    let port = if port == 0 { None } else { Some(port) };
    Host {
        host,
        port,
        role,
        weight,
    }
}
