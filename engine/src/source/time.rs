//! Times as events write them, to nanoseconds since 1970. A time without a zone is no time: nothing is guessed.

use crate::Timestamp;

use super::decimal;

/// What a number that is a time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Epoch {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

/// Reads a date and time by RFC 3339 section 5.6. Digits behind the nanosecond are cut. A leap second is the first
/// instant of the next minute, for our count leaves leap seconds out.
pub fn rfc3339(text: &[u8]) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        text.get(range)?
            .iter()
            .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let is = |at: usize, any: &[u8]| text.get(at).is_some_and(|byte| any.contains(byte));
    let marks = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !marks || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut nanos = 0;
    if is(at, b".") {
        let digits = text.get(20..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let kept = digits.min(9);
        nanos = number(20..20 + kept)? * 10_i64.pow(9 - kept as u32);
        at = 20 + digits;
    }
    let zone = match text.get(at)? {
        b'Z' | b'z' if text.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if text.len() == at + 6 && is(at + 3, b":") => {
            let (hours, minutes) = (number(at + 1..at + 3)?, number(at + 4..at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'+' { 60 } else { -60 }
        }
        _ => return None,
    };
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - zone;
    // By way of i128: in the second that holds the earliest time, the whole seconds alone are out of range.
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    i64::try_from(total).ok().map(Timestamp)
}

/// Reads a JSON number as a count of `unit` since 1970. Digits behind the nanosecond are cut.
pub(crate) fn epoch(number: &[u8], unit: Epoch, buffer: &mut Vec<u8>) -> Option<Timestamp> {
    buffer.clear();
    if !decimal::canonical(number, buffer) {
        return None;
    }
    let (negative, magnitude) = match buffer.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, buffer.as_slice()),
    };
    let mut halves = magnitude.splitn(2, |&byte| byte == b'.');
    let (whole, fraction) = (halves.next()?, halves.next().unwrap_or_default());
    let scale = match unit {
        Epoch::Seconds => 9,
        Epoch::Millis => 6,
        Epoch::Micros => 3,
        Epoch::Nanos => 0,
    };
    let mut digits = whole.iter().chain(fraction.iter().chain(std::iter::repeat(&b'0')).take(scale));
    let nanos =
        digits.try_fold(0_i64, |sum, digit| sum.checked_mul(10)?.checked_add(i64::from(digit - b'0')))?;
    Some(Timestamp(if negative { -nanos } else { nanos }))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years are counted from March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_is_read_as_jiff_reads_it() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2026-02-10T17:24:23.778Z",
            "2026-02-10T17:24:23.123456789+05:30",
            "1996-12-19T16:39:57-08:00",
            "2024-02-29T23:59:59.5-00:00",
            "1969-12-31T23:59:59.999999999Z",
            "2000-02-29t00:00:00z",
            "1700-03-01T00:00:00Z",
            "2262-04-11T23:47:16.854775807Z",
            "1677-09-21T00:12:43.145224192Z",
        ] {
            let expected = text.parse::<jiff::Timestamp>().unwrap().as_nanosecond();
            assert_eq!(rfc3339(text.as_bytes()).map(|time| i128::from(time.0)), Some(expected), "{text}");
        }
        // Every day of 800 years.
        let mut day: jiff::civil::Date = "1700-01-01".parse().unwrap();
        for _ in 0..180_000 {
            let text = format!("{day}T00:00:00Z");
            let expected = day.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_nanosecond();
            assert_eq!(rfc3339(text.as_bytes()).map(|time| i128::from(time.0)), Some(expected), "{text}");
            day = day.tomorrow().unwrap();
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-02-10",
            "2026-02-10T17:24:23",
            "2026-02-10 17:24:23.778",
            "2026-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Zx",
            "2026-01-01T00:00:00+5:30",
            "2026-01-01T00:00:00+0530",
            "2026-01-01T00:00:00+24:00",
            "26-01-01T00:00:00Z",
            "2026-01-01T00:00:0éZ",
            "1600-01-01T00:00:00Z",
            "2262-04-11T23:47:16.854775808Z",
        ] {
            assert_eq!(rfc3339(text.as_bytes()), None, "{text}");
        }
        assert_eq!(rfc3339(b"2016-12-31T23:59:60Z"), rfc3339(b"2017-01-01T00:00:00Z"));
    }

    #[test]
    fn counts_since_1970_are_exact() {
        for (number, unit, expected) in [
            ("0", Epoch::Seconds, Some(0)),
            ("1700000000", Epoch::Seconds, Some(1_700_000_000_000_000_000)),
            ("1700000000.123456789", Epoch::Seconds, Some(1_700_000_000_123_456_789)),
            ("1700000000.1234567891", Epoch::Seconds, Some(1_700_000_000_123_456_789)),
            ("1.7e9", Epoch::Seconds, Some(1_700_000_000_000_000_000)),
            ("1621305118553", Epoch::Millis, Some(1_621_305_118_553_000_000)),
            ("1621305118553.5", Epoch::Millis, Some(1_621_305_118_553_500_000)),
            ("-1.5", Epoch::Micros, Some(-1_500)),
            ("1544712660000000000", Epoch::Nanos, Some(1_544_712_660_000_000_000)),
            ("1621305118553", Epoch::Seconds, None),
            ("1e400", Epoch::Nanos, None),
        ] {
            let found = epoch(number.as_bytes(), unit, &mut Vec::new()).map(|time| time.0);
            assert_eq!(found, expected, "{number} {unit:?}");
        }
    }
}
