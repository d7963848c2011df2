//! Checking a bundle: from the checkpoint's signature to the candidates of each filter.
//!
//! The order is that of trust. First the signature; then that the records are the log's; then what those of the store's
//! own say: origin, sources, seals, and what was deleted; then, for each segment, that what is shown of its index leads to
//! the root that was stated last; and last, what follows from all that for each filter, and whether it is here.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use roaring::{RoaringBitmap, RoaringTreemap};

use super::challenge::{self, Drawn};
use super::checked::{Checked, CheckedSegment, Cover, Deleted, FieldCounts, Grade};
use super::deletions::{DELETED, Restated};
use super::index::{NamedTerm, ShownSegment};
use super::known::InSegment;
use super::own::{KnownSeal, OwnRecords};
use super::read::Cursor;
use super::records::{Records, Span};
use super::schema::{FieldIndex, Schema};
use super::shown::ShownIndex;
use super::{Candidates, Evidence, INDEX, Scope, agree, authority};
use crate::filter::{Filter, Matcher};
use crate::format::disclosure::{Disclosure, Opened};
use crate::format::index::{ABSENT, IndexRoot, TermKind, UNREADABLE};
use crate::hash::LogTree;
use crate::merkle;
use crate::source::{Fields, Profile};
use crate::trust::{Checkpoint, VerifierKey};
use crate::{Error, Result, SegmentId, Seq};

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
        let own = OwnRecords::fold(&records, &checkpoint, key)?;
        let seals = own.tiling(&scope.seqs)?;
        let sealed =
            scope.seqs.start..seals.last().map_or(scope.seqs.start, |seal| seal.seqs.end.min(scope.seqs.end));
        let gone = gone_of(&seals, &scope.seqs);
        let drawn = scope.challenge.as_ref().map(|challenge| challenge.draw(root, &sealed, &gone));
        let of = (sealed.end - sealed.start).saturating_sub(gone.len());
        let challenge = drawn.as_ref().map(|drawn| Drawn { records: drawn.len() as u64, of });
        let mut totals = Totals::new(&scope, drawn.unwrap_or_default(), &seals)?;
        let mut cursor = Cursor::new(INDEX, &index);
        let mut segments = Vec::new();
        for seal in &seals {
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
        let is_whole = within.len() as u64 + gone.len() == scope.seqs.end - scope.seqs.start;
        let deleted = deleted_of(&seals, &scope.seqs);
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
            deleted,
            challenge,
        })
    }
}

/// The records of `seqs` that were deleted.
fn gone_of(seals: &[KnownSeal], seqs: &Range<Seq>) -> RoaringTreemap {
    let mut gone = RoaringTreemap::new();
    for seal in seals {
        gone.extend(seal.gone().iter().map(|offset| seal.seqs.start + u64::from(offset)));
    }
    gone.remove_range(..seqs.start);
    gone.remove_range(seqs.end..);
    gone
}

/// What was deleted of `seqs`, by plan.
fn deleted_of(seals: &[KnownSeal], seqs: &Range<Seq>) -> Vec<Deleted> {
    let mut deleted: BTreeMap<Seq, Deleted> = BTreeMap::new();
    for seal in seals {
        for (plan, by_plan) in seal.restated.iter().flat_map(Restated::by_plan) {
            let offset = |seq: Seq| (seq.clamp(seal.seqs.start, seal.seqs.end) - seal.seqs.start) as u32;
            let records = by_plan.offsets.range_cardinality(offset(seqs.start)..offset(seqs.end));
            let known = deleted.entry(plan).or_insert_with(|| Deleted {
                plan,
                records: 0,
                reason: by_plan.reason.clone(),
                approved_by: by_plan.approved_by.clone(),
            });
            known.records += records;
        }
    }
    deleted.into_values().filter(|deleted| deleted.records > 0).collect()
}

/// What was found so far of each filter and field, over all segments.
struct Totals<'s> {
    scope: &'s Scope,
    /// Those of the scope; behind them, where records were deleted, what is owed for that.
    filters: Vec<Filter>,
    /// The records that a challenge draws.
    drawn: BTreeSet<Seq>,
    matchers: Vec<Matcher>,
    covers: Vec<Cover>,
    /// The fields that the filters name, while what is shown says all of them.
    fields: BTreeMap<String, FieldCounts>,
}

impl<'s> Totals<'s> {
    fn new(scope: &'s Scope, drawn: BTreeSet<Seq>, seals: &[KnownSeal]) -> Result<Totals<'s>> {
        let cover = Cover { grade: Grade::Committed, candidates: 0, withheld: 0, residual: Vec::new() };
        let counts = |field: String| {
            let counts = FieldCounts { field: field.clone(), records: 0, absent: 0, unreadable: 0 };
            (field, counts)
        };
        let mut filters = scope.filters.clone();
        filters.extend(seals.iter().any(|seal| seal.restated.is_some()).then(authority::owed));
        Ok(Totals {
            scope,
            drawn,
            matchers: filters.iter().map(Matcher::new).collect::<Result<_>>()?,
            covers: vec![cover; filters.len()],
            filters,
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
        let (index_root, _) = seal.standing();
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
        let opened = disclosure.open(&index_root).map_err(|error| seal.forged("index", error))?;
        let mut shown = shown_index(seal, segment, &schema, &opened)?;
        let gone = seal.gone();
        if let Some(restated) = &seal.restated {
            restated.agrees(&seal.seqs, &shown)?;
        }
        let seqs = self.scope.seqs.start.max(seal.seqs.start)..self.scope.seqs.end.min(seal.seqs.end);
        let here: RoaringBitmap =
            records.within(&seqs).iter().map(|span| (span.seq - seal.seqs.start) as u32).collect();
        for (place, matcher) in self.matchers.iter().enumerate() {
            let (first_seq, record_count) = (seal.seqs.start, seal.record_count());
            let within = InSegment { matcher, schema: &schema, first_seq, record_count, gone: &gone };
            within.add_absent(&opened, &mut shown);
            let cover = &mut self.covers[place];
            let known = within.known(&self.filters[place], matcher.root(), &shown, &mut cover.residual);
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
            let is_own = place < self.scope.filters.len();
            let is_all = !is_own || self.scope.candidates == Candidates::All;
            if let Some(offset) = missing.min().filter(|_| is_all) {
                let owed = if is_own {
                    "the bundle says that it has all candidates"
                } else {
                    "records were deleted, so that the bundle owes all that delete and all that name operators"
                };
                let seq = seq_of(offset);
                let reason =
                    format!("{owed}, nothing that is shown decides about record {seq}, and it is not here");
                return Err(Error::Incomplete { what: "candidate", reason });
            }
        }
        let here_all = records.within(&seal.seqs);
        let is_gone = |span: &&Span| gone.contains((span.seq - seal.seqs.start) as u32);
        if let Some(span) = here_all.iter().find(is_gone) {
            return Err(seal.forged("deletion", format_args!("record {} was deleted, and is here", span.seq)));
        }
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
        let before = seal.restated.iter().flat_map(|restated| restated.before().chain([seal.index_root]));
        let (id, end_seq, earlier) = (SegmentId(seal.seqs.start), seal.seqs.end, before.collect());
        let deleted = gone.len();
        Ok(CheckedSegment {
            id,
            end_seq,
            index_root,
            earlier,
            deleted,
            disclosed: here.len(),
            is_audited: false,
        })
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
            let records = u64::from(seal.record_count()) - seal.gone().len();
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
        self.covers.truncate(self.scope.filters.len());
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
    if schema.rules == seal.standing().1 {
        return Ok(schema);
    }
    let by = if seal.restated.is_some() { "the last deletion from it" } else { "its seal" };
    let words = format_args!("{by} names other rules than those of these sources' profiles");
    Err(seal.forged("index rules", words))
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
        let is_of_terms = schema.field(field) == FieldIndex::Terms;
        if !is_of_terms && (field != DELETED || seal.restated.is_none()) {
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
