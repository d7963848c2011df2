//! JSON strings as they stand in an event, and what they mean once unescaped.
//!
//! A [`Text`] has passed the scanner, so its escapes are whole and its surrogates are paired; nothing here checks
//! them again.

/// A string of an event: the bytes between its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    /// The bytes between the quotes, escapes and all.
    pub(crate) raw: &'a [u8],
    /// Whether there is a backslash among them.
    pub(crate) escaped: bool,
}

impl<'a> Text<'a> {
    /// The unescaped bytes; `buffer` is overwritten where there is something to unescape.
    pub(crate) fn unescaped<'b>(&self, buffer: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if !self.escaped {
            return self.raw;
        }
        buffer.clear();
        unescape(self.raw, buffer);
        buffer
    }
}

/// Appends what `raw` means to `out`.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        let len = escape_len(escape);
        let (escape, tail) = escape.split_at_checked(len).unwrap_or((escape, &[]));
        push_escape(escape, out);
        rest = tail;
    }
    out.extend_from_slice(rest);
}

/// The place in `raw` of the byte that stands at `index` once it is unescaped. Inside one escape, its start.
pub(crate) fn raw_index(raw: &[u8], index: usize) -> usize {
    let (mut at, mut meant) = (0, 0);
    let mut one = Vec::with_capacity(4);
    while meant < index && at < raw.len() {
        if raw[at] != b'\\' {
            at += 1;
            meant += 1;
            continue;
        }
        let len = escape_len(&raw[at..]).min(raw.len() - at);
        one.clear();
        push_escape(&raw[at..at + len], &mut one);
        if meant + one.len() > index {
            break;
        }
        meant += one.len();
        at += len;
    }
    at
}

/// Length in bytes of the escape at the start of `raw`; a surrogate pair is one escape.
fn escape_len(raw: &[u8]) -> usize {
    match raw.get(1) {
        Some(b'u') if matches!(hex4(raw.get(2..6)), Some(0xD800..=0xDBFF)) => 12,
        Some(b'u') => 6,
        _ => 2,
    }
}

fn push_escape(escape: &[u8], out: &mut Vec<u8>) {
    let byte = match escape.get(1) {
        Some(b'b') => 0x08,
        Some(b'f') => 0x0C,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'u') => {
            let unit = hex4(escape.get(2..6)).unwrap_or(0xFFFD);
            let code = match hex4(escape.get(8..12)) {
                Some(low) => 0x10000 + ((unit & 0x3FF) << 10) + (low & 0x3FF),
                None => unit,
            };
            let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            return;
        }
        Some(&byte) => byte,
        None => return,
    };
    out.push(byte);
}

/// The number that four hex digits stand for.
pub(crate) fn hex4(digits: Option<&[u8]>) -> Option<u32> {
    let digits = digits.filter(|digits| digits.len() == 4)?;
    digits.iter().try_fold(0, |sum, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return None,
        };
        Some(sum << 4 | u32::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_mean_what_rfc_8259_says() {
        for (raw, meant) in [
            (r"plain", "plain"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"\u0041\u00e9\u20AC", "Aé€"),
            (r"a\ud83d\ude00b", "a😀b"),
            (r"\u0000", "\0"),
        ] {
            let mut out = Vec::new();
            unescape(raw.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), meant, "{raw}");
        }
    }

    #[test]
    fn a_place_in_the_meaning_is_found_in_the_raw_bytes() {
        let raw = br"a\n\u00e9\ud83d\ude00z";
        assert_eq!(raw_index(raw, 0), 0);
        assert_eq!(raw_index(raw, 1), 1);
        assert_eq!(raw_index(raw, 2), 3);
        assert_eq!(raw_index(raw, 3), 3, "inside an escape: its start");
        assert_eq!(raw_index(raw, 4), 9);
        assert_eq!(raw_index(raw, 8), 21);
        assert_eq!(raw_index(raw, 9), 22);
        assert_eq!(raw_index(raw, 99), 22);
    }
}
