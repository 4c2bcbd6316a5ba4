//! Which host a key belongs to: libmemcached's weighted ketama with MD5, so that a fleet can be shared with clients in
//! PHP, Python, Node and with twemproxy.
//!
//! Every host has points on a circle of 2^32, four from each MD5 of `name-n`, in proportion to its weight; a key belongs
//! to the first point at or after its own. All arithmetic is in `f32`, as libmemcached's is: in `f64` other hosts get
//! other numbers of points from 25 hosts on.

use super::address::HostAddress;
use md5::{Digest as _, Md5};

/// The port that is left out of a host's name on the ring.
const DEFAULT_PORT: u16 = 11211;

/// The circle: points in ascending order, each with the index of its host.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    points: Vec<(u32, u32)>,
    hosts: usize,
}

impl Ring {
    /// The ring of these hosts with their weights. One host needs no points.
    pub(crate) fn new(hosts: &[(HostAddress, u32)]) -> Self {
        let mut points = Vec::new();
        if hosts.len() > 1 {
            let weights: Vec<u32> = hosts.iter().map(|(_, weight)| *weight).collect();
            let hashes = registry_config::ketama_hashes(&weights);
            for (index, ((address, _), hashes)) in hosts.iter().zip(hashes).enumerate() {
                // An IPv6 address has no brackets here.
                let name = match address.port {
                    DEFAULT_PORT => address.host.clone(),
                    port => format!("{}:{port}", address.host),
                };
                for n in 0..hashes {
                    let hash: [u8; 16] = Md5::digest(format!("{name}-{n}")).into();
                    let (four, _) = hash.as_chunks::<4>();
                    let index = u32::try_from(index).expect("fewer hosts than points on the circle");
                    points.extend(four.iter().map(|point| (u32::from_le_bytes(*point), index)));
                }
            }
            // Stable: where points meet, the host that stands first in the list has them.
            points.sort_by_key(|(point, _)| *point);
        }
        Self {
            points,
            hosts: hosts.len(),
        }
    }

    /// The index of the host that this key belongs to.
    pub(crate) fn host_of(&self, key: &[u8]) -> usize {
        let point = self.points.get(self.start(key)).or(self.points.first());
        point.map_or(0, |(_, index)| *index as usize)
    }

    /// The first point at or after the key's own.
    fn start(&self, key: &[u8]) -> usize {
        if self.points.is_empty() {
            return 0;
        }
        let hash: [u8; 16] = Md5::digest(key).into();
        let hash = u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]);
        self.points.partition_point(|(point, _)| *point < hash)
    }

    /// The indices of all hosts in the order in which they would take over this key, its own first.
    pub(crate) fn hosts_of(&self, key: &[u8]) -> impl Iterator<Item = usize> {
        let start = self.start(key);
        let around = self.points[start..].iter().chain(&self.points[..start]);
        let mut seen = vec![false; self.hosts];
        let alone = (self.points.is_empty() && self.hosts > 0).then_some(0);
        alone.into_iter().chain(around.filter_map(move |(_, index)| {
            let index = *index as usize;
            (!std::mem::replace(&mut seen[index], true)).then_some(index)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn every_key_is_where_libmemcached_puts_it() {
        let text = include_str!("../../../tests/fixtures/ketama.json");
        let vectors: Value = serde_json::from_str(text).unwrap();
        let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        let keys: Vec<&str> = vectors["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key.as_str().unwrap())
            .collect();
        assert_eq!(keys.len(), 220);
        let scenarios = vectors["scenarios"].as_array().unwrap();
        assert_eq!(scenarios.len(), 19);
        for scenario in scenarios {
            let name = scenario["name"].as_str().unwrap();
            let hosts: Vec<(HostAddress, u32)> = scenario["servers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|server| {
                    let address = HostAddress {
                        host: server["host"].as_str().unwrap().to_owned(),
                        port: u16::try_from(number(&server["port"])).unwrap(),
                    };
                    (address, u32::try_from(number(&server["weight"])).unwrap())
                })
                .collect();
            let ring = Ring::new(&hosts);
            let expected = scenario["expect"]["ketama_weighted_md5"].as_array().unwrap();
            for (key, expected) in keys.iter().zip(expected) {
                assert_eq!(ring.host_of(key.as_bytes()), number(expected), "{name}: {key}");
                let first = ring.hosts_of(key.as_bytes()).next();
                assert_eq!(first, Some(number(expected)), "{name}: {key}");
                let live = (0..hosts.len()).filter(|host| points_of(&ring, *host) > 0);
                assert_eq!(ring.hosts_of(key.as_bytes()).count(), live.count(), "{name}");
            }
            if hosts.len() > 1 {
                for (index, points) in scenario["points_weighted"].as_array().unwrap().iter().enumerate() {
                    assert_eq!(points_of(&ring, index), number(points), "{name}: host {index}");
                }
            }
        }
    }

    /// How many points a host has. A host alone has no ring, and every key.
    fn points_of(ring: &Ring, index: usize) -> usize {
        let own = ring.points.iter().filter(|(_, host)| *host as usize == index);
        if ring.hosts == 1 { 160 } else { own.count() }
    }
}
