//! A sealed segment's index, built once more from its records by the rules that `index` documents, and by other
//! code: what a seal states of the index is compared with this.
//!
//! It takes records in order and notes the numbers of their terms, four bytes an occurrence; only at the end are
//! the notes turned into one list of offsets for each term, by counting. Nothing is sorted or hashed before.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::sources::{FieldHolds, Rules};
use crate::format::frame::Labels;
use crate::format::index::{ABSENT, IndexLeaf, IndexRoot, PRESENT, UNREADABLE, rules_digest, term_hash};
use crate::hash::{self, Hash, IndexTree};
use crate::merkle;
use crate::source::{EXTRACTOR, EventTime, Fields, Term, TermKind};
use crate::{Seq, Timestamp};

/// One record, as far as the index is concerned.
pub(super) struct Indexed<'a> {
    pub(super) source: Seq,
    pub(super) rules: &'a Rules,
    pub(super) encoding: u8,
    pub(super) labels: Labels<'a>,
    pub(super) fields: &'a Fields,
}

/// What a seal should state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Restated {
    pub(super) index_root: Hash,
    pub(super) rules: Hash,
    pub(super) leaf_count: u64,
}

/// The index as it grows.
#[derive(Debug)]
pub(super) struct Reindex {
    first_seq: Seq,
    record_count: u32,
    fields: Vec<Field>,
    by_name: HashMap<String, usize>,
    sources: Vec<Source>,
    /// The place in `sources` of the last record's source: the next is mostly of the same.
    last_source: usize,
    terms: Vec<TermAt>,
    bytes: Vec<u8>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The terms of all records, one record after another.
    occurrences: Vec<u32>,
    /// Where each record's terms end in `occurrences`.
    ends: Vec<usize>,
    times: Vec<EventTime>,
    event_ids: Vec<(u64, u32)>,
    last_day: Option<(i64, u32)>,
}

#[derive(Debug)]
struct Field {
    name: String,
    private: bool,
    present: Vec<u64>,
    unreadable: Vec<u64>,
    /// The field's term of the record before: the next one's is often the same.
    last: Option<u32>,
}

#[derive(Debug)]
struct Source {
    seq: Seq,
    digest: Hash,
    /// By slot: the field and what it holds.
    slots: Vec<(usize, FieldHolds)>,
}

#[derive(Debug, Clone, Copy)]
struct TermAt {
    field: u32,
    kind: TermKind,
    start: usize,
    len: u32,
}

/// The finished index: each term's offsets side by side.
#[derive(Debug)]
pub(super) struct Finished {
    index: Reindex,
    offsets: Vec<u32>,
    /// By term: where its offsets end; they begin where the term's before end.
    ends: Vec<usize>,
}

/// The fields that every segment has, beside those of its profiles.
const BUILT_IN: [&str; 4] = ["source", "encoding", "day", "label"];
const SOURCE: usize = 0;
const ENCODING: usize = 1;
const DAY: usize = 2;
const LABEL: usize = 3;

fn set(bits: &mut Vec<u64>, offset: u32) {
    let word = offset as usize / 64;
    if bits.len() <= word {
        bits.resize(word + 1, 0);
    }
    bits[word] |= 1 << (offset % 64);
}

fn is_set(bits: &[u64], offset: u32) -> bool {
    bits.get(offset as usize / 64).is_some_and(|word| word >> (offset % 64) & 1 == 1)
}

impl Reindex {
    pub(super) fn new(first_seq: Seq) -> Self {
        let mut index = Reindex {
            first_seq,
            record_count: 0,
            fields: Vec::new(),
            by_name: HashMap::new(),
            sources: Vec::new(),
            last_source: 0,
            terms: Vec::new(),
            bytes: Vec::new(),
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            occurrences: Vec::new(),
            ends: Vec::new(),
            times: Vec::new(),
            event_ids: Vec::new(),
            last_day: None,
        };
        for name in BUILT_IN {
            index.field(name, false);
        }
        index
    }

    fn field(&mut self, name: &str, private: bool) -> usize {
        if let Some(&place) = self.by_name.get(name) {
            self.fields[place].private |= private;
            return place;
        }
        let place = self.fields.len();
        self.by_name.insert(name.to_owned(), place);
        self.fields.push(Field {
            name: name.to_owned(),
            private,
            present: Vec::new(),
            unreadable: Vec::new(),
            last: None,
        });
        place
    }

    /// Takes the next record.
    pub(super) fn add(&mut self, record: &Indexed<'_>) {
        let offset = self.record_count;
        let place = self.source(record.source, record.rules);
        let slots = std::mem::take(&mut self.sources[place].slots);
        let mut decimal = Decimal::default();
        self.term(SOURCE, TermKind::Number, decimal.write(record.source));
        self.term(ENCODING, TermKind::Number, decimal.write(record.encoding.into()));
        for label in record.labels.iter() {
            self.term(LABEL, TermKind::Text, label.as_bytes());
        }
        self.day(record.fields.time());
        for (slot, Term { kind, bytes }) in record.fields.terms() {
            if let Some(&(field, FieldHolds::Terms)) = slots.get(usize::from(slot)) {
                self.term(field, kind, bytes);
            }
        }
        for &slot in record.fields.unreadable() {
            if let Some(&(field, _)) = slots.get(usize::from(slot)) {
                set(&mut self.fields[field].unreadable, offset);
            }
        }
        for &(field, holds) in &slots {
            let field = &mut self.fields[field];
            match (holds, record.fields.time()) {
                (FieldHolds::EventId, _) if record.fields.event_id().is_some() => {
                    set(&mut field.present, offset);
                }
                (FieldHolds::EventTime, EventTime::Known(_)) => set(&mut field.present, offset),
                (FieldHolds::EventTime, EventTime::Unreadable) => set(&mut field.unreadable, offset),
                _ => {}
            }
        }
        self.sources[place].slots = slots;
        self.times.push(record.fields.time());
        if let Some(id) = record.fields.event_id() {
            self.event_ids.push((hash::event_id_prefix(id), offset));
        }
        self.ends.push(self.occurrences.len());
        self.record_count += 1;
    }

    fn source(&mut self, seq: Seq, rules: &Rules) -> usize {
        if self.sources.get(self.last_source).is_some_and(|source| source.seq == seq) {
            return self.last_source;
        }
        self.last_source = match self.sources.iter().position(|source| source.seq == seq) {
            Some(place) => place,
            None => {
                let field =
                    |rule: &super::sources::FieldRule| (self.field(&rule.name, rule.private), rule.holds);
                let slots = rules.fields.iter().map(field).collect();
                self.sources.push(Source { seq, digest: rules.digest, slots });
                self.sources.len() - 1
            }
        };
        self.last_source
    }

    fn day(&mut self, time: EventTime) {
        match time {
            EventTime::Absent => {}
            EventTime::Unreadable => set(&mut self.fields[DAY].unreadable, self.record_count),
            EventTime::Known(time) => match self.last_day {
                Some((day, term)) if day == time.day() => self.occurs(DAY, term),
                _ => {
                    let term = self.term(DAY, TermKind::Text, day_text(time).as_bytes());
                    self.last_day = Some((time.day(), term));
                }
            },
        }
    }

    fn occurs(&mut self, field: usize, term: u32) {
        self.occurrences.push(term);
        set(&mut self.fields[field].present, self.record_count);
    }

    /// Notes that the present record has a term.
    fn term(&mut self, field: usize, kind: TermKind, bytes: &[u8]) -> u32 {
        let known = self.fields[field].last.filter(|last| {
            let term = &self.terms[*last as usize];
            term.kind == kind && &self.bytes[term.start..][..term.len as usize] == bytes
        });
        let term = known.unwrap_or_else(|| self.intern(field as u32, kind, bytes));
        self.fields[field].last = Some(term);
        self.occurs(field, term);
        term
    }

    fn intern(&mut self, field: u32, kind: TermKind, bytes: &[u8]) -> u32 {
        let Reindex { terms, bytes: all, table, hasher, .. } = self;
        let hash_of = |field: u32, kind: TermKind, bytes: &[u8]| {
            let mut state = hasher.build_hasher();
            state.write(bytes);
            state.write_u64(u64::from(field) << 8 | kind as u64);
            state.finish()
        };
        let text = |term: &TermAt| term.start..term.start + term.len as usize;
        let hash = hash_of(field, kind, bytes);
        let found = table.find(hash, |&id| {
            let term = &terms[id as usize];
            term.field == field && term.kind == kind && &all[text(term)] == bytes
        });
        if let Some(&id) = found {
            return id;
        }
        let id = terms.len() as u32;
        terms.push(TermAt { field, kind, start: all.len(), len: bytes.len() as u32 });
        all.extend_from_slice(bytes);
        table.insert_unique(hash, id, |&id| {
            let term = &terms[id as usize];
            hash_of(term.field, term.kind, &all[text(term)])
        });
        id
    }

    /// Turns the notes into offsets by term.
    pub(super) fn finish(mut self) -> Finished {
        self.table = HashTable::new();
        // Counting sort: how many each term has, where each begins, then every occurrence in its place. A term
        // that one record has twice counts once.
        let mut ends = vec![0_usize; self.terms.len()];
        let mut last_seen = vec![u32::MAX; self.terms.len()];
        for (offset, range) in record_ranges(&self.ends) {
            for &term in &self.occurrences[range] {
                if std::mem::replace(&mut last_seen[term as usize], offset) != offset {
                    ends[term as usize] += 1;
                }
            }
        }
        let mut total = 0;
        for end in &mut ends {
            total += *end;
            *end = total - *end;
        }
        let mut offsets = vec![0; total];
        last_seen.fill(u32::MAX);
        for (offset, range) in record_ranges(&self.ends) {
            for &term in &self.occurrences[range] {
                if std::mem::replace(&mut last_seen[term as usize], offset) != offset {
                    offsets[ends[term as usize]] = offset;
                    ends[term as usize] += 1;
                }
            }
        }
        self.occurrences = Vec::new();
        Finished { index: self, offsets, ends }
    }
}

fn record_ranges(ends: &[usize]) -> impl Iterator<Item = (u32, Range<usize>)> {
    let mut start = 0;
    (0..).zip(ends).map(move |(offset, &end)| (offset, std::mem::replace(&mut start, end)..end))
}

/// The reserved terms, in the order of [`Finished::reserved`].
const RESERVED: [&[u8]; 3] = [PRESENT, ABSENT, UNREADABLE];

impl Finished {
    pub(super) fn record_count(&self) -> u32 {
        self.index.record_count
    }

    pub(super) fn first_seq(&self) -> Seq {
        self.index.first_seq
    }

    pub(super) fn times(&self) -> &[EventTime] {
        &self.index.times
    }

    /// Event ids: the prefix of their hash, and the offset, in the order of the records.
    pub(super) fn event_ids(&self) -> &[(u64, u32)] {
        &self.index.event_ids
    }

    /// The sources used, ascending, and their profiles' digests.
    pub(super) fn sources(&self) -> Vec<(Seq, Hash)> {
        let mut sources: Vec<_> =
            self.index.sources.iter().map(|source| (source.seq, source.digest)).collect();
        sources.sort_unstable();
        sources
    }

    /// All fields, ascending by name.
    pub(super) fn fields_by_name(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.index.fields.len()).collect();
        order.sort_unstable_by(|a, b| self.index.fields[*a].name.cmp(&self.index.fields[*b].name));
        order
    }

    /// A field's name, and whether it is private.
    pub(super) fn field(&self, field: usize) -> (&str, bool) {
        let field = &self.index.fields[field];
        (&field.name, field.private)
    }

    pub(super) fn term(&self, id: u32) -> Term<'_> {
        let term = &self.index.terms[id as usize];
        Term { kind: term.kind, bytes: &self.index.bytes[term.start..][..term.len as usize] }
    }

    /// The terms of each of `fields` as a dictionary has them: by type, numbers by value, all else by bytes.
    pub(super) fn dictionaries(&self, fields: &[usize]) -> Vec<Vec<u32>> {
        // Most are told apart by their first bytes, which are sorted side by side.
        let mut keyed: Vec<Vec<(u64, u32)>> = self.index.fields.iter().map(|_| Vec::new()).collect();
        for (id, term) in (0..).zip(&self.index.terms) {
            let bytes = self.term(id).bytes;
            let mut key = [0; 8];
            key[0] = term.kind as u8;
            if term.kind != TermKind::Number {
                let len = bytes.len().min(7);
                key[1..=len].copy_from_slice(&bytes[..len]);
            }
            keyed[term.field as usize].push((u64::from_be_bytes(key), id));
        }
        let sorted = |field: &usize| {
            let mut terms = std::mem::take(&mut keyed[*field]);
            terms.sort_unstable_by(|(key_a, a), (key_b, b)| {
                key_a.cmp(key_b).then_with(|| {
                    let (a, b) = (self.term(*a), self.term(*b));
                    match a.kind {
                        TermKind::Number => compare_decimals(a.bytes, b.bytes),
                        _ => a.bytes.cmp(b.bytes),
                    }
                })
            });
            terms.into_iter().map(|(_, id)| id).collect()
        };
        fields.iter().map(sorted).collect()
    }

    /// The offsets of a term.
    pub(super) fn postings(&self, term: usize) -> &[u32] {
        let start = term.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.offsets[start..self.ends[term]]
    }

    /// A field's offsets that are present, absent and unreadable.
    pub(super) fn reserved(&self, field: usize) -> [Vec<u32>; 3] {
        let field = &self.index.fields[field];
        let mut lists: [Vec<u32>; 3] = Default::default();
        for offset in 0..self.index.record_count {
            let (present, unreadable) = (is_set(&field.present, offset), is_set(&field.unreadable, offset));
            for (list, holds) in lists.iter_mut().zip([present, !present && !unreadable, unreadable]) {
                if holds {
                    list.push(offset);
                }
            }
        }
        lists
    }

    /// What the seal over this segment should state.
    pub(super) fn restate(&self) -> Restated {
        let index = &self.index;
        let field_hashes: Vec<Hash> =
            index.fields.iter().map(|field| hash::index_field(&field.name)).collect();
        let mut scratch = Vec::new();
        let mut leaves: Vec<(u32, Hash, Hash)> =
            Vec::with_capacity(index.terms.len() + 3 * index.fields.len());
        let mut leaf = |field: usize, term: Hash, offsets: &[u32]| {
            if offsets.is_empty() || index.fields[field].private {
                return;
            }
            scratch.clear();
            scratch.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
            let mut hasher = hash::index_seqs_hasher();
            hasher.update(&scratch);
            let seqs = Hash(*hasher.finalize().as_bytes());
            let leaf = IndexLeaf { field: field_hashes[field], term, count: offsets.len() as u32, seqs };
            leaves.push((field as u32, term, leaf.hash()));
        };
        for (id, term) in index.terms.iter().enumerate() {
            let bytes = &index.bytes[term.start..][..term.len as usize];
            leaf(term.field as usize, term_hash(term.kind, bytes), self.postings(id));
        }
        for place in 0..index.fields.len() {
            for (term, offsets) in RESERVED.iter().zip(self.reserved(place)) {
                leaf(place, term_hash(TermKind::Reserved, term), &offsets);
            }
        }
        leaves.sort_unstable_by(|(field_a, term_a, _), (field_b, term_b, _)| {
            field_hashes[*field_a as usize]
                .cmp(&field_hashes[*field_b as usize])
                .then_with(|| term_a.cmp(term_b))
        });
        let mut tree = merkle::Frontier::<IndexTree>::new();
        leaves.iter().for_each(|(_, _, leaf)| tree.push(*leaf));
        let rules = rules_digest(EXTRACTOR, &self.sources());
        let statement = IndexRoot {
            leaf_count: tree.size(),
            first_seq: index.first_seq,
            record_count: index.record_count,
            rules,
            tree_root: tree.root(),
        };
        Restated { index_root: statement.hash(), rules, leaf_count: statement.leaf_count }
    }
}

/// Decimal digits of a number, without an allocation.
#[derive(Default)]
struct Decimal([u8; 20]);

impl Decimal {
    fn write(&mut self, mut value: u64) -> &[u8] {
        let mut at = self.0.len();
        loop {
            at -= 1;
            self.0[at] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                return &self.0[at..];
            }
        }
    }
}

/// The order of canonical decimals by value: no exponent, no needless zero, so that lengths and digits tell it.
fn compare_decimals(a: &[u8], b: &[u8]) -> Ordering {
    let split = |text: &[u8]| {
        let (negative, digits) = match text.split_first() {
            Some((b'-', digits)) => (true, digits.to_vec()),
            _ => (false, text.to_vec()),
        };
        let whole_len = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
        (negative, whole_len, digits)
    };
    let ((negative_a, len_a, digits_a), (negative_b, len_b, digits_b)) = (split(a), split(b));
    match (negative_a, negative_b) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        // Digit by digit; a point stands below every digit, and so does the end.
        (false, false) => len_a.cmp(&len_b).then_with(|| digits_a.cmp(&digits_b)),
        (true, true) => len_b.cmp(&len_a).then_with(|| digits_b.cmp(&digits_a)),
    }
}

/// The UTC day as `YYYY-MM-DD`, by the proleptic Gregorian calendar.
fn day_text(time: Timestamp) -> String {
    // Eras of 400 years, each of 146,097 days, with years that begin in March: the leap day is then the last.
    let days = time.day() + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for day in (-106_751..106_751).step_by(17).chain([0, -1, 59, 60, 11_016, 11_017]) {
            let time = Timestamp(day * 86_400_000_000_000);
            assert_eq!(day_text(time), time.to_string()[..10], "{day}");
        }
    }

    #[test]
    fn decimals_stand_in_the_order_of_their_values() {
        let ascending = [
            "-1000",
            "-12.5",
            "-12.25",
            "-12",
            "-9.99",
            "-1",
            "-0.5",
            "-0.05",
            "0",
            "0.001",
            "0.01",
            "0.1",
            "0.11",
            "0.9",
            "1",
            "1.5",
            "2",
            "9",
            "10",
            "10.01",
            "99",
            "100",
            "9007199254740993",
            "9007199254740994",
            "18446744073709551616",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare_decimals(a.as_bytes(), b.as_bytes()), i.cmp(&j), "{a} and {b}");
            }
        }
    }

    #[test]
    fn numbers_are_written_as_they_are_said() {
        for value in [0, 7, 10, 255, u64::MAX] {
            assert_eq!(Decimal::default().write(value), value.to_string().as_bytes());
        }
    }
}
