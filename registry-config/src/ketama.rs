//! How many points each host of a memcached fleet has on the ring: here, because a host without any is worth a warning
//! before anything runs.

/// Points of a host in a fleet of equal weights.
const POINTS_PER_HOST: f32 = 160.0;

/// Points from one MD5.
const POINTS_PER_HASH: f32 = 4.0;

/// How many MD5s, of four points each, a host of each of these weights gets on the ring of libmemcached's weighted ketama;
/// a host with none gets no keys. In `f32`, as libmemcached computes: in `f64` other hosts get other numbers of points from
/// 25 hosts on.
///
/// ```
/// assert_eq!(registry_config::ketama_hashes(&[1, 1]), [40, 40]);
/// assert_eq!(registry_config::ketama_hashes(&[1, 1000]), [0, 79]);
/// ```
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "libmemcached computes so, and its result is small and not negative"
)]
pub fn ketama_hashes(weights: &[u32]) -> Vec<usize> {
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    let hosts = weights.len() as f32;
    weights
        .iter()
        .map(|weight| {
            let share = *weight as f32 / total as f32;
            (share * POINTS_PER_HOST / POINTS_PER_HASH * hosts + 1e-10).floor() as usize
        })
        .collect()
}
