//! How old the data of a replica are while it hears nothing from its source, and tells no lag.

use super::lag::Replication;
use crate::status::State;
use std::time::{Duration, Instant};

/// What is remembered of a replica from one look to the next.
///
/// A replica that is cut off is as far behind as it last told, and by the time since, in which its source was there for
/// others. The clock stops while the source is away for us too, because then nobody falls behind; it goes back to zero
/// only when the replica has its source again.
#[derive(Debug, Default)]
pub(super) struct Age {
    /// How far it was behind what it had received, as it last told.
    told: Option<Duration>,
    /// For how long it has been without a source that was there for us.
    aged: Duration,
    /// The latest look, when that did not find it connected.
    adrift: Option<Instant>,
    start: Start,
}

/// When its clock began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Start {
    /// It was not seen yet.
    #[default]
    Unseen,
    /// It was cut off at the first look, although nobody has noticed an outage: the next look tells which.
    Doubted,
    /// It was cut off before the first look at it: nobody knows since when.
    Lost,
    /// It was seen with its source, or the outage of that is known.
    Known,
}

impl Age {
    /// How far behind it is by this look; nothing when nobody can know. `primary` is the state of the connection.
    pub(super) fn seen(
        &mut self,
        replication: &Replication,
        primary: State,
        now: Instant,
    ) -> Option<Duration> {
        let Replication::From(channels) = replication else {
            return Some(Duration::ZERO);
        };
        if channels.is_empty() {
            *self = Self::default();
            return None;
        }
        if channels.iter().any(|channel| !channel.applying) {
            // A backlog grows, and nobody tells how large it is.
            self.told = None;
        }
        let behind = replication.behind(self.told);
        self.told = behind.or(self.told);
        if !replication.is_cut_off() {
            (self.aged, self.adrift, self.start) = (Duration::ZERO, None, Start::Known);
            return behind;
        }
        self.pass(primary, now);
        let explains = primary == State::Degraded && !replication.is_stopped();
        self.start = match (self.start, primary) {
            (Start::Unseen | Start::Doubted, State::Degraded) if explains => Start::Known,
            (Start::Unseen | Start::Doubted, State::Degraded) | (Start::Doubted, State::Ready) => Start::Lost,
            (Start::Unseen, _) => Start::Doubted,
            (start, _) => start,
        };
        match self.start {
            Start::Known => behind.map(|behind| behind + self.aged),
            _ => None,
        }
    }

    /// It did not answer: it may be cut off meanwhile.
    pub(super) fn missed(&mut self, primary: State, now: Instant) {
        self.pass(primary, now);
    }

    /// Whether an outage of the primary that nobody has noticed could be why it is cut off: not for long, because it is
    /// not read from any more then, and each look at the primary is a login.
    pub(super) fn hints_at_outage(&self, max_lag: Duration) -> bool {
        self.adrift.is_some() && self.start != Start::Lost && self.aged <= max_lag
    }

    fn pass(&mut self, primary: State, now: Instant) {
        let before = self.adrift.replace(now);
        if let Some(before) = before.filter(|_| primary != State::Degraded) {
            self.aged += now.saturating_duration_since(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lag::{Channel, Link};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    fn connected(behind: Duration) -> Replication {
        Replication::From(vec![Channel {
            applying: true,
            link: Link::Connected,
            drained: behind.is_zero(),
            behind: Some(behind),
        }])
    }

    fn cut_off(drained: bool) -> Replication {
        Replication::From(vec![Channel {
            applying: true,
            link: Link::Sought,
            drained,
            behind: None,
        }])
    }

    #[test]
    fn a_backlog_is_not_forgotten_when_the_primary_dies() {
        let (mut age, now) = (Age::default(), Instant::now());
        assert_eq!(age.seen(&connected(HOUR), State::Ready, now), Some(HOUR));
        assert_eq!(age.seen(&cut_off(false), State::Degraded, now), Some(HOUR));
        let later = now + HOUR;
        assert_eq!(
            age.seen(&cut_off(true), State::Degraded, later),
            Some(Duration::ZERO),
            "it has applied all that there is"
        );
    }

    #[test]
    fn the_clock_stops_while_the_primary_is_away_and_is_not_put_back() {
        let (mut age, now) = (Age::default(), Instant::now());
        age.seen(&connected(Duration::ZERO), State::Ready, now);
        assert_eq!(age.seen(&cut_off(true), State::Ready, now), Some(Duration::ZERO));
        assert!(age.hints_at_outage(Duration::ZERO));
        let at = |seconds: u32| now + SECOND * seconds;
        assert_eq!(age.seen(&cut_off(true), State::Ready, at(9)), Some(SECOND * 9));
        assert!(age.hints_at_outage(SECOND * 9) && !age.hints_at_outage(SECOND * 8));
        assert_eq!(
            age.seen(&cut_off(true), State::Degraded, at(60)),
            Some(SECOND * 9)
        );
        assert_eq!(age.seen(&cut_off(true), State::Ready, at(62)), Some(SECOND * 11));
        let again = age.seen(&connected(SECOND), State::Ready, at(63));
        assert_eq!(again, Some(SECOND));
        assert_eq!(
            age.seen(&cut_off(true), State::Ready, at(64)),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn what_was_told_before_it_stood_still_is_not_true_afterwards() {
        let (mut age, now) = (Age::default(), Instant::now());
        age.seen(&connected(Duration::ZERO), State::Ready, now);
        let halted = Replication::From(vec![Channel {
            applying: false,
            link: Link::Connected,
            drained: false,
            behind: None,
        }]);
        age.seen(&halted, State::Ready, now + SECOND);
        let behind = age.seen(&cut_off(false), State::Degraded, now + HOUR);
        assert_eq!(behind, None, "it received for an hour, and applied nothing");
        let behind = age.seen(&cut_off(true), State::Degraded, now + HOUR);
        assert_eq!(behind, Some(Duration::ZERO));
    }

    #[test]
    fn time_in_which_it_did_not_answer_counts() {
        let (mut age, now) = (Age::default(), Instant::now());
        age.seen(&connected(Duration::ZERO), State::Ready, now);
        age.missed(State::Ready, now);
        age.missed(State::Ready, now + HOUR);
        let behind = age.seen(&cut_off(true), State::Ready, now + HOUR + SECOND);
        assert_eq!(behind, Some(HOUR + SECOND));
    }

    #[test]
    fn who_was_cut_off_before_the_first_look_is_of_an_unknown_age() {
        let (mut age, now) = (Age::default(), Instant::now());
        for state in [State::Ready, State::Ready, State::Degraded, State::Ready] {
            assert_eq!(age.seen(&cut_off(true), state, now), None);
        }
        assert!(!age.hints_at_outage(HOUR));
        assert!(age.seen(&connected(SECOND), State::Ready, now).is_some());
        // The outage is what cut it off, noticed at once, or by the look itself.
        for before in [None, Some(State::Ready)] {
            let mut age = Age::default();
            if let Some(before) = before {
                assert_eq!(age.seen(&cut_off(true), before, now), None);
            }
            assert_eq!(
                age.seen(&cut_off(true), State::Degraded, now),
                Some(Duration::ZERO)
            );
            assert_eq!(
                age.seen(&cut_off(false), State::Degraded, now),
                Some(Duration::ZERO),
                "it had told that nothing was left"
            );
        }
        let mut age = Age::default();
        assert_eq!(
            age.seen(&cut_off(false), State::Degraded, now),
            None,
            "how much is left?"
        );
    }

    #[test]
    fn an_outage_is_not_why_somebody_stopped_before() {
        let stopped = Replication::From(vec![Channel {
            applying: true,
            link: Link::Stopped,
            drained: true,
            behind: None,
        }]);
        for before in [None, Some(State::Ready)] {
            let (mut age, now) = (Age::default(), Instant::now());
            if let Some(before) = before {
                assert_eq!(age.seen(&stopped, before, now), None);
            }
            for later in [SECOND, HOUR] {
                assert_eq!(age.seen(&stopped, State::Degraded, now + later), None);
                assert_eq!(age.seen(&cut_off(true), State::Degraded, now + later), None);
            }
            let again = age.seen(&connected(SECOND), State::Ready, now + HOUR);
            assert_eq!(again, Some(SECOND));
        }
        // One that was seen with its source is as old as it was when that went.
        let (mut age, now) = (Age::default(), Instant::now());
        age.seen(&connected(SECOND), State::Ready, now);
        assert_eq!(age.seen(&stopped, State::Degraded, now), Some(Duration::ZERO));
    }
}
