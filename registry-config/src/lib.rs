//! The file format of dbreg: read, validate, explain.

mod diagnostic;
mod shape;
mod spec;
mod value;

pub use diagnostic::{Diagnostic, Severity};
pub use shape::{ConnectionShape, Entry, Layer, Position, Scope, Shape};
pub use spec::{BackendSpec, HostsRule, KeySpec, Kind};
pub use value::{Host, HostName, Reference, Role, Secret, Text, Value};
