//! A run of a growing index: what a sidecar is written from, in the order in which its dictionary stands on disk.
//!
//! What a slice says depends on its own records alone, not on what the index holds beside them: whoever indexes the
//! same records gets the same slice.

use std::cmp::Ordering;
use std::ops::Range;

use super::IndexBuilder;
use super::bits::{ones, words};
use super::builder::Field;
use super::terms::TermId;
use crate::Seq;
use crate::format::index::rules_digest;
use crate::hash::Hash;
use crate::source::{EXTRACTOR, Term, TermKind, compare_numbers};

/// Some of the records of an index, one after another.
#[derive(Debug, Clone)]
pub(crate) struct Slice<'a> {
    builder: &'a IndexBuilder,
    offsets: Range<u32>,
}

/// One field of a slice.
#[derive(Debug)]
pub(crate) struct SliceField<'a> {
    field: &'a Field,
    /// Some source of the slice marks it private.
    pub(crate) private: bool,
    /// Its terms in the order of the dictionary: by type, then numbers by value and all else by bytes.
    pub(crate) terms: Vec<TermId>,
}

impl IndexBuilder {
    /// The records at `offsets`, which this index has.
    pub(crate) fn slice(&self, offsets: Range<u32>) -> Slice<'_> {
        let end = offsets.end.min(self.record_count);
        Slice { builder: self, offsets: offsets.start.min(end)..end }
    }
}

impl<'a> Slice<'a> {
    pub(crate) fn first_seq(&self) -> Seq {
        self.builder.first_seq + u64::from(self.offsets.start)
    }

    pub(crate) fn record_count(&self) -> u32 {
        self.offsets.end - self.offsets.start
    }

    /// The sources that the slice uses, ascending, each with its profile's digest.
    pub(crate) fn sources(&self) -> Vec<(Seq, Hash)> {
        let used = self.builder.sources.iter().filter(|source| !self.within(source.term).is_empty());
        let mut sources: Vec<_> = used.map(|source| (source.seq, source.digest)).collect();
        sources.sort_unstable();
        sources
    }

    /// The digest of the rules by which the slice was indexed.
    pub(crate) fn rules(&self) -> Hash {
        rules_digest(EXTRACTOR, &self.sources())
    }

    /// The fields that the slice's sources declare and those of every segment, ascending by name.
    pub(crate) fn fields(&self) -> Vec<SliceField<'a>> {
        let builder = self.builder;
        let mut declared: Vec<Option<SliceField<'a>>> = builder.fields.iter().map(|_| None).collect();
        let mut declare = |place: usize, private: bool| {
            if let (Some(slot), Some(field)) = (declared.get_mut(place), builder.fields.get(place)) {
                let entry =
                    slot.get_or_insert_with(|| SliceField { field, private: false, terms: Vec::new() });
                entry.private |= private;
            }
        };
        super::BUILT_IN.iter().enumerate().for_each(|(place, _)| declare(place, false));
        builder.deleted_field.into_iter().for_each(|place| declare(place, false));
        for source in builder.sources.iter().filter(|source| !self.within(source.term).is_empty()) {
            for (place, private) in source.fields() {
                declare(place, private);
            }
        }
        for id in self.term_ids() {
            if let Some(Some(field)) = declared.get_mut(builder.terms.entry(id).field as usize) {
                field.terms.push(id);
            }
        }
        let mut fields: Vec<SliceField<'a>> = declared.into_iter().flatten().collect();
        for field in &mut fields {
            field.terms.sort_unstable_by(|a, b| compare_terms(self.term(*a), self.term(*b)));
        }
        fields.sort_unstable_by_key(|field| field.name());
        fields
    }

    /// The terms that records of the slice carry, in any order.
    fn term_ids(&self) -> Vec<TermId> {
        let builder = self.builder;
        let all = 0..builder.terms.len() as TermId;
        if self.offsets == (0..builder.record_count) {
            return all.collect();
        }
        if let Some(recent) = builder.recent.ids(self.offsets.clone()) {
            return recent;
        }
        all.filter(|id| !self.within(*id).is_empty()).collect()
    }

    pub(crate) fn term(&self, id: TermId) -> Term<'a> {
        self.builder.terms.term(id)
    }

    /// The offsets of a term in the slice, counted from the index's first record.
    fn within(&self, id: TermId) -> &'a [u32] {
        let offsets = self.builder.terms.entry(id).posting.offsets();
        let before = |bound: u32| offsets.partition_point(|offset| *offset < bound);
        let start = if self.offsets.start == 0 { 0 } else { before(self.offsets.start) };
        let whole = self.offsets.end == self.builder.record_count;
        let end = if whole { offsets.len() } else { before(self.offsets.end) };
        &offsets[start..end]
    }

    /// The offsets, counted from the slice's first record, of those that carry a term; `scratch` is room for them.
    pub(crate) fn offsets<'s>(&'s self, id: TermId, scratch: &'s mut Vec<u32>) -> &'s [u32] {
        if self.offsets.start == 0 {
            return self.within(id);
        }
        scratch.clear();
        scratch.extend(self.within(id).iter().map(|offset| offset - self.offsets.start));
        scratch
    }

    /// The offsets of the records that are present, absent and unreadable in a field, ascending; none of a list that
    /// is [`Slice::every`].
    pub(crate) fn reserved(&self, field: &SliceField<'_>) -> [Option<Vec<u32>>; 3] {
        let deleted = &self.builder.deleted;
        field.field.reserved_words(deleted).map(|set| {
            let differs = |(word, wanted): (usize, u64)| (set(word) ^ !deleted.word(word)) & wanted != 0;
            words(self.offsets.clone()).any(differs).then(|| self.offsets_in(&set))
        })
    }

    /// The offsets of all records that were not deleted, ascending.
    pub(crate) fn every(&self) -> Vec<u32> {
        self.offsets_in(|word| !self.builder.deleted.word(word))
    }

    fn offsets_in(&self, set: impl Fn(usize) -> u64) -> Vec<u32> {
        let start = self.offsets.start;
        let of_word = |(word, wanted): (usize, u64)| {
            ones(set(word) & wanted).map(move |bit| word as u32 * 64 + bit - start)
        };
        words(self.offsets.clone()).flat_map(of_word).collect()
    }

    /// The event times; 0 where one is not known.
    pub(crate) fn times(&self) -> &'a [i64] {
        &self.builder.times.known[self.offsets.start as usize..self.offsets.end as usize]
    }

    /// The offsets whose time is absent or unreadable, ascending; true where it is unreadable.
    pub(crate) fn unknown_times(&self) -> impl Iterator<Item = (u32, bool)> {
        let start = self.offsets.start;
        self.run(&self.builder.times.unknown, |unknown| unknown.0)
            .iter()
            .map(move |(offset, unreadable)| (offset - start, *unreadable))
    }

    /// The prefix of each event id and the offset of its record, in the order of the log.
    pub(crate) fn event_ids(&self) -> impl ExactSizeIterator<Item = (u64, u32)> {
        let start = self.offsets.start;
        self.run(&self.builder.event_ids, |id| id.1)
            .iter()
            .map(move |(prefix, offset)| (*prefix, offset - start))
    }

    /// The slice's part of a list that ascends by offset.
    fn run<T>(&self, all: &'a [T], offset: impl Fn(&T) -> u32) -> &'a [T] {
        let before = |bound: u32| all.partition_point(|item| offset(item) < bound);
        &all[before(self.offsets.start)..before(self.offsets.end)]
    }
}

impl<'a> SliceField<'a> {
    pub(crate) fn name(&self) -> &'a str {
        &self.field.name
    }

    /// Whether the field may have a column: the index's own numbers have few values, and their postings serve.
    pub(crate) fn may_have_column(&self) -> bool {
        !matches!(self.name(), "source" | "encoding" | super::DELETED)
    }
}

/// The order of terms in a dictionary.
pub(crate) fn compare_terms(a: Term<'_>, b: Term<'_>) -> Ordering {
    a.kind.cmp(&b.kind).then_with(|| match a.kind {
        TermKind::Number => compare_numbers(a.bytes, b.bytes),
        _ => a.bytes.cmp(b.bytes),
    })
}
