//! How far a replica is behind, as its server tells it.

use std::time::Duration;

/// One source that a server replicates from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channel {
    /// Whether what was received is being applied.
    pub(crate) applying: bool,
    pub(crate) link: Link,
    /// Whether all that was received is applied.
    pub(crate) drained: bool,
    /// Nothing while it is not connected: then there is nothing to be told, whatever there is to be applied.
    pub(crate) behind: Option<Duration>,
}

/// Its connection to a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Connected,
    /// It tries: the source is out of its reach.
    Sought,
    /// It does not try: somebody has stopped it, or it cannot go on.
    Stopped,
}

/// What the server says of its replication.
#[derive(Debug)]
pub(crate) enum Replication {
    /// It replicates from these.
    From(Vec<Channel>),
    /// It shares the data of the others, and has no replication to be behind with: Galera, Aurora.
    #[cfg_attr(
        not(any(feature = "mysql", test)),
        expect(dead_code, reason = "PostgreSQL has no such kind")
    )]
    Shared,
}

/// Whether reads may go to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fit(Duration),
    /// It comes after, and is further behind than it may be, or by who knows what.
    Behind(Option<Duration>),
    /// It does not come after.
    Halted(&'static str),
}

impl Replication {
    /// Whether any source is out of its reach.
    pub(super) fn is_cut_off(&self) -> bool {
        matches!(self, Self::From(channels) if channels.iter().any(|channel| channel.link != Link::Connected))
    }

    /// Whether it does not even try to reach a source: an outage of that is not why.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self, Self::From(channels) if channels.iter().any(|channel| channel.link == Link::Stopped))
    }

    /// How far it is behind what it has received, where it tells none as it last told; nothing when that is not known.
    pub(super) fn behind(&self, told: Option<Duration>) -> Option<Duration> {
        let Self::From(channels) = self else {
            return Some(Duration::ZERO);
        };
        let mut most = Duration::ZERO;
        for channel in channels {
            let all = channel.drained.then_some(Duration::ZERO);
            most = most.max(channel.behind.or(all).or(told)?);
        }
        Some(most)
    }

    /// Whether reads may go there, by how far it is behind, where that is known.
    pub(super) fn judge(&self, lag: Option<Duration>, max_lag: Duration) -> Verdict {
        let Self::From(channels) = self else {
            return Verdict::Fit(Duration::ZERO);
        };
        if channels.is_empty() {
            return Verdict::Halted("it does not replicate");
        }
        if channels.iter().any(|channel| !channel.applying) {
            return Verdict::Halted("it does not apply what it receives");
        }
        match lag {
            Some(lag) if lag <= max_lag => Verdict::Fit(lag),
            lag => Verdict::Behind(lag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn one(applying: bool, connected: bool, drained: bool, behind: Option<u32>) -> Channel {
        Channel {
            applying,
            link: if connected { Link::Connected } else { Link::Sought },
            drained,
            behind: behind.map(|seconds| SECOND * seconds),
        }
    }

    #[test]
    fn a_replica_is_fit_up_to_its_limit() {
        let replication = Replication::From(vec![one(true, true, true, Some(0))]);
        let judge = |lag| replication.judge(lag, SECOND * 10);
        assert_eq!(judge(Some(Duration::ZERO)), Verdict::Fit(Duration::ZERO));
        assert_eq!(judge(Some(SECOND * 10)), Verdict::Fit(SECOND * 10));
        assert_eq!(judge(Some(SECOND * 11)), Verdict::Behind(Some(SECOND * 11)));
        assert_eq!(judge(None), Verdict::Behind(None), "nobody knows how far");
    }

    #[test]
    fn who_applies_nothing_or_replicates_nothing_is_no_replica() {
        let halted = |replication: &Replication| {
            let verdict = replication.judge(Some(Duration::ZERO), SECOND);
            matches!(verdict, Verdict::Halted(_))
        };
        assert!(halted(&Replication::From(vec![one(false, true, true, None)])));
        assert!(halted(&Replication::From(Vec::new())));
        assert!(!halted(&Replication::Shared));
    }

    #[test]
    fn what_is_not_told_is_as_it_was_told_last() {
        let replication = Replication::From(vec![one(true, false, false, None)]);
        assert!(replication.is_cut_off());
        assert_eq!(replication.behind(None), None);
        assert_eq!(replication.behind(Some(SECOND)), Some(SECOND));
        let drained = Replication::From(vec![one(true, false, true, None)]);
        assert_eq!(drained.behind(Some(SECOND)), Some(Duration::ZERO));
        // One source of several is enough to be behind.
        let two = Replication::From(vec![
            one(true, true, true, Some(0)),
            one(true, true, false, Some(5)),
        ]);
        assert!(!two.is_cut_off());
        assert_eq!(two.behind(Some(SECOND)), Some(SECOND * 5));
    }
}
