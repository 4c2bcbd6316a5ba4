//! Values and URLs as the driver's options; the public tests of connection strings; a URL in a file that is rotated;
//! the lock of the verbs.

mod connection_strings;
mod keys;
#[cfg(feature = "tasks")]
mod lock;
mod refused;
mod rotation;

use super::options::{self, Plan};
use crate::base::Base;
use crate::error::Error;

/// What the driver is told by `[mongodb.x]` with these keys.
fn plan(keys: &str) -> Result<Plan, Error> {
    let loaded = registry_config::load(&format!("[mongodb.x]\n{keys}"), "databases.toml");
    let is_warning =
        |found: &registry_config::Diagnostic| found.severity == registry_config::Severity::Warning;
    assert!(
        loaded.diagnostics.iter().all(is_warning),
        "{:?}",
        loaded.diagnostics
    );
    let shape = &loaded.shape.connections[0];
    let settings = registry_config::resolve(shape, None, &[]).unwrap();
    options::plan(Base::new(shape, &settings).connect_timeout(), &settings)
}
