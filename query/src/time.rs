//! Times, periods, durations and sizes as the language writes them. UTC, unless an offset is given.

use std::fmt;

use indelible_engine::Timestamp;
use indelible_engine::source::rfc3339;

use crate::decimal::Decimal;

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// What a duration counts, the longest first.
const UNITS: [(&str, i128); 9] = [
    ("y", 365 * DAY),
    ("w", 7 * DAY),
    ("d", DAY),
    ("h", 3_600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", SECOND / 1_000),
    ("us", SECOND / 1_000_000),
    ("ns", 1),
];

/// What a size counts, in bytes.
const SIZES: [(&str, i128); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A span of time that a word names: a moment has no length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    /// Its first nanosecond.
    pub(crate) start: Timestamp,
    /// The one behind its last.
    pub(crate) end: Timestamp,
}

/// The duration in nanoseconds that `90d`, `1h30m` or `250ms` says.
pub(crate) fn duration(text: &str) -> Option<i128> {
    let (mut total, mut rest, mut longest) = (0_i128, text, i128::MAX);
    while !rest.is_empty() {
        let (amount, unit, after) = amount(rest)?;
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        if *unit >= longest {
            return None;
        }
        longest = *unit;
        total = total.checked_add(scale(amount, *unit)?)?;
        rest = after;
    }
    (longest != i128::MAX).then_some(total)
}

/// The size in bytes that `10kB` or `1MiB` says.
pub(crate) fn size(text: &str) -> Option<i128> {
    let (amount, unit, rest) = amount(text)?;
    let (_, unit) = SIZES.iter().find(|(name, _)| *name == unit)?;
    rest.is_empty().then(|| scale(amount, *unit)).flatten()
}

/// A number, the letters behind it, and what follows.
fn amount(text: &str) -> Option<(&str, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (amount, rest) = text.split_at(digits);
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(letters);
    amount.starts_with(|c: char| c.is_ascii_digit()).then_some((amount, unit, rest))
}

/// So many of a unit, where that is a whole number.
fn scale(amount: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    if whole.len() > 18 || fraction.len() > 9 || fraction.contains('.') || amount.ends_with('.') {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scaled = digits.checked_mul(unit)?;
    let below = 10_i128.pow(fraction.len() as u32);
    (scaled % below == 0).then_some(scaled / below)
}

/// What a point or span of time says: `2026`, `2026-Q1`, `2026-04`, `2026-04-01`, or a moment by RFC 3339, whose
/// seconds and offset may be left out.
pub(crate) fn period(text: &str) -> Option<Period> {
    if text.len() > 10 {
        let (minutes, rest) = text.split_at_checked("2026-04-01T12:00".len())?;
        let seconds = if rest.starts_with(':') { "" } else { ":00" };
        let offset = if rest.ends_with(['Z', 'z']) || rest.contains(['+', '-']) { "" } else { "Z" };
        let whole = format!("{minutes}{seconds}{rest}{offset}");
        let start = rfc3339(whole.as_bytes())?;
        return Some(Period { start, end: start });
    }
    let number = |digits: &str, len: usize| -> Option<u32> {
        let plain = digits.len() == len && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    let mut parts = text.splitn(3, '-');
    let year = number(parts.next()?, 4)?;
    let first = |year: u32, month: u32| midnight(year + (month - 1) / 12, (month - 1) % 12 + 1, 1);
    let (start, end) = match (parts.next(), parts.next()) {
        (None, _) => (first(year, 1)?, first(year, 13)?),
        (Some(part), None) => match part.strip_prefix(['Q', 'q']) {
            Some(quarter) => {
                let quarter = number(quarter, 1).filter(|quarter| (1..=4).contains(quarter))?;
                (first(year, quarter * 3 - 2)?, first(year, quarter * 3 + 1)?)
            }
            None => {
                let month = number(part, 2).filter(|month| (1..=12).contains(month))?;
                (first(year, month)?, first(year, month + 1)?)
            }
        },
        (Some(month), Some(day)) => {
            let start = midnight(year, number(month, 2)?, number(day, 2)?)?;
            (start, after(start, DAY)?)
        }
    };
    Some(Period { start, end })
}

/// The first day and the last that times in nanoseconds have whole.
pub(crate) const DAYS: (&str, &str) = ("1677-09-22", "2262-04-10");

/// Whether this would be a time, or a period, were its year one of those that have times.
pub(crate) fn is_too_far(text: &str) -> bool {
    let (year, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    // Of many digits alone nobody can tell that they are a year.
    let is_year = year.len() == 4 || year.len() > 4 && rest.starts_with('-');
    is_year && period(text).is_none() && period(&format!("2000{rest}")).is_some()
}

fn midnight(year: u32, month: u32, day: u32) -> Option<Timestamp> {
    rfc3339(format!("{year:04}-{month:02}-{day:02}T00:00:00Z").as_bytes())
}

/// A time and a duration after it, which may be negative.
pub(crate) fn after(time: Timestamp, duration: i128) -> Option<Timestamp> {
    i64::try_from(i128::from(time.0).checked_add(duration)?).ok().map(Timestamp)
}

/// The start of the span of `width` nanoseconds that a time lies in. Spans are counted from 1970; whole weeks from a
/// Monday.
pub(crate) fn bin(time: Timestamp, width: i128) -> Timestamp {
    let first = if width % (7 * DAY) == 0 { 4 * DAY } else { 0 };
    let start = (i128::from(time.0) - first).div_euclid(width) * width + first;
    Timestamp(i64::try_from(start).unwrap_or(i64::MIN))
}

/// A duration in seconds.
pub(crate) fn seconds(duration: i128) -> Decimal {
    let (whole, rest) = (duration.abs() / SECOND, duration.abs() % SECOND);
    let sign = if duration < 0 { "-" } else { "" };
    Decimal::parse(format!("{sign}{whole}.{rest:09}").as_bytes()).unwrap_or_else(|| 0_u64.into())
}

/// Writes a duration as the language reads it, its greatest two or three units: nothing is rounded.
pub(crate) fn show_duration(duration: i128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if duration == 0 {
        return f.write_str("0s");
    }
    let mut rest = duration.abs();
    f.write_str(if duration < 0 { "-" } else { "" })?;
    // Years and weeks are for those who ask; people count days.
    for (name, unit) in UNITS.iter().skip(2) {
        if rest >= *unit {
            write!(f, "{}{name}", rest / unit)?;
            rest %= unit;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes() {
        for (text, expected) in [
            ("24h", Some(DAY)),
            ("90d", Some(90 * DAY)),
            ("250ms", Some(SECOND / 4)),
            ("1h30m", Some(5_400 * SECOND)),
            ("1.5h", Some(5_400 * SECOND)),
            ("1y", Some(365 * DAY)),
            ("0s", Some(0)),
            ("1ns", Some(1)),
            ("1.5ns", None),
            ("30m1h", None),
            ("1h1h", None),
            ("1", None),
            ("h", None),
            ("", None),
            ("1.h", None),
            ("1..5h", None),
            ("1x", None),
            ("-1h", None),
            ("999999999999999999999y", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
        for (text, expected) in [
            ("10kB", Some(10_000)),
            ("1MiB", Some(1 << 20)),
            ("1.5KiB", Some(1_536)),
            ("5B", Some(5)),
            ("5", None),
            ("5kb", None),
            ("1MiB5B", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
    }

    #[test]
    fn periods_are_as_long_as_they_say() {
        for (text, start, end) in [
            ("2026", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2026-Q1", "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"),
            ("2026-q4", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            ("2026-04-01T10:00", "2026-04-01T10:00:00Z", "2026-04-01T10:00:00Z"),
            ("2026-04-01T10:00:01.5", "2026-04-01T10:00:01.5Z", "2026-04-01T10:00:01.5Z"),
            ("2026-04-01T10:00:00+02:00", "2026-04-01T08:00:00Z", "2026-04-01T08:00:00Z"),
            ("2026-04-01T10:00+02:00", "2026-04-01T08:00:00Z", "2026-04-01T08:00:00Z"),
            ("2026-04-01T10:00Z", "2026-04-01T10:00:00Z", "2026-04-01T10:00:00Z"),
        ] {
            let period = period(text).unwrap();
            assert_eq!(
                (period.start.to_string(), period.end.to_string()),
                (start.to_owned(), end.to_owned())
            );
        }
        for text in [
            "",
            "26",
            "2026-13",
            "2026-Q5",
            "2026-02-30",
            "2026-4",
            "2026-04-01T",
            "yesterday",
            "9999",
            "2026-04-1é",
        ] {
            assert_eq!(period(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_too_far_away_is_a_time_but_for_its_year() {
        for text in
            ["9999", "2262", "1677", "99999-01-01", "0001-Q1", "2262-04-11", "123456-02-29T10:00:00+02:00"]
        {
            assert!(is_too_far(text), "{text}");
        }
        for text in
            ["2026", "20260", "1700000000", "2026-13", "99999-01-32", "99999-", "soon", "", DAYS.0, DAYS.1]
        {
            assert!(!is_too_far(text), "{text}");
        }
        assert!(period(DAYS.0).is_some() && period(DAYS.1).is_some());
        assert!(period("1677-09-21").is_none() && period("2262-04-11").is_none());
    }

    #[test]
    fn weeks_begin_on_mondays() {
        let start = |text: &str, width| bin(rfc3339(text.as_bytes()).unwrap(), width).to_string();
        assert_eq!(start("2026-04-03T10:30:00Z", 7 * DAY), "2026-03-30T00:00:00Z");
        assert_eq!(start("2026-04-03T10:30:00Z", 3_600 * SECOND), "2026-04-03T10:00:00Z");
        assert_eq!(start("1969-12-31T23:59:59Z", DAY), "1969-12-31T00:00:00Z");
    }

    #[test]
    fn durations_print_as_they_are_read() {
        struct Shown(i128);
        impl fmt::Display for Shown {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                show_duration(self.0, f)
            }
        }
        for (nanos, text) in
            [(0, "0s"), (5_400 * SECOND, "1h30m"), (400 * DAY + 1, "400d1ns"), (SECOND / 4, "250ms")]
        {
            assert_eq!(Shown(nanos).to_string(), text);
            assert_eq!(duration(text), Some(nanos));
        }
        assert_eq!(Shown(-SECOND).to_string(), "-1s");
        assert_eq!(seconds(-SECOND * 3 / 2).as_str(), "-1.5");
    }
}
