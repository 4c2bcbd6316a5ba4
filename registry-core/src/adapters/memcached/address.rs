//! The address of one server of a fleet.

use std::fmt;

/// The address of a memcached server, as the file and the variables give it: what
/// [`host_of`](super::Memcached::host_of) answers.
///
/// `Display` is `host:port`; an IPv6 address stands in brackets there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostAddress {
    pub(super) host: String,
    pub(super) port: u16,
}

impl HostAddress {
    /// The name or the address, an IPv6 one without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}
