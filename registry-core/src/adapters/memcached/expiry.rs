//! When a value expires.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When a value expires. A [`Duration`], or an `Option` of one, turns into it.
///
/// memcached counts in seconds, and takes a number of more than 30 days for a Unix time (`protocol.txt`, "Expiration
/// times"), so:
///
/// - Part of a second counts as a whole one: 1 ms is 1 s, never "for ever", which a plain 0 would mean.
/// - More than 30 days are sent as the Unix time at which they end.
/// - A duration of zero expires at once: the value is not to be had.
/// - A time that the protocol cannot express, after January 2038, is [`Expiry::Never`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expiry {
    /// Not by itself. The server may still drop it for want of memory.
    Never,
    /// This long after it was stored.
    After(Duration),
}

/// The longest time that is sent as such: 30 days.
const RELATIVE_LIMIT: u64 = 30 * 24 * 60 * 60;
/// A Unix time long past: expires at once, in every command.
const AT_ONCE: u32 = 30 * 24 * 60 * 60 + 1;

impl Expiry {
    /// The number of the protocol.
    pub(super) fn number(self) -> u32 {
        self.number_at(SystemTime::now())
    }

    fn number_at(self, now: SystemTime) -> u32 {
        let Self::After(after) = self else { return 0 };
        if after.is_zero() {
            return AT_ONCE;
        }
        let seconds = after
            .as_secs()
            .saturating_add(u64::from(after.subsec_nanos() > 0));
        let number = if seconds <= RELATIVE_LIMIT {
            seconds
        } else {
            let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            now.saturating_add(seconds)
        };
        // The server reads it as a signed number of 32 bits.
        i32::try_from(number).map_or(0, i32::cast_unsigned)
    }
}

impl From<Duration> for Expiry {
    fn from(after: Duration) -> Self {
        Self::After(after)
    }
}

impl From<Option<Duration>> for Expiry {
    fn from(after: Option<Duration>) -> Self {
        after.map_or(Self::Never, Self::After)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_the_numbers_of_the_protocol() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
        for (expiry, number) in [
            (Expiry::Never, 0),
            (None.into(), 0),
            (Duration::ZERO.into(), AT_ONCE),
            (Duration::from_nanos(1).into(), 1),
            (Duration::from_millis(1_500).into(), 2),
            (Some(Duration::from_secs(60)).into(), 60),
            (days(30).into(), 2_592_000),
            ((days(30) + Duration::from_nanos(1)).into(), 1_702_592_001),
            (days(31).into(), 1_702_678_400),
            (days(365 * 30).into(), 0),
            (Duration::MAX.into(), 0),
        ] {
            assert_eq!(expiry.number_at(now), number, "{expiry:?}");
        }
    }
}
