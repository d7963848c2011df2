//! Asking a directory: for a term, for all that it lists of a field, for an event id.

use std::cmp::Ordering;
use std::ops::{Deref, Range};

use super::super::bytes::{u16_at, u32_at, u64_at};
use super::composite::COLUMN_TERMS_MAX;
use super::draft::BUCKET_BITS_MAX;
use super::{Directory, FIELD_LEN, Section};
use crate::error::Fault;
use crate::format::index::TermKind;

const TERM_LEN: usize = 8;
/// Where a lookup says where its buckets begin.
const STARTS_AT: usize = 8;
const KINDS: [TermKind; 4] = [TermKind::Text, TermKind::Number, TermKind::Bool, TermKind::Null];

/// A field's entry.
#[derive(Debug)]
pub(super) struct Field {
    name: String,
    /// How many listed terms of each kind.
    counts: [u32; 4],
    bytes_len: u32,
    unlisted_count: u32,
    terms_at: u64,
    /// Where its reserved counts begin in the section of the fields.
    reserved_at: usize,
}

impl Field {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How many of its terms are listed.
    pub(super) fn listed_count(&self) -> usize {
        self.counts.iter().fold(0, |sum, count| usize::saturating_add(sum, *count as usize))
    }

    /// Whether all its terms are listed, and so few that each can be a bit.
    pub(super) fn can_be_column(&self) -> bool {
        self.unlisted_count == 0 && self.listed_count() <= COLUMN_TERMS_MAX
    }
}

/// Where a segment has a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TermPlace {
    /// The segment's place in the run.
    pub segment: u8,
    /// How many of its records carry the term.
    pub count: u32,
    /// The term's ordinal in the field's dictionary in the segment's sidecar.
    pub ordinal: u32,
}

/// What a directory says of a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InRun {
    /// Just these segments have it.
    Listed(Vec<TermPlace>),
    /// No segment has it but those of this mask, bit `n` being segment `n`: at most one, and sometimes another in vain.
    Perhaps(u32),
}

impl InRun {
    /// The segments that may have the term: bit `n` is segment `n` of the run.
    pub fn mask(&self) -> u32 {
        match self {
            InRun::Listed(places) => places.iter().fold(0, |mask, place| mask | 1 << place.segment),
            InRun::Perhaps(mask) => *mask,
        }
    }
}

/// A lookup as it lies in its section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    section: Section,
    /// How many bits of a key name its bucket.
    bits: u32,
    /// Where the entries begin, in bytes of the section.
    entries_at: usize,
}

/// The entries among which a key is looked up.
#[derive(Debug, Clone, Copy)]
pub struct Bucket<'a> {
    /// Twelve bits of the key.
    print: u16,
    entries: &'a [u8],
    segment_count: u32,
}

impl Bucket<'_> {
    /// The segments that may have the key: bit `n` is segment `n` of the run.
    #[inline]
    pub fn segments(&self) -> u32 {
        let entries = self.entries.chunks_exact(2).map(|entry| u16_at(entry, 0));
        let same = entries.filter(|entry| entry >> 4 == self.print);
        same.fold(0, |mask, entry| mask | 1 << (entry & 15)) & !(u32::MAX << self.segment_count)
    }

    /// Has the memory ready in which [`Bucket::segments`] looks.
    #[inline]
    pub fn touch(&self) {
        std::hint::black_box(self.entries.first());
    }
}

/// What a directory says of a field.
#[derive(Debug)]
pub struct FieldInRun<'a, B: Deref<Target = [u8]>> {
    directory: &'a Directory<B>,
    field: &'a Field,
    /// For each listed term, where its bytes end, and its place.
    table: &'a [u8],
    bytes: &'a [u8],
}

/// The checksum by which a term that is not listed is looked up: CRC-32 of the field's name behind its length, the
/// kind, and the term's bytes.
pub fn term_checksum(field: &str, kind: TermKind, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(field.len() as u16).to_le_bytes());
    hasher.update(field.as_bytes());
    hasher.update(&[kind as u8]);
    hasher.update(bytes);
    hasher.finalize()
}

impl<B: Deref<Target = [u8]>> Directory<B> {
    pub(super) fn read_fields(&self) -> Result<Vec<Field>, Fault> {
        let section = self.section(Section::Fields)?;
        let wrong = |at: usize, expected: &str| self.fault(Section::Fields, at, expected, "another");
        let count = usize::try_from(u64_at(section, 0)).unwrap_or(usize::MAX);
        let reserved_len = self.segments.len() * 12;
        let names_at = count.checked_mul(FIELD_LEN + reserved_len).and_then(|len| len.checked_add(8));
        let mut name_at =
            names_at.filter(|at| *at <= section.len()).ok_or_else(|| wrong(0, "a count that fits"))?;
        let mut fields: Vec<Field> = Vec::with_capacity(count);
        for index in 0..count {
            let at = 8 + index * FIELD_LEN;
            let entry = section.get(at..at + FIELD_LEN).unwrap_or_default();
            let name = section.get(name_at..name_at + usize::from(u16_at(entry, 4))).unwrap_or_default();
            let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty());
            let zeros = u16_at(entry, 6) == 0 && u64_at(entry, 40) == 0;
            let ascends = fields.last().is_none_or(|last| Some(last.name.as_str()) < name);
            let Some(name) = name.filter(|_| zeros && ascends && u32_at(entry, 0) as usize == name_at) else {
                return Err(wrong(at, "fields in the order of their names"));
            };
            name_at += name.len();
            fields.push(Field {
                name: name.to_owned(),
                counts: [8, 12, 16, 20].map(|at| u32_at(entry, at)),
                bytes_len: u32_at(entry, 24),
                unlisted_count: u32_at(entry, 28),
                terms_at: u64_at(entry, 32),
                reserved_at: 8 + count * FIELD_LEN + index * reserved_len,
            });
        }
        if name_at == section.len() { Ok(fields) } else { Err(wrong(name_at, "the section's end")) }
    }

    /// The fields that any segment of the run has, in the order of their names.
    ///
    /// # Errors
    /// Damaged.
    pub fn fields(&self) -> impl Iterator<Item = Result<FieldInRun<'_, B>, Fault>> {
        self.fields.iter().map(|field| self.open_field(field))
    }

    /// The field of that name; nothing where no segment of the run has it.
    ///
    /// # Errors
    /// Damaged.
    pub fn field(&self, name: &str) -> Result<Option<FieldInRun<'_, B>>, Fault> {
        let place = self.fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok();
        place.and_then(|place| self.fields.get(place)).map(|field| self.open_field(field)).transpose()
    }

    pub(super) fn open_field<'a>(&'a self, field: &'a Field) -> Result<FieldInRun<'a, B>, Fault> {
        let section = self.section(Section::Terms)?;
        let count = field.counts.iter().map(|count| u64::from(*count)).sum::<u64>();
        let table_end = field.terms_at.checked_add(count * TERM_LEN as u64);
        let end = table_end.and_then(|end| end.checked_add(u64::from(field.bytes_len)));
        let slice =
            |from: u64, to: Option<u64>| section.get(usize::try_from(from).ok()?..usize::try_from(to?).ok()?);
        let found = slice(field.terms_at, table_end).zip(slice(table_end.unwrap_or(u64::MAX), end));
        let (table, bytes) = found
            .ok_or_else(|| self.fault(Section::Terms, 0, "a dictionary inside the section", &field.name))?;
        Ok(FieldInRun { directory: self, field, table, bytes })
    }

    /// Which segments have a term of a field.
    ///
    /// # Errors
    /// Damaged.
    pub fn term(&self, field: &str, kind: TermKind, bytes: &[u8]) -> Result<InRun, Fault> {
        let Some(found) = self.field(field)? else { return Ok(InRun::Perhaps(0)) };
        if let Some(index) = found.find(kind, bytes)? {
            return found.places(index).map(InRun::Listed);
        }
        if found.is_complete() {
            return Ok(InRun::Perhaps(0));
        }
        let key = u64::from(term_checksum(field, kind, bytes)) << 32;
        let bucket = self.bucket(self.table(Section::Unlisted)?, key)?;
        Ok(InRun::Perhaps(bucket.segments()))
    }

    /// The segments that may have an event id, of whose hash `prefix` is the first 8 bytes: bit `n` is segment `n` of
    /// the run. No other has it.
    ///
    /// # Errors
    /// Damaged.
    pub fn event(&self, prefix: u64) -> Result<u32, Fault> {
        Ok(self.event_bucket(prefix)?.segments())
    }

    /// Where [`Directory::event`] looks: whoever asks several directories has all of them find that first, so that the
    /// waits for memory go on side by side.
    ///
    /// # Errors
    /// Damaged.
    #[inline]
    pub fn event_bucket(&self, prefix: u64) -> Result<Bucket<'_>, Fault> {
        let table = match self.event_ids.get() {
            Some(table) => *table,
            None => {
                let table = self.table(Section::EventIds)?;
                *self.event_ids.get_or_init(|| table)
            }
        };
        self.bucket(table, prefix)
    }

    /// Where a key is looked up.
    #[inline]
    fn bucket(&self, table: Table, key: u64) -> Result<Bucket<'_>, Fault> {
        let Table { section, bits, entries_at } = table;
        let number = if bits == 0 { 0 } else { (key >> (64 - bits)) as usize };
        let bytes = self.unchecked(section);
        let start = |number: usize| entries_at + u32_at(bytes, STARTS_AT + number * 4) as usize * 2;
        match bytes.get(start(number)..start(number + 1)) {
            Some(entries) => Ok(Bucket {
                print: (key << bits >> 52) as u16,
                entries,
                segment_count: self.segments.len() as u32,
            }),
            None => Err(self.fault(section, STARTS_AT + number * 4, "a bucket", "none")),
        }
    }

    /// A lookup as it lies in a section, whose checksum is found right.
    fn table(&self, section: Section) -> Result<Table, Fault> {
        let bytes = self.section(section)?;
        let (bits, count) = (u32_at(bytes, 0), u32_at(bytes, 4) as usize);
        let starts_len = if bits <= BUCKET_BITS_MAX { ((1_usize << bits) + 1) * 4 } else { usize::MAX };
        let entries_at = starts_len.saturating_add(STARTS_AT);
        if count.saturating_mul(2).checked_add(entries_at) != Some(bytes.len()) {
            return Err(self.fault(section, 0, "buckets and entries that fill the section", count));
        }
        Ok(Table { section, bits, entries_at })
    }

    /// How many entries the lookups have: of terms that are not listed, and of event ids.
    ///
    /// # Errors
    /// Damaged.
    pub fn lookup_counts(&self) -> Result<[u64; 2], Fault> {
        let count = |section| self.table(section).map(|_| u64::from(u32_at(self.unchecked(section), 4)));
        Ok([count(Section::Unlisted)?, count(Section::EventIds)?])
    }
}

impl<'a, B: Deref<Target = [u8]>> FieldInRun<'a, B> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        &self.field.name
    }

    /// Whether all terms of the field are listed: what is not, no segment has.
    pub fn is_complete(&self) -> bool {
        self.field.unlisted_count == 0
    }

    /// How many terms are listed.
    pub fn term_count(&self) -> u32 {
        (self.table.len() / TERM_LEN) as u32
    }

    /// How many of its terms are not listed.
    pub fn unlisted_count(&self) -> u32 {
        self.field.unlisted_count
    }

    /// How many records of a segment are present, absent and unreadable.
    ///
    /// # Errors
    /// Damaged.
    pub fn reserved(&self, segment: usize) -> Result<[u32; 3], Fault> {
        let section = self.directory.section(Section::Fields)?;
        Ok([0, 4, 8].map(|at| u32_at(section, self.field.reserved_at + segment * 12 + at)))
    }

    /// The listed term at `index`: its kind and bytes. They stand in the order of kinds and, in each, of bytes.
    ///
    /// # Errors
    /// Damaged.
    pub fn term(&self, index: u32) -> Result<Option<(TermKind, &'a [u8])>, Fault> {
        let Some(kind) = KINDS.into_iter().find(|kind| self.of_kind(*kind).contains(&index)) else {
            return Ok(None);
        };
        let end_of = |index: u32| u32_at(self.table, index as usize * TERM_LEN) as usize;
        let start = index.checked_sub(1).map_or(0, end_of);
        match self.bytes.get(start..end_of(index)) {
            Some(bytes) => Ok(Some((kind, bytes))),
            None => Err(self.wrong(index, "a term inside the dictionary")),
        }
    }

    fn of_kind(&self, kind: TermKind) -> Range<u32> {
        let before = KINDS.into_iter().zip(self.field.counts).take_while(|(other, _)| *other < kind);
        let start = before.fold(0_u32, |sum, (_, count)| sum.saturating_add(count));
        let count = KINDS.into_iter().zip(self.field.counts).find(|(other, _)| *other == kind);
        start..start.saturating_add(count.map_or(0, |(_, count)| count))
    }

    /// The index of a term among the listed ones.
    ///
    /// # Errors
    /// Damaged.
    pub fn find(&self, kind: TermKind, wanted: &[u8]) -> Result<Option<u32>, Fault> {
        let Range { start: mut low, end: mut high } = self.of_kind(kind);
        while low < high {
            let middle = low + (high - low) / 2;
            let bytes = self.term(middle)?.map_or(&[][..], |(_, bytes)| bytes);
            match bytes.cmp(wanted) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(Some(middle)),
                Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// The segments that have the listed term at `index`.
    ///
    /// # Errors
    /// Damaged.
    pub fn places(&self, index: u32) -> Result<Vec<TermPlace>, Fault> {
        let section = self.directory.section(Section::Places)?;
        let at = u32_at(self.table, index as usize * TERM_LEN + 4) as usize * 4;
        let mask = u32_at(section, at);
        let known = mask != 0 && mask & (u32::MAX << self.directory.segments.len()) == 0;
        let end = at + 4 + mask.count_ones() as usize * 8;
        let places = section.get(at + 4..end).filter(|_| known);
        let places = places.ok_or_else(|| self.wrong(index, "a place inside the section"))?;
        let segments = (0..32_u8).filter(|segment| mask >> segment & 1 == 1);
        Ok(segments
            .zip(places.chunks_exact(8))
            .map(|(segment, place)| TermPlace { segment, count: u32_at(place, 0), ordinal: u32_at(place, 4) })
            .collect())
    }

    fn wrong(&self, index: u32, expected: &str) -> Fault {
        let at = self.field.terms_at.saturating_add(u64::from(index) * TERM_LEN as u64);
        self.directory.fault(Section::Terms, at as usize, expected, "another")
    }
}
