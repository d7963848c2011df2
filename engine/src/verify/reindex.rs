//! A sealed segment's index, built once more from its records by the rules that `index` documents, and by other
//! code: what a seal states of the index is compared with this.
//!
//! It takes records in order and notes the numbers of their terms, four bytes an occurrence; only at the end are
//! the notes turned into one list of offsets for each term, by counting. Nothing is sorted or hashed before.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::finished::Finished;
use super::sources::{FieldHolds, Rules};
use crate::format::frame::Labels;
use crate::hash::{self, Hash};
use crate::source::{EventTime, Fields, Glance, Lately, Term, TermKind, equal};
use crate::{Seq, Timestamp};

/// One record, as far as the index is concerned.
pub(super) struct Indexed<'a> {
    pub(super) source: Seq,
    pub(super) rules: &'a Rules,
    pub(super) encoding: u8,
    pub(super) labels: Labels<'a>,
    pub(super) fields: &'a Fields,
}

/// The index as it grows.
#[derive(Debug)]
pub(super) struct Reindex {
    pub(super) first_seq: Seq,
    pub(super) record_count: u32,
    pub(super) fields: Vec<Field>,
    by_name: HashMap<String, usize>,
    pub(super) sources: Vec<Source>,
    /// The place in `sources` of the last record's source: the next is mostly of the same.
    last_source: usize,
    pub(super) terms: Vec<TermAt>,
    pub(super) bytes: Vec<u8>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The terms of all records, one record after another.
    occurrences: Vec<u32>,
    /// Where each record's terms end in `occurrences`.
    ends: Vec<usize>,
    pub(super) times: Vec<EventTime>,
    pub(super) event_ids: Vec<(u64, u32)>,
    unhashed: UnhashedIds,
    last_day: Option<(i64, u32)>,
    last_encoding: Option<(u8, u32)>,
    /// The records that were deleted.
    pub(super) deleted: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) private: bool,
    pub(super) present: Vec<u64>,
    pub(super) unreadable: Vec<u64>,
    lately: Lately,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) seq: Seq,
    pub(super) digest: Hash,
    /// Its term, once a record has it.
    term: Option<u32>,
    /// By slot: the field and what it holds.
    slots: Vec<(usize, FieldHolds)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct TermAt {
    pub(super) field: u32,
    pub(super) kind: TermKind,
    pub(super) start: usize,
    pub(super) len: u32,
}

/// The fields that every segment has, beside those of its profiles.
const BUILT_IN: [&str; 4] = ["source", "encoding", "day", "label"];
const SOURCE: usize = 0;
const ENCODING: usize = 1;
const DAY: usize = 2;
const LABEL: usize = 3;
/// What segments have in addition from which records were deleted.
const DELETED: &str = "deleted";

fn set(bits: &mut Vec<u64>, offset: u32) {
    let word = offset as usize / 64;
    if bits.len() <= word {
        bits.resize(word + 1, 0);
    }
    bits[word] |= 1 << (offset % 64);
}

impl Reindex {
    pub(super) fn new(first_seq: Seq) -> Self {
        let room = Room::take();
        let mut index = Reindex {
            first_seq,
            record_count: 0,
            fields: Vec::new(),
            by_name: HashMap::new(),
            sources: Vec::new(),
            last_source: 0,
            terms: room.terms,
            bytes: room.bytes,
            table: room.table,
            hasher: DefaultHashBuilder::default(),
            occurrences: room.occurrences,
            ends: room.ends,
            times: room.times,
            event_ids: room.event_ids,
            unhashed: UnhashedIds::default(),
            last_day: None,
            last_encoding: None,
            deleted: Vec::new(),
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
            lately: Lately::default(),
        });
        place
    }

    /// Takes the next record.
    pub(super) fn add(&mut self, record: &Indexed<'_>) {
        let offset = self.record_count;
        let place = self.source(record.source, record.rules);
        let slots = std::mem::take(&mut self.sources[place].slots);
        match self.sources[place].term {
            Some(term) => self.occurs(SOURCE, term),
            None => {
                let term = self.term(SOURCE, TermKind::Number, Decimal::default().write(record.source));
                self.sources[place].term = Some(term);
            }
        }
        match self.last_encoding {
            Some((encoding, term)) if encoding == record.encoding => self.occurs(ENCODING, term),
            _ => {
                let text = &mut Decimal::default();
                let term = self.term(ENCODING, TermKind::Number, text.write(record.encoding.into()));
                self.last_encoding = Some((record.encoding, term));
            }
        }
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
        for &(field, holds) in slots.iter().filter(|slot| slot.1 != FieldHolds::Terms) {
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
            self.unhashed.push(id, offset);
            if self.unhashed.offsets.len() == UNHASHED_MAX {
                self.unhashed.hash_into(&mut self.event_ids);
            }
        }
        self.ends.push(self.occurrences.len());
        self.record_count += 1;
    }

    /// Takes, as the next record, one that was deleted: all that is known of it is by which plan.
    pub(super) fn add_deleted(&mut self, plan: Seq) {
        let field = self.field(DELETED, false);
        set(&mut self.deleted, self.record_count);
        self.term(field, TermKind::Number, Decimal::default().write(plan));
        self.times.push(EventTime::Absent);
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
                self.sources.push(Source { seq, digest: rules.digest, term: None, slots });
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
        let glance = Glance::at(Term { kind, bytes });
        let known = self.fields[field].lately.get(&glance, |id| {
            let term = &self.terms[id as usize];
            equal(&self.bytes[term.start..][..term.len as usize], bytes)
        });
        let term = known.unwrap_or_else(|| {
            let term = self.intern(field as u32, kind, bytes);
            self.fields[field].lately.put(&glance, term);
            term
        });
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
            term.field == field && term.kind == kind && equal(&all[text(term)], bytes)
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
        self.unhashed.hash_into(&mut self.event_ids);
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
        let mut offsets = ROOM.take().unwrap_or_default().offsets;
        offsets.clear();
        offsets.resize(total, 0);
        last_seen.fill(u32::MAX);
        for (offset, range) in record_ranges(&self.ends) {
            for &term in &self.occurrences[range] {
                if std::mem::replace(&mut last_seen[term as usize], offset) != offset {
                    offsets[ends[term as usize]] = offset;
                    ends[term as usize] += 1;
                }
            }
        }
        Finished::new(self, offsets, ends)
    }
}

/// The room of an index that is done with, for the next one of the same thread: tens of megabytes, which to get from the
/// system page by page takes longer than to fill them.
#[derive(Default)]
struct Room {
    terms: Vec<TermAt>,
    bytes: Vec<u8>,
    table: HashTable<u32>,
    occurrences: Vec<u32>,
    ends: Vec<usize>,
    times: Vec<EventTime>,
    event_ids: Vec<(u64, u32)>,
    offsets: Vec<u32>,
}

thread_local! {
    static ROOM: Cell<Option<Box<Room>>> = const { Cell::new(None) };
}

impl Room {
    /// What there is, empty. The room for offsets stays for the index's end.
    fn take() -> Room {
        let mut room = *ROOM.take().unwrap_or_default();
        ROOM.set(Some(Box::new(Room { offsets: std::mem::take(&mut room.offsets), ..Room::default() })));
        room.terms.clear();
        room.bytes.clear();
        room.table.clear();
        room.occurrences.clear();
        room.ends.clear();
        room.times.clear();
        room.event_ids.clear();
        room
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        let index = &mut self.index;
        ROOM.set(Some(Box::new(Room {
            terms: std::mem::take(&mut index.terms),
            bytes: std::mem::take(&mut index.bytes),
            table: std::mem::take(&mut index.table),
            occurrences: std::mem::take(&mut index.occurrences),
            ends: std::mem::take(&mut index.ends),
            times: std::mem::take(&mut index.times),
            event_ids: std::mem::take(&mut index.event_ids),
            offsets: std::mem::take(&mut self.offsets),
        })));
    }
}

/// Event ids that wait to be hashed together.
#[derive(Debug, Default)]
struct UnhashedIds {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    offsets: Vec<u32>,
}

const UNHASHED_MAX: usize = 64;

impl UnhashedIds {
    fn push(&mut self, id: &[u8], offset: u32) {
        self.bytes.extend_from_slice(id);
        self.ends.push(self.bytes.len());
        self.offsets.push(offset);
    }

    fn hash_into(&mut self, event_ids: &mut Vec<(u64, u32)>) {
        let ids: Vec<&[u8]> = record_ranges(&self.ends).map(|(_, range)| &self.bytes[range]).collect();
        event_ids.extend(hash::event_id_prefixes(&ids).into_iter().zip(self.offsets.drain(..)));
        self.ends.clear();
        self.bytes.clear();
    }
}

fn record_ranges(ends: &[usize]) -> impl Iterator<Item = (u32, Range<usize>)> {
    let mut start = 0;
    (0..).zip(ends).map(move |(offset, &end)| (offset, std::mem::replace(&mut start, end)..end))
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
    fn numbers_are_written_as_they_are_said() {
        for value in [0, 7, 10, 255, u64::MAX] {
            assert_eq!(Decimal::default().write(value), value.to_string().as_bytes());
        }
    }
}
