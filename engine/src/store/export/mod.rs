//! Making bundles: the records that a question is about, what is shown of the index, and one proof for all.

mod choose;
mod deleted;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use roaring::{RoaringBitmap, RoaringTreemap};

use self::choose::Choosing;
use self::deleted::DeletedRecords;
use super::{Record, Snapshot};
use crate::bundle::index::{NamedTerm, push_segment};
use crate::bundle::known::InSegment;
use crate::bundle::records::{Head, RecordWriter};
use crate::bundle::schema::Schema;
use crate::bundle::shown::ShownIndex;
use crate::bundle::{Candidates, Disclosed, Evidence, Scope, authority, challenge};
use crate::error::Fault;
use crate::filter::{Filter, Matcher};
use crate::format::disclosure::{Disclosure, Opened, key_of};
use crate::hash::{self, Hash, IndexKey, LogTree, SegmentSalt};
use crate::log::tree::LogNodes;
use crate::log::views::View;
use crate::merkle::{self, NodeReader};
use crate::segment::{Shown, Sidecar};
use crate::source::{Fields, Profile, Term};
use crate::trust::{Checkpoint, Note};
use crate::{Error, Result, SegmentId, Seq};

/// Records as near as this to each other are read in one go.
const NEAR: Seq = 64;

impl Snapshot {
    /// The evidence for a scope, under a checkpoint that was signed before. Where the scope asks for matches alone, and
    /// the index excludes all others, the bundle says that it has all candidates.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the checkpoint does not reach the scope's end; [`Error::RolledBack`] where it is not of
    /// this log's history; [`Error::Refused`] where events were deleted since the checkpoint was signed, or are being;
    /// [`Error::OverLimit`], [`Error::InvalidFilter`] as [`Scope::check`].
    pub fn export(&self, scope: &Scope, checkpoint: &Note) -> Result<Evidence> {
        scope.check()?;
        let stated = self.own_checkpoint(checkpoint)?;
        if scope.seqs.end > stated.size {
            let name = format!(
                "{} under the checkpoint of {} records; sign a newer one, or end before",
                scope.seqs.end - 1,
                stated.size
            );
            return Err(Error::NotFound { what: "record", name });
        }
        let Gathering { wanted, sources, index, left_out, .. } =
            self.gather(scope, stated.size, &stated.root)?;
        // What one filter leaves out may be there for another's sake.
        let is_all = left_out.iter().all(|seq| wanted.contains(*seq));
        let candidates = if is_all { Candidates::All } else { Candidates::Matches };
        let records = self.records_at(wanted, sources)?;
        let tail_start = self.head.active.0.min(stated.size);
        let nodes = || self.nodes();
        // The caches of the tree are not evidence: where they lead astray, the leaves decide.
        for nodes in [nodes()?, nodes()?.without_caches()] {
            let tail = nodes.run(0, tail_start, stated.size - tail_start)?;
            let nodes = ExportNodes { nodes, tail_start, tail };
            if let Some((records, proof)) = self.prove_all(&records, &nodes, &stated)? {
                let scope = Scope { candidates, ..scope.clone() };
                let checkpoint = checkpoint.clone();
                return Ok(Evidence { checkpoint, extends: None, scope, records, index, proof });
            }
        }
        let reason = format!("the checkpoint's root at size {} is not this log's", stated.size);
        Err(Error::RolledBack { reason })
    }

    /// What a bundle owes of the log's first `size` records; where its scope has a challenge, `root` is what draws.
    pub(crate) fn gather<'s>(&'s self, scope: &'s Scope, size: u64, root: &Hash) -> Result<Gathering<'s>> {
        let Range { start, end } = scope.seqs;
        let views = self.views()?;
        let meeting: Vec<&View> =
            views.iter().filter(|view| view.first_seq < end && start < view.end_seq).collect();
        let deleted = DeletedRecords::of(self, &meeting, size)?;
        let sealed: Vec<&View> =
            meeting.into_iter().filter(|view| self.is_sealed_below(view, size)).collect();
        let tail = sealed.last().map_or(start, |view| view.end_seq.max(start));
        let mut gathering = Gathering::new(self, scope, deleted)?;
        if let Some(challenge) = &scope.challenge {
            let gone = gathering.deleted.within(&scope.seqs);
            gathering.drawn = challenge.draw(root, &(start..tail.min(end)), &gone);
        }
        for view in sealed {
            gathering.add_segment(view)?;
        }
        gathering.wanted.insert_range(tail..end.max(tail));
        Ok(gathering)
    }

    /// Whether the view is a sealed segment whose seal is among the log's first `size` records.
    fn is_sealed_below(&self, view: &View, size: u64) -> bool {
        view.segment != self.head.active && view.end_seq < size
    }

    /// The records at these seqs, and those that register the sources by which they are read.
    fn records_at(&self, mut wanted: RoaringTreemap, mut sources: BTreeSet<Seq>) -> Result<Vec<Record>> {
        let mut records = self.read(&wanted)?;
        sources.extend(records.iter().map(|record| record.source));
        let more: RoaringTreemap = sources.iter().filter(|source| wanted.insert(**source)).collect();
        if !more.is_empty() {
            records.extend(self.read(&more)?);
            records.sort_unstable_by_key(|record| record.seq);
        }
        Ok(records)
    }

    fn read(&self, wanted: &RoaringTreemap) -> Result<Vec<Record>> {
        let mut found = Vec::with_capacity(usize::try_from(wanted.len()).unwrap_or_default());
        let mut left = wanted.iter().peekable();
        while let Some(first) = left.next() {
            let mut last = first;
            while let Some(next) = left.next_if(|next| next - last <= NEAR) {
                last = next;
            }
            if first == last {
                found.push(self.record(first)?);
                continue;
            }
            for record in self.records(first..=last) {
                let record = record?;
                if wanted.contains(record.seq) {
                    found.push(record);
                }
            }
        }
        Ok(found)
    }

    /// The member that holds the records, and the proof for all of them; nothing where they do not lead to the
    /// checkpoint's root.
    fn prove_all(
        &self,
        records: &[Record],
        nodes: &ExportNodes<'_>,
        stated: &Checkpoint,
    ) -> Result<Option<(Vec<u8>, Vec<Hash>)>> {
        let head = |record: &Record| {
            let labels = record.label_buf()?;
            Ok(Head::new(record.source, record.encoding, labels.as_labels()))
        };
        let mut writer = RecordWriter::new(records.iter().map(head).collect::<Result<_>>()?);
        let (mut leaves, mut scratch): (Vec<(Seq, Hash)>, Vec<u8>) = (Vec::new(), Vec::new());
        let mut salt: Option<(SegmentId, SegmentSalt)> = None;
        for record in records {
            let segment_salt = match salt {
                Some((segment, salt)) if segment == record.segment => salt,
                _ => self.inner.log.files.log(record.segment)?.header.salt,
            };
            salt = Some((record.segment, segment_salt));
            let predecessor = match leaves.last() {
                _ if record.seq == 0 => Hash::ZERO,
                Some((last, leaf)) if last + 1 == record.seq => *leaf,
                _ => {
                    let leaf = nodes.node(0, record.seq - 1)?;
                    leaves.push((record.seq - 1, leaf));
                    leaf
                }
            };
            let (labels, record_salt) = (record.label_buf()?, record.salt(&segment_salt)?);
            let body_hash = hash::body(&record_salt, &record.body);
            let entry = record.entry(labels.as_labels(), predecessor, body_hash);
            leaves.push((record.seq, entry.leaf(&mut scratch)));
            writer.push(&entry, &record_salt, &record.body);
        }
        let positions: Vec<u64> = leaves.iter().map(|(seq, _)| *seq).collect();
        let proof = merkle::multi_proof::<LogTree, _>(nodes, &positions, stated.size)?;
        let holds = merkle::verify_multi::<LogTree>(&leaves, stated.size, &proof, &stated.root);
        Ok(holds.then(|| (writer.finish(), proof)))
    }
}

/// The log's tree, with the leaves of the active segment at hand: they are read from its log, and only once.
struct ExportNodes<'a> {
    nodes: LogNodes<'a>,
    tail_start: Seq,
    tail: Vec<Hash>,
}

impl NodeReader for ExportNodes<'_> {
    type Error = Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash> {
        let from = (index << level).checked_sub(self.tail_start).and_then(|from| usize::try_from(from).ok());
        let leaves = from.and_then(|from| self.tail.get(from..from.checked_add(1 << level)?));
        match leaves {
            Some(leaves) => Ok(merkle::root::<LogTree>(leaves)),
            None => self.nodes.node(level, index),
        }
    }
}

/// What a bundle is to hold, as far as it was found.
pub(crate) struct Gathering<'s> {
    snapshot: &'s Snapshot,
    scope: &'s Scope,
    /// Those of the scope; behind them, where records were deleted, what is owed for that.
    filters: Vec<Filter>,
    matchers: Vec<Matcher>,
    deleted: DeletedRecords,
    /// The records that match, by filter, where these alone are asked for.
    matches: Option<Vec<RoaringTreemap>>,
    /// The records to be in the bundle.
    pub(crate) wanted: RoaringTreemap,
    /// The records that a challenge draws.
    drawn: BTreeSet<Seq>,
    /// The sources by which segments were indexed.
    sources: BTreeSet<Seq>,
    pub(crate) index: Vec<u8>,
    /// The candidates that do not match, where those that do are all that is asked for.
    left_out: Vec<Seq>,
}

impl<'s> Gathering<'s> {
    fn new(snapshot: &'s Snapshot, scope: &'s Scope, deleted: DeletedRecords) -> Result<Self> {
        let matches = match scope.candidates {
            Candidates::All => None,
            Candidates::Matches => Some(
                scope
                    .filters
                    .iter()
                    .map(|filter| {
                        let hits = snapshot.search(filter)?.within(scope.seqs.clone());
                        hits.map(|hit| Ok(hit?.seq)).collect()
                    })
                    .collect::<Result<Vec<RoaringTreemap>>>()?,
            ),
        };
        let mut filters = scope.filters.clone();
        filters.extend((!deleted.grounds.is_empty()).then(authority::owed));
        // The log's first record says whose log it is.
        let mut wanted = RoaringTreemap::from([0]);
        wanted |= &deleted.grounds;
        Ok(Gathering {
            snapshot,
            scope,
            matchers: filters.iter().map(Matcher::new).collect::<Result<_>>()?,
            filters,
            deleted,
            matches,
            wanted,
            drawn: BTreeSet::new(),
            sources: BTreeSet::new(),
            index: Vec::new(),
            left_out: Vec::new(),
        })
    }

    /// Takes what the segment of a view owes, and shows of its index what says so.
    fn add_segment(&mut self, view: &View) -> Result<()> {
        let (log, catalog) = (&self.snapshot.inner.log, &self.snapshot.catalog);
        let mut profiles: BTreeMap<Seq, Option<Arc<Profile>>> = BTreeMap::new();
        for (source, _) in &log.open_view(view, catalog)?.meta().sources {
            let registered = match source {
                0 => None,
                source => Some(Arc::clone(&log.source(catalog, *source)?.profile)),
            };
            profiles.insert(*source, registered);
        }
        let of_release = Profile::store_records();
        let sources: Vec<(Seq, &Profile)> = profiles
            .iter()
            .map(|(source, profile)| (*source, profile.as_deref().unwrap_or(of_release)))
            .collect();
        let schema = Schema::new(&sources);
        let drawn = self.drawn_terms(view, &schema, &profiles)?;
        let gone = self.deleted.of_segment(view.segment);
        let (mut shown, bytes, disclosure, index_root) = log.read_view(view, catalog, |sidecar| {
            let mut shown = self.choose(sidecar, &schema, &gone)?;
            choose::insert_postings(sidecar, &drawn, &mut shown)?;
            choose::insert_deleted(sidecar, &mut shown)?;
            let (bytes, disclosure) = disclose(sidecar, &shown)?;
            Ok((shown, bytes, disclosure, sidecar.meta().index_root))
        })?;
        let opened = disclosure
            .open(&index_root)
            .map_err(|error| Error::Forged { what: "index", reason: error.to_string() })?;
        self.index.extend_from_slice(&bytes);
        self.sources.extend(profiles.keys());
        for place in 0..self.matchers.len() {
            self.take_candidates((place, &gone), view, &schema, &opened, &mut shown);
        }
        // Its seal.
        self.wanted.insert(view.end_seq);
        Ok(())
    }

    /// The terms of the records of a segment that a challenge draws; these records are to be in the bundle.
    fn drawn_terms(
        &mut self,
        view: &View,
        schema: &Schema,
        profiles: &BTreeMap<Seq, Option<Arc<Profile>>>,
    ) -> Result<BTreeSet<NamedTerm>> {
        let (mut terms, mut fields) = (BTreeSet::new(), Fields::default());
        for &seq in self.drawn.range(view.first_seq..view.end_seq) {
            let record = self.snapshot.record(seq)?;
            let labels = record.label_buf()?;
            let profile = profiles.get(&record.source).and_then(Option::as_deref);
            let disclosed = Disclosed {
                seq,
                received_at: record.received_at,
                source: record.source,
                encoding: record.encoding,
                labels: labels.as_labels(),
                body: &record.body,
                profile: profile.unwrap_or(Profile::store_records()),
            };
            terms.extend(challenge::terms_of(schema, &disclosed, &mut fields)?);
            self.wanted.insert(seq);
        }
        Ok(terms)
    }

    /// What of a segment's index is shown for all filters.
    fn choose(&self, sidecar: &Sidecar, schema: &Schema, gone: &RoaringBitmap) -> Result<ShownIndex, Fault> {
        let mut shown = ShownIndex::default();
        for (filter, matcher) in self.filters.iter().zip(&self.matchers) {
            let (first_seq, record_count) = (sidecar.first_seq(), sidecar.meta().record_count);
            let within = InSegment { matcher, schema, first_seq, record_count, gone };
            let range = within.offsets(&self.scope.seqs);
            let choosing = Choosing { within, sidecar, range };
            shown.extend(choosing.choose(filter, matcher.root())?.shown);
        }
        choose::insert_counts(schema, sidecar, self.scope.fields_named(), &mut shown)?;
        Ok(shown)
    }

    /// Takes the records of a segment that may match a filter, as whoever checks the bundle will find.
    fn take_candidates(
        &mut self,
        (place, gone): (usize, &RoaringBitmap),
        view: &View,
        schema: &Schema,
        opened: &Opened<'_>,
        shown: &mut ShownIndex,
    ) {
        let (first_seq, matcher) = (view.first_seq, &self.matchers[place]);
        let record_count = (view.end_seq - view.first_seq) as u32;
        let within = InSegment { matcher, schema, first_seq, record_count, gone };
        // What is shown may prove more than it was shown for, and who checks it goes by all of that.
        within.add_absent(opened, shown);
        let known = within.known(&self.filters[place], matcher.root(), shown, &mut Vec::new());
        let range = within.offsets(&self.scope.seqs);
        for offset in known.may & range {
            let seq = first_seq + u64::from(offset);
            let is_wanted = match self.matches.as_ref().map(|matches| matches.get(place)) {
                Some(Some(matches)) => known.owed.contains(offset) || matches.contains(seq),
                _ => true,
            };
            if is_wanted {
                self.wanted.insert(seq);
            } else {
                self.left_out.push(seq);
            }
        }
    }
}

/// The bytes that show these parts of a segment's index.
fn disclose(sidecar: &Sidecar, shown: &ShownIndex) -> Result<(Vec<u8>, Disclosure), Fault> {
    let mut named: BTreeMap<IndexKey, (NamedTerm, Option<RoaringBitmap>)> = BTreeMap::new();
    let mut parts: Vec<Shown<'_>> = shown.vocabularies().map(|field| Shown::Vocabulary { field }).collect();
    for (field, kind, term, posting) in shown.iter() {
        parts.push(Shown::Term { field, term: Term { kind, bytes: term } });
        let words = NamedTerm { field: field.to_owned(), kind, term: term.to_vec() };
        named.insert(key_of(field, kind, term), (words, posting.cloned()));
    }
    let sources: Vec<Seq> = sidecar.meta().sources.iter().map(|(source, _)| *source).collect();
    let vocabularies: Vec<String> = shown.vocabularies().cloned().collect();
    let mut bytes = Vec::new();
    let disclosure = sidecar.index_leaves()?.disclose(&parts);
    push_segment(&mut bytes, &sources, &vocabularies, &disclosure, |leaf| named.get(&leaf.key()).cloned());
    Ok((bytes, disclosure))
}
