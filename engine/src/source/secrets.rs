//! Obvious secrets in strings: tokens and keys whose form alone gives them away.
//!
//! A small pack, chosen for few false alarms: it is a net under the profile's own rules, not instead of them. The
//! ids of temporary AWS keys (`ASIA…`) are left alone: they grant nothing and say who acted. A string is searched
//! as it reads once unescaped; what is found is cut out of the raw bytes at whole escapes.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::text::{Text, raw_index, unescape};

/// A secret in a string: where it stands in the string's raw bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Secret {
    pub(super) pattern: &'static str,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Name and expression; the first group is the secret.
const PATTERNS: &[(&str, &str)] = &[
    (
        "private-key",
        r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:(?s:.)*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|(?:[A-Za-z0-9+/=\s:,-]|\\+[nrt])*))",
    ),
    ("aws-access-key", r"(?:^|[^A-Z0-9])(AKIA[A-Z2-7]{16})(?:[^A-Z0-9]|$)"),
    ("aws-secret-key", r#"(?i:secret_?access_?key)["'\\\s:=>]{1,8}([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+]|$)"#),
    ("gcp-key", r"(AIza[0-9A-Za-z_-]{35})(?:[^0-9A-Za-z_-]|$)"),
    ("gcp-key", r"(GOCSPX-[0-9A-Za-z_-]{28}|ya29\.[0-9A-Za-z_-]{20,})"),
    ("azure-key", r"(?i:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,88}={0,2})"),
    (
        "azure-key",
        r"(?:^|[^A-Za-z0-9_~.-]|\\[nrt])([A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34})(?:[^A-Za-z0-9_~.-]|$)",
    ),
    ("github-token", r"(gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{50,255})"),
    ("gitlab-token", r"(gl(?:pat|ptt|dt|rt|cbt|ft|soat)-[A-Za-z0-9_-]{20,255})"),
    ("slack-token", r"(xox[abeoprs]-[A-Za-z0-9-]{10,255}|xapp-[0-9]-[A-Za-z0-9-]{20,255})"),
    ("slack-token", r"hooks\.slack\.com/services/(T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]{20,})"),
    ("anthropic-key", r"(sk-ant-[A-Za-z0-9_-]{20,255})"),
    (
        "openai-key",
        r"(?:^|[^A-Za-z0-9]|\\[nrt])(sk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,255}|[A-Za-z0-9]{32,64}))(?:[^A-Za-z0-9]|$)",
    ),
    ("stripe-key", r"((?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,255}|whsec_[A-Za-z0-9+/=]{24,255})"),
    ("npm-token", r"(npm_[A-Za-z0-9]{36})(?:[^A-Za-z0-9]|$)"),
    ("jwt", r"(eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,})"),
    ("bearer-token", r"(?i:bearer)(?:\s|%20)+([A-Za-z0-9._~+/=-]{24,})"),
];

/// Members whose whole value is a secret, however they are cased and joined, and how long one is at least.
const SECRET_KEYS: &[(&str, &str, usize)] = &[
    ("aws-secret-key", "secretaccesskey", 40),
    ("aws-secret-key", "awssecretaccesskey", 40),
    ("aws-session-token", "sessiontoken", 100),
    ("aws-session-token", "awssessiontoken", 100),
];

/// What every secret has some of: without it, no pattern can match. Cheap, for it is mostly literals.
const PREFILTER: &str = r"PRIVATE KEY|AKIA|AIza|GOCSPX-|ya29\.|Q~|gh[pousr]_|github_pat_|gl(?:pat|ptt|dt|rt|cbt|ft|soat)-|xox[abeoprs]-|xapp-|hooks\.slack|sk-|[sr]k_live_|[sr]k_test_|whsec_|npm_|eyJ|[Bb]earer|BEARER|AccessKey|accessKey|accesskey|access_key|ACCESS_KEY|AccountKey|accountkey|essionToken|session_token|SESSION_TOKEN";

static COMPILED: LazyLock<Vec<(&'static str, Regex)>> =
    LazyLock::new(|| PATTERNS.iter().filter_map(|(name, text)| Some((*name, compile(text)?))).collect());
static SUSPICIOUS: LazyLock<Option<Regex>> = LazyLock::new(|| compile(PREFILTER));

/// A test compiles every expression, so none is ever missing.
fn compile(text: &str) -> Option<Regex> {
    regex::bytes::RegexBuilder::new(text).unicode(false).build().ok()
}

/// Whether there may be a secret in these bytes.
pub(super) fn suspicious(bytes: &[u8]) -> bool {
    SUSPICIOUS.as_ref().is_none_or(|prefilter| prefilter.is_match(bytes))
}

/// The secrets in the string that is the value of `key` (empty where it is no member), ascending, none
/// overlapping another.
pub(super) fn find(key: &[u8], text: Text<'_>) -> Vec<Secret> {
    if let Some(pattern) = secret_member(key, text.raw) {
        return vec![Secret { pattern, start: 0, end: text.raw.len() }];
    }
    if !suspicious(text.raw) {
        return Vec::new();
    }
    let mut buffer = Vec::new();
    let plain = if text.escaped {
        unescape(text.raw, &mut buffer);
        buffer.as_slice()
    } else {
        text.raw
    };
    let mut found = Vec::new();
    for (pattern, regex) in COMPILED.iter() {
        let mut at = 0;
        // From the end of the secret rather than of the match, so that what bounds one can bound the next.
        while let Some(secret) = regex.captures_at(plain, at).and_then(|captures| captures.get(1)) {
            found.push(Secret { pattern, start: secret.start(), end: secret.end() });
            at = secret.end().max(at + 1);
            if at > plain.len() {
                break;
            }
        }
    }
    found.sort_by_key(|secret| (secret.start, std::cmp::Reverse(secret.end)));
    let mut end = 0;
    found.retain(|secret| {
        let apart = secret.start >= end;
        end = end.max(secret.end);
        apart
    });
    if text.escaped {
        for secret in &mut found {
            (secret.start, secret.end) = (raw_index(text.raw, secret.start), raw_index(text.raw, secret.end));
        }
    }
    found
}

fn secret_member(key: &[u8], value: &[u8]) -> Option<&'static str> {
    if key.len() > 32 {
        return None;
    }
    let folded: Vec<u8> =
        key.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    let known = SECRET_KEYS.iter().find(|(_, name, _)| name.as_bytes() == folded)?;
    (value.len() >= known.2).then_some(known.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test secrets are put together here, so that no scanner takes this file for a leak.
    pub(crate) fn samples() -> Vec<(&'static str, String)> {
        let fill =
            |count: usize| "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8".chars().cycle().take(count).collect::<String>();
        let upper = |count: usize| "ABCDEF234567GHIJKLMN".chars().cycle().take(count).collect::<String>();
        let pem = |kind: &str| {
            format!(
                "-----BEGIN {kind}PRIVATE{0}KEY-----\n{1}\n{1}\n-----END {kind}PRIVATE{0}KEY-----",
                " ",
                fill(64)
            )
        };
        vec![
            ("private-key", pem("")),
            ("private-key", pem("RSA ")),
            ("private-key", pem("OPENSSH ")),
            ("aws-access-key", format!("AK{}{}", "IA", upper(16))),
            ("gcp-key", format!("AI{}{}", "za", fill(35))),
            ("gcp-key", format!("GOC{}{}", "SPX-", fill(28))),
            ("azure-key", format!("{}{}{}", "Ab1", "8Q~", fill(33))),
            ("github-token", format!("gh{}{}", "p_", fill(36))),
            ("github-token", format!("github{}{}", "_pat_", fill(82))),
            ("gitlab-token", format!("gl{}{}", "pat-", fill(20))),
            ("slack-token", format!("xo{}{}", "xb-", "123456789012-abcdefghij")),
            ("anthropic-key", format!("sk{}{}", "-ant-api03-", fill(80))),
            ("openai-key", format!("sk{}{}", "-", fill(48))),
            ("openai-key", format!("sk{}{}", "-proj-", fill(74))),
            ("stripe-key", format!("sk{}{}", "_live_", fill(24))),
            ("npm-token", format!("np{}{}", "m_", fill(36))),
            ("jwt", format!("ey{0}.ey{0}.{1}", format_args!("J{}", fill(30)), fill(43))),
        ]
    }

    fn masked(raw: &str) -> String {
        let text = Text { raw: raw.as_bytes(), escaped: raw.contains('\\') };
        let mut out = String::new();
        let mut at = 0;
        for secret in find(b"", text) {
            out += &raw[at..secret.start];
            out += &format!("<{}>", secret.pattern);
            at = secret.end;
        }
        out + &raw[at..]
    }

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(COMPILED.len(), PATTERNS.len());
        assert!(SUSPICIOUS.is_some());
    }

    #[test]
    fn each_kind_is_found_alone_in_text_and_in_json_inside_a_string() {
        for (pattern, secret) in samples() {
            let once = serde_json::to_string(&secret).unwrap();
            let once = &once[1..once.len() - 1];
            assert_eq!(masked(once), format!("<{pattern}>"));
            assert_eq!(
                masked(&format!("export X={once} # é\\u00e9")),
                format!("export X=<{pattern}> # é\\u00e9")
            );
            assert_eq!(masked(&format!("{once} {once}")), format!("<{pattern}> <{pattern}>"), "{secret}");
            // JSON hides inside strings: escaped twice, behind an escaped newline and quote.
            let inner = serde_json::to_string(&format!("a\n{secret}\n")).unwrap();
            let twice = serde_json::to_string(&inner).unwrap();
            assert_eq!(
                masked(&twice[1..twice.len() - 1]),
                format!("\\\"a\\\\n<{pattern}>\\\\n\\\""),
                "{secret}"
            );
        }
    }

    #[test]
    fn a_key_that_was_cut_off_is_masked_to_its_end() {
        let cut = format!("x -----BEGIN PRIVATE{}KEY-----\\nMIIEvQIBADANBgkq\\nhkiG9w0 (cut)", " ");
        assert_eq!(masked(&cut), "x <private-key>(cut)");
    }

    #[test]
    fn members_that_are_secrets_by_their_name_are_found() {
        let (secret, token) = ("a/B+".repeat(10), "IQoJ".repeat(40));
        for (key, value, expected) in [
            ("SecretAccessKey", &secret, Some("aws-secret-key")),
            ("aws_secret_access_key", &secret, Some("aws-secret-key")),
            ("sessionToken", &token, Some("aws-session-token")),
            ("sessionToken", &secret, None),
            ("requestToken", &token, None),
        ] {
            let text = Text { raw: value.as_bytes(), escaped: false };
            assert_eq!(find(key.as_bytes(), text).first().map(|found| found.pattern), expected, "{key}");
        }
        let line = format!("aws_secret_access_key = {secret}");
        assert_eq!(masked(&line), "aws_secret_access_key = <aws-secret-key>");
        let line = format!("Authorization: {} {}", "Bearer", "abcdefgh12345678ABCDEFGH");
        assert_eq!(masked(&line), "Authorization: Bearer <bearer-token>");
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in [
            "task-management-for-risk-assessment-and-disk-usage",
            "the bearer of this letter",
            "sk-some-kebab-name-that-is-quite-long-indeed",
            "ASIATFQR7NSC5445CWUI",
            "AKIA",
            "commit 8cc42b0bd39d5ad3f0e0f6a7b1b9c8d7e6f5a4b3",
            "eyJhbGciOi is how a token starts",
            "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----",
            "npm_config_registry",
        ] {
            assert_eq!(masked(text), text);
        }
    }
}
