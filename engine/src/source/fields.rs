//! What a profile finds in one event: the words that pass from `source` to `index`.
//!
//! One flat buffer holds all terms of an event, so that extracting a field allocates nothing once the buffer
//! has grown. Fields are named by their *slot*: their place in the profile's list of fields.

use crate::{Timestamp, limits};

pub use crate::format::index::TermKind;

/// A field's place in its profile's list of fields.
pub type Slot = u16;

/// One value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term<'a> {
    /// Its type.
    pub kind: TermKind,
    /// Its canonical bytes.
    pub bytes: &'a [u8],
}

/// The event's own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventTime {
    /// The event says when it happened.
    Known(Timestamp),
    /// The event has no time where the profile looks for it.
    #[default]
    Absent,
    /// There is something there that is no time: wrong type, no zone, out of range.
    Unreadable,
}

/// What a profile found in one event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    bytes: Vec<u8>,
    terms: Vec<(Slot, TermKind, u32, u32)>,
    /// A bit for each of the first 256 slots: whether it has a term.
    seen: [u64; 4],
    unreadable: Vec<Slot>,
    time: EventTime,
    /// Empty where there is none.
    event_id: Vec<u8>,
}

/// Room for the terms of a usual event, and their bytes.
const TERMS_ROOM: usize = 24;
const BYTES_ROOM: usize = 384;

impl Fields {
    /// With room for a usual event, for fields that are kept: growing step by step costs a tenth of the extraction.
    pub(crate) fn with_room() -> Self {
        Fields {
            bytes: Vec::with_capacity(BYTES_ROOM),
            terms: Vec::with_capacity(TERMS_ROOM),
            ..Fields::default()
        }
    }

    /// How many bytes its buffers have room for.
    pub(crate) fn room(&self) -> usize {
        let terms = self.terms.capacity() * size_of::<(Slot, TermKind, u32, u32)>();
        self.bytes.capacity()
            + terms
            + self.unreadable.capacity() * size_of::<Slot>()
            + self.event_id.capacity()
    }

    /// Forgets all, keeping the buffers.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.terms.clear();
        self.seen = [0; 4];
        self.unreadable.clear();
        self.time = EventTime::Absent;
        self.event_id.clear();
    }

    /// Adds a value of the field at `slot`. The same value twice in one field counts once; more than
    /// [`TERMS_PER_FIELD_MAX`](limits::TERMS_PER_FIELD_MAX) of one field make it unreadable.
    pub fn push(&mut self, slot: Slot, kind: TermKind, bytes: &[u8]) {
        if self.sees(slot) {
            let (mut count, mut known) = (0, false);
            for (at, term) in self.terms() {
                count += usize::from(at == slot);
                known |= at == slot && term.kind == kind && term.bytes == bytes;
            }
            if known {
                return;
            }
            if count >= limits::TERMS_PER_FIELD_MAX {
                return self.push_unreadable(slot);
            }
        }
        let (Ok(start), Ok(len)) = (u32::try_from(self.bytes.len()), u32::try_from(bytes.len())) else {
            return self.push_unreadable(slot);
        };
        self.bytes.extend_from_slice(bytes);
        self.terms.push((slot, kind, start, len));
        if let Some(word) = self.seen.get_mut(usize::from(slot) / 64) {
            *word |= 1 << (slot % 64);
        }
    }

    /// Whether the field at `slot` may have a term already.
    fn sees(&self, slot: Slot) -> bool {
        self.seen.get(usize::from(slot) / 64).is_none_or(|word| word & (1 << (slot % 64)) != 0)
    }

    /// Forgets what was said of the field at `slot`, the event's time and id aside.
    pub(super) fn retract(&mut self, slot: Slot) {
        self.terms.retain(|term| term.0 != slot);
        self.unreadable.retain(|unreadable| *unreadable != slot);
    }

    /// Forgets the event's id.
    pub(super) fn retract_event_id(&mut self) {
        self.event_id.clear();
    }

    /// Says that the field at `slot` holds something that cannot be indexed.
    pub fn push_unreadable(&mut self, slot: Slot) {
        if !self.unreadable.contains(&slot) {
            self.unreadable.push(slot);
        }
    }

    /// Sets the event's own time.
    pub fn set_time(&mut self, time: EventTime) {
        self.time = time;
    }

    /// Sets the event's id; an empty one is none.
    pub fn set_event_id(&mut self, id: &[u8]) {
        self.event_id.clear();
        self.event_id.extend_from_slice(id);
    }

    /// All values, in the order in which they were found.
    pub fn terms(&self) -> impl Iterator<Item = (Slot, Term<'_>)> {
        self.terms.iter().map(|&(slot, kind, start, len)| {
            let start = start as usize;
            (slot, Term { kind, bytes: &self.bytes[start..start + len as usize] })
        })
    }

    /// The fields that hold something which cannot be indexed. Such a field may have readable values too.
    pub fn unreadable(&self) -> &[Slot] {
        &self.unreadable
    }

    /// How many values were found, the event's time and id among them; 0 where the profile knows nothing of such an
    /// event.
    pub fn found_count(&self) -> usize {
        let time = usize::from(self.time != EventTime::Absent);
        self.terms.len() + self.unreadable.len() + time + usize::from(!self.event_id.is_empty())
    }

    /// The event's own time.
    pub fn time(&self) -> EventTime {
        self.time
    }

    /// The event's id, exact unescaped UTF-8 (or a canonical decimal, where the id is a number).
    pub fn event_id(&self) -> Option<&[u8]> {
        (!self.event_id.is_empty()).then_some(&self.event_id)
    }
}
