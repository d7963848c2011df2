//! Exact decimals: sums never lose a digit, whatever they are sums of.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::{BigDecimal, RoundingMode};
use indelible_engine::source::{canonical_number, compare_number_values};

/// A number as its canonical decimal: no exponent, no zero that says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal(Box<str>);

/// How many digits a mean has behind the point, beyond those of the values.
const MEAN_DIGITS: i64 = 6;

impl Decimal {
    /// The decimal of a JSON number; nothing where it is none, or longer than 512 digits.
    pub fn parse(number: &[u8]) -> Option<Decimal> {
        let mut canonical = Vec::new();
        canonical_number(number, &mut canonical).then(|| Decimal::from_canonical(&canonical))
    }

    /// The decimal of which these are the canonical bytes.
    pub(crate) fn from_canonical(bytes: &[u8]) -> Decimal {
        Decimal(String::from_utf8_lossy(bytes).into())
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn from_big(big: &BigDecimal) -> Decimal {
        Decimal(big.normalized().to_plain_string().into())
    }

    fn to_big(&self) -> BigDecimal {
        BigDecimal::from_str(&self.0).unwrap_or_default()
    }

    /// This less `other`.
    pub(crate) fn minus(&self, other: &Decimal) -> Decimal {
        Decimal::from_big(&(self.to_big() - other.to_big()))
    }
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Decimal {
        Decimal(number.to_string().into())
    }
}

impl From<i128> for Decimal {
    fn from(number: i128) -> Decimal {
        Decimal(number.to_string().into())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    /// By value.
    fn cmp(&self, other: &Self) -> Ordering {
        compare_number_values(self.0.as_bytes(), other.0.as_bytes())
    }
}

/// A sum in the making. Whole numbers, which most are, are added up as such for as long as they fit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum {
    whole: i128,
    rest: BigDecimal,
}

impl Sum {
    pub(crate) fn add(&mut self, number: &Decimal) {
        let whole =
            number.0.parse::<i64>().ok().and_then(|number| self.whole.checked_add(i128::from(number)));
        match whole {
            Some(whole) => self.whole = whole,
            None => self.rest += number.to_big(),
        }
    }

    fn total(&self) -> BigDecimal {
        BigDecimal::from(self.whole) + &self.rest
    }

    /// The sum, exactly.
    pub(crate) fn sum(&self) -> Decimal {
        Decimal::from_big(&self.total())
    }

    /// The sum over `count`, rounded half to even six digits behind the last one of the sum.
    pub(crate) fn mean(&self, count: u64) -> Decimal {
        let (digits, scale) = self.total().normalized().into_bigint_and_scale();
        let scale = scale.max(0);
        let digits = if scale == 0 { self.total().with_scale(0).into_bigint_and_scale().0 } else { digits };
        // One digit more, and a last one that says whether anything follows: then rounding once is exact.
        let scaled = digits * BigInt::from(10_u64.pow(MEAN_DIGITS as u32 + 1));
        let count = BigInt::from(count.max(1));
        let (quotient, rest) = (&scaled / &count, &scaled % &count);
        let sticky = match rest.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        };
        let exact_enough = BigDecimal::new(quotient * 10 + sticky, scale + MEAN_DIGITS + 2);
        Decimal::from_big(&exact_enough.with_scale_round(scale + MEAN_DIGITS, RoundingMode::HalfEven))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(numbers: &[&str]) -> Sum {
        let mut sum = Sum::default();
        numbers.iter().for_each(|number| sum.add(&Decimal::parse(number.as_bytes()).unwrap()));
        sum
    }

    #[test]
    fn sums_are_exact() {
        for (numbers, expected) in [
            (&["0.1", "0.2"][..], "0.3"),
            (&["9007199254740993", "1"], "9007199254740994"),
            (&["9223372036854775807", "9223372036854775807", "1"], "18446744073709551615"),
            (&["1e30", "-1e30", "5e-30"], "0.000000000000000000000000000005"),
            (&["-1.5", "1.5"], "0"),
            (&["1e3"], "1000"),
            (&[], "0"),
        ] {
            assert_eq!(sum(numbers).sum().as_str(), expected);
        }
    }

    #[test]
    fn means_are_rounded_half_to_even_behind_the_digits_of_the_sum() {
        for (numbers, count, expected) in [
            (&["1", "1"][..], 3, "0.666667"),
            (&["100"], 3, "33.333333"),
            (&["-100"], 3, "-33.333333"),
            // A little more than half, on either side.
            (&["6"], 11, "0.545455"),
            (&["-6"], 11, "-0.545455"),
            (&["-1"], 2_000_000, "0"),
            (&["-3"], 2_000_000, "-0.000002"),
            (&["1000"], 4, "250"),
            (&["0.5", "0.25"], 2, "0.375"),
            (&["1"], 2_000_000, "0"),
            (&["3"], 2_000_000, "0.000002"),
            (&["1.0000001"], 2, "0.50000005"),
        ] {
            assert_eq!(sum(numbers).mean(count).as_str(), expected, "{numbers:?} / {count}");
        }
    }
}
