//! A directory over a run of sealed segments: which of them have a term, how many records carry it there, and which
//! may have an event id, so that a question to a long log asks few segments.
//!
//! Terms that more than one segment has are *listed*, each with its segments, counts and ordinals; so are all terms of
//! fields that have few. Of the others, which one segment has and which are most, 12 bits of a checksum and the
//! segment's number are kept: a question about one of these asks that segment, and once in some hundred times another
//! in vain. Of fields whose terms are spread over the run there are composite indexes, too. A directory holds nothing that
//! the sidecars do not.

mod composite;
mod draft;
mod lookup;

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::bytes::{array, hash_at, i64_at, put, u16_at, u32_at, u64_at};
use super::version::{self, READ_VERSION, WRITE_VERSION};
use crate::error::Fault;
use crate::hash::Hash;
use crate::{Seq, StoreId, Timestamp};

pub use composite::{COLUMN_SETS_MAX, COLUMN_TERMS_MAX, COLUMNS_MAX, Composite, Condition, Rows};
pub use draft::{Draft, DraftColumn, DraftComposites, DraftEntry, DraftField, DraftLead, DraftTerm};
pub use lookup::{Bucket, FieldInRun, InRun, TermPlace, term_checksum};

/// How many segments one directory is over at most.
pub const RUN_SEGMENTS_MAX: usize = 16;

const MAGIC: [u8; 8] = *b"INDDIR\r\n";
const SECTION_COUNT: usize = 8;
const SECTION_ENTRY_LEN: usize = 24;
const TABLE_AT: usize = 16;
const CRC_AT: usize = TABLE_AT + SECTION_COUNT * SECTION_ENTRY_LEN;
const HEADER_LEN: usize = CRC_AT + 8;
const RUN_LEN: usize = 56;
const SEGMENT_LEN: usize = 80;
const FIELD_LEN: usize = 48;

/// A section, in the order in which they stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Section {
    /// The run and its segments.
    Run = 0,
    /// The fields, what each segment has of them, their names.
    Fields = 1,
    /// The listed terms.
    Terms = 2,
    /// Where they are: a mask of segments, then for each a count and an ordinal.
    Places = 3,
    /// A lookup of the terms that are not listed.
    Unlisted = 4,
    /// A lookup of the event ids.
    EventIds = 5,
    /// For each term of a leading field its records, and what the columns hold of each.
    Blocks = 6,
    /// The composite indexes: columns, leading fields, where the blocks of their terms are.
    Composites = 7,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    offset: u64,
    len: u64,
    crc: u32,
}

/// A segment that a directory is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// Its first seq.
    pub first_seq: Seq,
    /// How many records it has.
    pub record_count: u32,
    /// Its index root.
    pub index_root: Hash,
    /// The earliest and the latest event time, where one is known.
    pub event_times: Option<(Timestamp, Timestamp)>,
    /// When its records were received: the earliest and the latest reading of the clock.
    pub received: Option<(Timestamp, Timestamp)>,
}

/// A directory, read where it lies.
pub struct Directory<B> {
    bytes: B,
    sections: [Place; SECTION_COUNT],
    /// A bit for each section whose checksum was found right.
    checked: AtomicU32,
    store_id: StoreId,
    last_leaf: Hash,
    segments: Vec<Covered>,
    fields: Vec<lookup::Field>,
    /// Where the event ids are looked up, once somebody did.
    event_ids: OnceLock<lookup::Table>,
    composites: composite::Composites,
    /// A bit for each block whose checksum was found right.
    blocks_checked: Box<[AtomicU32]>,
}

impl<B: Deref<Target = [u8]>> fmt::Debug for Directory<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("len", &self.bytes.len()).field("segments", &self.segments).finish()
    }
}

impl<B: Deref<Target = [u8]>> Directory<B> {
    /// Opens a directory: its header, what it is over, and its fields are checked; the rest at its first use.
    ///
    /// # Errors
    /// Damaged, or unsupported for a version of another release.
    pub fn open(bytes: B) -> Result<Self, Fault> {
        let header = bytes.get(..HEADER_LEN).unwrap_or_default();
        let magic: [u8; 8] = array(header, 0);
        if magic != MAGIC {
            let (expected, found) = (MAGIC.escape_ascii(), magic.escape_ascii());
            return Err(Fault::damaged(0, "directory magic", expected, found));
        }
        let (expected, found) = (crc32fast::hash(&header[..CRC_AT]), u32_at(header, CRC_AT));
        if expected != found {
            let (expected, found) = (format_args!("{expected:08x}"), format_args!("{found:08x}"));
            return Err(Fault::damaged(CRC_AT as u64, "directory header checksum", expected, found));
        }
        version::check(u16_at(header, 8), u16_at(header, 10), 8)?;
        let mut sections = [Place::default(); SECTION_COUNT];
        let mut end = HEADER_LEN as u64;
        for (index, place) in sections.iter_mut().enumerate() {
            let at = TABLE_AT + index * SECTION_ENTRY_LEN;
            *place = Place {
                offset: u64_at(header, at),
                len: u64_at(header, at + 8),
                crc: u32_at(header, at + 16),
            };
            let next = place.offset.checked_add(place.len).and_then(|end| end.checked_next_multiple_of(8));
            match next {
                Some(next) if place.offset == end && u32_at(header, at + 20) == 0 => end = next,
                _ => return Err(Fault::damaged(at as u64, "directory section", end, place.offset)),
            }
        }
        if end != bytes.len() as u64
            || u32_at(header, 12) != SECTION_COUNT as u32
            || u32_at(header, CRC_AT + 4) != 0
        {
            return Err(Fault::damaged(12, "directory length", end, bytes.len()));
        }
        let mut directory = Directory {
            bytes,
            sections,
            checked: AtomicU32::new(0),
            store_id: StoreId([0; 16]),
            last_leaf: Hash::ZERO,
            segments: Vec::new(),
            fields: Vec::new(),
            event_ids: OnceLock::new(),
            composites: composite::Composites::default(),
            blocks_checked: Box::default(),
        };
        directory.read_run()?;
        directory.fields = directory.read_fields()?;
        directory.composites = directory.read_composites()?;
        let words = directory.composites.term_count().div_ceil(32);
        directory.blocks_checked = (0..words).map(|_| AtomicU32::new(0)).collect();
        Ok(directory)
    }

    fn read_run(&mut self) -> Result<(), Fault> {
        let run = self.section(Section::Run)?;
        let count = u32_at(run, 48) as usize;
        let len = count.saturating_mul(SEGMENT_LEN).saturating_add(RUN_LEN);
        if count == 0 || count > RUN_SEGMENTS_MAX || run.len() != len || u32_at(run, 52) != 0 {
            return Err(self.fault(
                Section::Run,
                48,
                format_args!("1 to {RUN_SEGMENTS_MAX} segments"),
                count,
            ));
        }
        let (store_id, last_leaf) = (StoreId(array(run, 0)), hash_at(run, 16));
        let segments: Vec<Covered> = run[RUN_LEN..].chunks_exact(SEGMENT_LEN).map(Covered::decode).collect();
        let follows = |pair: &[Covered]| pair[0].first_seq.checked_add(pair[0].record_count.into());
        if !segments.windows(2).all(|pair| follows(pair) == Some(pair[1].first_seq)) {
            return Err(self.fault(Section::Run, RUN_LEN, "segments that follow one another", "others"));
        }
        (self.store_id, self.last_leaf, self.segments) = (store_id, last_leaf, segments);
        Ok(())
    }

    /// Checks every section's checksum, and the zeros behind it.
    ///
    /// # Errors
    /// Damaged.
    pub fn check_all(&self) -> Result<(), Fault> {
        use Section::{Blocks, Composites, EventIds, Fields, Places, Run, Terms, Unlisted};
        for section in [Run, Fields, Terms, Places, Unlisted, EventIds, Blocks, Composites] {
            let end = self.sections[section as usize].offset as usize + self.section(section)?.len();
            let padding = self.bytes.get(end..end.next_multiple_of(8)).unwrap_or_default();
            if padding.iter().any(|byte| *byte != 0) {
                let at = self.sections[section as usize].len as usize;
                return Err(self.fault(section, at, "zeros up to the next section", "something else"));
            }
        }
        self.check_blocks()
    }

    /// The store.
    pub fn store_id(&self) -> StoreId {
        self.store_id
    }

    /// The leaf of the run's last record: it stands for all records before it.
    pub fn last_leaf(&self) -> Hash {
        self.last_leaf
    }

    /// The segments, in order; elsewhere they are named by their places here.
    pub fn segments(&self) -> &[Covered] {
        &self.segments
    }

    /// The bytes of a section, whose checksum is checked at the first call.
    fn section(&self, section: Section) -> Result<&[u8], Fault> {
        let (bit, place) = (1 << section as u32, self.sections[section as usize]);
        let bytes = self.unchecked(section);
        if self.checked.load(Ordering::Relaxed) & bit == 0 {
            let found = crc32fast::hash(bytes);
            if found != place.crc || bytes.len() as u64 != place.len {
                let expected = format_args!("checksum {:08x}", place.crc).to_string();
                return Err(self.fault(section, 0, expected, format_args!("{found:08x}")));
            }
            self.checked.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(bytes)
    }

    /// The bytes of a section, as they are; none where it is not inside the file.
    fn unchecked(&self, section: Section) -> &[u8] {
        let place = self.sections[section as usize];
        let range = usize::try_from(place.offset).ok().zip(usize::try_from(place.len).ok());
        range.and_then(|(at, len)| self.bytes.get(at..at.checked_add(len)?)).unwrap_or_default()
    }

    fn fault(
        &self,
        section: Section,
        at: usize,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Fault {
        let base = self.sections[section as usize].offset;
        let what = match section {
            Section::Run => "directory run",
            Section::Fields => "directory fields",
            Section::Terms => "directory terms",
            Section::Places => "directory places",
            Section::Unlisted => "directory lookup of terms",
            Section::EventIds => "directory lookup of event ids",
            Section::Composites => "directory composite indexes",
            Section::Blocks => "directory blocks",
        };
        Fault::damaged(base.saturating_add(at as u64), what, expected, found)
    }
}

impl Covered {
    fn encode(&self) -> [u8; SEGMENT_LEN] {
        let mut bytes = [0; SEGMENT_LEN];
        put(&mut bytes, 0, self.first_seq.to_le_bytes());
        put(&mut bytes, 8, self.record_count.to_le_bytes());
        put(&mut bytes, 16, self.index_root.0);
        for (at, span) in [(48, self.event_times), (64, self.received)] {
            let (earliest, latest) = span.map_or((i64::MAX, i64::MIN), |(from, to)| (from.0, to.0));
            put(&mut bytes, at, earliest.to_le_bytes());
            put(&mut bytes, at + 8, latest.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        let span = |at: usize| {
            let (earliest, latest) = (i64_at(bytes, at), i64_at(bytes, at + 8));
            (earliest <= latest).then_some((Timestamp(earliest), Timestamp(latest)))
        };
        Covered {
            first_seq: u64_at(bytes, 0),
            record_count: u32_at(bytes, 8),
            index_root: hash_at(bytes, 16),
            event_times: span(48),
            received: span(64),
        }
    }
}
