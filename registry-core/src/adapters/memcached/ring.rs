//! Which host a key belongs to: libmemcached's weighted ketama with MD5, so that a fleet can be shared with clients in
//! PHP, Python, Node and with twemproxy.
//!
//! Every host has points on a circle of 2^32, four from each MD5 of `name-n`, in proportion to its weight; a key belongs
//! to the first point at or after its own. All arithmetic is in `f32`, as libmemcached's is: in `f64` other hosts get
//! other numbers of points from 25 hosts on.

use md5::{Digest as _, Md5};

/// Points of a host in a fleet of equal weights.
const POINTS_PER_HOST: f32 = 160.0;

/// Points from one MD5.
const POINTS_PER_HASH: usize = 4;

/// The port that is left out of a host's name on the ring.
const DEFAULT_PORT: u16 = 11211;

/// One host of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RingHost {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) weight: u32,
}

/// The circle: points in ascending order, each with the index of its host.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    points: Vec<(u32, u32)>,
    hosts: usize,
}

impl Ring {
    /// The ring of these hosts. One host needs no points.
    pub(crate) fn new(hosts: &[RingHost]) -> Self {
        let mut points = Vec::new();
        if hosts.len() > 1 {
            for (index, host) in hosts.iter().enumerate() {
                let name = match host.port {
                    DEFAULT_PORT => host.host.clone(),
                    port => format!("{}:{port}", host.host),
                };
                for n in 0..hashes(host.weight, hosts) {
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
        self.hosts_of(key).next().unwrap_or(0)
    }

    /// The indices of all hosts in the order in which they would take over this key, its own first.
    pub(crate) fn hosts_of(&self, key: &[u8]) -> impl Iterator<Item = usize> {
        let hash: [u8; 16] = Md5::digest(key).into();
        let hash = u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]);
        let start = self.points.partition_point(|(point, _)| *point < hash);
        let around = self.points[start..].iter().chain(&self.points[..start]);
        let mut seen = vec![false; self.hosts];
        let alone = (self.points.is_empty() && self.hosts > 0).then_some(0);
        alone.into_iter().chain(around.filter_map(move |(_, index)| {
            let index = *index as usize;
            (!std::mem::replace(&mut seen[index], true)).then_some(index)
        }))
    }

    /// How many points a host has: none means that it gets no keys.
    pub(crate) fn points_of(&self, index: usize) -> usize {
        if self.points.is_empty() {
            return POINTS_PER_HOST as usize;
        }
        self.points
            .iter()
            .filter(|(_, host)| *host as usize == index)
            .count()
    }
}

/// How many MD5s a host of this weight gets.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "libmemcached computes so, and its result is small and not negative"
)]
fn hashes(weight: u32, hosts: &[RingHost]) -> usize {
    let total: u64 = hosts.iter().map(|host| u64::from(host.weight)).sum();
    let share = weight as f32 / total as f32;
    (share * POINTS_PER_HOST / POINTS_PER_HASH as f32 * hosts.len() as f32 + 1e-10).floor() as usize
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
            let hosts: Vec<RingHost> = scenario["servers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|server| RingHost {
                    host: server["host"].as_str().unwrap().to_owned(),
                    port: u16::try_from(number(&server["port"])).unwrap(),
                    weight: u32::try_from(number(&server["weight"])).unwrap(),
                })
                .collect();
            let ring = Ring::new(&hosts);
            let expected = scenario["expect"]["ketama_weighted_md5"].as_array().unwrap();
            for (key, expected) in keys.iter().zip(expected) {
                assert_eq!(ring.host_of(key.as_bytes()), number(expected), "{name}: {key}");
                let live = (0..hosts.len()).filter(|host| ring.points_of(*host) > 0);
                assert_eq!(ring.hosts_of(key.as_bytes()).count(), live.count(), "{name}");
            }
            if hosts.len() > 1 {
                for (index, points) in scenario["points_weighted"].as_array().unwrap().iter().enumerate() {
                    assert_eq!(ring.points_of(index), number(points), "{name}: host {index}");
                }
            }
        }
    }
}
