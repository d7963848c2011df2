//! The profiles that ship: their TOML stands in `engine/profiles/`. They are data; nothing here knows a source.

/// A profile that ships with the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShippedProfile {
    /// Its name.
    pub name: &'static str,
    /// Its TOML text, for [`Profile::parse`](super::Profile::parse).
    pub text: &'static str,
}

/// The default profile's text.
pub(super) const EVIDENCE: &str = include_str!("../../profiles/evidence.toml");

/// All profiles that ship, the default one first.
pub fn shipped() -> &'static [ShippedProfile] {
    &[
        ShippedProfile { name: "evidence", text: EVIDENCE },
        ShippedProfile { name: "claude-code", text: include_str!("../../profiles/claude-code.toml") },
        ShippedProfile { name: "codex", text: include_str!("../../profiles/codex.toml") },
        ShippedProfile { name: "cloudtrail", text: include_str!("../../profiles/cloudtrail.toml") },
        ShippedProfile {
            name: "kubernetes-audit",
            text: include_str!("../../profiles/kubernetes-audit.toml"),
        },
    ]
}
