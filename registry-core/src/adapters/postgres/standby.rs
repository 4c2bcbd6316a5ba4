//! How far a standby is behind, by what it says at each look and what it said at those before.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many looks are remembered: enough for the longest lag that still counts, with a look every fifth of `max_lag`.
const LOOKS: usize = 64;

/// How long a receiver has to be there to count, where nobody may see whether it has heard anything: it has logged in, and its
/// sender reads before it sends.
const SETTLED: Duration = Duration::from_secs(2);

/// What a standby says.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// The process that receives, where one does.
    pub(super) receiver: Option<i32>,
    /// Whether that is at work, as far as we may know.
    pub(super) streams: bool,
    /// Whether its sender has told it anything yet; nothing where we may not see it.
    pub(super) heard: Option<bool>,
    /// How much there is to be replayed: what was received, or, where we may see it, what its sender had.
    pub(super) received: Option<u64>,
    pub(super) replayed: u64,
    /// When the last transaction that was replayed was committed, by the clock of the primary, in microseconds.
    pub(super) committed: Option<i64>,
    /// How long ago that is by its own clock.
    pub(super) age: Option<Duration>,
}

/// What is remembered of a standby from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct Standby {
    /// The process that received at the last look, and when that look was; none before the first.
    last: Option<(Option<i32>, Instant)>,
    /// The receiver, the look that found it first, and what had been received then.
    arrived: Option<(i32, Instant, Option<u64>)>,
    committed: Option<i64>,
    /// What there was to be replayed by the latest looks: the oldest first.
    looks: VecDeque<(u64, Instant)>,
}

impl Standby {
    /// Whether it hears of its primary. One that has just logged in may be refused next, again and again, and one that is let
    /// in knows nothing of what it missed before the first word of its sender: that tells how far the primary is. Where we may
    /// not see whether it came, something has to be received, or the receiver to be there for a while. At the first look of all
    /// it is believed then.
    pub(super) fn is_connected(&mut self, look: &Look, asked: Instant) -> bool {
        let Some(receiver) = look.receiver.filter(|_| look.streams) else {
            self.arrived = None;
            return false;
        };
        let known = self.arrived.filter(|(known, ..)| *known == receiver);
        let (_, since, received) = *self
            .arrived
            .insert(known.unwrap_or((receiver, asked, look.received)));
        let settled = || look.received > received || asked.saturating_duration_since(since) >= SETTLED;
        look.heard.unwrap_or_else(|| self.last.is_none() || settled())
    }

    /// How far behind it is, where it hears of its primary; nothing when nobody can know. `asked` is when the look began, and
    /// `now` when it ended.
    ///
    /// The server tells when what it replayed last was committed. While nobody writes that moment grows old, and the first
    /// record after an hour of rest would make a standby an hour late. But what there was to be replayed at a look is at least
    /// as new as that look: who has replayed it is behind by no more than the time since. That does not hold for one that
    /// still receives what it missed: where a transaction was replayed since the last look that is older than that, the
    /// standby is as far behind as that transaction.
    pub(super) fn behind(
        &mut self,
        look: &Look,
        connected: bool,
        asked: Instant,
        now: Instant,
    ) -> Option<Duration> {
        let last = self.last.replace((look.receiver, asked));
        let before = std::mem::replace(&mut self.committed, look.committed);
        let Some(received) = look.received.filter(|_| connected) else {
            self.looks.clear();
            return None;
        };
        let lag = self.by_looks(received, look, asked, now);
        let moved = before.is_some() && before != look.committed;
        // Replayed at some time since the last look: it was as far behind then as it was old then, at least.
        let caught = last.zip(look.age).filter(|_| moved);
        let caught = caught.map(|((_, last), age)| age.saturating_sub(now.saturating_duration_since(last)));
        match (lag, caught) {
            (Some(lag), Some(caught)) => Some(lag.max(caught)),
            (lag, caught) => lag.or(caught),
        }
    }

    fn by_looks(&mut self, received: u64, look: &Look, asked: Instant, now: Instant) -> Option<Duration> {
        if received <= look.replayed {
            self.looks.clear();
            self.looks.push_back((received, asked));
            return Some(Duration::ZERO);
        }
        let is_replayed = |(place, _): &(u64, Instant)| *place <= look.replayed;
        while self.looks.get(1).is_some_and(is_replayed) {
            self.looks.pop_front();
        }
        let seen = self.looks.front().filter(|look| is_replayed(look));
        let seen = seen.map(|(_, moment)| now.saturating_duration_since(*moment));
        if self.looks.back().is_some_and(|(place, _)| *place == received) {
            // Nothing came since: it was as much then as it is now.
            self.looks.pop_back();
        }
        // One that is a long way behind keeps the oldest: they are those that it comes to first.
        if self.looks.len() < LOOKS {
            self.looks.push_back((received, asked));
        }
        match (seen, look.age) {
            (Some(seen), Some(age)) => Some(seen.min(age)),
            (seen, age) => seen.or(age),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);
    /// When the last transaction was committed, where no other is.
    const RESTS: i64 = 7;

    /// A standby whose looks come at these seconds.
    struct Scene {
        standby: Standby,
        start: Instant,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                standby: Standby::default(),
                start: Instant::now(),
            }
        }

        fn look(&mut self, second: u32, look: Look) -> Option<Duration> {
            let now = self.start + SECOND * second;
            let connected = self.standby.is_connected(&look, now);
            self.standby.behind(&look, connected, now, now)
        }
    }

    fn look(received: u64, replayed: u64, committed: i64, age: Duration) -> Look {
        Look {
            receiver: Some(1),
            streams: true,
            heard: None,
            received: Some(received),
            replayed,
            committed: Some(committed),
            age: Some(age),
        }
    }

    #[test]
    fn a_record_after_an_hour_of_rest_makes_nobody_late() {
        let mut scene = Scene::new();
        assert_eq!(scene.look(0, look(10, 10, RESTS, HOUR)), Some(Duration::ZERO));
        let behind = scene.look(1, look(11, 10, RESTS, HOUR));
        assert_eq!(behind, Some(SECOND), "it had everything a second ago");
        // Whose last transaction is newer than the last look is behind by less.
        assert_eq!(scene.look(2, look(12, 11, RESTS, SECOND / 2)), Some(SECOND / 2));
    }

    #[test]
    fn who_replays_slowly_is_as_late_as_what_it_has_come_to() {
        let mut scene = Scene::new();
        let mut behind =
            |second, received, replayed| scene.look(second, look(received, replayed, RESTS, HOUR));
        assert_eq!(behind(0, 10, 10), Some(Duration::ZERO));
        for second in 1..=5 {
            let lag = behind(second, 10 + u64::from(second), 10);
            assert_eq!(
                lag,
                Some(SECOND * second),
                "nothing was replayed since the first look"
            );
        }
        assert_eq!(
            behind(6, 16, 13),
            Some(SECOND * 3),
            "what was received by the third"
        );
        assert_eq!(behind(7, 17, 17), Some(Duration::ZERO));
        // Nothing comes any more: what it came to by the latest look is as new as that.
        assert_eq!(behind(8, 18, 17), Some(SECOND));
        assert_eq!(behind(9, 18, 17), Some(SECOND * 2));
        assert_eq!(behind(10, 19, 18), Some(SECOND));
    }

    #[test]
    fn who_still_receives_what_it_missed_is_as_late_as_what_it_replays() {
        let mut scene = Scene::new();
        assert_eq!(scene.look(0, look(10, 10, 1, SECOND)), Some(Duration::ZERO));
        // It replays all that it receives, and that is an hour old.
        assert_eq!(scene.look(2, look(20, 20, 2, HOUR)), Some(HOUR - SECOND * 2));
        // So is what it receives faster than it replays it.
        assert_eq!(scene.look(4, look(40, 30, 3, HOUR)), Some(HOUR - SECOND * 2));
        // A transaction of the last two seconds makes nobody late.
        assert_eq!(scene.look(6, look(50, 50, 4, SECOND)), Some(Duration::ZERO));
    }

    #[test]
    fn a_receiver_is_there_when_it_stays() {
        let mut scene = Scene::new();
        let of = |receiver, second: u32| Look {
            receiver,
            ..look(10, 10, RESTS, HOUR + SECOND * second)
        };
        assert!(
            scene.look(0, of(Some(1), 0)).is_some(),
            "the first look believes it"
        );
        assert_eq!(scene.look(1, of(None, 1)), None);
        // Refused each time that it has logged in.
        for second in 2..9 {
            let receiver = i32::try_from(second).ok();
            assert_eq!(scene.look(second, of(receiver, second)), None);
        }
        assert_eq!(
            scene.look(9, of(Some(8), 9)),
            None,
            "it may have heard nothing yet"
        );
        assert!(scene.look(10, of(Some(8), 10)).is_some());
        let waits = Look {
            streams: false,
            ..of(Some(8), 11)
        };
        assert_eq!(scene.look(11, waits), None);
        // What was received before it was cut off is no newer than that.
        for second in [12, 13] {
            let behind = scene.look(second, look(11, 10, RESTS, HOUR));
            assert_eq!(behind, None, "the receiver is another");
        }
        let behind = scene.look(14, look(11, 10, RESTS, HOUR));
        assert_eq!(behind, Some(HOUR));
    }

    #[test]
    fn a_receiver_is_there_when_it_has_heard_something() {
        let mut scene = Scene::new();
        let of = |heard, received| Look {
            heard,
            ..look(received, 10, RESTS, HOUR)
        };
        // At the first look of all, too.
        assert_eq!(scene.look(0, of(Some(false), 10)), None);
        assert_eq!(scene.look(9, of(Some(false), 10)), None);
        assert!(scene.look(10, of(Some(true), 11)).is_some());
        // Where nobody may see it, what it receives tells it.
        let another = |received| Look {
            receiver: Some(2),
            ..of(None, received)
        };
        assert_eq!(scene.look(11, another(11)), None);
        assert!(scene.look(12, another(12)).is_some());
    }

    #[test]
    fn of_a_first_look_only_the_server_tells_and_no_more_is_kept_than_is_of_use() {
        let mut scene = Scene::new();
        let unknown = Look {
            age: None,
            ..look(20, 10, RESTS, HOUR)
        };
        assert_eq!(scene.look(0, unknown), None);
        assert_eq!(scene.look(0, look(21, 10, RESTS, HOUR)), Some(HOUR));
        for number in 0..1_000 {
            scene.look(1, look(30 + number, 10, RESTS, HOUR));
        }
        assert_eq!(scene.standby.looks.len(), LOOKS);
        // The oldest are those that it comes to first.
        let behind = scene.look(2, look(2_000, 20, RESTS, HOUR));
        assert_eq!(behind, Some(SECOND * 2));
    }
}
