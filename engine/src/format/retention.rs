//! What the store's own records say of retention: policies, operators, holds, plans and what was deleted by them.
//!
//! Owns the layout of these records' bodies, as [`admin`](super::admin) owns that of the others. What they mean, and
//! whether they may be written, is for `retention` to say.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::admin::canonical;
use crate::hash::{self, Hash};
use crate::{Seq, Timestamp};

/// How long evidence is kept, from a `store.policy` record on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What holds for events to which no rule applies.
    pub default: Terms,
    /// The rules, in the order of the text.
    pub rules: Vec<PolicyRule>,
    /// The text that the policy was made of.
    pub text: String,
}

/// How long, in seconds. Nothing stands for ever where it says how long to keep, and for no demand elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// At least so long in the hot tier.
    pub hot_s: Option<u64>,
    /// At least so long at all.
    pub keep_s: Option<u64>,
    /// At least so long in the hot or the warm tier.
    pub warm_s: Option<u64>,
}

/// A rule of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRule {
    /// What demands it: `HIPAA 164.316(b)(2)(i)`.
    pub basis: String,
    /// The conditions as they were written.
    pub conditions: String,
    /// A later policy may lengthen this rule, and neither shorten nor drop it.
    pub locked: bool,
    /// What the rule is called, once in a policy.
    pub name: String,
    /// How long.
    pub terms: Terms,
    /// Which events: a filter's tree.
    pub when: serde_json::Value,
}

/// A named legal hold: what matches it is not deleted by anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Who placed it.
    pub by: String,
    /// The conditions as they were written.
    pub conditions: String,
    /// What it is called, once among the holds that stand.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Where it is spoken of elsewhere; empty where nowhere.
    pub ticket: String,
    /// Which events: a filter's tree, as the names and the mapping stood when the hold was placed.
    pub when: serde_json::Value,
}

/// The end of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldRelease {
    /// Who asks for it.
    pub by: String,
    /// The seq of the `store.hold` record.
    pub hold: Seq,
    /// The hold's name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Who may approve deletions and the release of holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorSet {
    /// Their verifier keys, ascending.
    pub keys: Vec<String>,
    /// The seq of the record that names the set before this one.
    pub replaces: Seq,
    /// How many of them it takes.
    pub threshold: u32,
}

/// What is asked of operators' signatures: exactly one matter, on one log, as of one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// What kind of matter it is.
    pub action: Action,
    /// The time from which all periods are counted, in nanoseconds.
    pub as_of: Timestamp,
    /// The matter's digest, 64 hex digits.
    pub digest: String,
    /// From then on the approvals are worth nothing, in nanoseconds.
    pub expires: Timestamp,
    /// The log's origin.
    pub origin: String,
    /// The root of the log's tree at `tree_size`, 64 hex digits.
    pub root: String,
    /// The store's identity, 32 hex digits.
    pub store_id: String,
    /// How many records the log had.
    pub tree_size: u64,
}

/// What operators are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// To delete what a plan names.
    Delete,
    /// To end a hold.
    ReleaseHold,
    /// To change who the operators are, or how many it takes.
    SetOperators,
    /// To have another key sign the log's checkpoints.
    RotateKey,
    /// To have a key sign no more.
    RetireKey,
    /// To have a key not believed beyond a size.
    RevokeKey,
}

/// An operator's signature over a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The operator's verifier key.
    pub key: String,
    /// The signature in hex digits: 128 of Ed25519, 4840 of ML-DSA-44.
    pub signature: String,
}

impl Approval {
    /// An approval by `key`, whose signature this is.
    pub fn new(key: String, signature: &[u8]) -> Self {
        Approval { key, signature: signature.iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    /// The bytes of the signature; none where they are not in lower-case hex digits.
    pub fn signature(&self) -> Option<Vec<u8>> {
        let digit = |letter: &u8| match letter {
            b'0'..=b'9' => Some(letter - b'0'),
            b'a'..=b'f' => Some(letter - b'a' + 10),
            _ => None,
        };
        let pairs = self.signature.as_bytes().chunks(2).map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        });
        pairs.collect()
    }
}

/// A matter with what was signed of it and by whom: a file while it gathers approvals, a record once it has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approved<M> {
    /// The signatures, in the order in which they were given.
    pub approvals: Vec<Approval>,
    /// What it is about.
    pub matter: M,
    /// What was signed.
    pub statement: Statement,
}

/// Something that operators approve.
pub trait Matter: Serialize {
    /// What kind of matter it is.
    const ACTION: Action;

    /// The digest by which statements name it: over its canonical JSON.
    fn digest(&self) -> Hash {
        hash::approved_matter(&canonical(self))
    }
}

impl Matter for HoldRelease {
    const ACTION: Action = Action::ReleaseHold;
}

impl Matter for OperatorSet {
    const ACTION: Action = Action::SetOperators;
}

impl Matter for Plan {
    const ACTION: Action = Action::Delete;
}

impl Plan {
    /// Whether it takes anything away. What only moves takes no approval.
    pub fn deletes(&self) -> bool {
        !self.segments.is_empty() || !self.artifacts.is_empty()
    }
}

/// What is to be deleted, and why nothing else is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The artifacts that no event names but those that are to be deleted, ascending by name.
    pub artifacts: Vec<PlannedArtifact>,
    /// How many records are to be deleted, and how many bytes their events have.
    pub delete: Tally,
    /// What would be due, and is held: by hold.
    pub held: Vec<Reasoned>,
    /// What would be due, and is in an archive that is locked against everybody: by segment.
    pub locked: Vec<Locked>,
    /// There is more to delete than one plan may name; make another when this one is applied.
    pub more: bool,
    /// What moves to another tier: by segment, ascending.
    pub moves: Vec<PlannedMove>,
    /// Why: empty for a plan that the policy gives, a reason for events that were chosen one by one.
    pub reason: String,
    /// What is to be deleted, by the rule that kept it longest.
    pub rules: Vec<Reasoned>,
    /// What is to be deleted, by segment, ascending.
    pub segments: Vec<PlannedSegment>,
}

/// An artifact that may go by a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedArtifact {
    /// Its name: `blake3:` and 64 hex digits.
    pub artifact: String,
    /// Length of its file in bytes: what is freed.
    pub bytes: u64,
}

/// A segment of which something would be due, were its archive's file not locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// The archive's place.
    pub archive: String,
    /// The seq of the segment's first record.
    pub first_seq: Seq,
    /// How much of it would be due.
    pub tally: Tally,
    /// When the lock ends, in nanoseconds.
    pub until: Timestamp,
}

/// A segment that has been in its tier for as long as any rule asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedMove {
    /// Length of its file here in bytes.
    pub bytes: u64,
    /// The seq after the segment's last record.
    pub end_seq: Seq,
    /// The seq of the segment's first record.
    pub first_seq: Seq,
    /// The rule that asked for it longest.
    pub rule: String,
    /// The seq of the policy that has the rule.
    pub seq: Seq,
    /// Where it moves: `warm` or `archive`.
    pub tier: String,
}

/// An artifact was put, or put again: a `store.artifact` record. From here on it is there, until a plan lets it go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactPut {
    /// Its name: `blake3:` and 64 hex digits.
    pub artifact: String,
    /// Length of its content in bytes.
    pub len: u64,
}

/// Artifacts of a plan that nothing names are about to go: a `store.collecting` record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collecting {
    /// Their names, ascending.
    pub artifacts: Vec<String>,
    /// Length of their files in bytes, all together.
    pub bytes: u64,
    /// The seq of the `store.plan` record.
    pub plan: Seq,
}

/// What is deleted of one segment by a plan, said before any of it goes: a `store.deleting` record.
///
/// Behind it the segment's log is as it was, or has stubs in the place of all that it names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deleting {
    /// How many records, and how many bytes their events have.
    pub delete: Tally,
    /// The seq of the segment's first record.
    pub first_seq: Seq,
    /// The root of the index of what stays, 64 hex digits: from now on in the place of the one that the seal states.
    pub index_root: String,
    /// The seq of the `store.plan` record.
    pub plan: Seq,
    /// The digest of the rules by which what stays is indexed, 64 hex digits.
    pub rules: String,
    /// The records, as ranges of seqs, ascending, with gaps between them: the first, and the one after the last.
    pub seqs: Vec<(Seq, Seq)>,
    /// What the plan names of this segment and is kept all the same: a hold or a policy that came after the plan.
    pub spared: Tally,
}

impl Deleting {
    /// From the first record that it names to behind the last.
    pub fn span(&self) -> Range<Seq> {
        let start = self.seqs.first().map_or(self.first_seq, |seqs| seqs.0);
        start..self.seqs.last().map_or(start, |seqs| seqs.1)
    }
}

/// What a `store.deleting` record names is gone: a `store.deleted` record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deleted {
    /// The seq of the `store.deleting` record.
    pub deleting: Seq,
    /// The seq of the segment's first record.
    pub first_seq: Seq,
}

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Bytes of the events.
    pub bytes: u64,
    /// How many events.
    pub events: u64,
}

/// How much, by rule or hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reasoned {
    /// The name of the rule or hold.
    pub name: String,
    /// The seq of the record that has it.
    pub seq: Seq,
    /// How much.
    pub tally: Tally,
}

/// What a plan deletes of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedSegment {
    /// The seq of the segment's first record.
    pub first_seq: Seq,
    /// The records, as ranges of seqs, ascending, with gaps between them: the first, and the one after the last.
    pub seqs: Vec<(Seq, Seq)>,
}
