//! The bodies of the store's own records, kind `store.*`, source 0: canonical JSON.
//!
//! Canonical means: the keys of every object in ascending order, no space between tokens, integers only, and no
//! key left out. So the bytes are a function of the value, and a record that decodes but does not encode to the
//! same bytes again is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::keys::{KeyRetirement, KeyRevocation, KeyRotation};
use super::retention::{
    Approved, ArtifactPut, Collecting, Deleted, Deleting, Hold, HoldRelease, OperatorSet, Plan, Policy,
};
use crate::error::{Class, Fault};
use crate::{Seq, Timestamp};

/// A record of the store's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
pub enum Admin {
    /// Seq 0: what this log is.
    #[serde(rename = "store.created")]
    Created {
        /// Where this log goes on from another one that was lost or rolled back: that log's last checkpoint.
        forked_from: Option<String>,
        /// The format's read version at the time.
        format: u16,
        /// The verifier key whose checkpoints speak for this log, where one was named.
        log_key: Option<String>,
        /// The log's origin.
        origin: String,
        /// How long evidence is kept where no rule says otherwise: `forever`.
        retention: String,
        /// The store's identity, 32 hex digits.
        store_id: String,
    },
    /// A segment was sealed. The first record of the next segment, and nothing else ever stands there.
    #[serde(rename = "store.sealed")]
    Sealed(Seal),
    /// A profile version that events may be read by; their `source` is this record's seq.
    #[serde(rename = "store.source")]
    Source {
        /// The profile's name.
        name: String,
        /// Its full text, TOML.
        profile: String,
    },
    /// Rules that label events: those that are appended from here on, up to the next such record.
    #[serde(rename = "store.rules")]
    Rules {
        /// What they are called.
        name: String,
        /// The rules, as filters.
        rules: Vec<StoredRule>,
        /// The text that they were made of.
        text: String,
        /// The version, as their author counts.
        version: String,
    },
    /// Which evidence supports which control, from here on up to the next such record. It labels nothing.
    #[serde(rename = "store.mapping")]
    Mapping(Document),
    /// The requirements of a framework, in place of any earlier ones of the same name.
    #[serde(rename = "store.pack")]
    Pack(Document),
    /// What an unclean stop left behind was cut off, and kept.
    #[serde(rename = "store.recovered")]
    Recovered {
        /// How many bytes were cut.
        cut_len: u64,
        /// Where they were cut, as a byte offset in the log file.
        cut_at: u64,
        /// The log file's name.
        file: String,
        /// The file below `lost/` that keeps them; none where nothing was cut.
        lost: Option<String>,
        /// How many whole records above the last known durable length were kept.
        kept_records: u64,
    },
    /// How long evidence is kept, from here on.
    #[serde(rename = "store.policy")]
    Policy(Policy),
    /// A legal hold.
    #[serde(rename = "store.hold")]
    Hold(Hold),
    /// The end of a legal hold.
    #[serde(rename = "store.hold_released")]
    HoldReleased(Approved<HoldRelease>),
    /// Who may approve what, from here on.
    #[serde(rename = "store.operators")]
    Operators(Approved<OperatorSet>),
    /// A plan that has its approvals: what it names may be deleted.
    #[serde(rename = "store.plan")]
    Plan(Approved<Plan>),
    /// What a plan deletes of one segment is about to go.
    #[serde(rename = "store.deleting")]
    Deleting(Deleting),
    /// It is gone.
    #[serde(rename = "store.deleted")]
    Deleted(Deleted),
    /// An artifact was put, or put again.
    #[serde(rename = "store.artifact")]
    Artifact(ArtifactPut),
    /// Artifacts that a plan names, and nothing else does, are about to go.
    #[serde(rename = "store.collecting")]
    Collecting(Collecting),
    /// The wall clock went back, or ahead of the monotonic clock.
    #[serde(rename = "store.clock")]
    Clock {
        /// How far the wall clock stepped against what was expected, in nanoseconds.
        step_ns: i64,
    },
    /// A segment was moved to another tier.
    #[serde(rename = "store.tier")]
    Tier(Tiered),
    /// A key handed over to another: both may sign checkpoints from here on.
    #[serde(rename = "store.key")]
    Key(Approved<KeyRotation>),
    /// A key signs no more.
    #[serde(rename = "store.key_retired")]
    KeyRetired(Approved<KeyRetirement>),
    /// A key is not believed beyond a size.
    #[serde(rename = "store.key_revoked")]
    KeyRevoked(Approved<KeyRevocation>),
    /// The store was verified. It vouches for nothing by itself: it says who looked last, at what, and what was found.
    #[serde(rename = "store.verified")]
    Verified(Verified),
    /// Retrieval was drilled: records of each tier were read and proved. It vouches for nothing, as the one before.
    #[serde(rename = "store.drilled")]
    Drilled(Drilled),
}

/// A label rule as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredRule {
    /// The labels that matching events get.
    pub labels: Vec<String>,
    /// Which events: a filter's tree.
    pub when: serde_json::Value,
}

/// A text that means something to those who ask, and nothing to the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What it is called.
    pub name: String,
    /// The text.
    pub text: String,
    /// The version, as its author counts.
    pub version: String,
}

/// Where a segment was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiered {
    /// The archive's place, for a segment that went there or came from there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub archive: String,
    /// The seq after the segment's last record.
    pub end_seq: Seq,
    /// The segment's first seq.
    pub first_seq: Seq,
    /// Until when nobody can remove the archive's file, where that is known, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<Timestamp>,
    /// Length of the log that was dropped, in bytes.
    pub log_len: u64,
    /// Length of the pack that stands for it or was dropped, in bytes.
    pub pack_len: u64,
    /// The tier that holds it now: `hot`, `warm` or `archive`.
    pub tier: String,
}

/// What a verification looked at, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// Size of the greatest checkpoint that holds; none where there is none.
    pub checkpoint_size: Option<u64>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How many findings there are of each class of which there are any.
    pub findings: BTreeMap<String, u64>,
    /// How many records were rebuilt and compared.
    pub full_count: u64,
    /// How many records the log had.
    pub record_count: u64,
    /// The tree's root over them, 64 hex digits, where it was computed.
    pub root: Option<String>,
    /// What was asked for: `full`, `quick`, `checksums`, `round`, `part`, `subset 3/7` or `since 4711`.
    pub scope: String,
    /// `clean`, or the weightiest class of the findings.
    pub verdict: String,
    /// The program that verified, and its version.
    pub version: String,
}

/// What a drill of retrieval came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drilled {
    /// Size of the checkpoint under which each record was proved.
    pub checkpoint_size: u64,
    /// What the records were drawn by.
    pub seed: String,
    /// What it came to in each tier of which there are records.
    pub tiers: Vec<DrilledTier>,
    /// `clean`, or the weightiest class of what failed; `incomplete` where something could not be had.
    pub verdict: String,
    /// The program, and its version.
    pub version: String,
}

/// What a drill came to in one tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrilledTier {
    /// How many records were drawn.
    pub drawn_count: u64,
    /// How many of them could not be had, or are not the log's.
    pub failed_count: u64,
    /// How long the slowest took, in microseconds.
    pub longest_us: u64,
    /// How many records there were to be drawn.
    pub record_count: u64,
    /// `hot`, `warm` or `archive`.
    pub tier: String,
    /// How long all together took, in microseconds.
    pub took_us: u64,
}

/// What a seal states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// The seq after the segment's last record; the seal's own seq.
    pub end_seq: Seq,
    /// The segment's first seq.
    pub first_seq: Seq,
    /// The index root, 64 hex digits.
    pub index_root: String,
    /// The RFC 6962 root of the segment's own leaves, 64 hex digits.
    pub root: String,
    /// The digest of the rules by which the segment was indexed, 64 hex digits.
    pub rules: String,
}

impl Admin {
    /// The record's body.
    pub fn encode(&self) -> Vec<u8> {
        canonical(self)
    }

    /// Whether the log's state depends on such a record. What artifacts were put says nothing of it, and there may be as
    /// many of them as events: catalogs do not list them.
    pub fn is_state(body: &[u8]) -> bool {
        // No other record's first key is this one.
        !body.starts_with(br#"{"artifact":"#)
    }

    /// Reads a body.
    ///
    /// # Errors
    /// Unsupported where its kind is not known; damaged where the bytes are no such record, or not in canonical form.
    pub fn decode(body: &[u8]) -> Result<Self, Fault> {
        let admin: Admin = serde_json::from_slice(body).map_err(|error| match unknown_kind(body) {
            Some(kind) => Fault::new(Class::Unsupported, 0, "store record", "a kind that is known", kind),
            None => Fault::damaged(error.column() as u64, "store record", "a record of kind store.*", error),
        })?;
        if admin.encode() != body {
            return Err(Fault::damaged(0, "store record", "canonical JSON", "another spelling"));
        }
        Ok(admin)
    }
}

/// The kind of a record that another release wrote: it is one of the store's own, and none of these.
fn unknown_kind(body: &[u8]) -> Option<String> {
    #[derive(Serialize, Deserialize)]
    struct Kind {
        kind: String,
    }
    let kind: Kind = serde_json::from_slice(body).ok()?;
    // Of a known kind it is said what is missing.
    let error = serde_json::from_slice::<Admin>(&canonical(&kind)).err()?.to_string();
    (kind.kind.starts_with("store.") && error.starts_with("unknown variant")).then_some(kind.kind)
}

/// A value as canonical JSON.
pub(crate) fn canonical(value: &(impl Serialize + ?Sized)) -> Vec<u8> {
    // Through a Value, whose maps are sorted: the derived order puts the tag first.
    serde_json::to_value(value).unwrap_or_default().to_string().into_bytes()
}
