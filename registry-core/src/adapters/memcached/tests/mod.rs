//! What every test here shares: a handle without a registry.

mod edges;
mod fake;
mod gathered;
mod leftovers;
mod live;
mod malformed;
mod mutated;
mod safety;

use super::Memcached;
use crate::base::Base;
use crate::startup::Prepared;
use std::sync::Arc;

/// A handle, opened at its first use, for a server on this port; `more` are further lines of its table.
fn handle(port: u16, more: &str) -> Memcached {
    handle_of(&format!("host = \"127.0.0.1\"\nport = {port}\n{more}"))
}

/// A handle, opened at its first use, with these lines in its table.
fn handle_of(lines: &str) -> Memcached {
    let text = format!("[memcached.cache]\nstart = \"lazy\"\n{lines}");
    let loaded = registry_config::load(&text, "databases.toml");
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    let shape = &loaded.shape.connections[0];
    let settings = registry_config::resolve(shape, None, &[]).unwrap();
    let base = Base::new(shape, &settings);
    let handle = Memcached::prepare(&Prepared {
        base,
        settings: Ok(Arc::new(settings)),
    });
    handle.inner.base.health().revive_by(handle.revive());
    handle
}

/// A handle that counts as open: no call but the caller's own reaches the server.
fn open_handle(port: u16, more: &str) -> Memcached {
    let handle = handle(port, more);
    handle.inner.base.set_open("");
    handle
}
