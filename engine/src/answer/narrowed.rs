//! What composite indexes say of a filter before any segment is asked.
//!
//! Where the filter asks for a term of a field that leads one, the records that carry it lie side by side, for all segments
//! of a directory, with what they hold of the fields beside: so conditions on these are decided by one look along them. The
//! other conditions are asked of each segment, as ever, and of these records alone.

use std::cell::RefCell;
use std::ops::Range;

use super::explain::Trace;
use super::plan::parts;
use super::runs::{Look, Mask};
use super::set::Set;
use super::stretch::Stretch;
use crate::disk::Mapped;
use crate::filter::{Asked, Node, TermTest};
use crate::format::directory::{Condition, Covered, FieldInRun, Rows};
use crate::hash::Hash;
use crate::source::TermKind;
use crate::{Fault, Seq};

/// Most records that are looked along for one question: behind so many another way is as fast, and hands out the first
/// records sooner. Tests go both ways.
pub(super) const RECORDS_MAX: usize = if cfg!(test) { 15 } else { 1 << 17 };

/// Which of the conditions that must all hold are decided: bit `n` is that at place `n`.
pub(super) type Decided = u64;

/// Records of one stretch that may match, and which conditions hold for all of them.
#[derive(Debug, Clone)]
pub(super) struct Candidates {
    pub(super) records: Set,
    pub(super) decided: Decided,
}

impl From<Set> for Candidates {
    /// Of these nothing is known.
    fn from(records: Set) -> Candidates {
        Candidates { records, decided: 0 }
    }
}

/// Of some pieces, the records that meet those conditions that are decided.
#[derive(Debug, Default)]
pub(super) struct Narrowed {
    /// Ascending.
    pieces: Vec<NarrowedPiece>,
    offsets: Vec<u32>,
}

#[derive(Debug)]
struct NarrowedPiece {
    piece: usize,
    /// The root of the index that this was read from.
    index_root: Hash,
    /// Where its records' offsets are.
    offsets: Range<usize>,
    decided: Decided,
}

impl Narrowed {
    /// Those of `seqs` in a piece that it leaves. The directory may know the piece with events that were deleted since, or
    /// without some that the stretch still has: then nothing is believed of it.
    pub(super) fn candidates(&self, piece: usize, stretch: &Stretch, seqs: &Range<Seq>) -> Candidates {
        let among = stretch.among(seqs);
        let found = self.pieces.binary_search_by_key(&piece, |narrowed| narrowed.piece);
        let narrowed = found.ok().and_then(|place| self.pieces.get(place));
        let is_of = |narrowed: &&NarrowedPiece| narrowed.index_root == stretch.sidecar.meta().index_root;
        let Some(narrowed) = narrowed.filter(is_of) else { return among.into() };
        let offsets = self.offsets.get(narrowed.offsets.clone()).unwrap_or_default();
        Candidates { records: offsets.iter().copied().collect::<Set>().and(among), decided: narrowed.decided }
    }

    pub(super) fn speaks_of(&self, piece: usize) -> bool {
        self.pieces.binary_search_by_key(&piece, |narrowed| narrowed.piece).is_ok()
    }

    /// Takes in a piece that is behind those before.
    fn push(&mut self, piece: usize, index_root: Hash, decided: Decided, offsets: impl Iterator<Item = u32>) {
        let start = self.offsets.len();
        self.offsets.extend(offsets);
        self.pieces.push(NarrowedPiece { piece, index_root, offsets: start..self.offsets.len(), decided });
    }
}

/// What a composite index is asked.
struct Question<'a> {
    rows: Rows<'a>,
    conditions: Vec<Condition>,
    decided: Decided,
}

/// What a composite index answered: of the segments that were asked about, the records that meet what is decided.
pub(super) struct Found {
    asked: Mask,
    /// By their numbers in the run.
    records: Vec<u32>,
    decided: Decided,
}

impl Look<'_> {
    /// What a composite index says of the records of the segments in `mask`. Nothing where none leads to them, or they are
    /// more than there is `room` for.
    pub(super) fn composite(
        &self,
        mask: Mask,
        room: &mut usize,
        trace: Option<&RefCell<Trace>>,
    ) -> Result<Option<Found>, Fault> {
        let Some(Question { rows, conditions, decided }) = self.question()? else { return Ok(None) };
        let undecided =
            parts(self.matcher.root()).iter().enumerate().filter(|(place, _)| !is_in(decided, *place));
        let mut asked = mask;
        for (_, node) in undecided {
            asked &= self.may_match(node)?;
        }
        let segments = self.segments();
        let mut found = Found { asked, records: Vec::new(), decided };
        if asked == 0 {
            return Ok(Some(found));
        }
        let (first, last) = (asked.trailing_zeros() as usize, asked.ilog2() as usize);
        let number = |end: usize| {
            let before = segments.iter().take(end).map(|segment| segment.record_count);
            before.fold(0, u32::saturating_add)
        };
        let places = rows.places(number(first)..number(last + 1));
        let Some(left) = room.checked_sub(places.len()) else { return Ok(None) };
        *room = left;
        if let Some(trace) = trace {
            self.note(&rows, decided, places.len(), asked, &mut trace.borrow_mut());
        }
        found.records = rows.meeting(places, &conditions);
        Ok(Some(found))
    }

    /// Notes what is looked at to answer a question.
    fn note(&self, rows: &Rows<'_>, decided: Decided, count: usize, asked: Mask, trace: &mut Trace) {
        let mut base = 0;
        let mut segments = 0;
        for (place, segment) in self.segments().iter().enumerate() {
            let end = u32::saturating_add(base, segment.record_count);
            segments += u64::from(asked >> place & 1 == 1 && !rows.places(base..end).is_empty());
            base = end;
        }
        let mut note = |name: &str, term: &[u8]| {
            let column = self.directory.columns().position(|column| column == name);
            let len = (rows.width(column) * count) as u64;
            trace.add_posting(name, term, segments, count as u64, len);
        };
        for (_, node) in
            parts(self.matcher.root()).iter().enumerate().filter(|(place, _)| is_in(decided, *place))
        {
            match node {
                Node::Name(name, Asked::Some(TermTest::OneOf(terms, _))) => {
                    terms.iter().for_each(|(_, term)| note(self.matcher.name(*name), term));
                }
                _ => note("source", b"0"),
            }
        }
    }

    /// The question to the composite index that is led by the rarest of the terms that are asked for.
    fn question(&self) -> Result<Option<Question<'_>>, Fault> {
        let mut lead: Option<(usize, usize, Rows<'_>)> = None;
        for (place, name, terms) in self.named() {
            let ([(kind, bytes)], Some(composite)) = (terms, self.directory.composite(name)) else {
                continue;
            };
            if let Some(index) = composite.lead()?.map_or(Ok(None), |lead| lead.find(*kind, bytes))? {
                let count = composite.count(index);
                if lead.as_ref().is_none_or(|(least, ..)| count < *least) {
                    lead = Some((count, place, composite.rows(index)?));
                }
            }
        }
        let Some((_, leads, rows)) = lead else { return Ok(None) };
        let (mut decided, mut conditions) = (1 << leads, Vec::new());
        for (place, name, terms) in self.named().filter(|(place, ..)| *place != leads) {
            if let Some((column, field)) = self.column(name)? {
                let bits = terms.iter().map(|(kind, bytes)| field.find(*kind, bytes));
                let terms =
                    bits.flat_map(Result::transpose).try_fold(0, |all, bit| Ok(all | 1_u64 << bit?))?;
                conditions.push(Condition { column, terms, wanted: true });
                decided |= 1 << place;
            }
        }
        for (place, node) in self.nodes() {
            if matches!(node, Node::Not(node) if matches!(**node, Node::StoreRecord))
                && let Some((column, field)) = self.column("source")?
            {
                let own = field.find(TermKind::Number, b"0")?.map_or(0, |bit| 1_u64 << bit);
                conditions.push(Condition { column, terms: own, wanted: false });
                decided |= 1 << place;
            }
        }
        Ok(Some(Question { rows, conditions, decided }))
    }

    /// The conditions that must all hold, those that can be decided, with their places.
    fn nodes(&self) -> impl Iterator<Item = (usize, &Node)> {
        parts(self.matcher.root()).iter().enumerate().take(Decided::BITS as usize)
    }

    /// Those that ask for one of a few terms, each with its place and its field's name.
    fn named(&self) -> impl Iterator<Item = (usize, &str, &[(TermKind, Vec<u8>)])> {
        self.nodes().filter_map(|(place, node)| {
            let Node::Name(name, Asked::Some(TermTest::OneOf(terms, globs))) = node else { return None };
            let name = self.matcher.name(*name);
            let is_found = globs.is_empty() && !self.untermed.contains(name);
            is_found.then_some((place, name, terms.as_slice()))
        })
    }

    /// The column of a field.
    fn column(&self, name: &str) -> Result<Option<(usize, FieldInRun<'_, Mapped>)>, Fault> {
        let Some(column) = self.directory.columns().position(|column| column == name) else {
            return Ok(None);
        };
        Ok(self.directory.field(name)?.map(|field| (column, field)))
    }
}

impl Found {
    /// Adds to `narrowed` the pieces of a run that begins with the piece `first`, and to `kept` those in which something may
    /// match.
    pub(super) fn add_to(
        &self,
        first: usize,
        segments: &[Covered],
        kept: &mut Vec<usize>,
        narrowed: &mut Narrowed,
    ) {
        let (mut base, mut rest) = (0, self.records.as_slice());
        for (place, segment) in segments.iter().enumerate() {
            let end = u32::saturating_add(base, segment.record_count);
            let (here, behind) = rest.split_at(rest.partition_point(|record| *record < end));
            rest = behind;
            if self.asked >> place & 1 == 1 && !here.is_empty() {
                let offsets = here.iter().map(|record| record - base);
                kept.push(first + place);
                narrowed.push(first + place, segment.index_root, self.decided, offsets);
            }
            base = end;
        }
    }
}

/// Whether the condition at `place` is decided.
pub(super) fn is_in(decided: Decided, place: usize) -> bool {
    place < Decided::BITS as usize && decided >> place & 1 == 1
}
