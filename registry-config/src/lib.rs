//! The file format of dbreg: read, validate, explain.

mod backends;
mod check;
mod conflict;
mod diagnostic;
mod duration;
mod host;
mod literal;
mod load;
mod merge;
mod name;
mod position;
mod profile;
mod settings;
mod shape;
mod spec;
mod suggest;
mod syntax;
mod table;
mod tree;
mod typed;
mod url;
mod value;
mod variables;

pub use backends::{backend, backends};
pub use diagnostic::{Diagnostic, Severity};
pub use duration::format_duration;
pub use load::{Loaded, load};
pub use settings::{Origin, Setting, Settings, resolve};
pub use shape::{ConnectionShape, Entry, Layer, Position, Scope, Shape};
pub use spec::{BackendSpec, HostsRule, KeySpec, Kind};
pub use suggest::suggest;
pub use url::ConnectionUrl;
pub use value::{Host, HostName, Reference, Role, Secret, Text, Value};
pub use variables::{Override, Variables, variables};
