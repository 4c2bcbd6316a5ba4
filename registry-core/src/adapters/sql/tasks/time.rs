//! Points of time as text: that of a record, and those of fixtures where a server knows no offsets.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time as RFC 3339 writes it, to the second, in UTC.
pub(super) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(i64::try_from(days).unwrap_or_default());
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of so many days after 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Days after 1970-01-01; the way back of [`civil`].
#[cfg(any(feature = "mysql", feature = "postgres"))]
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// A date and time with an offset as the same time in UTC without one, with a blank between the two: as a server takes
/// it that knows no offsets. Another text stays as it is, but for the `T` in the middle.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn in_utc(text: &str) -> String {
    let Some((date, rest)) = text.split_once(['T', 't', ' ']) else {
        return text.to_owned();
    };
    let Some((time, minutes)) = offset(rest) else {
        return format!("{date} {rest}");
    };
    shifted(date, time, minutes).unwrap_or_else(|| format!("{date} {time}"))
}

/// The time, and the minutes that its clock is ahead of UTC.
#[cfg(any(feature = "mysql", feature = "postgres"))]
fn offset(rest: &str) -> Option<(&str, i64)> {
    if let Some(time) = rest.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let at = rest.rfind(['+', '-'])?;
    let (time, offset) = rest.split_at(at);
    let (hours, minutes) = offset[1..].split_once(':')?;
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    Some((
        time,
        if offset.starts_with('-') {
            -minutes
        } else {
            minutes
        },
    ))
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
fn shifted(date: &str, time: &str, ahead: i64) -> Option<String> {
    let mut parts = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let mut parts = time.splitn(3, ':');
    let (hour, minute) = (
        parts.next()?.parse::<i64>().ok()?,
        parts.next()?.parse::<i64>().ok()?,
    );
    let seconds = parts.next().unwrap_or("00");
    let minutes = days(year, month, day) * 1440 + hour * 60 + minute - ahead;
    let (year, month, day) = civil(minutes.div_euclid(1440));
    let of_day = minutes.rem_euclid(1440);
    let (hour, minute) = (of_day / 60, of_day % 60);
    Some(format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{seconds}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(20_782), (2026, 11, 25));
    }

    #[cfg(any(feature = "mysql", feature = "postgres"))]
    #[test]
    fn a_time_with_an_offset_is_told_in_utc() {
        for (text, expected) in [
            ("1979-05-27T07:32:00Z", "1979-05-27 07:32:00"),
            ("2024-03-01T00:30:15.25+02:00", "2024-02-29 22:30:15.25"),
            ("2023-12-31 23:30:00-01:00", "2024-01-01 00:30:00"),
            ("1979-05-27T07:32:00", "1979-05-27 07:32:00"),
            ("1979-05-27", "1979-05-27"),
            ("07:32:00", "07:32:00"),
        ] {
            assert_eq!(in_utc(text), expected);
        }
    }
}
