//! Checking a bundle: from the checkpoint's signature to the candidates of each filter.
//!
//! The order is that of trust. First the signature; then that the records are the log's; then what those of the store's
//! own say: origin, sources, seals; then, for each segment, that what is shown of its index leads to the root that its
//! seal states; and last, what follows from all that for each filter, and whether it is here.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::challenge::{self, Drawn};
use super::checked::{Checked, CheckedSegment, Cover, FieldCounts, Grade, KnownProfile};
use super::index::{NamedTerm, ShownSegment};
use super::known::InSegment;
use super::read::Cursor;
use super::records::Records;
use super::schema::{FieldIndex, Schema};
use super::shown::ShownIndex;
use super::{Candidates, Evidence, INDEX, Scope, agree};
use crate::filter::Matcher;
use crate::format::admin::{Admin, Seal};
use crate::format::disclosure::{Disclosure, Opened};
use crate::format::index::{ABSENT, IndexRoot, TermKind, UNREADABLE};
use crate::hash::{Hash, LogTree};
use crate::merkle;
use crate::source::{Fields, Profile};
use crate::trust::{Checkpoint, VerifierKey};
use crate::{Error, Result, SegmentId, Seq, limits};

impl Evidence {
    /// Checks everything that the bundle claims, under a checkpoint that `key` signed.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] where `key` did not sign the checkpoint; [`Error::Forged`] where something is not
    /// what was committed to; [`Error::Incomplete`] where something that the bundle owes is missing; [`Error::Fault`]
    /// where a member is not in the one form that it can have.
    pub fn check(self, key: &VerifierKey) -> Result<Checked> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        let Evidence { checkpoint: note, extends, scope, records, index, proof } = self;
        scope.check()?;
        if scope.seqs.end > checkpoint.size {
            let reason = format!(
                "it ends at seq {}, and the checkpoint has {} records",
                scope.seqs.end, checkpoint.size
            );
            return Err(Error::Forged { what: "scope", reason });
        }
        let records = Records::decode(records)?;
        let (size, root) = (checkpoint.size, &checkpoint.root);
        if !merkle::verify_multi::<LogTree>(&records.leaves, size, &proof, root) {
            let reason = format!("the records are not shown to be those of the log at size {size}");
            return Err(Error::Forged { what: "inclusion proof", reason });
        }
        let own = OwnRecords::fold(&records, &checkpoint)?;
        let seals = own.tiling(&scope.seqs)?;
        let sealed =
            scope.seqs.start..seals.last().map_or(scope.seqs.start, |seal| seal.seqs.end.min(scope.seqs.end));
        let drawn = scope.challenge.as_ref().map(|challenge| challenge.draw(root, &sealed));
        let challenge =
            drawn.as_ref().map(|drawn| Drawn { records: drawn.len() as u64, of: sealed.end - sealed.start });
        let mut totals = Totals::new(&scope, drawn.unwrap_or_default())?;
        let mut cursor = Cursor::new(INDEX, &index);
        let mut segments = Vec::new();
        for seal in seals {
            let shown = ShownSegment::decode(&mut cursor)?;
            segments.push(totals.add_segment(seal, &shown, &own, &records)?);
        }
        if !cursor.is_at_end() {
            return Err(cursor.fault("index", "the end behind the last segment", "more"));
        }
        let tail = segments.last().map_or(scope.seqs.start, |segment| segment.end_seq.max(scope.seqs.start));
        totals.add_tail(tail..scope.seqs.end, &records)?;
        let within = records.within(&scope.seqs).to_vec();
        if let Some(span) = within.iter().find(|span| !own.profiles.contains_key(&span.source)) {
            let reason = format!(
                "the profile that record {} is read by, of seq {}, is not here",
                span.seq, span.source
            );
            return Err(Error::Incomplete { what: "source", reason });
        }
        let is_whole = within.len() as u64 == scope.seqs.end - scope.seqs.start;
        let (covers, fields) = totals.finish(if is_whole { Grade::Disclosed } else { Grade::Committed });
        let profiles = own.profiles;
        Ok(Checked {
            note,
            checkpoint,
            extends,
            scope,
            records,
            within,
            profiles,
            segments,
            covers,
            fields,
            challenge,
        })
    }
}

/// What the store's own records say that the rest rests on.
#[derive(Debug)]
struct OwnRecords {
    profiles: BTreeMap<Seq, KnownProfile>,
    seals: Vec<KnownSeal>,
}

/// A seal that stands where it says that its segment ends.
#[derive(Debug)]
struct KnownSeal {
    seqs: Range<Seq>,
    index_root: Hash,
    rules: Hash,
}

impl OwnRecords {
    fn fold(records: &Records, checkpoint: &Checkpoint) -> Result<OwnRecords> {
        let mut own = OwnRecords {
            profiles: BTreeMap::from([(0, KnownProfile::Release(Profile::store_records()))]),
            seals: Vec::new(),
        };
        let mut is_created = false;
        for span in records.spans.iter().filter(|span| span.source == 0) {
            // A kind that this release does not know is evidence all the same, and nothing rests on it.
            match Admin::decode(records.body(span)) {
                Ok(Admin::Created { origin, .. }) if span.seq == 0 => {
                    is_created = true;
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
                _ => {}
            }
        }
        if is_created {
            return Ok(own);
        }
        let reason = "the log's first record, which says whose log it is, is not here".to_owned();
        Err(Error::Incomplete { what: "first record", reason })
    }

    /// The seals of the segments that have records of `seqs`, which must leave no gap up to the last.
    fn tiling(&self, seqs: &Range<Seq>) -> Result<Vec<&KnownSeal>> {
        let meets = |seal: &&KnownSeal| seal.seqs.start < seqs.end && seqs.start < seal.seqs.end;
        let mut seals: Vec<&KnownSeal> = self.seals.iter().filter(meets).collect();
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
        Ok(KnownSeal { seqs: *first_seq..*end_seq, index_root: hash(index_root)?, rules: hash(rules)? })
    }

    fn record_count(&self) -> u32 {
        (self.seqs.end - self.seqs.start) as u32
    }

    fn forged(&self, what: &'static str, reason: impl std::fmt::Display) -> Error {
        Error::Forged { what, reason: format!("segment {}: {reason}", SegmentId(self.seqs.start)) }
    }
}

/// What was found so far of each filter and field, over all segments.
struct Totals<'s> {
    scope: &'s Scope,
    /// The records that a challenge draws.
    drawn: BTreeSet<Seq>,
    matchers: Vec<Matcher>,
    covers: Vec<Cover>,
    /// The fields that the filters name, while what is shown says all of them.
    fields: BTreeMap<String, FieldCounts>,
}

impl<'s> Totals<'s> {
    fn new(scope: &'s Scope, drawn: BTreeSet<Seq>) -> Result<Totals<'s>> {
        let cover = Cover { grade: Grade::Committed, candidates: 0, withheld: 0, residual: Vec::new() };
        let counts = |field: String| {
            let counts = FieldCounts { field: field.clone(), records: 0, absent: 0, unreadable: 0 };
            (field, counts)
        };
        Ok(Totals {
            scope,
            drawn,
            matchers: scope.filters.iter().map(Matcher::new).collect::<Result<_>>()?,
            covers: vec![cover; scope.filters.len()],
            fields: scope.fields_named().into_iter().map(counts).collect(),
        })
    }

    /// Checks what is shown of a segment, and that what it owes is here.
    fn add_segment(
        &mut self,
        seal: &KnownSeal,
        segment: &ShownSegment<'_>,
        own: &OwnRecords,
        records: &Records,
    ) -> Result<CheckedSegment> {
        let schema = schema_of(seal, segment, own)?;
        let disclosure = Disclosure {
            statement: IndexRoot {
                leaf_count: segment.leaf_count,
                first_seq: seal.seqs.start,
                record_count: seal.record_count(),
                rules: schema.rules,
                tree_root: segment.tree_root,
            },
            leaves: segment.leaves.iter().map(|shown| shown.leaf).collect(),
            steps: segment.steps.clone(),
        };
        let opened = disclosure.open(&seal.index_root).map_err(|error| seal.forged("index", error))?;
        let mut shown = shown_index(seal, segment, &schema, &opened)?;
        let seqs = self.scope.seqs.start.max(seal.seqs.start)..self.scope.seqs.end.min(seal.seqs.end);
        let here: RoaringBitmap =
            records.within(&seqs).iter().map(|span| (span.seq - seal.seqs.start) as u32).collect();
        for (place, matcher) in self.matchers.iter().enumerate() {
            let (first_seq, record_count) = (seal.seqs.start, seal.record_count());
            let within = InSegment { matcher, schema: &schema, first_seq, record_count };
            within.add_absent(&opened, &mut shown);
            let cover = &mut self.covers[place];
            let known = within.known(&self.scope.filters[place], matcher.root(), &shown, &mut cover.residual);
            let candidates = known.may & within.offsets(&seqs);
            let missing = &candidates - &here;
            cover.candidates += candidates.len();
            cover.withheld += missing.len();
            let seq_of = |offset: u32| seal.seqs.start + u64::from(offset);
            if let Some(offset) = (&missing & &known.owed).min() {
                let reason = format!(
                    "by the index, record {} is one that the question is about, and it is not here",
                    seq_of(offset)
                );
                return Err(Error::Incomplete { what: "event", reason });
            }
            if let (Candidates::All, Some(offset)) = (self.scope.candidates, missing.min()) {
                let reason = format!(
                    "the bundle says that it has all candidates, nothing that is shown decides about record {}, and \
                     it is not here",
                    seq_of(offset)
                );
                return Err(Error::Incomplete { what: "candidate", reason });
            }
        }
        let here_all = records.within(&seal.seqs);
        if let Some(span) = here_all.iter().find(|span| !segment.sources.contains(&span.source)) {
            let words =
                format!("record {} is of source {}, which its rules do not name", span.seq, span.source);
            return Err(seal.forged("index rules", words));
        }
        self.add_drawn(seal, &schema, &opened, own, records, &mut shown)?;
        let all = here_all.iter().filter_map(|span| records.disclosed(span, &own.profiles));
        if let Some(words) = agree::disagreement(seal.seqs.start, &schema, &shown, all)? {
            return Err(seal.forged("index", words));
        }
        self.count_fields(seal, segment, &schema, &opened);
        let (id, end_seq, index_root) = (SegmentId(seal.seqs.start), seal.seqs.end, seal.index_root);
        Ok(CheckedSegment { id, end_seq, index_root, disclosed: here.len(), is_audited: false })
    }

    /// Each record of a segment that a challenge draws must be here, and of each of its terms the posting be shown. That
    /// these name it is checked of all records that are here.
    fn add_drawn(
        &self,
        seal: &KnownSeal,
        schema: &Schema,
        opened: &Opened<'_>,
        own: &OwnRecords,
        records: &Records,
        shown: &mut ShownIndex,
    ) -> Result<()> {
        let missing = |seq: Seq, what: &str| {
            Err(Error::Incomplete { what: "challenge", reason: format!("it draws record {seq}, and {what}") })
        };
        let mut fields = Fields::default();
        for &seq in self.drawn.range(seal.seqs.clone()) {
            let span = records.within(&(seq..seq + 1)).first();
            let Some(record) = span.and_then(|span| records.disclosed(span, &own.profiles)) else {
                return missing(seq, "that is not here");
            };
            for term in challenge::terms_of(schema, &record, &mut fields)? {
                if shown.posting(&term.field, term.kind, &term.term).is_some() {
                    continue;
                }
                if opened.absence(&term.field, term.kind, &term.term).is_err() {
                    return missing(seq, &format!("the posting of its {term} is not shown"));
                }
                shown.insert(term, Some(RoaringBitmap::new()));
            }
        }
        Ok(())
    }

    /// Behind the last segment, all records must be here.
    fn add_tail(&mut self, seqs: Range<Seq>, records: &Records) -> Result<()> {
        let here = records.within(&seqs);
        let missing = seqs.clone().zip(here).find(|(seq, span)| span.seq != *seq).map(|(seq, _)| seq);
        let count = here.len() as u64;
        if count < seqs.end.saturating_sub(seqs.start) {
            let seq = missing.unwrap_or(seqs.start + count);
            let reason = format!(
                "record {seq} is not here; of what stands behind the last seal, from seq {} to {}, a bundle has all",
                seqs.start,
                seqs.end - 1
            );
            return Err(Error::Incomplete { what: "tail", reason });
        }
        self.covers.iter_mut().for_each(|cover| cover.candidates += count);
        Ok(())
    }

    /// Adds what a segment's index says of the fields; a field of which it is not shown is stated no more.
    fn count_fields(
        &mut self,
        seal: &KnownSeal,
        segment: &ShownSegment<'_>,
        schema: &Schema,
        opened: &Opened<'_>,
    ) {
        self.fields.retain(|field, counts| {
            let records = u64::from(seal.record_count());
            let count = |term: &[u8]| {
                if schema.field(field) == FieldIndex::Nowhere {
                    return Some(if term == ABSENT { records } else { 0 });
                }
                let named = NamedTerm { field: field.clone(), kind: TermKind::Reserved, term: term.to_vec() };
                let leaf = segment.leaves.iter().find(|shown| shown.named.as_ref() == Some(&named));
                let absent = || opened.absence(field, TermKind::Reserved, term).is_ok().then_some(0);
                leaf.map(|shown| u64::from(shown.leaf.count)).or_else(absent)
            };
            let (Some(absent), Some(unreadable)) = (count(ABSENT), count(UNREADABLE)) else { return false };
            counts.records += records;
            counts.absent += absent;
            counts.unreadable += unreadable;
            true
        });
    }

    fn finish(mut self, grade: Grade) -> (Vec<Cover>, Vec<FieldCounts>) {
        self.covers.iter_mut().for_each(|cover| cover.grade = grade);
        self.fields.retain(|_, counts| counts.records > 0);
        (self.covers, self.fields.into_values().collect())
    }
}

/// The fields of a segment, by the profiles that its seal names.
fn schema_of(seal: &KnownSeal, segment: &ShownSegment<'_>, own: &OwnRecords) -> Result<Schema> {
    let mut sources: Vec<(Seq, &Profile)> = Vec::new();
    for source in &segment.sources {
        let Some(profile) = own.profiles.get(source) else {
            let reason = format!("the profile of seq {source}, by which records were indexed, is not here");
            return Err(Error::Incomplete { what: "source", reason });
        };
        sources.push((*source, profile));
    }
    let schema = Schema::new(&sources);
    if schema.rules == seal.rules {
        return Ok(schema);
    }
    Err(seal.forged("index rules", "its seal names other rules than those of these sources' profiles"))
}

/// What is shown of a segment's index, its postings and vocabularies checked against the leaves.
fn shown_index(
    seal: &KnownSeal,
    segment: &ShownSegment<'_>,
    schema: &Schema,
    opened: &Opened<'_>,
) -> Result<ShownIndex> {
    let mut shown = ShownIndex::default();
    let mut unnamed = BTreeSet::new();
    for leaf in &segment.leaves {
        match &leaf.named {
            Some(named) => shown.insert(named.clone(), leaf.posting()?),
            None => {
                unnamed.insert(leaf.leaf.key());
            }
        }
    }
    for field in &segment.vocabularies {
        if schema.field(field) != FieldIndex::Terms {
            return Err(seal.forged("vocabulary", format_args!("the index has no terms of {field}")));
        }
        let leaves = opened
            .vocabulary(field)
            .map_err(|_| seal.forged("vocabulary", format_args!("not all leaves of {field} are shown")))?;
        if leaves.iter().any(|leaf| unnamed.contains(&leaf.key())) {
            return Err(
                seal.forged("vocabulary", format_args!("a term of {field} is shown without its words"))
            );
        }
        shown.insert_vocabulary(field);
    }
    Ok(shown)
}
