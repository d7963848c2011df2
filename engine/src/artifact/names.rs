//! Which artifacts an event names.
//!
//! It names one where the 64 hex digits of its name stand in the event's bytes, anywhere: in a field, in JSON inside of a
//! string, in a URL. No profile is asked, so that none can take a name away, and what cannot be read as JSON names all
//! the same. Digits may be of either case, or written `\u00XX`; of a longer row of digits any 64 are taken for a name: what
//! may be one keeps its artifact.

use std::borrow::Cow;

use memchr::memmem;

use crate::hash::Hash;

/// Length of a name without its prefix, in digits.
const DIGITS: usize = 64;
/// What an escape of an ASCII character begins with.
const ESCAPE: &[u8] = br"\u00";

/// Shows `see` all names that stand in an event.
pub(crate) fn names_in(event: &[u8], mut see: impl FnMut(Hash)) {
    let text = unescaped(event);
    let mut at = 0;
    // Of any 64 bytes in a row one is the 64th of these: where that is no digit, no name goes across it.
    while let Some(last) = text.get(at + DIGITS - 1) {
        if digit(*last).is_none() {
            at += DIGITS;
            continue;
        }
        let (before, behind) = text.split_at(at + DIGITS - 1);
        let begins = before.iter().rev().take_while(|byte| digit(**byte).is_some()).count().min(DIGITS - 1);
        let ends = behind.iter().take_while(|byte| digit(**byte).is_some()).count();
        let row = text.get(before.len() - begins..before.len() + ends).unwrap_or_default();
        each_name(row, &mut see);
        // The next name, if any, ends no sooner than 64 bytes behind this row.
        at = before.len() + ends;
    }
}

/// Shows `see` the names in a row of digits.
fn each_name(row: &[u8], see: &mut impl FnMut(Hash)) {
    let mut name = [0_u8; 32];
    for (index, digit) in row.iter().filter_map(|byte| digit(*byte)).enumerate() {
        for place in 0..name.len() {
            let next = name.get(place + 1).map_or(digit, |next| next >> 4);
            if let Some(byte) = name.get_mut(place) {
                *byte = (*byte << 4) | next;
            }
        }
        if index + 1 >= DIGITS {
            see(Hash(name));
        }
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The event with the characters that its escapes stand for.
fn unescaped(event: &[u8]) -> Cow<'_, [u8]> {
    if memmem::find(event, ESCAPE).is_none() {
        return Cow::Borrowed(event);
    }
    let (mut text, mut rest) = (Vec::with_capacity(event.len()), event);
    while let Some(at) = memmem::find(rest, ESCAPE) {
        let (before, behind) = rest.split_at(at);
        text.extend_from_slice(before);
        let code = behind
            .get(ESCAPE.len()..ESCAPE.len() + 2)
            .and_then(|code| Some((digit(code[0])?, digit(code[1])?)));
        match code {
            Some((high, low)) => {
                text.push(high << 4 | low);
                rest = behind.get(ESCAPE.len() + 2..).unwrap_or_default();
            }
            None => {
                text.extend_from_slice(ESCAPE);
                rest = behind.get(ESCAPE.len()..).unwrap_or_default();
            }
        }
    }
    text.extend_from_slice(rest);
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `names_in` must see, looked for at every place.
    fn naive(event: &[u8]) -> Vec<Hash> {
        let name = |text: &[u8]| {
            let text = std::str::from_utf8(text).ok()?.to_ascii_lowercase();
            Hash::from_hex(&text)
        };
        event.windows(64).filter_map(name).collect()
    }

    fn seen(event: &[u8]) -> Vec<Hash> {
        let mut seen = Vec::new();
        names_in(event, |name| seen.push(name));
        seen
    }

    #[test]
    fn a_name_is_seen_wherever_it_stands_and_nothing_else_is() {
        let digits: String = (0..200).map(|n| char::from_digit(n * 7 % 16, 16).unwrap()).collect();
        for before in 0..140 {
            for len in [0, 1, 63, 64, 65, 127, 128, 129, 200] {
                let mut event = vec![b'x'; before];
                event.extend_from_slice(&digits.as_bytes()[..len]);
                event.extend_from_slice(b"\"}");
                event.extend_from_slice(digits[..64].to_uppercase().as_bytes());
                assert_eq!(seen(&event), naive(&event), "{len} digits behind {before} bytes");
                event.pop();
                assert_eq!(seen(&event), naive(&event), "{len} digits behind {before} bytes, and 63");
            }
        }
    }

    #[test]
    fn escapes_hide_nothing() {
        let name = Hash([0xab; 32]);
        let escaped = name.to_string().replacen('a', r"\u0061", 1).replacen('b', r"\u0042", 3);
        assert_eq!(seen(format!(r#"{{"a":"blake3:{escaped}"}}"#).as_bytes()), [name]);
        let behind_others = format!(r#"{{"a":"\u00e4\u00{escaped}\u0"}}"#);
        assert!(seen(behind_others.as_bytes()).contains(&name), "as if it were one row of digits");
        let inside = format!(r#"{{"text":"{{\"artifact\":\"blake3\u003a{name}\"}}"}}"#);
        assert_eq!(seen(inside.as_bytes()), [name]);
    }
}
