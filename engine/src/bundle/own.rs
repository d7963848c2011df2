//! What the store's own records in a bundle say that all the rest rests on: whose log it is, the profiles, the seals, and
//! what was deleted by whose leave.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::authority::Authority;
use super::checked::KnownProfile;
use super::deletions::{ApprovedPlans, Deletings, Restated};
use super::records::Records;
use crate::format::admin::{Admin, Seal};
use crate::hash::Hash;
use crate::source::Profile;
use crate::trust::{Checkpoint, VerifierKey};
use crate::{Class, Error, Result, SegmentId, Seq, limits};

/// What the store's own records say that the rest rests on.
#[derive(Debug)]
pub(super) struct OwnRecords {
    pub(super) profiles: BTreeMap<Seq, KnownProfile>,
    seals: Vec<KnownSeal>,
    deletings: Deletings,
    authority: Authority,
}

/// A seal that stands where it says that its segment ends.
#[derive(Debug, Clone)]
pub(super) struct KnownSeal {
    pub(super) seqs: Range<Seq>,
    pub(super) index_root: Hash,
    pub(super) rules: Hash,
    /// What stands in the place of its words about the index, where records were deleted.
    pub(super) restated: Option<Restated>,
}

impl OwnRecords {
    /// Reads them; `key` signed the checkpoint.
    pub(super) fn fold(records: &Records, checkpoint: &Checkpoint, key: &VerifierKey) -> Result<OwnRecords> {
        let mut own = OwnRecords {
            profiles: BTreeMap::from([(0, KnownProfile::Release(Profile::store_records()))]),
            seals: Vec::new(),
            deletings: Deletings::default(),
            authority: Authority::default(),
        };
        let mut is_created = false;
        for span in records.spans.iter().filter(|span| span.source == 0) {
            match Admin::decode(records.body(span)) {
                Ok(Admin::Created { origin, store_id, log_key, .. }) if span.seq == 0 => {
                    is_created = true;
                    let own_keys = [log_key.and_then(|text| text.parse().ok()), Some(key.clone())];
                    own.authority.log(&origin, &store_id, own_keys.into_iter().flatten().collect());
                    if origin != checkpoint.origin {
                        let reason =
                            format!("it is of {}, and the log says that it is {origin}", checkpoint.origin);
                        return Err(Error::Forged { what: "checkpoint", reason });
                    }
                }
                Ok(Admin::Source { profile, .. }) => {
                    let profile = Arc::new(Profile::parse(&profile)?);
                    own.profiles.insert(span.seq, KnownProfile::Registered(profile));
                }
                Ok(Admin::Sealed(seal)) => own.seals.push(KnownSeal::read(span.seq, &seal)?),
                Ok(Admin::Operators(set)) => own.authority.name(span.seq, span.received_at, set),
                Ok(Admin::Plan(plan)) => own.authority.plan(span.seq, span.received_at, plan),
                Ok(Admin::Deleting(deleting)) => own.deletings.push(span.seq, span.received_at, deleting),
                // A kind that this release does not know is evidence all the same, and nothing rests on it.
                Err(fault) if fault.class != Class::Unsupported => {
                    let reason =
                        format!("record {}: expected {}, found {}", span.seq, fault.expected, fault.found);
                    return Err(Error::Forged { what: "store record", reason });
                }
                _ => {}
            }
        }
        if is_created {
            return Ok(own);
        }
        if records.spans.first().is_some_and(|span| span.seq == 0) {
            let reason = "record 0 does not say whose log it is".to_owned();
            return Err(Error::Forged { what: "checkpoint", reason });
        }
        let reason = "the log's first record, which says whose log it is, is not here".to_owned();
        Err(Error::Incomplete { what: "first record", reason })
    }

    /// The seals of the segments that have records of `seqs`, which must leave no gap up to the last; with each what was
    /// deleted of its segment, as approved plans have it.
    pub(super) fn tiling(&self, seqs: &Range<Seq>) -> Result<Vec<KnownSeal>> {
        let meets = |seal: &&KnownSeal| seal.seqs.start < seqs.end && seqs.start < seal.seqs.end;
        let mut seals: Vec<KnownSeal> = self.seals.iter().filter(meets).cloned().collect();
        seals.sort_by_key(|seal| seal.seqs.start);
        let mut end = seqs.start;
        for (place, seal) in seals.iter().enumerate() {
            let start = seal.seqs.start;
            if start > end {
                let reason = format!("no seal is here for the segment of seqs {end} to {}", start - 1);
                return Err(Error::Incomplete { what: "segment", reason });
            }
            if place > 0 && start < end {
                let reason = format!("two seals speak of seq {start}: their segments overlap");
                return Err(Error::Forged { what: "seal", reason });
            }
            end = seal.seqs.end;
        }
        let mut plans = ApprovedPlans::new();
        for seal in &mut seals {
            seal.restated = self.deletings.of_segment(&seal.seqs, &self.authority, &mut plans)?;
        }
        Ok(seals)
    }
}

impl KnownSeal {
    fn read(seq: Seq, seal: &Seal) -> Result<KnownSeal> {
        let Seal { first_seq, end_seq, index_root, rules, .. } = seal;
        let forged = |reason: String| Error::Forged { what: "seal", reason };
        if *end_seq != seq || first_seq >= end_seq {
            return Err(forged(format!(
                "the seal at seq {seq} speaks of seqs {first_seq} to {end_seq}; a segment's seal stands at its end"
            )));
        }
        if end_seq - first_seq > u64::from(limits::SEGMENT_RECORDS_MAX) {
            return Err(forged(format!("the seal at seq {seq} speaks of more records than a segment has")));
        }
        let hash = |text: &str| {
            Hash::from_hex(text)
                .ok_or_else(|| forged(format!("the seal at seq {seq} has a hash that is none")))
        };
        let (index_root, rules) = (hash(index_root)?, hash(rules)?);
        Ok(KnownSeal { seqs: *first_seq..*end_seq, index_root, rules, restated: None })
    }

    /// The commitment to the index and to its rules that stands: the last.
    pub(super) fn standing(&self) -> (Hash, Hash) {
        self.restated.as_ref().map_or((self.index_root, self.rules), |restated| restated.standing())
    }

    /// The offsets of the records that were deleted.
    pub(super) fn gone(&self) -> RoaringBitmap {
        self.restated.as_ref().map(Restated::gone).unwrap_or_default()
    }

    pub(super) fn record_count(&self) -> u32 {
        (self.seqs.end - self.seqs.start) as u32
    }

    pub(super) fn forged(&self, what: &'static str, reason: impl std::fmt::Display) -> Error {
        Error::Forged { what, reason: format!("segment {}: {reason}", SegmentId(self.seqs.start)) }
    }
}
