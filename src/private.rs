//! What generated code uses, and nobody else. It may change in any release.

pub use registry_config::{
    ConnectionShape, Entry, Host, HostName, Layer, Position, Reference, Role, Scope, Secret, Shape, Text, Value,
};
pub use registry_core::{At, Opening, Optional, Root};
pub use std::borrow::Cow;
pub use std::time::Duration;

/// Text that is compiled in.
pub const fn text(text: &'static str) -> Text {
    Cow::Borrowed(text)
}

/// A place in the file.
pub const fn at(line: u32, column: u32) -> Position {
    Position { line, column }
}
