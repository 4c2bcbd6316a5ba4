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

/// A key with its value.
pub const fn entry(key: &'static str, value: Value, line: u32, column: u32) -> Entry {
    Entry {
        key,
        value,
        position: at(line, column),
    }
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
