//! The frame of a sealed segment's sidecar: header, footer with the section table, and the fixed-width entries of
//! its sections. What stands between them is read where it lies, by `segment`.

use super::bytes::{array, hash_at, i64_at, put, u16_at, u32_at, u64_at};
use super::version::{self, READ_VERSION};
use crate::error::Fault;
use crate::hash::Hash;
use crate::{Seq, StoreId, Timestamp, limits};

/// Length of the header in bytes.
pub const SIDECAR_HEADER_LEN: usize = 16;
/// How many sections there are.
pub const SECTION_COUNT: usize = 10;
/// Length of the footer in bytes.
pub const SIDECAR_FOOTER_LEN: usize = SECTION_COUNT * SECTION_ENTRY_LEN + TAIL_LEN;
/// Longest footer in bytes that any version of the format can have.
pub const SIDECAR_FOOTER_LEN_MAX: usize = SECTION_COUNT_MAX * SECTION_ENTRY_LEN + TAIL_LEN;
/// Length of a frame's entry in bytes.
pub const FRAME_PLACE_LEN: usize = 24;
/// Length of a field's entry in bytes.
pub const FIELD_ENTRY_LEN: usize = 56;
/// Length of the meta section in bytes before its sources.
pub const META_FIXED_LEN: usize = 160;
/// The posting word of a term that no record carries.
pub const NO_POSTING: u32 = u32::MAX;
/// Set in a posting word that is a place in the postings section, in units of four bytes; without it the word is
/// the one record's offset.
pub const POSTING_PLACE: u32 = 1 << 31;
/// Set in a posting's count where its offsets are a roaring bitmap rather than a list.
pub const POSTING_ROARING: u32 = 1 << 31;

const MAGIC: [u8; 8] = *b"INDIDX\r\n";
const SECTION_ENTRY_LEN: usize = 24;
const SECTION_COUNT_MAX: usize = 64;
const TAIL_LEN: usize = 32;
const SOURCE_LEN: usize = 40;

/// A section, in the order in which they stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Section {
    /// What segment this is: [`Meta`].
    Meta = 0,
    /// Where the frames stand in the log: [`FramePlace`] each.
    Frames = 1,
    /// By offset, a `u32`: where the record's header stands, counted from its frame's start.
    Records = 2,
    /// By offset, an `i64`: the event time, 0 where it is not known. Then a bit a record: known. Then a bit a
    /// record: unreadable. Both bitmaps are filled to whole `u64`s.
    EventTimes = 3,
    /// By offset, 32 bytes: the record's leaf in the log's tree. Of a segment in the warm tier the last one alone.
    Leaves = 4,
    /// The event ids' hash prefixes, `u64`, ascending; then, in the same order, the offsets, `u32`.
    EventIds = 5,
    /// The postings of terms that more than one record carries.
    Postings = 6,
    /// The numeric columns.
    Columns = 7,
    /// The dictionaries.
    Terms = 8,
    /// The fields: a count, [`FieldEntry`] each, their names.
    Fields = 9,
}

impl Section {
    /// All sections, in file order.
    pub const ALL: [Section; SECTION_COUNT] = [
        Section::Meta,
        Section::Frames,
        Section::Records,
        Section::EventTimes,
        Section::Leaves,
        Section::EventIds,
        Section::Postings,
        Section::Columns,
        Section::Terms,
        Section::Fields,
    ];

    /// The section's name, as faults have it.
    pub fn name(self) -> &'static str {
        match self {
            Section::Meta => "sidecar section meta",
            Section::Frames => "sidecar section frames",
            Section::Records => "sidecar section records",
            Section::EventTimes => "sidecar section event times",
            Section::Leaves => "sidecar section leaves",
            Section::EventIds => "sidecar section event ids",
            Section::Postings => "sidecar section postings",
            Section::Columns => "sidecar section columns",
            Section::Terms => "sidecar section terms",
            Section::Fields => "sidecar section fields",
        }
    }
}

/// The header's bytes: what kind of file this is. The footer says it again, and all else.
pub fn encode_header(write_version: u16) -> [u8; SIDECAR_HEADER_LEN] {
    let mut bytes = [0; SIDECAR_HEADER_LEN];
    put(&mut bytes, 0, MAGIC);
    put(&mut bytes, 8, READ_VERSION.to_le_bytes());
    put(&mut bytes, 10, write_version.to_le_bytes());
    bytes
}

/// Where a section stands, and its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SectionEntry {
    /// From the file's start, in bytes: a multiple of 8.
    pub offset: u64,
    /// In bytes, without the zeros that fill it up to a multiple of 8.
    pub len: u64,
    /// CRC-32 of those bytes.
    pub crc: u32,
}

impl SectionEntry {
    /// Where the next section begins; nothing where that is past all files.
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.len)?.checked_next_multiple_of(8)
    }
}

/// The end of the file: the section table and what it takes to trust it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    /// The format's write version when the file was made. Nobody writes to a sidecar again, so any may be read.
    pub write_version: u16,
    /// The sections, in file order.
    pub sections: [SectionEntry; SECTION_COUNT],
}

impl Footer {
    /// Length of the whole file in bytes.
    pub fn file_len(&self) -> Option<u64> {
        self.sections[SECTION_COUNT - 1].end()?.checked_add(SIDECAR_FOOTER_LEN as u64)
    }

    /// The footer's bytes.
    pub fn encode(&self) -> [u8; SIDECAR_FOOTER_LEN] {
        let mut bytes = [0; SIDECAR_FOOTER_LEN];
        for (index, section) in self.sections.iter().enumerate() {
            let at = index * SECTION_ENTRY_LEN;
            put(&mut bytes, at, section.offset.to_le_bytes());
            put(&mut bytes, at + 8, section.len.to_le_bytes());
            put(&mut bytes, at + 16, section.crc.to_le_bytes());
        }
        let tail = SIDECAR_FOOTER_LEN - TAIL_LEN;
        put(&mut bytes, tail, self.file_len().unwrap_or(0).to_le_bytes());
        put(&mut bytes, tail + 8, (SECTION_COUNT as u32).to_le_bytes());
        put(&mut bytes, tail + 16, READ_VERSION.to_le_bytes());
        put(&mut bytes, tail + 18, self.write_version.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..tail + 20]);
        put(&mut bytes, tail + 20, crc.to_le_bytes());
        put(&mut bytes, tail + 24, MAGIC);
        bytes
    }

    /// Reads the footer of a whole file, and sees that the sections follow one another from the header to the
    /// footer. The sections themselves are not looked at.
    ///
    /// # Errors
    /// Damaged for another length than the footer states, a wrong checksum or table; unsupported for a version
    /// of another release.
    pub fn decode(file: &[u8]) -> Result<Self, Fault> {
        Footer::decode_end(file, file.len() as u64)
    }

    /// As [`Footer::decode`], from the end of a file of `file_len` bytes: its last [`SIDECAR_FOOTER_LEN_MAX`] bytes
    /// are enough.
    ///
    /// # Errors
    /// As [`Footer::decode`].
    pub fn decode_end(end: &[u8], file_len: u64) -> Result<Self, Fault> {
        let base = file_len.saturating_sub(end.len() as u64);
        Footer::decode_from(end, file_len).map_err(|fault| fault.shifted(base))
    }

    /// Offsets in faults count from the start of `file`, of which the end alone may be there.
    fn decode_from(file: &[u8], file_len: u64) -> Result<Self, Fault> {
        let len = file.len();
        let tail_at = len.saturating_sub(TAIL_LEN);
        let tail = &file[tail_at..];
        let magic: [u8; 8] = array(tail, 24);
        if magic != MAGIC {
            let (expected, found) = (MAGIC.escape_ascii(), magic.escape_ascii());
            return Err(Fault::damaged(len.saturating_sub(8) as u64, "sidecar magic", expected, found));
        }
        // The tail stands in the same place in every version, so that a later one is told from damage.
        let count = u32_at(tail, 8) as usize;
        let footer_at = tail_at.checked_sub(count.min(SECTION_COUNT_MAX) * SECTION_ENTRY_LEN);
        let covered = footer_at.and_then(|at| file.get(at..tail_at + 20)).unwrap_or_default();
        let (expected, found) = (crc32fast::hash(covered), u32_at(tail, 20));
        if expected != found || count > SECTION_COUNT_MAX || covered.is_empty() {
            let (expected, found) = (format_args!("{expected:08x}"), format_args!("{found:08x}"));
            return Err(Fault::damaged(tail_at as u64 + 20, "sidecar footer checksum", expected, found));
        }
        version::check(u16_at(tail, 16), u16_at(tail, 18), tail_at as u64 + 16)?;
        if count != SECTION_COUNT || u32_at(tail, 12) != 0 {
            return Err(Fault::damaged(tail_at as u64 + 8, "sidecar section count", SECTION_COUNT, count));
        }
        let write_version = u16_at(tail, 18);
        let mut footer = Footer { write_version, sections: [SectionEntry::default(); SECTION_COUNT] };
        let mut next = Some(SIDECAR_HEADER_LEN as u64);
        for (index, section) in footer.sections.iter_mut().enumerate() {
            let at = index * SECTION_ENTRY_LEN;
            *section = SectionEntry {
                offset: u64_at(covered, at),
                len: u64_at(covered, at + 8),
                crc: u32_at(covered, at + 16),
            };
            if next != Some(section.offset) || u32_at(covered, at + 20) != 0 {
                let place = (tail_at + at - SECTION_COUNT * SECTION_ENTRY_LEN) as u64;
                return Err(Fault::damaged(
                    place,
                    "sidecar section table",
                    "sections that follow one another",
                    section.offset,
                ));
            }
            next = section.end();
        }
        if footer.file_len() != Some(file_len) || u64_at(tail, 0) != file_len {
            return Err(Fault::damaged(tail_at as u64, "sidecar length", u64_at(tail, 0), file_len));
        }
        Ok(footer)
    }
}

/// What segment a sidecar is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The store.
    pub store_id: StoreId,
    /// The segment's first seq.
    pub first_seq: Seq,
    /// Length of the sealed log file in bytes.
    pub log_len: u64,
    /// How many records there are.
    pub record_count: u32,
    /// How many frames hold them.
    pub frame_count: u32,
    /// How many leaves the index tree has; none in a part.
    pub leaf_count: u64,
    /// The digest of the rules by which the segment was indexed.
    pub rules: Hash,
    /// The index root, as the seal states it; in a part, the leaf of the record before its first.
    pub index_root: Hash,
    /// The segment root, as the seal states it; in a part, the leaf of its last record.
    pub segment_root: Hash,
    /// How many records have an event id.
    pub event_id_count: u32,
    /// The seq of the `store.deleting` record by which records were deleted last, as the log's header says; 0 where
    /// none were.
    pub rewritten_by: Seq,
    /// The sources used, ascending, each with its profile's digest.
    pub sources: Vec<(Seq, Hash)>,
}

impl Meta {
    /// The section's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; META_FIXED_LEN];
        put(&mut bytes, 0, self.store_id.0);
        put(&mut bytes, 16, self.first_seq.to_le_bytes());
        put(&mut bytes, 24, self.log_len.to_le_bytes());
        put(&mut bytes, 32, self.record_count.to_le_bytes());
        put(&mut bytes, 36, self.frame_count.to_le_bytes());
        put(&mut bytes, 40, self.leaf_count.to_le_bytes());
        put(&mut bytes, 48, self.rules.0);
        put(&mut bytes, 80, self.index_root.0);
        put(&mut bytes, 112, self.segment_root.0);
        put(&mut bytes, 144, (self.sources.len() as u32).to_le_bytes());
        put(&mut bytes, 148, self.event_id_count.to_le_bytes());
        put(&mut bytes, 152, self.rewritten_by.to_le_bytes());
        for (source, digest) in &self.sources {
            bytes.extend_from_slice(&source.to_le_bytes());
            bytes.extend_from_slice(&digest.0);
        }
        bytes
    }

    /// Reads the section.
    ///
    /// # Errors
    /// Damaged where a length or an order is not right; offsets count from the section's start.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let source_count = u32_at(bytes, 144) as usize;
        let len = source_count.saturating_mul(SOURCE_LEN).saturating_add(META_FIXED_LEN);
        if bytes.len() != len {
            return Err(Fault::damaged(144, "sidecar meta length", len, bytes.len()));
        }
        let sources: Vec<(Seq, Hash)> = bytes[META_FIXED_LEN..]
            .chunks_exact(SOURCE_LEN)
            .map(|source| (u64_at(source, 0), hash_at(source, 8)))
            .collect();
        if !sources.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(Fault::damaged(META_FIXED_LEN as u64, "sidecar sources", "ascending seqs", "others"));
        }
        let meta = Meta {
            store_id: StoreId(array(bytes, 0)),
            first_seq: u64_at(bytes, 16),
            log_len: u64_at(bytes, 24),
            record_count: u32_at(bytes, 32),
            frame_count: u32_at(bytes, 36),
            leaf_count: u64_at(bytes, 40),
            rules: hash_at(bytes, 48),
            index_root: hash_at(bytes, 80),
            segment_root: hash_at(bytes, 112),
            event_id_count: u32_at(bytes, 148),
            rewritten_by: u64_at(bytes, 152),
            sources,
        };
        if meta.record_count > limits::SEGMENT_RECORDS_MAX {
            let limit = format_args!("at most {}", limits::SEGMENT_RECORDS_MAX).to_string();
            return Err(Fault::damaged(32, "sidecar record count", limit, meta.record_count));
        }
        if meta.first_seq.checked_add(u64::from(meta.record_count)).is_none() {
            return Err(Fault::damaged(
                16,
                "sidecar first seq",
                "one with room for the records",
                meta.first_seq,
            ));
        }
        Ok(meta)
    }

    /// Whether this is a part, of some of a segment's records: no index is committed to there.
    pub fn is_part(&self) -> bool {
        self.leaf_count == 0 && self.record_count > 0
    }

    /// Whether a section may be of this length by the counts.
    pub fn fits(&self, section: Section, len: u64) -> bool {
        let is_last_leaf =
            section == Section::Leaves && len == 32 && !self.is_part() && self.record_count > 0;
        is_last_leaf || self.section_len(section).is_none_or(|expected| expected == len)
    }

    /// The length that each section has by these counts; nothing where it is free. Of the leaves, the last may stand
    /// for all: [`Meta::fits`].
    pub fn section_len(&self, section: Section) -> Option<u64> {
        let records = u64::from(self.record_count);
        match section {
            Section::Frames => Some(u64::from(self.frame_count) * FRAME_PLACE_LEN as u64),
            Section::Records => Some(records * 4),
            Section::EventTimes => Some(records * 8 + bitmap_len(self.record_count) * 2),
            Section::Leaves => Some(if self.is_part() { 0 } else { records * 32 }),
            Section::EventIds => Some(u64::from(self.event_id_count) * 12),
            Section::Meta | Section::Postings | Section::Columns | Section::Terms | Section::Fields => None,
        }
    }
}

/// Length in bytes of a bitmap over `record_count` records, in whole `u64`s.
pub fn bitmap_len(record_count: u32) -> u64 {
    u64::from(record_count.div_ceil(64)) * 8
}

/// Where a frame stands in the segment's log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramePlace {
    /// The offset of its first record.
    pub first_offset: u32,
    /// Length of its records in bytes.
    pub payload_len: u32,
    /// Where its header stands in the file, in bytes.
    pub position: u64,
    /// The clock's reading at its commit.
    pub received_at: Timestamp,
}

impl FramePlace {
    /// The entry's bytes.
    pub fn encode(&self) -> [u8; FRAME_PLACE_LEN] {
        let mut bytes = [0; FRAME_PLACE_LEN];
        put(&mut bytes, 0, self.first_offset.to_le_bytes());
        put(&mut bytes, 4, self.payload_len.to_le_bytes());
        put(&mut bytes, 8, self.position.to_le_bytes());
        put(&mut bytes, 16, self.received_at.0.to_le_bytes());
        bytes
    }

    /// Reads an entry of [`FRAME_PLACE_LEN`] bytes.
    pub fn decode(bytes: &[u8]) -> Self {
        FramePlace {
            first_offset: u32_at(bytes, 0),
            payload_len: u32_at(bytes, 4),
            position: u64_at(bytes, 8),
            received_at: Timestamp(i64_at(bytes, 16)),
        }
    }
}

/// A field's place in the fields section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldEntry {
    /// Where its name begins, from the section's start.
    pub name_at: u32,
    /// Length of its name in bytes.
    pub name_len: u16,
    /// Whether it is private: not under the index root.
    pub private: bool,
    /// Bytes of one value of its column: 1, 2 or 4; 0 where it has none.
    pub column_width: u8,
    /// How many terms it has of each type: text, number, bool, null. The dictionary has them in this order.
    pub counts: [u32; 4],
    /// The posting words of its reserved terms: present, absent, unreadable.
    pub reserved: [u32; 3],
    /// Length of its terms' bytes, all together.
    pub bytes_len: u32,
    /// Where its dictionary begins in the terms section.
    pub terms_at: u64,
    /// Where its column begins in the columns section; 0 where it has none.
    pub column_at: u64,
}

impl FieldEntry {
    /// The entry's bytes.
    pub fn encode(&self) -> [u8; FIELD_ENTRY_LEN] {
        let mut bytes = [0; FIELD_ENTRY_LEN];
        put(&mut bytes, 0, self.name_at.to_le_bytes());
        put(&mut bytes, 4, self.name_len.to_le_bytes());
        put(&mut bytes, 6, [u8::from(self.private), self.column_width]);
        for (index, count) in self.counts.iter().enumerate() {
            put(&mut bytes, 8 + index * 4, count.to_le_bytes());
        }
        for (index, word) in self.reserved.iter().enumerate() {
            put(&mut bytes, 24 + index * 4, word.to_le_bytes());
        }
        put(&mut bytes, 36, self.bytes_len.to_le_bytes());
        put(&mut bytes, 40, self.terms_at.to_le_bytes());
        put(&mut bytes, 48, self.column_at.to_le_bytes());
        bytes
    }

    /// Reads an entry of [`FIELD_ENTRY_LEN`] bytes.
    ///
    /// # Errors
    /// Damaged for a flag or a width that there is none of.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let [private, column_width] = array(bytes, 6);
        let column_at = u64_at(bytes, 48);
        let no_column = column_width == 0 && column_at == 0;
        if private > 1 || !(no_column || matches!(column_width, 1 | 2 | 4)) {
            return Err(Fault::damaged(
                6,
                "sidecar field",
                "flag 0 or 1, column width 0, 1, 2 or 4",
                column_width,
            ));
        }
        Ok(FieldEntry {
            name_at: u32_at(bytes, 0),
            name_len: u16_at(bytes, 4),
            private: private == 1,
            column_width,
            counts: [8, 12, 16, 20].map(|at| u32_at(bytes, at)),
            reserved: [24, 28, 32].map(|at| u32_at(bytes, at)),
            bytes_len: u32_at(bytes, 36),
            terms_at: u64_at(bytes, 40),
            column_at,
        })
    }
}
