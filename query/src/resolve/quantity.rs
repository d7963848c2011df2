//! What stands behind `<` and its like: a number, a time, or a duration or size in the unit that the field's name
//! ends with.

use indelible_engine::filter::{Comparison, Quantity, Test};
use indelible_engine::limits::NUMBER_LEN_MAX;
use indelible_engine::source::is_number;
use indelible_engine::{Timestamp, filter};

use super::Resolver;
use crate::ast::{Operand, Period as When};
use crate::decimal::Decimal;
use crate::error::Problem;
use crate::span::Spanned;
use crate::time::{self, Period};

/// What a field's name says that its numbers count: the ending, and how many nanoseconds or bytes one is.
const DURATION_UNITS: [(&[&str], i128); 7] = [
    (&["ns", "nanos", "nanoseconds"], 1),
    (&["us", "micros", "microseconds"], 1_000),
    (&["ms", "millis", "milliseconds"], 1_000_000),
    (&["s", "sec", "secs", "seconds"], 1_000_000_000),
    (&["min", "mins", "minutes"], 60_000_000_000),
    (&["h", "hours"], 3_600_000_000_000),
    (&["d", "days"], 86_400_000_000_000),
];
const SIZE_UNITS: [(&[&str], i128); 5] = [
    (&["bytes", "len"], 1),
    (&["kb"], 1_000),
    (&["kib"], 1 << 10),
    (&["mb"], 1_000_000),
    (&["mib"], 1 << 20),
];

impl Resolver<'_> {
    /// The test that a field called `name` stands in this order to what was written.
    pub(super) fn compare(
        &mut self,
        name: &str,
        comparison: Comparison,
        operand: &Spanned<Operand>,
    ) -> Option<Test> {
        if self.is_open(operand) {
            return Some(Test::Exists);
        }
        let (text, _) = self.operand(operand);
        if let Some(number) = number(&text) {
            return Some(Test::Compare(comparison, Quantity::Number(number.to_string())));
        }
        if let Some(period) = time::period(&text) {
            let (bound, comparison) = period.bound(comparison);
            return Some(Test::Compare(comparison, Quantity::Time(bound)));
        }
        match in_unit_of(name, &text) {
            Some(number) => Some(Test::Compare(comparison, Quantity::Number(number.to_string()))),
            None => {
                self.problems.push(no_quantity(name, &text, operand));
                None
            }
        }
    }

    /// The value to look for in a field called `name`.
    pub(super) fn value(&mut self, name: &str, operand: &Spanned<Operand>) -> filter::Value {
        let (text, is_word) = self.operand(operand);
        if !is_word {
            return filter::Value::Text(text);
        }
        // A duration in a field of milliseconds is a number; elsewhere it is a word like any other.
        if is_too_long(&text) {
            self.problems.push(too_long(&text, operand).help("in quotes it is a text"));
        }
        match in_unit_of(name, &text) {
            Some(number) => filter::Value::Word(number.to_string()),
            None => filter::Value::Word(text),
        }
    }

    /// A period that a word names.
    pub(super) fn period(&mut self, operand: &Spanned<Operand>) -> Option<Period> {
        if self.is_open(operand) {
            return Some(Period { start: Timestamp(0), end: Timestamp(0) });
        }
        let (text, _) = self.operand(operand);
        let period = time::period(&text);
        if period.is_none() {
            let help = "a time is 2026, 2026-Q1, 2026-04, 2026-04-01 or 2026-04-01T12:00:00Z";
            self.problems.push(no_time(&text, operand, help));
        }
        period
    }

    /// A period, or so long before now.
    fn when(&mut self, operand: &Spanned<Operand>) -> Option<Period> {
        if self.is_open(operand) {
            return Some(Period { start: Timestamp(0), end: Timestamp(0) });
        }
        let (text, _) = self.operand(operand);
        let (now, ago) = (self.setting.now, time::duration(&text));
        let moment = match text.as_str() {
            "now" => Some(now),
            _ => ago.and_then(|ago| time::after(now, -ago)),
        };
        if let Some(start) = moment {
            return Some(Period { start, end: start });
        }
        let period = time::period(&text);
        if period.is_none() {
            let help = "a time is 2026, 2026-Q1, 2026-04, 2026-04-01, 2026-04-01T12:00:00Z, or so long ago: 24h, 90d";
            self.problems.push(match ago {
                Some(_) => too_far(&format!("{text} ago"), operand),
                None => no_time(&text, operand, help),
            });
        }
        period
    }

    /// Whether a time can't be told yet: a parameter without a value, or while the query is only checked what counts
    /// back from the present.
    fn is_unknown(&self, operand: &Spanned<Operand>) -> bool {
        let counts_back = match &operand.node {
            Operand::Word(text) | Operand::Text(text) => text == "now" || time::duration(text).is_some(),
            Operand::Param(_) => false,
        };
        self.is_open(operand) || self.setting.is_check && counts_back
    }

    /// The window that a period of the language means: an end that is a day, month, quarter or year lies in it whole.
    pub(super) fn window(&mut self, period: &When) -> filter::Window {
        let (from, until) = match period {
            When::Since(from) => (self.when(from), None),
            When::Until(until) => (None, self.when(until)),
            When::Between(from, until) => {
                let (start, end) = (self.when(from), self.when(until));
                if let (Some(start), Some(end)) = (start, end)
                    && start.start >= end.end
                    && !self.is_unknown(from)
                    && !self.is_unknown(until)
                {
                    let span = from.span.to(until.span);
                    self.problems.push(Problem::new(span, "this ends before it begins"));
                }
                (start, end)
            }
            When::During(during) => {
                let period = self.period(during);
                if period.is_some_and(|period| period.start == period.end) && !self.is_open(during) {
                    let problem = Problem::new(during.span, "a moment has no length");
                    self.problems.push(problem.help("`during` takes 2026, 2026-Q1, 2026-04 or 2026-04-01"));
                }
                (period, period)
            }
        };
        filter::Window { from: from.map(|period| period.start), until: until.map(|period| period.end) }
    }
}

/// The decimal that a word writes.
pub(super) fn number(text: &str) -> Option<Decimal> {
    Decimal::parse(text.as_bytes())
}

/// Whether this is a number, and longer than decimals are.
fn is_too_long(text: &str) -> bool {
    is_number(text.as_bytes()) && number(text).is_none()
}

fn too_long(text: &str, operand: &Spanned<Operand>) -> Problem {
    let message =
        format!("`{text}` is longer than {NUMBER_LEN_MAX} digits where it is written without exponent");
    Problem::new(operand.span, message)
}

fn no_time(text: &str, operand: &Spanned<Operand>, help: &str) -> Problem {
    if time::is_too_far(text) {
        return too_far(&format!("`{text}`"), operand);
    }
    Problem::new(operand.span, format!("`{text}` is no time")).help(help)
}

fn too_far(what: &str, operand: &Spanned<Operand>) -> Problem {
    let (first, last) = time::DAYS;
    Problem::new(operand.span, format!("{what} is further away than any record's time"))
        .help(format!("times lie between {first} and {last}"))
}

/// Why nothing called `name` can be more or less than what was written.
pub(super) fn no_quantity(name: &str, text: &str, operand: &Spanned<Operand>) -> Problem {
    if time::is_too_far(text) {
        return too_far(&format!("`{text}`"), operand);
    }
    if is_too_long(text) {
        return too_long(text, operand);
    }
    let (is_duration, is_size) = (time::duration(text).is_some(), time::size(text).is_some());
    if !is_duration && !is_size {
        return Problem::new(operand.span, format!("`{text}` is nothing that can be more or less")).help(
            "write a number, a time such as 2026-04-01, a duration such as 90d or a size such as 10kB",
        );
    }
    let (message, help) = match Unit::of(name) {
        None => (
            format!("`{name}` does not say what it counts, so it can't be compared with {text}"),
            "write a plain number; names that end with _ms, _s, _bytes and the like say what they count",
        ),
        Some(Unit::Nanoseconds(_)) if is_size => (
            format!("`{name}` counts time, and {text} is a size"),
            "write a duration such as 2s, or a plain number",
        ),
        Some(Unit::Bytes(_)) if is_duration => (
            format!("`{name}` counts bytes, and {text} is a duration"),
            "write a size such as 10kB, or a plain number",
        ),
        Some(_) => (
            format!("{text} does not come out in what `{name}` counts, with nine digits behind the point"),
            "write a plain number",
        ),
    };
    Problem::new(operand.span, message).help(help)
}

/// What a number of a field counts.
#[derive(Debug, Clone, Copy)]
enum Unit {
    /// So many nanoseconds each.
    Nanoseconds(i128),
    /// So many bytes each.
    Bytes(i128),
}

impl Unit {
    /// What the last word of a name says: `latency_ms`, `durationMs`, `body.len`.
    fn of(name: &str) -> Option<Unit> {
        let ending = ending(name);
        let unit = |units: &[(&[&str], i128)]| {
            units.iter().find(|(names, _)| names.contains(&ending.as_str())).map(|(_, unit)| *unit)
        };
        unit(&DURATION_UNITS).map(Unit::Nanoseconds).or_else(|| unit(&SIZE_UNITS).map(Unit::Bytes))
    }
}

/// Whether a name says what it counts.
pub(super) fn names_unit(name: &str) -> bool {
    Unit::of(name).is_some()
}

/// The duration or size as a number in the unit that a name ends with.
pub(super) fn in_unit_of(name: &str, text: &str) -> Option<Decimal> {
    match Unit::of(name)? {
        Unit::Nanoseconds(unit) => divide(time::duration(text)?, unit),
        Unit::Bytes(unit) => divide(time::size(text)?, unit),
    }
}

/// The last word of a name, in lower case.
fn ending(name: &str) -> String {
    let name = name.trim_end_matches(['"', ']', '[']);
    let after_mark = name.rfind(['_', '.', '-']).map_or(0, |at| at + 1);
    let word = name.get(after_mark..).unwrap_or_default();
    // Of `durationMs` the last word begins with its capital letter.
    let capital = word.rfind(|c: char| c.is_ascii_uppercase()).unwrap_or(0);
    let whole = if word.chars().all(|c| c.is_ascii_uppercase()) { 0 } else { capital };
    // A bare `s` or `h` is a name like any other, and no unit.
    if after_mark == 0 && whole == 0 { String::new() } else { word[whole..].to_lowercase() }
}

/// The exact quotient, where it has no more than nine digits behind the point.
fn divide(amount: i128, unit: i128) -> Option<Decimal> {
    let scaled = amount.checked_mul(1_000_000_000)?;
    if scaled % unit != 0 {
        return None;
    }
    let quotient = scaled / unit;
    Decimal::parse(format!("{}.{:09}", quotient / 1_000_000_000, quotient % 1_000_000_000).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_count() {
        for (name, text, expected) in [
            ("latency_ms", "2s", Some("2000")),
            ("durationMs", "250ms", Some("250")),
            ("duration_s", "250ms", Some("0.25")),
            ("usage.duration_min", "1s", None),
            ("body.len", "10kB", Some("10000")),
            ("size_bytes", "1MiB", Some("1048576")),
            ("latency", "2s", None),
            ("s", "2s", None),
            ("size_bytes", "2s", None),
            ("latency_ms", "1kB", None),
        ] {
            assert_eq!(
                in_unit_of(name, text).map(|number| number.to_string()).as_deref(),
                expected,
                "{name} {text}"
            );
        }
    }
}
