//! Policies of retention and the conditions of holds: texts become what the engine stores, their filters beside them.

use indelible_engine::format::retention::{Policy, PolicyRule, Terms};
use indelible_engine::source::{Profile, shipped};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::rule::filter;
use crate::time;
use crate::vocabulary::Vocabulary;

/// The policies that ship as starting points: name and text.
pub const POLICY_TEMPLATES: [(&str, &str); 5] = [
    ("soc2", include_str!("../packs/retention/soc2.toml")),
    ("pci-dss", include_str!("../packs/retention/pci-dss.toml")),
    ("hipaa", include_str!("../packs/retention/hipaa.toml")),
    ("eu-ai-act", include_str!("../packs/retention/eu-ai-act.toml")),
    ("sec-17a-4", include_str!("../packs/retention/sec-17a-4.toml")),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: String,
    #[serde(default)]
    rule: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(rename = "match")]
    conditions: String,
    keep: String,
    hot: Option<String>,
    warm: Option<String>,
    #[serde(default)]
    locked: bool,
    #[serde(default)]
    basis: String,
}

/// Reads a policy: TOML, with `default` and any number of `[[rule]]`. Names that no profile of the vocabulary has, nor any
/// that ships, are paths.
///
/// # Errors
/// [`Error::Retention`] with what is wrong and in which rule.
pub fn policy(text: &str, vocabulary: &Vocabulary) -> Result<Policy> {
    let file: File = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
    let vocabulary = with_shipped(vocabulary)?;
    let default = Terms { keep_s: keep(&file.default, "default")?, ..Terms::default() };
    let mut rules = Vec::with_capacity(file.rule.len());
    for (index, entry) in file.rule.into_iter().enumerate() {
        let place = format!("rule {} ({})", index + 1, entry.name);
        let when = filter(&entry.conditions, &vocabulary)
            .map_err(|error| invalid(format!("{place}: `match` is no filter\n{error}")))?;
        let part = |text: Option<&str>| text.map(|text| seconds(text, &place)).transpose();
        let terms = Terms {
            hot_s: part(entry.hot.as_deref())?,
            keep_s: keep(&entry.keep, &place)?,
            warm_s: part(entry.warm.as_deref())?,
        };
        let Entry { name, conditions, locked, basis, .. } = entry;
        rules.push(PolicyRule { basis, conditions, locked, name, terms, when: stored(&when.encode()) });
    }
    Ok(Policy { default, rules, text: text.to_owned() })
}

/// Reads the conditions of a hold as the tree that its record stores: names and mapping as they stand now, for good.
///
/// # Errors
/// [`Error::Query`] with all that is wrong with the text.
pub fn hold_conditions(text: &str, vocabulary: &Vocabulary) -> Result<serde_json::Value> {
    Ok(stored(&filter(text, &with_shipped(vocabulary)?)?.encode()))
}

/// The time in nanoseconds that `7d` or `1y` says.
pub fn duration_ns(text: &str) -> Option<i64> {
    time::duration(text).and_then(|ns| i64::try_from(ns).ok())
}

fn with_shipped(vocabulary: &Vocabulary) -> Result<Vocabulary> {
    let mut vocabulary = vocabulary.clone();
    for profile in shipped() {
        vocabulary.add(&Profile::parse(profile.text)?);
    }
    Ok(vocabulary)
}

/// Canonical bytes as the value that records nest.
fn stored(canonical: &[u8]) -> serde_json::Value {
    serde_json::from_slice(canonical).unwrap_or_default()
}

fn keep(text: &str, place: &str) -> Result<Option<u64>> {
    if text == "forever" { Ok(None) } else { seconds(text, place).map(Some) }
}

fn seconds(text: &str, place: &str) -> Result<u64> {
    let whole =
        |ns: i128| (ns % 1_000_000_000 == 0).then(|| u64::try_from(ns / 1_000_000_000).ok()).flatten();
    time::duration(text)
        .and_then(whole)
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| invalid(format!("{place}: {text:?} is no period; write 90d, 12w, 7y, or forever")))
}

fn invalid(reason: String) -> Error {
    Error::Retention { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_a_policy_whose_exceptions_are_kept_longest() {
        for (name, text) in POLICY_TEMPLATES {
            let policy = policy(text, &Vocabulary::default()).expect(name);
            let longest = policy.rules.iter().max_by_key(|rule| rule.terms.keep_s).expect(name);
            assert!(longest.name.contains("exceptions"), "{name}: {}", longest.name);
            assert!(longest.terms.keep_s > policy.default.keep_s, "{name}");
            assert!(policy.rules.iter().all(|rule| !rule.basis.is_empty()), "{name}");
            assert_eq!(policy.text, text);
        }
    }

    #[test]
    fn the_laws_periods_are_what_they_ask() {
        let of = |name: &str| {
            let (_, text) = POLICY_TEMPLATES.iter().find(|(known, _)| *known == name).expect(name);
            policy(text, &Vocabulary::default()).expect(name)
        };
        let days = |days: u64| Some(days * 86_400);
        assert_eq!(of("hipaa").default.keep_s, days(6 * 365));
        assert_eq!(of("pci-dss").rules[0].terms, Terms { hot_s: days(92), keep_s: days(365), warm_s: None });
        assert!(of("eu-ai-act").default.keep_s >= days(183));
    }

    #[test]
    fn what_is_no_policy_is_refused_with_its_place() {
        let rule = |rest: &str| format!("default = \"1y\"\n[[rule]]\nname = \"r\"\n{rest}");
        for (text, reason) in [
            ("", "default"),
            ("default = \"soon\"", "\"soon\" is no period"),
            ("default = \"0d\"", "no period"),
            ("default = \"1y\"\nextra = 1", "extra"),
            (&rule("match = \"kind =\"\nkeep = \"1y\""), "rule 1 (r): `match` is no filter"),
            (&rule("match = \"kind = x since 1d\"\nkeep = \"1y\""), "rule 1 (r)"),
            (&rule("match = \"kind = x\"\nkeep = \"1.5s\""), "rule 1 (r): \"1.5s\""),
            (&rule("match = \"kind = x\""), "keep"),
        ] {
            let error = policy(text, &Vocabulary::default()).expect_err(text).to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
