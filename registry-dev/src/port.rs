//! Free ports on loopback, each claimed by one process.

use crate::Error;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Below the range from which systems take the ports of outgoing connections, so that a server that is down for a
/// while finds its port free when it comes back.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A port that belongs to this claim as long as it lives, also while nothing listens there.
///
/// The servers of this crate claim theirs; a test that starts a program of its own claims one for it.
#[derive(Debug)]
pub struct Port {
    pub(crate) number: u16,
    /// Locked; the system unlocks it with the process.
    _claim: File,
}

impl Port {
    /// Claims a port that is free now, and that no other process that asks here gets before this value is dropped.
    pub fn claim() -> Result<Self, Error> {
        let user = rustix::process::getuid().as_raw();
        let folder = std::env::temp_dir().join(format!("dbreg-ports-{user}"));
        std::fs::create_dir_all(&folder).map_err(Error::io(format!("create {}", folder.display())))?;
        let first = RandomState::new().build_hasher().finish();
        let width = u64::from(RANGE.end - RANGE.start);
        for step in 0..width {
            let offset = u16::try_from((first.wrapping_add(step)) % width).expect("the range is of 16 bits");
            let number = RANGE.start + offset;
            let path = folder.join(number.to_string());
            let claim = OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(false)
                .open(&path);
            let claim = claim.map_err(Error::io(format!("open {}", path.display())))?;
            if claim.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self {
                    number,
                    _claim: claim,
                });
            }
        }
        let source = std::io::Error::from(std::io::ErrorKind::AddrInUse);
        Err(Error::Io {
            doing: format!("find a free port in {}..{}", RANGE.start, RANGE.end),
            source,
        })
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_differ() {
        let claims: Vec<Port> = (0..50).map(|_| Port::claim().unwrap()).collect();
        let mut numbers: Vec<u16> = claims.iter().map(|claim| claim.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), claims.len());
    }
}
