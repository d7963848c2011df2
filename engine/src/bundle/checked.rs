//! What a bundle was found to prove: the records, and how far their completeness goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::records::{Records, Span};
use super::{Drawn, Scope};
use crate::filter::Filter;
use crate::format::frame::Labels;
use crate::hash::Hash;
use crate::source::Profile;
use crate::trust::{Checkpoint, ExtensionProof, IndexAudit, Note, VerifierKey};
use crate::{Error, Result, SegmentId, Seq, Timestamp};

/// How complete the candidates of a filter are known to be; each grade is more than the one before. Nothing proves what
/// was never appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// By the index to which the operator committed when the segments were sealed.
    Committed,
    /// By the same index, which an auditor has built anew from the bodies.
    Audited,
    /// Every record of the range is here that was not deleted by an approved plan.
    Disclosed,
}

/// What was established. It owns its bytes.
#[derive(Debug)]
pub struct Checked {
    pub(super) note: Note,
    pub(super) checkpoint: Checkpoint,
    pub(super) extends: Option<ExtensionProof>,
    pub(super) scope: Scope,
    pub(super) records: Records,
    /// Those of the records that are in the scope.
    pub(super) within: Vec<Span>,
    pub(super) profiles: BTreeMap<Seq, KnownProfile>,
    pub(super) segments: Vec<CheckedSegment>,
    pub(super) covers: Vec<Cover>,
    pub(super) fields: Vec<FieldCounts>,
    pub(super) deleted: Vec<Deleted>,
    pub(super) challenge: Option<Drawn>,
}

/// A profile by which records are read.
#[derive(Debug, Clone)]
pub(super) enum KnownProfile {
    /// That of the store's own records, part of every release.
    Release(&'static Profile),
    Registered(Arc<Profile>),
}

impl std::ops::Deref for KnownProfile {
    type Target = Profile;

    fn deref(&self) -> &Profile {
        match self {
            KnownProfile::Release(profile) => profile,
            KnownProfile::Registered(profile) => profile,
        }
    }
}

/// A record that is in the log, under the checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct Disclosed<'c> {
    /// Its position in the log.
    pub seq: Seq,
    /// The clock's reading at its commit.
    pub received_at: Timestamp,
    /// The seq of the `store.source` record by which it is read; 0 for the store's own records.
    pub source: Seq,
    /// How the body is written: 0 is the event verbatim.
    pub encoding: u8,
    /// What the store added by rule.
    pub labels: Labels<'c>,
    /// The event's bytes.
    pub body: &'c [u8],
    /// The profile by which it is read.
    pub profile: &'c Profile,
}

/// A sealed segment that the scope meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedSegment {
    /// Its first seq.
    pub id: SegmentId,
    /// The seq after its last record: that of the seal.
    pub end_seq: Seq,
    /// The commitment to its index that stands: as the seal states it, or the last deletion from it.
    pub index_root: Hash,
    /// What was stated of its index before, where records were deleted.
    pub earlier: Vec<Hash>,
    /// How many of its records were deleted.
    pub deleted: u64,
    /// How many of its records that lie in the scope are here.
    pub disclosed: u64,
    /// Whether an auditor has built its index anew: see [`Checked::audited_by`].
    pub is_audited: bool,
}

/// How complete the records are that may match one filter of the scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// By what they are complete, but for those withheld.
    pub grade: Grade,
    /// How many records may match, as far as the shown index says.
    pub candidates: u64,
    /// How many of these are not here, as the operator says that they do not pass the residual conditions. Nothing
    /// checks that.
    pub withheld: u64,
    /// The conditions that the shown index does not decide. Whoever has all candidates decides them by reading.
    pub residual: Vec<Residual>,
}

/// A condition that the shown index does not decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Residual {
    /// The condition.
    pub condition: Filter,
    /// Why it is not decided.
    pub why: Why,
}

/// Why an index does not decide a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// No index has it: a path, a text, an event id, the time of receipt.
    NotIndexed,
    /// A profile marks the field private: the index does not commit to it.
    Private,
    /// The field holds event ids or event times, of which the index has no terms.
    NoTerms,
    /// Its part of the index is not in the bundle.
    NotShown,
}

/// Records that were deleted by a plan, which operators approved whom the log names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// The seq of the `store.plan` record.
    pub plan: Seq,
    /// How many records of the scope.
    pub records: u64,
    /// Why, as the plan says: a reason, or the rules of the policy.
    pub reason: String,
    /// The keys of the operators who approved it.
    pub approved_by: Vec<VerifierKey>,
}

/// What the index says of a field in all sealed segments that the scope meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldCounts {
    /// The field's name.
    pub field: String,
    /// How many records these segments have.
    pub records: u64,
    /// How many of them say nothing for the field.
    pub absent: u64,
    /// How many have something there that could not be read.
    pub unreadable: u64,
}

impl Records {
    /// The record at a place; nothing where its profile is not known.
    pub(super) fn disclosed<'c>(
        &'c self,
        span: &Span,
        profiles: &'c BTreeMap<Seq, KnownProfile>,
    ) -> Option<Disclosed<'c>> {
        Some(Disclosed {
            seq: span.seq,
            received_at: span.received_at,
            source: span.source,
            encoding: span.encoding,
            labels: self.labels(span),
            body: self.body(span),
            profile: profiles.get(&span.source)?,
        })
    }
}

impl Checked {
    /// What the key signed: the log's origin, its size and its root.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The checkpoint as it was signed. Of its signature lines, that of the key was checked, and no other.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// What the bundle is about.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// How many records of the scope's seqs are here.
    pub fn len(&self) -> usize {
        self.within.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.within.is_empty()
    }

    /// The record at a place in the order of the log, among those of the scope's seqs. It need not match any filter.
    pub fn record(&self, index: usize) -> Option<Disclosed<'_>> {
        self.records.disclosed(self.within.get(index)?, &self.profiles)
    }

    /// The records of the scope's seqs that are here, in the order of the log.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = Disclosed<'_>> {
        (0..self.len()).filter_map(|index| self.record(index))
    }

    /// The profiles by which records are read, by the seqs of the records that register them; 0 is that of the store's
    /// own.
    pub fn sources(&self) -> impl Iterator<Item = (Seq, &Profile)> {
        self.profiles.iter().map(|(seq, profile)| (*seq, &**profile))
    }

    /// The sealed segments that the scope meets, without a gap. All records of the scope behind the last are here.
    pub fn segments(&self) -> &[CheckedSegment] {
        &self.segments
    }

    /// For each filter of the scope, in order, how complete its candidates are.
    pub fn covers(&self) -> &[Cover] {
        &self.covers
    }

    /// What the index says of the fields that the filters name, of those for which it is shown.
    pub fn fields(&self) -> &[FieldCounts] {
        &self.fields
    }

    /// What was deleted of the scope, by plan, ascending.
    pub fn deleted(&self) -> &[Deleted] {
        &self.deleted
    }

    /// What the scope's challenge came to, where it has one.
    pub fn challenge(&self) -> Option<Drawn> {
        self.challenge
    }

    /// Whether this log goes on from a checkpoint that whoever checks has kept: by `proof`, or by the one that the bundle
    /// brings with it. Returns the size that was kept.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] where `key` did not sign it; [`Error::RolledBack`] where the bundle is of fewer
    /// records; [`Error::Forged`] where it is of another log or another history; [`Error::Incomplete`] where it takes a
    /// proof that is not here.
    pub fn continues(&self, kept: &Note, key: &VerifierKey, proof: Option<&ExtensionProof>) -> Result<u64> {
        let kept = Checkpoint::open(kept, key)?;
        let (found, size) = (self.checkpoint.size, kept.size);
        let forged = |reason: String| Err(Error::Forged { what: "checkpoint", reason });
        let missing = |reason: String| Err(Error::Incomplete { what: "checkpoint", reason });
        if kept.origin != self.checkpoint.origin {
            return forged(format!(
                "the bundle is of {}, and the one kept of {}",
                self.checkpoint.origin, kept.origin
            ));
        }
        if found < size {
            let reason =
                format!("the bundle is of {found} records, and the checkpoint that you have of {size}");
            return Err(Error::RolledBack { reason });
        }
        if found == size {
            if kept.root != self.checkpoint.root {
                return forged(format!("two roots are signed for {size} records: the log has two histories"));
            }
            return Ok(size);
        }
        let Some(proof) = proof.or(self.extends.as_ref().filter(|proof| proof.old_size == size)) else {
            return missing(format!(
                "the bundle is of {found} records and yours of {size}, and nothing here shows that the log only grew: ask \
                 for a bundle made with --extends and your checkpoint, or with --checkpoint and yours, or for the proof of \
                 `indelible prove --consistency`, and name that with --consistency"
            ));
        };
        let proven = proof.verify(&kept, key)?;
        if proven.size != found {
            let proven = proven.size;
            return missing(format!(
                "the proof leads to the log of {proven} records, and the bundle is of {found}"
            ));
        }
        if proven.root != self.checkpoint.root {
            return forged(format!("two roots are signed for {found} records: the log has two histories"));
        }
        Ok(size)
    }

    /// Takes into account that `key` signed an audit of the index of some segments. Where all segments that the scope
    /// meets were audited, by this and by audits that were taken into account before, what is committed to is audited.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] where `key` did not sign it; [`Error::InvalidTrust`] where it is no audit;
    /// [`Error::Forged`] where it is of another log, or its auditor found another index than a seal here states.
    pub fn audited_by(&mut self, note: &Note, key: &VerifierKey) -> Result<()> {
        let audit = IndexAudit::open(note, key)?;
        let forged = |reason: String| Err(Error::Forged { what: "index audit", reason });
        if audit.origin != self.checkpoint.origin {
            let words = format!("it is of {}, and the bundle of {}", audit.origin, self.checkpoint.origin);
            return forged(words);
        }
        for segment in &mut self.segments {
            let place = audit.segments.binary_search_by_key(&segment.id.0, |audited| audited.first_seq);
            let Some(audited) = place.ok().and_then(|place| audit.segments.get(place)) else { continue };
            let is_of_before = segment.earlier.contains(&audited.index_root);
            let is_of_now = audited.index_root == segment.index_root;
            if audited.end_seq != segment.end_seq || !(is_of_now || is_of_before) {
                return forged(format!(
                    "its auditor found another index in segment {} than is stated here",
                    segment.id
                ));
            }
            // An audit of what stood before records were deleted says nothing of what stands now.
            segment.is_audited |= is_of_now;
        }
        if self.segments.iter().all(|segment| segment.is_audited) {
            self.covers.iter_mut().for_each(|cover| cover.grade = cover.grade.max(Grade::Audited));
        }
        Ok(())
    }

    /// The lowest grade of all filters.
    pub fn grade(&self) -> Grade {
        self.covers.iter().map(|cover| cover.grade).min().unwrap_or(Grade::Committed)
    }
}
