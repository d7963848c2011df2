//! Which parts of a segment's index a bundle shows: what narrows the records that it owes at the least cost in bytes.
//!
//! Of conditions that must all hold, one that is shown is enough for the answer to be provable; each further one that is
//! shown costs the bytes of its postings and their proof, and saves the records that it excludes. Whatever is chosen,
//! what the bundle owes follows from what it shows: a poor choice makes a longer bundle and never a wrong one.

use std::collections::BTreeSet;

use roaring::RoaringBitmap;

use crate::bundle::deletions::DELETED;
use crate::bundle::index::NamedTerm;
use crate::bundle::known::{InSegment, Known, Pick, Wanted};
use crate::bundle::schema::{FieldIndex, Schema};
use crate::bundle::shown::ShownIndex;
use crate::error::Fault;
use crate::filter::{Filter, Node};
use crate::format::index::{ABSENT, PRESENT, TermKind, UNREADABLE};
use crate::segment::{Field, Posting, Sidecar};
use crate::source::Term;

/// About what a record takes beside its body, its share of the proof among it, in bytes.
const RECORD_OVERHEAD_LEN: u64 = 120;
/// What a leaf takes beside its term and its posting, in bytes.
const LEAF_LEN: u64 = 45;
/// What a step down the index tree takes: a divider and a root that is not shown, in bytes.
const STEP_LEN: u64 = 98;

/// Chooses for one filter in one segment.
#[derive(Debug)]
pub(super) struct Choosing<'s> {
    pub(super) within: InSegment<'s>,
    pub(super) sidecar: &'s Sidecar,
    /// The offsets of the records that the bundle is about.
    pub(super) range: RoaringBitmap,
}

/// What is shown, what it costs in bytes, and what then is known.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) shown: ShownIndex,
    len: u64,
    known: Known,
}

impl Choosing<'_> {
    /// What to show for a filter; `node` is the filter, compiled.
    pub(super) fn choose(&self, filter: &Filter, node: &Node) -> Result<Choice, Fault> {
        match (filter, node) {
            (Filter::All(filters), Node::All(nodes)) => self.choose_of_all(filters, nodes),
            (Filter::Any(filters), Node::Any(nodes)) => {
                let (mut shown, mut len) = (ShownIndex::default(), 0);
                for (filter, node) in filters.iter().zip(nodes) {
                    let choice = self.choose(filter, node)?;
                    shown.extend(choice.shown);
                    len += choice.len;
                }
                Ok(self.choice(filter, node, shown, len))
            }
            (Filter::Not(inside), Node::Not(below)) => {
                let Choice { shown, len, .. } = self.choose(inside, below)?;
                Ok(self.choice(filter, node, shown, len))
            }
            _ => {
                let (mut shown, mut wanted) = (ShownIndex::default(), Vec::new());
                self.within.wanted(node, &mut wanted);
                let mut len = 0;
                for wanted in &wanted {
                    len += self.look_up(wanted, &mut shown)?;
                }
                Ok(self.choice(filter, node, shown, len))
            }
        }
    }

    /// The condition first that makes the bundle the shortest; then others, as long as they make it shorter still.
    fn choose_of_all(&self, filters: &[Filter], nodes: &[Node]) -> Result<Choice, Fault> {
        let mut left: Vec<Choice> = filters
            .iter()
            .zip(nodes)
            .map(|(filter, node)| self.choose(filter, node))
            .collect::<Result<_, _>>()?;
        let mut chosen = Choice { shown: ShownIndex::default(), len: 0, known: self.within.everything() };
        while let Some(best) = (0..left.len()).min_by_key(|place| self.cost(&chosen, &left[*place])) {
            let next = left.swap_remove(best);
            if next.len > 0 && self.cost(&chosen, &next) >= chosen.len + self.records_len(&chosen.known.may) {
                break;
            }
            chosen.known = chosen.known.and(&next.known);
            chosen.len += next.len;
            chosen.shown.extend(next.shown);
        }
        Ok(chosen)
    }

    fn cost(&self, chosen: &Choice, next: &Choice) -> u64 {
        chosen.len + next.len + self.records_len(&(&chosen.known.may & &next.known.may))
    }

    fn records_len(&self, may: &RoaringBitmap) -> u64 {
        let meta = self.sidecar.meta();
        let each = meta.log_len / u64::from(meta.record_count.max(1)) + RECORD_OVERHEAD_LEN;
        may.intersection_len(&self.range) * each
    }

    /// What shows nothing that narrows is not shown.
    fn choice(&self, filter: &Filter, node: &Node, shown: ShownIndex, len: u64) -> Choice {
        let known = self.within.known(filter, node, &shown, &mut Vec::new());
        if len > 0 && self.range.is_subset(&known.may) && known.owed.is_empty() {
            return Choice { shown: ShownIndex::default(), len: 0, known: self.within.undecided() };
        }
        Choice { shown, len, known }
    }

    /// Adds what is wanted, as the segment's sidecar has it; gives about how many bytes it takes to show it.
    fn look_up(&self, wanted: &Wanted<'_>, shown: &mut ShownIndex) -> Result<u64, Fault> {
        let depth = u64::from(self.sidecar.meta().leaf_count.max(1).ilog2());
        match wanted {
            Wanted::Posting(named) => {
                let posting = match self.sidecar.field(&named.field)? {
                    Some(field) => posting_of(&field, named)?,
                    None => None,
                };
                let len = posting.as_ref().map_or(0, Posting::encoded_len);
                let offsets = posting.map(|posting| posting.bitmap()).transpose()?.unwrap_or_default();
                shown.insert(named.clone(), Some(offsets));
                Ok(LEAF_LEN + named.term.len() as u64 + len + depth * STEP_LEN)
            }
            Wanted::Vocabulary(name, pick) => {
                let mut len = depth * STEP_LEN;
                shown.insert_vocabulary(name);
                if let Some(field) = self.sidecar.field(name)? {
                    len += insert_vocabulary(&field, *pick, shown)?;
                }
                Ok(len)
            }
        }
    }
}

/// Adds, of the fields that filters name, the leaves that say how many records have nothing, or nothing readable.
pub(super) fn insert_counts(
    schema: &Schema,
    sidecar: &Sidecar,
    fields: BTreeSet<String>,
    shown: &mut ShownIndex,
) -> Result<(), Fault> {
    for name in fields {
        if matches!(schema.field(&name), FieldIndex::Nowhere | FieldIndex::Private) {
            continue;
        }
        let Some(field) = sidecar.field(&name)? else { continue };
        for term in [ABSENT, UNREADABLE] {
            let named = NamedTerm { field: name.clone(), kind: TermKind::Reserved, term: term.to_vec() };
            let is_empty = posting_of(&field, &named)?.is_none();
            shown.insert(named, is_empty.then(RoaringBitmap::new));
        }
    }
    Ok(())
}

/// Adds which records were deleted by which plan, where any were.
pub(super) fn insert_deleted(sidecar: &Sidecar, shown: &mut ShownIndex) -> Result<(), Fault> {
    if let Some(field) = sidecar.field(DELETED)? {
        shown.insert_vocabulary(DELETED);
        insert_vocabulary(&field, Pick::All, shown)?;
    }
    Ok(())
}

/// Adds the postings of these terms, as the segment's index has them: nothing, where it has none.
pub(super) fn insert_postings(
    sidecar: &Sidecar,
    terms: &BTreeSet<NamedTerm>,
    shown: &mut ShownIndex,
) -> Result<(), Fault> {
    for named in terms {
        let field = sidecar.field(&named.field)?;
        let posting = field.as_ref().map(|field| posting_of(field, named)).transpose()?.flatten();
        let offsets = posting.map(|posting| posting.bitmap()).transpose()?.unwrap_or_default();
        shown.insert(named.clone(), Some(offsets));
    }
    Ok(())
}

fn posting_of<'f>(field: &Field<'f>, named: &NamedTerm) -> Result<Option<Posting<'f>>, Fault> {
    let posting = match (named.kind, named.term.as_slice()) {
        (TermKind::Reserved, PRESENT) => Some(field.present()?),
        (TermKind::Reserved, ABSENT) => Some(field.absent()?),
        (TermKind::Reserved, _) => Some(field.unreadable()?),
        (kind, bytes) => field.posting_of_term(Term { kind, bytes })?,
    };
    Ok(posting.filter(|posting| posting.count() > 0))
}

fn insert_vocabulary(field: &Field<'_>, pick: Pick<'_>, shown: &mut ShownIndex) -> Result<u64, Fault> {
    let mut len = 0;
    let mut insert = |kind, term: &[u8], posting: Option<RoaringBitmap>| {
        len += LEAF_LEN
            + term.len() as u64
            + posting.as_ref().map_or(0, |offsets| offsets.serialized_size() as u64);
        let named = NamedTerm { field: field.name().to_owned(), kind, term: term.to_vec() };
        shown.insert(named, posting);
    };
    let reserved =
        [(PRESENT, field.present()?), (ABSENT, field.absent()?), (UNREADABLE, field.unreadable()?)];
    for (term, posting) in reserved {
        if posting.count() > 0 {
            insert(TermKind::Reserved, term, None);
        }
    }
    for ordinal in 0..field.term_count() {
        let Some(term) = field.term(ordinal)? else { continue };
        let posting = if pick.picks(term) { Some(field.posting(ordinal)?.bitmap()?) } else { None };
        insert(term.kind, term.bytes, posting);
    }
    Ok(len)
}
