//! Taking records into the index, one by one in the order of their seqs: the path that every append goes.

use hashbrown::HashMap;

use super::bits::Bits;
use super::posting::{Running, SeqsHasher};
use super::recent::Recent;
use super::terms::{TermId, Terms};
use super::{Declared, Holds, IndexCommitment, IndexedRecord, SourceRules};
use crate::hash::{self, Hash};
use crate::source::{EventTime, Glance, Lately, Term, TermKind};
use crate::{Seq, limits};

/// The index of one segment while it grows.
///
/// Memory grows with the distinct terms and the places where they occur: about 100 bytes a distinct term and 4
/// bytes an occurrence, beside the terms' own bytes.
#[derive(Debug)]
pub struct IndexBuilder {
    pub(super) first_seq: Seq,
    pub(super) record_count: u32,
    pub(super) terms: Terms,
    pub(super) fields: Vec<Field>,
    by_name: HashMap<String, usize>,
    pub(super) sources: Vec<Source>,
    /// The place in `sources` of the last record's source: the next is mostly of the same.
    last_source: usize,
    pub(super) times: EventTimes,
    /// [`hash::event_id_prefix`] and offset of each record that has an id.
    pub(crate) event_ids: Vec<(u64, u32)>,
    pub(super) recent: Recent,
    encodings: Vec<(u8, TermId)>,
    last_day: Option<(i64, TermId)>,
    /// The offsets of records that were deleted: they are in no posting but that of [`DELETED`].
    pub(super) deleted: Bits,
    /// The place of that field, once there is such a record.
    pub(super) deleted_field: Option<usize>,
    /// The running hash over the offsets of all records that were not deleted: most fields are in every record or in
    /// none, so that one hash is that of many lists.
    pub(super) every: Running,
    /// The offset up to which it goes.
    pub(super) every_upto: u32,
    /// Terms that have their leaves and got more offsets since.
    pub(super) touched: Vec<TermId>,
    pub(super) seqs: SeqsHasher,
    /// How many terms, in the order of first use, have their leaves.
    pub(super) committed_terms: usize,
    pub(super) committed: Option<(u32, IndexCommitment)>,
}

/// One field of the segment.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) private: bool,
    pub(super) hash: Hash,
    pub(super) present: Bits,
    pub(super) unreadable: Bits,
    /// The running hashes over the offsets that are present, absent and unreadable, as far as they were ever needed.
    pub(super) reserved: [Running; 3],
    /// The offset up to which those hashes go.
    pub(super) reserved_upto: u32,
    /// How many offsets of each the leaves in `leaves` speak of.
    pub(super) reserved_committed: [u32; 3],
    lately: Lately,
    /// The term hashes of the committed leaves, ascending.
    pub(super) order: Vec<Hash>,
    /// The leaf hashes, 32 bytes each, in the same order.
    pub(super) leaves: Vec<u8>,
}

/// A source that the segment uses.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) seq: Seq,
    pub(super) digest: Hash,
    pub(super) term: TermId,
    /// By slot: the field, and what it holds.
    slots: Vec<(usize, Holds)>,
    /// The fields that it marks private.
    private: Vec<usize>,
}

impl Source {
    /// The fields that its profile declares, and whether each is private.
    pub(super) fn fields(&self) -> impl Iterator<Item = (usize, bool)> {
        self.slots.iter().map(|(field, _)| (*field, self.private.contains(field)))
    }
}

/// The event times of a segment's records.
#[derive(Debug, Default)]
pub(super) struct EventTimes {
    /// By offset; 0 where the time is not known.
    pub(super) known: Vec<i64>,
    /// The offsets whose time is absent or unreadable, ascending; true where it is unreadable.
    pub(super) unknown: Vec<(u32, bool)>,
}

const SOURCE: usize = 0;
const ENCODING: usize = 1;
const DAY: usize = 2;
const LABEL: usize = 3;
pub(crate) const BUILT_IN: [&str; 4] = ["source", "encoding", "day", "label"];
/// The field of segments from which records were deleted: of each of these the seq of the `store.plan` record.
pub(crate) const DELETED: &str = "deleted";

impl IndexBuilder {
    /// The index of a segment that begins at `first_seq` and has no records yet.
    pub fn new(first_seq: Seq) -> Self {
        let mut builder = IndexBuilder {
            first_seq,
            record_count: 0,
            terms: Terms::default(),
            fields: Vec::new(),
            by_name: HashMap::new(),
            sources: Vec::new(),
            last_source: 0,
            times: EventTimes::default(),
            event_ids: Vec::new(),
            recent: Recent::default(),
            encodings: Vec::new(),
            last_day: None,
            deleted: Bits::default(),
            deleted_field: None,
            every: Running::new(),
            every_upto: 0,
            touched: Vec::new(),
            seqs: SeqsHasher::default(),
            committed_terms: 0,
            committed: None,
        };
        for name in BUILT_IN {
            builder.field(name, false);
        }
        builder
    }

    /// The segment's first seq.
    pub fn first_seq(&self) -> Seq {
        self.first_seq
    }

    /// How many records the index has taken.
    pub fn record_count(&self) -> u32 {
        self.record_count
    }

    /// The seq of the next record.
    pub fn next_seq(&self) -> Seq {
        self.first_seq + u64::from(self.record_count)
    }

    /// Takes the record at [`IndexBuilder::next_seq`].
    ///
    /// A segment has at most [`limits::SEGMENT_RECORDS_MAX`] records: the caller seals it before it has more.
    pub fn add(&mut self, record: IndexedRecord<'_>) {
        debug_assert!(self.record_count < limits::SEGMENT_RECORDS_MAX);
        let offset = self.record_count;
        self.record_count += 1;
        let source = self.source(record.source, record.rules, offset);
        self.push_id(SOURCE, self.sources[source].term, offset);
        self.add_encoding(record.encoding, offset);
        for label in record.labels.iter() {
            self.push(LABEL, Term { kind: TermKind::Text, bytes: label.as_bytes() }, offset);
        }
        self.add_time(record.fields.time(), offset);
        self.event_ids.extend(record.event_id.map(|prefix| (prefix, offset)));
        self.add_fields(source, &record, offset);
        self.recent.end_record();
    }

    /// Takes, as the record at [`IndexBuilder::next_seq`], one that was deleted by the `store.plan` record at
    /// `plan`.
    pub fn add_deleted(&mut self, plan: Seq) {
        let offset = self.record_count;
        self.record_count += 1;
        let field = self.field(DELETED, false);
        self.deleted_field = Some(field);
        self.deleted.insert(offset);
        let text = plan.to_string();
        self.push(field, Term { kind: TermKind::Number, bytes: text.as_bytes() }, offset);
        self.times.known.push(0);
        self.times.unknown.push((offset, false));
        self.recent.end_record();
    }

    fn add_fields(&mut self, source: usize, record: &IndexedRecord<'_>, offset: u32) {
        for (slot, term) in record.fields.terms() {
            match self.sources[source].slots.get(usize::from(slot)) {
                Some(&(field, Holds::Terms)) if term.bytes.len() > limits::TERM_LEN_MAX => {
                    self.fields[field].unreadable.insert(offset);
                }
                Some(&(field, Holds::Terms)) => {
                    self.push(field, term, offset);
                }
                _ => {}
            }
        }
        for &slot in record.fields.unreadable() {
            if let Some(&(field, _)) = self.sources[source].slots.get(usize::from(slot)) {
                self.fields[field].unreadable.insert(offset);
            }
        }
        for slot in 0..self.sources[source].slots.len() {
            let (field, holds) = self.sources[source].slots[slot];
            let field = &mut self.fields[field];
            match (holds, record.fields.time()) {
                (Holds::Terms, _) | (Holds::EventTime, EventTime::Absent) => {}
                (Holds::EventId, _) if record.fields.event_id().is_some() => field.present.insert(offset),
                (Holds::EventId, _) => {}
                (Holds::EventTime, EventTime::Known(_)) => field.present.insert(offset),
                (Holds::EventTime, EventTime::Unreadable) => field.unreadable.insert(offset),
            }
        }
    }

    fn add_encoding(&mut self, encoding: u8, offset: u32) {
        match self.encodings.iter().find(|(known, _)| *known == encoding) {
            Some(&(_, id)) => self.push_id(ENCODING, id, offset),
            None => {
                let text = encoding.to_string();
                let id = self.push(ENCODING, Term { kind: TermKind::Number, bytes: text.as_bytes() }, offset);
                self.encodings.push((encoding, id));
            }
        }
    }

    fn add_time(&mut self, time: EventTime, offset: u32) {
        let EventTime::Known(time) = time else {
            let unreadable = time == EventTime::Unreadable;
            self.times.known.push(0);
            self.times.unknown.push((offset, unreadable));
            if unreadable {
                self.fields[DAY].unreadable.insert(offset);
            }
            return;
        };
        self.times.known.push(time.0);
        match self.last_day {
            Some((day, id)) if day == time.day() => self.push_id(DAY, id, offset),
            _ => {
                let text = time.day_text();
                let id = self.push(DAY, Term { kind: TermKind::Text, bytes: text.as_bytes() }, offset);
                self.last_day = Some((time.day(), id));
            }
        }
    }

    /// The place of a source in `sources`, entered at its first use.
    fn source(&mut self, seq: Seq, rules: &SourceRules, offset: u32) -> usize {
        if self.sources.get(self.last_source).is_none_or(|source| source.seq != seq) {
            self.last_source = match self.sources.iter().position(|source| source.seq == seq) {
                Some(place) => place,
                None => {
                    let slots: Vec<_> = rules.fields.iter().map(|declared| self.declare(declared)).collect();
                    let marked = rules.fields.iter().zip(&slots).filter(|(declared, _)| declared.private);
                    let private = marked.map(|(_, (field, _))| *field).collect();
                    let text = seq.to_string();
                    let term =
                        self.push(SOURCE, Term { kind: TermKind::Number, bytes: text.as_bytes() }, offset);
                    self.sources.push(Source { seq, digest: rules.digest, term, slots, private });
                    self.sources.len() - 1
                }
            };
        }
        self.last_source
    }

    fn declare(&mut self, declared: &Declared) -> (usize, Holds) {
        (self.field(&declared.name, declared.private), declared.holds)
    }

    /// The place of a field in `fields`, entered at its first use.
    fn field(&mut self, name: &str, private: bool) -> usize {
        if let Some(&place) = self.by_name.get(name) {
            self.fields[place].private |= private;
            return place;
        }
        let place = self.fields.len();
        self.fields.push(Field::new(name, private));
        self.by_name.insert(name.to_owned(), place);
        place
    }

    fn push(&mut self, field: usize, term: Term<'_>, offset: u32) -> TermId {
        let glance = Glance::at(term);
        if let Some(id) = self.fields[field].lately.get(&glance, |id| self.terms.is(id, term)) {
            self.push_id(field, id, offset);
            return id;
        }
        let (id, new) = self.terms.intern(field, term, offset);
        self.fields[field].lately.put(&glance, id);
        if new {
            self.recent.push(id);
            self.fields[field].present.insert(offset);
        } else {
            self.push_id(field, id, offset);
        }
        id
    }

    fn push_id(&mut self, field: usize, id: TermId, offset: u32) {
        let entry = self.terms.entry_mut(id);
        if entry.posting.push(offset) {
            self.recent.push(id);
            self.fields[field].present.insert(offset);
            if !entry.touched && (id as usize) < self.committed_terms {
                entry.touched = true;
                self.touched.push(id);
            }
        }
    }
}

impl Field {
    fn new(name: &str, private: bool) -> Self {
        Field {
            name: name.to_owned(),
            private,
            hash: hash::index_field(name),
            present: Bits::default(),
            unreadable: Bits::default(),
            reserved: [Running::new(), Running::new(), Running::new()],
            reserved_upto: 0,
            reserved_committed: [0; 3],
            lately: Lately::default(),
            order: Vec::new(),
            leaves: Vec::new(),
        }
    }
}
