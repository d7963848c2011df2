//! The order of numbers by value, read from their decimal text: no precision is lost, no size is too large.

use std::cmp::Ordering;
use std::num::IntErrorKind;

/// The greatest exponent that is told from greater ones: fifteen nines.
const EXPONENT_MAX: i64 = 999_999_999_999_999;

/// A decimal as sign, place of the first digit that is not zero, and the digits from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal<'a> {
    /// -1, 0 or 1.
    sign: i8,
    /// The value is `0.d1 d2 d3 ... * 10^magnitude`.
    magnitude: i64,
    /// Digits and at most one point; the first is not zero, trailing zeros may be there.
    digits: &'a [u8],
}

/// Orders two numbers by value. What is no decimal comes last; all such are equal.
pub fn compare_number_values(a: &[u8], b: &[u8]) -> Ordering {
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => a.cmp_value(&b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

/// Orders two numbers by value, equal ones by their text.
pub fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    compare_number_values(a, b).then_with(|| a.cmp(b))
}

impl Decimal<'_> {
    fn cmp_value(&self, other: &Self) -> Ordering {
        let by_sign = self.sign.cmp(&other.sign);
        if by_sign.is_ne() || self.sign == 0 {
            return by_sign;
        }
        let by_size = self.magnitude.cmp(&other.magnitude).then_with(|| {
            let mut a = self.digits.iter().filter(|b| **b != b'.');
            let mut b = other.digits.iter().filter(|b| **b != b'.');
            loop {
                match (a.next(), b.next()) {
                    (None, None) => return Ordering::Equal,
                    (x, y) => match x.unwrap_or(&b'0').cmp(y.unwrap_or(&b'0')) {
                        Ordering::Equal => {}
                        different => return different,
                    },
                }
            }
        });
        if self.sign < 0 { by_size.reverse() } else { by_size }
    }
}

fn parse(text: &[u8]) -> Option<Decimal<'_>> {
    let (sign, text) = match text.split_first()? {
        (b'-', rest) => (-1, rest),
        _ => (1, text),
    };
    let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let point = mantissa.iter().position(|b| *b == b'.').unwrap_or(mantissa.len());
    let digit = |b: &u8| b.is_ascii_digit();
    let (whole, rest) = mantissa.split_at(point);
    let fraction = rest.get(1..).unwrap_or_default();
    if whole.is_empty() || !whole.iter().all(digit) || !fraction.iter().all(digit) {
        return None;
    }
    let Some(first) = mantissa.iter().position(|b| matches!(b, b'1'..=b'9')) else {
        return Some(Decimal { sign: 0, magnitude: 0, digits: &[] });
    };
    // How many places the first digit stands before the point, or behind it, less one for the point itself.
    let place = if first < point { (point - first) as i64 } else { point as i64 + 1 - first as i64 };
    Some(Decimal { sign, magnitude: exponent.saturating_add(place), digits: &mantissa[first..] })
}

/// The exponent; one out of all reason is the last that is within it, on its side.
fn exponent(text: &[u8]) -> Option<i64> {
    let value = match std::str::from_utf8(text).ok()?.parse::<i64>() {
        Ok(value) => value,
        Err(error) => match error.kind() {
            IntErrorKind::PosOverflow => i64::MAX,
            IntErrorKind::NegOverflow => i64::MIN,
            _ => return None,
        },
    };
    Some(value.clamp(-EXPONENT_MAX, EXPONENT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_the_order_of_their_values() {
        let ascending = [
            "-1e99999999999999999999",
            "-1e999999999999998",
            "-1e400",
            "-100",
            "-12.5",
            "-12.25",
            "-12",
            "-1",
            "-0.5",
            "-0.05",
            "0",
            "1e-99999999999999999999",
            "1e-999999999999998",
            "1e-400",
            "0.001",
            "0.01",
            "0.1",
            "0.11",
            "0.9",
            "1",
            "1.5",
            "2",
            "9",
            "10",
            "10.01",
            "99",
            "100",
            "9007199254740993",
            "9007199254740994",
            "18446744073709551616",
            "1e30",
            "2e30",
            "1e400",
            "1e999999999999998",
            "1e99999999999999999999",
            "",
            "-",
            "1.2.3",
            "e5",
            "x",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare_numbers(a.as_bytes(), b.as_bytes()), i.cmp(&j), "{a} and {b}");
            }
        }
    }

    #[test]
    fn one_value_in_two_spellings_is_ordered_by_spelling() {
        assert_eq!(compare_numbers(b"1.50", b"1.5"), Ordering::Greater);
        assert_eq!(compare_numbers(b"100", b"1e2"), Ordering::Less);
        assert_eq!(compare_numbers(b"-0", b"0"), Ordering::Less);
        assert_eq!(compare_numbers(b"0.10e1", b"2"), Ordering::Less);
        assert_eq!(compare_numbers(b"0.10e2", b"2"), Ordering::Greater);
    }
}
