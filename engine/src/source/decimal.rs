//! Numbers as terms: one spelling for each value, exact, whatever the event wrote.
//!
//! The canonical decimal has no exponent, no leading zero but one before the point, no trailing zero behind it,
//! and no minus before zero. `1e3` and `1000.0` are one term; nothing is ever rounded.

use crate::limits::NUMBER_LEN_MAX;

/// Appends the canonical decimal of a JSON number to `out`. Says `false`, and appends nothing, where that is longer
/// than [`NUMBER_LEN_MAX`].
///
/// `number` is one by RFC 8259; of other bytes the result has no meaning.
pub(crate) fn canonical(number: &[u8], out: &mut Vec<u8>) -> bool {
    let (negative, magnitude) = match number.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, number),
    };
    if magnitude.iter().all(u8::is_ascii_digit) {
        if number.len() > NUMBER_LEN_MAX {
            return false;
        }
        out.extend_from_slice(if magnitude == b"0" { magnitude } else { number });
        return true;
    }
    let (mantissa, exponent) = match magnitude.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&magnitude[..at], exponent(&magnitude[at + 1..])),
        None => (magnitude, Some(0)),
    };
    let point = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let digits = || mantissa.iter().copied().filter(u8::is_ascii_digit);
    let count = digits().count();
    let leading = digits().take_while(|&digit| digit == b'0').count();
    if leading == count {
        out.push(b'0');
        return true;
    }
    let trailing =
        mantissa.iter().rev().filter(|&&byte| byte != b'.').take_while(|&&byte| byte == b'0').count();
    let significant = || digits().skip(leading).take(count - leading - trailing);
    // How many digits stand before the point once the leading zeros are gone; negative: zeros behind it.
    let Some(whole) = exponent.map(|exponent| exponent + point as i64 - leading as i64) else { return false };
    let significant_len = (count - leading - trailing) as i64;
    let len = match whole {
        ..=0 => 2 - whole + significant_len,
        _ if whole < significant_len => significant_len + 1,
        _ => whole,
    };
    if len + i64::from(negative) > NUMBER_LEN_MAX as i64 {
        return false;
    }
    if negative {
        out.push(b'-');
    }
    if whole <= 0 {
        out.extend_from_slice(b"0.");
        out.extend((whole..0).map(|_| b'0'));
        out.extend(significant());
    } else {
        for (index, digit) in (0..).zip(significant()) {
            if index == whole {
                out.push(b'.');
            }
            out.push(digit);
        }
        out.extend((significant_len..whole).map(|_| b'0'));
    }
    true
}

/// Appends the canonical decimal of `text` to `out`, where it is a number by RFC 8259 and the decimal is not longer
/// than [`NUMBER_LEN_MAX`]; says whether it did.
pub fn canonical_number(text: &[u8], out: &mut Vec<u8>) -> bool {
    is_number(text) && canonical(text, out)
}

/// An exponent with its sign; none where it is out of all reason.
fn exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let value = digits.iter().try_fold(0_i64, |sum, &digit| {
        let sum = sum * 10 + i64::from(digit.wrapping_sub(b'0'));
        (sum < 1 << 32).then_some(sum)
    })?;
    Some(if negative { -value } else { value })
}

/// Whether `text` is a number by RFC 8259.
pub fn is_number(text: &[u8]) -> bool {
    let skip_digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = skip_digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = skip_digits(fraction);
        if len == 0 {
            return false;
        }
        rest = &fraction[len..];
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let digits = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return !digits.is_empty() && skip_digits(digits) == digits.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: &str) -> Option<String> {
        let mut out = Vec::new();
        canonical(number.as_bytes(), &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_value_has_one_spelling() {
        for (number, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0e999999999999999999999", "0"),
            ("1", "1"),
            ("-1", "-1"),
            ("1e3", "1000"),
            ("1E+3", "1000"),
            ("1.50", "1.5"),
            ("1000.0", "1000"),
            ("100", "100"),
            ("10.0e1", "100"),
            ("0.001", "0.001"),
            ("1e-3", "0.001"),
            ("-12.5e-3", "-0.0125"),
            ("0.00120e2", "0.12"),
            ("123.456e1", "1234.56"),
            ("123.456e3", "123456"),
            ("123.456e5", "12345600"),
            ("9007199254740993", "9007199254740993"),
            ("123456789012345678901234567890.10", "123456789012345678901234567890.1"),
        ] {
            assert_eq!(of(number).as_deref(), Some(expected), "{number}");
        }
    }

    #[test]
    fn what_would_be_too_long_is_not_written() {
        assert_eq!(of("1e511").map(|text| text.len()), Some(NUMBER_LEN_MAX));
        for number in ["1e512", "-1e511", "1e-511", "1e99999999999999999999", "1e-4294967295"] {
            assert_eq!(of(number), None, "{number}");
        }
        assert_eq!(of("5e-324").map(|text| text.len()), Some(326));
        assert_eq!(of(&"7".repeat(NUMBER_LEN_MAX + 1)), None);
    }

    #[test]
    fn canonical_is_a_fixed_point_and_agrees_with_floats() {
        let mut state = 7_u64;
        for _ in 0..2_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let digits = (state >> 40) as i64 - (1 << 23);
            let number = format!("{digits}.{}e{}", (state >> 20) & 0xFFFF, (state & 31) as i64 - 16);
            let once = of(&number).unwrap();
            assert!(is_number(once.as_bytes()), "{number} -> {once}");
            assert_eq!(of(&once).unwrap(), once, "{number}");
            assert_eq!(once.parse::<f64>().unwrap(), number.parse::<f64>().unwrap(), "{number}");
        }
    }

    #[test]
    fn numbers_are_told_from_other_text() {
        for yes in ["0", "-1", "1.5", "1e3", "1.5E-7", "-0"] {
            assert!(is_number(yes.as_bytes()), "{yes}");
        }
        for no in ["", "-", "01", "1.", ".5", "1e", "1e+", " 1", "1 ", "+1", "0x1", "1.5.2", "NaN"] {
            assert!(!is_number(no.as_bytes()), "{no}");
        }
    }
}
