//! The malformed replies of the fixture, each bent further by chance: whatever comes, the call ends, and the next one is
//! answered rightly.

use super::fake::{self, Bad};
use super::malformed::cases;
use super::open_handle;
use futures_util::future::join_all;
use std::time::Duration;

/// So many servers at a time.
const AT_ONCE: usize = 180;

/// So many bent copies of each reply.
const COPIES: u64 = 12;

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }

    /// Bends a reply at one to three places.
    fn bend(&mut self, mut reply: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.below(3) {
            let at = self.below(reply.len() + 1);
            match self.below(5) {
                0 if at < reply.len() => reply[at] = u8::try_from(self.below(256)).unwrap(),
                1 if at < reply.len() => drop(reply.remove(at)),
                2 => reply.insert(at, b"\r\n 09VE"[self.below(7)]),
                3 => reply.truncate(at),
                _ => {
                    let again = reply[at..].to_vec();
                    reply.extend(again);
                }
            }
        }
        reply
    }
}

#[tokio::test]
async fn whatever_a_server_answers_the_next_call_is_right() {
    let cases = cases();
    let seeds = cases.iter().enumerate().flat_map(|(index, case)| {
        let seeds = (1..=COPIES).map(move |copy| (index as u64 + 1) * 1_000 + copy);
        seeds.map(move |seed| (case, seed))
    });
    let runs: Vec<_> = seeds
        .filter_map(|(case, seed)| {
            let Bad::Bytes { bytes, close } = case.bad() else {
                return None;
            };
            // One of them is some megabytes long.
            let mut random = Random(seed);
            let short = bytes.len().min(4_096);
            let bytes = random.bend(bytes[..short].to_vec());
            Some(run(case.verb(), seed, Bad::Bytes { bytes, close }))
        })
        .collect();
    assert!(runs.len() > 40 * COPIES as usize, "{}", runs.len());
    // Not all at once: a call that waits for its turn to connect would be late for that alone.
    let mut runs = runs.into_iter();
    loop {
        let some: Vec<_> = runs.by_ref().take(AT_ONCE).collect();
        if some.is_empty() {
            break;
        }
        join_all(some).await;
    }
}

async fn run(verb: &'static str, seed: u64, bad: Bad) {
    let port = fake::start(verb, bad.clone()).await;
    let cache = open_handle(
        port,
        "pool = { max = 1 }\nconnect_timeout = \"5s\"\ntimeout = \"3s\"\n",
    );
    let call = async {
        // What a bent reply says may be anything; that it ends is what counts.
        match verb {
            "get" => drop(cache.get("test").await),
            "set" => drop(cache.set("test", "v", None).await),
            "incr" => drop(cache.incr("test", 1).await),
            _ => drop(cache.version().await),
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), call).await;
    assert!(ended.is_ok(), "seed {seed}: {bad:?}");
    for key in ["bob", "alice"] {
        let found = cache.get(key).await;
        assert!(found.is_ok(), "seed {seed}: {bad:?}: {found:?}");
        assert_eq!(
            found.unwrap().as_deref(),
            Some(key.as_bytes()),
            "seed {seed}: {bad:?}"
        );
    }
}
