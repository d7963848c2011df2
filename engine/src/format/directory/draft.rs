//! Writing a directory: what it will say, and its bytes.

use super::super::bytes::put;
use super::composite::{RECORD_LEN, SET_LEN, TERM_LEN, width};
use super::{
    CRC_AT, Covered, FIELD_LEN, HEADER_LEN, MAGIC, READ_VERSION, RUN_LEN, SECTION_COUNT, SECTION_ENTRY_LEN,
    TABLE_AT, TermPlace, WRITE_VERSION,
};
use crate::StoreId;
use crate::format::index::TermKind;
use crate::hash::Hash;

/// How many entries of a lookup share a bucket, about.
const BUCKET_COUNT: usize = 16;
/// Most bits of a key that name a bucket.
pub(super) const BUCKET_BITS_MAX: u32 = 20;

/// What a directory will say.
#[derive(Debug)]
pub struct Draft {
    /// The store.
    pub store_id: StoreId,
    /// The leaf of the run's last record.
    pub last_leaf: Hash,
    /// The segments, in order.
    pub segments: Vec<Covered>,
    /// The fields that any of them has, ascending by name.
    pub fields: Vec<DraftField>,
    /// Every term that is not listed: [`DraftEntry::of_term`].
    pub unlisted: Vec<DraftEntry>,
    /// Every event id: [`DraftEntry::of_event`].
    pub event_ids: Vec<DraftEntry>,
    /// The composite indexes.
    pub composites: DraftComposites,
}

/// A field of a draft.
#[derive(Debug)]
pub struct DraftField {
    /// Its name.
    pub name: String,
    /// For each segment, how many records are present, absent and unreadable.
    pub reserved: Vec<[u32; 3]>,
    /// The listed terms, ascending by kind and bytes.
    pub terms: Vec<DraftTerm>,
    /// How many of its terms are not listed.
    pub unlisted_count: u32,
}

/// A listed term of a draft.
#[derive(Debug)]
pub struct DraftTerm {
    /// Its type.
    pub kind: TermKind,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The segments that have it, ascending.
    pub places: Vec<TermPlace>,
}

/// What the composite indexes of a directory will say.
#[derive(Debug, Default)]
pub struct DraftComposites {
    /// The columns, ascending by field.
    columns: Vec<DraftColumn>,
    /// For each record of the run, one after another, the numbers of its sets, column by column.
    rows: Vec<u8>,
    row_len: usize,
    /// The leading fields, ascending.
    leads: Vec<DraftLead>,
}

/// A column of a draft.
#[derive(Debug)]
pub struct DraftColumn {
    /// The field, by its place among the run's.
    pub field: usize,
    /// The sets of terms that records have: bit `n` is the field's listed term `n`.
    pub sets: Vec<u64>,
}

/// A leading field of a draft.
#[derive(Debug)]
pub struct DraftLead {
    /// The field, by its place among the run's.
    pub field: usize,
    /// For each of its listed terms, where its records end; they begin where those of the term before end.
    pub ends: Vec<usize>,
    /// The records, ascending for each term, by their numbers in the run.
    pub records: Vec<u32>,
}

/// An entry of a lookup: the first bits of a key, and in the last four the segment. There may be millions of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DraftEntry(u64);

impl DraftEntry {
    /// That of a term: by its [`term_checksum`](super::term_checksum).
    pub fn of_term(checksum: u32, segment: u8) -> Self {
        Self::of_event(u64::from(checksum) << 32, segment)
    }

    /// That of an event id: by the first 8 bytes of its hash.
    pub fn of_event(prefix: u64, segment: u8) -> Self {
        DraftEntry(prefix & !15 | u64::from(segment & 15))
    }
}

impl Draft {
    /// The directory's bytes; nothing where a field's terms are longer than the format can say (4 GiB).
    pub fn encode(self) -> Option<Vec<u8>> {
        let mut run = vec![0; RUN_LEN];
        put(&mut run, 0, self.store_id.0);
        put(&mut run, 16, self.last_leaf.0);
        put(&mut run, 48, u32::try_from(self.segments.len()).ok()?.to_le_bytes());
        self.segments.iter().for_each(|segment| run.extend(segment.encode()));
        let (fields, terms, places) = self.encode_fields()?;
        let (unlisted, event_ids) = (encode_lookup(self.unlisted), encode_lookup(self.event_ids));
        let mut sections = Sections { bytes: vec![0; HEADER_LEN], table: Vec::new() };
        for section in [run, fields, terms, places, unlisted, event_ids] {
            sections.bytes.extend(section);
            sections.end();
        }
        // What is longest is not copied.
        let composites = self.composites.encode(&mut sections.bytes)?;
        sections.end();
        sections.bytes.extend(composites);
        sections.end();
        Some(sections.finish())
    }

    /// The sections of fields, terms and places.
    fn encode_fields(&self) -> Option<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        let (mut terms, mut places) = (Vec::new(), Vec::new());
        let mut fields = u64::try_from(self.fields.len()).ok()?.to_le_bytes().to_vec();
        let reserved_len = self.segments.len() * 12;
        let mut name_at = 8 + self.fields.len() * (FIELD_LEN + reserved_len);
        for field in &self.fields {
            let mut entry = [0; FIELD_LEN];
            put(&mut entry, 0, u32::try_from(name_at).ok()?.to_le_bytes());
            put(&mut entry, 4, u16::try_from(field.name.len()).ok()?.to_le_bytes());
            for kind in [TermKind::Text, TermKind::Number, TermKind::Bool, TermKind::Null] {
                let count = field.terms.iter().filter(|term| term.kind == kind).count() as u32;
                put(&mut entry, 4 + 4 * kind as usize, count.to_le_bytes());
            }
            put(&mut entry, 28, field.unlisted_count.to_le_bytes());
            put(&mut entry, 32, (terms.len() as u64).to_le_bytes());
            let mut end = 0_u32;
            for term in &field.terms {
                end = end.checked_add(u32::try_from(term.bytes.len()).ok()?)?;
                terms.extend(end.to_le_bytes());
                terms.extend(u32::try_from(places.len() / 4).ok()?.to_le_bytes());
                let mask = term.places.iter().fold(0_u32, |mask, place| mask | 1 << place.segment);
                places.extend(mask.to_le_bytes());
                for place in &term.places {
                    places.extend(place.count.to_le_bytes());
                    places.extend(place.ordinal.to_le_bytes());
                }
            }
            field.terms.iter().for_each(|term| terms.extend(&term.bytes));
            terms.resize(terms.len().next_multiple_of(8), 0);
            put(&mut entry, 24, end.to_le_bytes());
            fields.extend(entry);
            name_at += field.name.len();
        }
        let counts = self.fields.iter().flat_map(|field| field.reserved.iter().flatten());
        fields.extend(counts.flat_map(|count| count.to_le_bytes()));
        self.fields.iter().for_each(|field| fields.extend(field.name.as_bytes()));
        Some((fields, terms, places))
    }
}

impl DraftColumn {
    fn width(&self) -> usize {
        width(self.sets.len())
    }
}

impl DraftComposites {
    /// Those that have these columns, of which each comes with the number of every record's set. Nothing leads yet.
    pub fn new(columns: Vec<(DraftColumn, Vec<u16>)>) -> Self {
        let row_len = columns.iter().map(|(column, _)| column.width()).sum();
        let record_count = columns.first().map_or(0, |(_, numbers)| numbers.len());
        let mut draft = DraftComposites { rows: vec![0; record_count * row_len], row_len, ..Self::default() };
        let mut at = 0;
        for (column, numbers) in columns {
            let width = column.width();
            for (row, number) in draft.rows.chunks_exact_mut(row_len).zip(numbers) {
                let of_column = row.iter_mut().skip(at).take(width);
                of_column.zip(number.to_le_bytes()).for_each(|(to, byte)| *to = byte);
            }
            at += width;
            draft.columns.push(column);
        }
        draft
    }

    /// How many bytes the columns' sets take.
    pub fn sets_len(&self) -> usize {
        self.columns.iter().map(|column| column.sets.len() * SET_LEN).sum()
    }

    /// How many bytes a leading field of so many listed terms takes at most, if these are in so many records.
    pub fn lead_len(&self, term_count: usize, record_count: usize) -> usize {
        self.rows_len(record_count) + term_count * (TERM_LEN + 7)
    }

    fn rows_len(&self, record_count: usize) -> usize {
        record_count * (RECORD_LEN + self.row_len)
    }

    /// Takes in a leading field, which comes behind those before.
    pub fn push(&mut self, lead: DraftLead) {
        self.leads.push(lead);
    }

    /// Appends the section of blocks to `bytes`; what goes in that of composite indexes. Nothing where the format cannot say
    /// so much.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
        let mut heads = Vec::new();
        heads.extend(u32::try_from(self.columns.len()).ok()?.to_le_bytes());
        heads.extend(u32::try_from(self.leads.len()).ok()?.to_le_bytes());
        for column in &self.columns {
            heads.extend(u32::try_from(column.field).ok()?.to_le_bytes());
            heads.extend(u32::try_from(column.sets.len()).ok()?.to_le_bytes());
        }
        for lead in &self.leads {
            heads.extend(u64::try_from(lead.field).ok()?.to_le_bytes());
        }
        heads.extend(self.columns.iter().flat_map(|column| &column.sets).flat_map(|set| set.to_le_bytes()));
        let first = bytes.len();
        for lead in &self.leads {
            let mut start = 0;
            for end in &lead.ends {
                let (at, records) = (bytes.len(), lead.records.get(start..*end)?);
                start = *end;
                self.encode_block(records, bytes)?;
                heads.extend(u32::try_from((at - first) / 8).ok()?.to_le_bytes());
                heads.extend(u32::try_from(records.len()).ok()?.to_le_bytes());
                heads.extend(crc32fast::hash(&bytes[at..]).to_le_bytes());
            }
        }
        Some(heads)
    }

    fn encode_block(&self, records: &[u32], bytes: &mut Vec<u8>) -> Option<()> {
        let (start, count) = (bytes.len(), records.len());
        bytes.extend(records.iter().flat_map(|record| record.to_le_bytes()));
        let sets_at = bytes.len();
        bytes.resize(start + self.rows_len(count).next_multiple_of(8), 0);
        let block = bytes.get_mut(sets_at..)?;
        // Rows are waited for, many side by side; then what was fetched is turned over.
        let mut rows = Vec::with_capacity(count * self.row_len);
        for record in records {
            rows.extend_from_slice(self.rows.get(*record as usize * self.row_len..)?.get(..self.row_len)?);
        }
        let mut before = 0;
        for width in self.columns.iter().map(DraftColumn::width) {
            for byte in 0..width {
                let to = block.iter_mut().skip(before * count + byte).step_by(width);
                let from = rows.iter().skip(before + byte).step_by(self.row_len);
                to.zip(from).for_each(|(to, from)| *to = *from);
            }
            before += width;
        }
        Some(())
    }
}

/// The bytes of a directory as they grow.
struct Sections {
    bytes: Vec<u8>,
    /// Where each section begins, its length and its checksum.
    table: Vec<(usize, usize, u32)>,
}

impl Sections {
    /// Ends the section that was appended last.
    fn end(&mut self) {
        let start = self.table.last().map_or(HEADER_LEN, |(start, len, _)| (start + len).next_multiple_of(8));
        let section = &self.bytes[start..];
        self.table.push((start, section.len(), crc32fast::hash(section)));
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    /// Writes the header.
    fn finish(self) -> Vec<u8> {
        let Sections { mut bytes, table } = self;
        let header = &mut bytes[..HEADER_LEN];
        put(header, 0, MAGIC);
        put(header, 8, READ_VERSION.to_le_bytes());
        put(header, 10, WRITE_VERSION.to_le_bytes());
        put(header, 12, (SECTION_COUNT as u32).to_le_bytes());
        for (index, (start, len, crc)) in table.into_iter().enumerate() {
            let at = TABLE_AT + index * SECTION_ENTRY_LEN;
            put(header, at, (start as u64).to_le_bytes());
            put(header, at + 8, (len as u64).to_le_bytes());
            put(header, at + 16, crc.to_le_bytes());
        }
        let crc = crc32fast::hash(&header[..CRC_AT]);
        put(header, CRC_AT, crc.to_le_bytes());
        bytes
    }
}

/// How many bits of a key name its bucket, where there are so many entries.
fn bucket_bits(count: usize) -> u32 {
    (count / BUCKET_COUNT).next_power_of_two().trailing_zeros().min(BUCKET_BITS_MAX)
}

/// A lookup: bits, count, where each bucket begins and where the last ends; then the entries, two bytes each.
fn encode_lookup(entries: Vec<DraftEntry>) -> Vec<u8> {
    let bits = bucket_bits(entries.len());
    let pack = |DraftEntry(entry): DraftEntry| {
        let bucket = if bits == 0 { 0 } else { entry >> (64 - bits) };
        bucket << 16 | (entry << bits) >> 52 << 4 | entry & 15
    };
    let mut packed: Vec<u64> = entries.into_iter().map(pack).collect();
    // Not `sort_unstable`: the entries of each segment ascend already, and this sort makes use of that.
    packed.sort();
    let mut bytes = Vec::with_capacity(8 + ((1 << bits) + 1) * 4 + packed.len() * 2);
    bytes.extend(bits.to_le_bytes());
    bytes.extend((packed.len() as u32).to_le_bytes());
    let mut next = 0;
    for bucket in 0..=1_u64 << bits {
        next += packed[next..].iter().take_while(|entry| **entry >> 16 < bucket).count();
        bytes.extend((next as u32).to_le_bytes());
    }
    for entry in packed {
        bytes.extend((entry as u16).to_le_bytes());
    }
    bytes
}
