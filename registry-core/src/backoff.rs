//! Pauses between attempts: they grow, and no two waiters keep step.

use std::time::Duration;

/// Exponential backoff with full jitter between a floor and a cap: the pause after `n` failures in a row is drawn evenly
/// from the floor up to `floor * 2^n`, and never exceeds the cap.
///
/// Full jitter, because everyone who lost the same server at the same moment would otherwise come back at the same
/// moment (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
///
/// ```
/// use registry_core::Backoff;
/// use std::time::Duration;
///
/// let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
/// let pause = backoff.next_with(|| 0.5); // a source of numbers from 0 up to 1
/// assert_eq!(pause, Duration::from_millis(375));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    floor: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// A backoff before its first failure. A cap below the floor counts as the floor.
    #[must_use]
    pub const fn new(floor: Duration, cap: Duration) -> Self {
        Self {
            floor,
            cap,
            failures: 0,
        }
    }

    /// The pauses of a connection that was there, or is in use: 50 to 750 ms, so that it is back within a second of its
    /// server.
    #[must_use]
    pub const fn lost() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_millis(750))
    }

    /// The pause after one more failure, with the process's own source of randomness.
    pub fn next_pause(&mut self) -> Duration {
        self.next_with(fastrand::f64)
    }

    /// The pause after one more failure; `random` gives a number from 0 up to 1. For simulations and tests.
    pub fn next_with(&mut self, random: impl FnOnce() -> f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let cap = self.cap.max(self.floor);
        let doubled = 2_u32.checked_pow(self.failures);
        let top = doubled
            .and_then(|factor| self.floor.checked_mul(factor))
            .map_or(cap, |top| top.min(cap));
        self.floor + (top - self.floor).mul_f64(random().clamp(0.0, 1.0))
    }

    /// The pause until the next look at something that has been away for so long, for looks that cost next to nothing, and
    /// that come beside the attempts: in the first second at most that time itself, in the first twenty seconds at most
    /// a second, later at most a tenth of the time, never more than twice the cap. So a short outage ends within a second
    /// of its end, and after a long one the looks do not turn the attempts into a stampede.
    ///
    /// ```
    /// use registry_core::Backoff;
    /// use std::time::Duration;
    ///
    /// let cap = Duration::from_secs(30);
    /// assert!(Backoff::look(Duration::from_secs(5), cap) <= Duration::from_secs(1));
    /// assert!(Backoff::look(Duration::from_secs(60), cap) <= Duration::from_secs(6));
    /// ```
    #[must_use]
    pub fn look(away: Duration, cap: Duration) -> Duration {
        const FLOOR: Duration = Duration::from_millis(100);
        const SECOND: Duration = Duration::from_secs(1);
        let top = if away < Duration::from_secs(20) {
            away.clamp(2 * FLOOR, SECOND)
        } else {
            (away / 10).min(cap.saturating_mul(2)).max(SECOND)
        };
        FLOOR + (top - FLOOR).mul_f64(fastrand::f64())
    }

    /// How many failures there were since the beginning, or the last reset.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Begins anew, after a success.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: Duration = Duration::from_millis(250);
    const CAP: Duration = Duration::from_secs(30);

    #[test]
    fn grows_from_the_floor_to_the_cap_and_stays_there() {
        let mut backoff = Backoff::new(FLOOR, CAP);
        let tops: Vec<_> = (0..9).map(|_| backoff.next_with(|| 1.0).as_millis()).collect();
        assert_eq!(tops, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
        assert_eq!(backoff.next_with(|| 0.0), FLOOR);
        backoff.reset();
        assert_eq!(backoff.next_with(|| 1.0), 2 * FLOOR);
    }

    #[test]
    fn looks_less_often_the_longer_it_is_away() {
        let most = |away: u64| {
            let pauses = (0..1_000).map(|_| Backoff::look(Duration::from_secs(away), CAP));
            pauses.max().unwrap().as_secs_f64()
        };
        assert!(most(0) <= 0.2 && most(1) <= 1.0 && most(19) <= 1.0);
        assert!((9.0..=10.0).contains(&most(100)), "{}", most(100));
        assert!((54.0..=60.0).contains(&most(86_400)), "{}", most(86_400));
        assert!(Backoff::look(Duration::MAX, Duration::ZERO) <= Duration::from_secs(1));
        let _ = Backoff::look(Duration::MAX, Duration::MAX);
    }

    #[test]
    fn never_overflows_and_never_leaves_its_bounds() {
        let mut backoff = Backoff::new(FLOOR, CAP);
        for _ in 0..10_000 {
            let pause = backoff.next_pause();
            assert!((FLOOR..=CAP).contains(&pause), "{pause:?}");
        }
        let mut upside_down = Backoff::new(CAP, FLOOR);
        assert_eq!(upside_down.next_with(|| 1.0), CAP);
        let mut endless = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!(endless.next_with(|| 1.0), Duration::MAX);
    }
}
