//! The file format of dbreg: read, validate, explain.
//!
//! [`load`] reads a `databases.toml` and tells every mistake in it at once, each with its place and with what to write
//! instead. It uses no driver and no run time, so the macro, the running application and the command line all call the
//! same functions and agree. The whole of it:
//!
//! 1. `syntax` parses the text, tells each broken table once and blanks it.
//! 2. `document` walks the tables that are left: backends, `defaults`, `profile`.
//! 3. `table` holds each against the row of its backend ([`backends`]); `literal` reads each value.
//! 4. `unknown` and [`suggest()`] find what was meant by a key that does not exist.
//! 5. `profile` lays the tables of profiles over the connections.
//! 6. The result is a [`Shape`]: names and layers of values, which the macro compiles in as the text of [`encode`].
//! 7. At start, [`config_file()`] lays a second file over it, and [`variables()`] reads the environment against it.
//! 8. [`resolve`] merges the layers: `merge` lays one over the other, `check` holds the rules over several values.
//! 9. `load` has called `resolve` too, for every profile: what can be told while compiling was told then.
//!
//! No message holds the value of a key that may be secret, nor the text of a line that does not parse.
//!
//! # Every key
//!
//! ```toml
#![doc = include_str!("../reference.toml")]
//! ```
//!
//! # Example
//!
//! ```
//! let loaded = registry_config::load("[mysql.main]\nhots = \"db1\"\n", "databases.toml");
//! assert_eq!(
//!     loaded.diagnostics[0].render("databases.toml"),
//!     "databases.toml:2:1: unknown key `hots` of mysql [unknown-key]\n  help: did you mean `host`",
//! );
//! ```

mod backends;
mod capacity;
mod check;
mod compact;
mod config_file;
mod conflict;
mod diagnostic;
mod document;
mod doubt;
mod duration;
mod host;
mod ketama;
mod literal;
mod load;
mod merge;
mod name;
mod overlay;
mod position;
mod profile;
mod repetition;
mod safety;
mod settings;
mod shape;
mod spec;
mod suggest;
mod syntax;
mod table;
mod tree;
mod typed;
mod unknown;
mod url;
mod url_option;
mod value;
mod variables;
mod wording;

/// For the readers of the other TOML files of a project.
#[doc(hidden)]
pub mod source {
    pub use crate::position::Lines;
    pub use crate::tree::{Key, Node, Tree, in_order};
}

pub use backends::{backend, backends};
pub use capacity::over_capacity;
pub use check::database_name_mistake;
pub use compact::{decode, encode};
pub use config_file::{ConfigFile, config_file};
pub use conflict::conflicts;
pub use diagnostic::{Diagnostic, Severity};
pub use duration::{format_duration, parse_duration};
pub use host::is_loopback;
pub use ketama::ketama_hashes;
pub use load::{Loaded, load};
pub use settings::{Origin, Setting, Settings, resolve};
pub use shape::{ConnectionShape, Entry, Layer, Position, Scope, Shape};
pub use spec::{BackendSpec, HostsRule, KeySpec, Kind};
pub use suggest::suggest;
pub use url::ConnectionUrl;
pub use url_option::url_option;
pub use value::{Host, HostName, Reference, Role, Secret, Text, Value};
pub use variables::{Override, Variables, variables};
