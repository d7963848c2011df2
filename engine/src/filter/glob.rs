//! Globs: `*` for any characters, `?` for one. They match whole values, byte for byte.

/// A compiled glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    pattern: Vec<u8>,
    /// How many bytes at the start are plain.
    prefix_len: usize,
}

impl Glob {
    /// Whether a word is a glob, rather than one plain value.
    pub fn is_glob(word: &str) -> bool {
        word.contains(['*', '?'])
    }

    /// The glob of this pattern.
    pub fn new(pattern: &str) -> Glob {
        let pattern = pattern.as_bytes().to_vec();
        let prefix_len = pattern.iter().position(|byte| matches!(byte, b'*' | b'?')).unwrap_or(pattern.len());
        Glob { pattern, prefix_len }
    }

    /// What every match starts with: whoever has values in order need look at those alone.
    pub fn prefix(&self) -> &[u8] {
        &self.pattern[..self.prefix_len]
    }

    /// Whether `text` matches.
    ///
    /// A star that failed is tried again one character further on, and only the last star is ever tried again: what the
    /// ones before it took can stay as it is. So the time is the product of the lengths at worst.
    pub fn matches(&self, text: &[u8]) -> bool {
        let (mut at, mut in_pattern) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.pattern.get(in_pattern) {
                Some(b'*') => {
                    in_pattern += 1;
                    retry = Some((in_pattern, at));
                    continue;
                }
                Some(b'?') => {
                    at += char_len(text[at]);
                    in_pattern += 1;
                    continue;
                }
                Some(byte) if *byte == text[at] => {
                    at += 1;
                    in_pattern += 1;
                    continue;
                }
                _ => {}
            }
            let Some((after_star, from)) = retry else { return false };
            (in_pattern, at) = (after_star, from + char_len(text[from]));
            retry = Some((after_star, at));
        }
        at == text.len()
            && self.pattern[in_pattern.min(self.pattern.len())..].iter().all(|byte| *byte == b'*')
    }
}

/// Length of the UTF-8 character that starts with `byte`.
fn char_len(byte: u8) -> usize {
    match byte {
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xFF => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_values() {
        for (pattern, matching, other) in [
            ("SOC2:CC6.*", &["SOC2:CC6.1", "SOC2:CC6."][..], &["SOC2:CC6", "SOC2:CC7.1", "xSOC2:CC6.1"][..]),
            ("*", &["", "x", "Grüße"], &[]),
            ("a?c", &["abc", "aéc", "a😀c"], &["ac", "abbc", "abcd"]),
            ("*a*b*", &["ab", "xaxbx", "aab"], &["ba", "b", ""]),
            ("deploy*prod", &["deployprod", "deploy prod prod"], &["deploy production"]),
            ("a**b", &["ab", "axxb"], &["a"]),
            ("plain", &["plain"], &["plain ", "Plain"]),
            ("?", &["x", "é"], &["", "xy"]),
            ("*??b*", &["aab", "€€b"], &["€b x", "éb"]),
        ] {
            let glob = Glob::new(pattern);
            for text in matching {
                assert!(glob.matches(text.as_bytes()), "{pattern} should match {text}");
                assert!(text.as_bytes().starts_with(glob.prefix()));
            }
            for text in other {
                assert!(!glob.matches(text.as_bytes()), "{pattern} should not match {text}");
            }
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let glob = Glob::new(&"a*".repeat(200));
        let text = "a".repeat(5_000) + "b";
        assert!(glob.matches(text.as_bytes()));
        assert!(!Glob::new(&("a*".repeat(200) + "c")).matches(text.as_bytes()));
    }
}
