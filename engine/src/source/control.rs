//! Control ids: `FRAMEWORK:ID`, one spelling for each requirement, whatever the event wrote.
//!
//! `soc 2 cc6.1`, `SOC2:CC6.1` and, in a field that names its framework, `cc6_1` are all `SOC2:CC6.1`. Frameworks
//! that many tools write in many ways are known by name; of any other, case and separators alone are evened out.
//! Text that names no framework, where the field names none either, is folded the same way and keeps no colon.

use std::borrow::Cow;

use super::keys::Print;
use crate::limits;

/// A framework that is known by more than one spelling.
struct Framework {
    name: &'static str,
    /// Spellings in lower case, letters and digits only; a version may follow in the event and is dropped.
    spellings: &'static [&'static str],
    /// What stands between a family's letters and its number: `CC6.1`, `AC-2`.
    joint: &'static str,
    /// What is dropped from the start of an id, in upper case.
    prefix: &'static str,
}

const FRAMEWORKS: &[Framework] = &[
    Framework { name: "SOC2", spellings: &["soc2", "aicpatsc", "tsc"], joint: "", prefix: "" },
    Framework { name: "PCI-DSS", spellings: &["pcidss", "pci"], joint: "", prefix: "REQ" },
    Framework {
        name: "NIST-800-53",
        spellings: &["nist80053", "nistsp80053", "sp80053"],
        joint: "-",
        prefix: "",
    },
    Framework { name: "NIST-CSF", spellings: &["nistcsf"], joint: "-", prefix: "" },
    Framework { name: "NIST-AI-RMF", spellings: &["nistairmf", "airmf"], joint: "-", prefix: "" },
    Framework { name: "ISO27001", spellings: &["iso27001", "isoiec27001"], joint: ".", prefix: "ANNEX-" },
    Framework { name: "ISO42001", spellings: &["iso42001", "isoiec42001"], joint: ".", prefix: "ANNEX-" },
    Framework { name: "HIPAA", spellings: &["hipaa"], joint: "-", prefix: "" },
    Framework { name: "GDPR", spellings: &["gdpr"], joint: "", prefix: "ART" },
    Framework { name: "EU-AI-ACT", spellings: &["euaiact", "aiact"], joint: "", prefix: "ART" },
    Framework { name: "FEDRAMP", spellings: &["fedramp"], joint: "-", prefix: "" },
    Framework { name: "CIS", spellings: &["cis"], joint: "-", prefix: "" },
];

/// The canonical form of `text`; `framework` is the one that ids without a framework belong to.
pub fn normalise_control<'t>(text: &'t str, framework: Option<&str>) -> Cow<'t, str> {
    if is_canonical(text) {
        return Cow::Borrowed(text);
    }
    let text = text.trim();
    if let Some((name, id)) = text.split_once(':') {
        return Cow::Owned(join(name, id));
    }
    if let Some((known, id)) = known_prefix(text) {
        return Cow::Owned(format!("{}:{}", known.name, fold_id(id, Some(known))));
    }
    Cow::Owned(match framework {
        Some(name) => join(name, text),
        None => fold_id(text, None),
    })
}

/// Slots of a [`Memo`].
const MEMO_SLOTS: usize = 256;

/// What some ids came to: a log names few requirements, each over and over in one spelling.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// By the hash of the text; what falls on a taken slot replaces what was there.
    slots: Vec<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    text: Box<[u8]>,
    framework: Option<Box<str>>,
    canonical: Box<[u8]>,
}

impl Memo {
    /// The canonical form of `text`, as [`normalise_control`] gives it; nothing where either is too long for a term.
    pub(super) fn normalise(&mut self, text: &[u8], framework: Option<&str>) -> Option<&[u8]> {
        if self.slots.is_empty() {
            self.slots.resize_with(MEMO_SLOTS, || None);
        }
        let slot = self.slots.get_mut(Print::of(text).hash() as usize % MEMO_SLOTS)?;
        let known =
            slot.as_ref().filter(|known| *known.text == *text && known.framework.as_deref() == framework);
        if known.is_none() {
            if text.len() > limits::TERM_LEN_MAX {
                return None;
            }
            let canonical = normalise_control(std::str::from_utf8(text).ok()?, framework);
            if canonical.len() > limits::TERM_LEN_MAX {
                return None;
            }
            let canonical = canonical.as_bytes().into();
            *slot = Some(Known { text: text.into(), framework: framework.map(Into::into), canonical });
        }
        slot.as_ref().map(|known| &*known.canonical)
    }
}

/// Whether `text` is surely canonical: most ids are, and need no more work. A test compares with the long way.
fn is_canonical(text: &str) -> bool {
    let Some((name, id)) = text.split_once(':') else { return false };
    let known = FRAMEWORKS.iter().find(|framework| framework.name == name);
    let plain =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'(' | b')');
    known.is_some_and(|framework| {
        framework.prefix.is_empty() || !id.starts_with(|c: char| c.is_ascii_alphabetic())
    }) && id.bytes().all(plain)
}

fn join(name: &str, id: &str) -> String {
    match known_prefix(name) {
        Some((known, _)) => format!("{}:{}", known.name, fold_id(strip_year(id.trim()), Some(known))),
        None => format!("{}:{}", fold_id(name, None), fold_id(id, None)),
    }
}

/// A known framework that `text` starts with, and what follows it and its version.
fn known_prefix(text: &str) -> Option<(&'static Framework, &str)> {
    let mut best: Option<(&Framework, &str, usize)> = None;
    for framework in FRAMEWORKS {
        for spelling in framework.spellings {
            if let Some(rest) = strip_spelling(text, spelling)
                && best.is_none_or(|(_, _, len)| spelling.len() > len)
            {
                best = Some((framework, rest, spelling.len()));
            }
        }
    }
    best.map(|(framework, rest, _)| (framework, strip_version(rest)))
}

/// What follows `spelling` in `text`, case and separators aside; it must end where a word does.
fn strip_spelling<'t>(text: &'t str, spelling: &str) -> Option<&'t str> {
    let mut wanted = spelling.chars();
    let mut next = wanted.next();
    let mut last_digit = false;
    for (at, char) in text.char_indices() {
        let Some(expected) = next else {
            let rest = &text[at..];
            // `soc21` is no `soc2`, nor is `cisco` a `cis`.
            let goes_on = char.is_ascii_digit() && last_digit || char.is_alphabetic() && !last_digit;
            return (!goes_on).then_some(rest);
        };
        if char.to_ascii_lowercase() == expected {
            last_digit = char.is_ascii_digit();
            next = wanted.next();
        } else if at == 0 || !matches!(char, ' ' | '-' | '_' | '/' | '.') {
            return None;
        }
    }
    next.is_none().then_some("")
}

/// Drops a version behind a framework's name: ` v4.0`, `:2022`, ` rev 5`, `r5`.
fn strip_version(text: &str) -> &str {
    let trimmed = text.trim_start_matches([' ', '-', '_', '/', ':']);
    let lower = trimmed.to_ascii_lowercase();
    let word_len = ["version", "rev", "v", "r"]
        .iter()
        .filter(|word| lower.starts_with(**word))
        .map(|word| word.len())
        .find(|&len| trimmed[len..].trim_start_matches(['.', ' ']).starts_with(|c: char| c.is_ascii_digit()));
    let number = match word_len {
        Some(len) => trimmed[len..].trim_start_matches(['.', ' ']),
        None => return strip_year(trimmed),
    };
    let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
    number[end..].trim_start_matches([' ', '-', '_', '/', ':'])
}

/// Drops a year that stands before an id: it is a framework's version.
fn strip_year(text: &str) -> &str {
    let is_year = text.starts_with("20") && text.bytes().take(4).filter(u8::is_ascii_digit).count() == 4;
    match text.get(4..).filter(|_| is_year) {
        Some(rest) if rest.starts_with([' ', '-', '_', '/', ':']) => {
            rest.trim_start_matches([' ', '-', '_', '/', ':'])
        }
        _ => text,
    }
}

/// Evens out case and separators of an id.
fn fold_id(id: &str, framework: Option<&Framework>) -> String {
    let mut folded = String::with_capacity(id.len());
    let mut gap = false;
    for char in id.trim().chars().flat_map(char::to_uppercase) {
        if char.is_whitespace() || matches!(char, '_' | '-') {
            gap = !folded.is_empty();
            continue;
        }
        if gap {
            push_gap(&mut folded, char, framework.map(|framework| framework.joint));
            gap = false;
        }
        folded.push(char);
    }
    let Some(framework) = framework else { return folded };
    if framework.prefix.is_empty() {
        return folded;
    }
    let rest = folded.strip_prefix("ARTICLE").or_else(|| folded.strip_prefix("REQUIREMENT"));
    match rest.or_else(|| folded.strip_prefix(framework.prefix)) {
        Some(rest) => rest.trim_start_matches(['.', '-']).to_owned(),
        None => folded,
    }
}

/// What an underscore, a dash or a space between two parts of an id stands for.
fn push_gap(folded: &mut String, next: char, joint: Option<&str>) {
    let before = folded.chars().next_back().unwrap_or(' ');
    if matches!(next, '(' | ')' | '.' | ',') || matches!(before, '(' | '.' | ',') {
        return;
    }
    match joint {
        _ if before.is_ascii_digit() && next.is_ascii_digit() => folded.push('.'),
        Some(joint) if before.is_alphabetic() && next.is_ascii_digit() => folded.push_str(joint),
        _ => folded.push('-'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_requirement_has_one_spelling() {
        for (expected, spellings) in [
            (
                "SOC2:CC6.1",
                &[
                    "SOC2:CC6.1",
                    "soc2:cc6.1",
                    "soc 2 cc6.1",
                    "SOC 2: CC6.1",
                    "SOC-2 CC6.1",
                    "soc2_cc_6_1",
                    "SOC2:cc_6_1",
                ][..],
            ),
            ("SOC2:CC8.1", &["soc2/CC8.1", " soc2:CC8.1 ", "TSC CC8.1"]),
            (
                "PCI-DSS:10.2.1",
                &[
                    "PCI-DSS:10.2.1",
                    "pci dss 10.2.1",
                    "pci_dss:10_2_1",
                    "PCI DSS v4.0 10.2.1",
                    "PCI:10.2.1",
                    "pci-dss-v4.0.1: Req 10.2.1",
                    "PCI DSS Requirement 10.2.1",
                ],
            ),
            (
                "NIST-800-53:AC-2",
                &[
                    "NIST-800-53:AC-2",
                    "nist 800-53 ac-2",
                    "NIST SP 800-53 Rev. 5 AC-2",
                    "nist_800_53:ac_2",
                    "NIST SP 800-53r5: AC 2",
                ],
            ),
            ("NIST-800-53:AC-2(1)", &["NIST 800-53 AC-2(1)", "nist 800-53 ac-2 (1)"]),
            (
                "ISO27001:A.5.1",
                &[
                    "ISO 27001 A.5.1",
                    "ISO/IEC 27001:2022 A.5.1",
                    "iso27001:2022:a.5.1",
                    "iso27001:a_5_1",
                    "ISO27001: Annex A.5.1",
                ],
            ),
            ("HIPAA:164.312(A)(1)", &["HIPAA 164.312(a)(1)", "hipaa:164.312 (a) (1)"]),
            ("GDPR:32", &["GDPR Art. 32", "gdpr:article 32", "GDPR:32"]),
            ("EU-AI-ACT:12", &["EU AI Act Article 12", "eu-ai-act:12"]),
            ("FEDRAMP:KSI-CMT", &["FedRAMP ksi-cmt", "fedramp:KSI_CMT"]),
            ("ACME-RULES:X-12", &["acme rules:x 12", "ACME_RULES: X-12", "Acme-Rules:x_12"]),
            ("CISCO-THING", &["cisco thing"]),
        ] {
            for spelling in spellings {
                assert_eq!(normalise_control(spelling, None), expected, "{spelling:?}");
            }
            assert_eq!(normalise_control(expected, None), expected, "canonical stays: {expected}");
            assert_eq!(normalise_control(expected, Some("PCI-DSS")).split(':').count(), 2);
        }
    }

    #[test]
    fn the_short_way_agrees_with_the_long_one() {
        let mut canonical = 0;
        for framework in FRAMEWORKS {
            for id in
                ["CC6.1", "10.2.1", "A.5.1", "AC2", "164.312(A)(1)", "ART32", "2022", "20", "REQ1", "32", ""]
            {
                let text = format!("{}:{id}", framework.name);
                if is_canonical(&text) {
                    let (name, id) = text.split_once(':').unwrap();
                    assert_eq!(join(name, id), text);
                    canonical += 1;
                }
            }
        }
        assert!(canonical > 60, "{canonical}");
    }

    #[test]
    fn what_is_remembered_is_what_the_long_way_gives() {
        let mut memo = Memo::default();
        let texts: Vec<String> = (0..500).map(|n| format!("soc 2 cc{}.{}", n % 90, n % 7)).collect();
        for round in 0..3 {
            for text in &texts {
                for framework in [None, Some("PCI-DSS"), Some("house")] {
                    let long = normalise_control(text, framework);
                    let short = memo.normalise(text.as_bytes(), framework);
                    assert_eq!(short, Some(long.as_bytes()), "{text} in round {round}");
                }
            }
        }
        assert_eq!(memo.normalise(&[b'x'; limits::TERM_LEN_MAX + 1], None), None);
    }

    #[test]
    fn a_field_can_name_the_framework() {
        for (text, framework, expected) in [
            ("cc6_1", "soc 2", "SOC2:CC6.1"),
            ("cc_6_1", "SOC2", "SOC2:CC6.1"),
            ("6.5.1", "PCI-DSS", "PCI-DSS:6.5.1"),
            ("a.5.1", "ISO27001", "ISO27001:A.5.1"),
            ("x9", "house rules", "HOUSE-RULES:X9"),
            ("SOC2:CC7.2", "PCI-DSS", "SOC2:CC7.2"),
        ] {
            assert_eq!(normalise_control(text, Some(framework)), expected, "{text}");
        }
    }

    #[test]
    fn odd_text_is_folded_and_never_panics() {
        for text in [
            "",
            ":",
            "::",
            "soc2",
            "soc2:",
            "é:ß",
            "v",
            "2022",
            "iso 27001 2",
            "r 5",
            "pci v",
            "soc2 20éé",
            "²:²",
        ] {
            let once = normalise_control(text, None);
            assert_eq!(normalise_control(&once, None), once, "{text:?}");
        }
    }
}
