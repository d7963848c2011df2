//! Composite indexes: for each term of a field that *leads*, the records of the run that carry it, and beside each record
//! what a few other fields hold there. A question for an agent, a kind and a control is answered by one look along the
//! agent's records, which lie side by side, in place of a look at three postings of each segment.
//!
//! The other fields are *columns*. They have few terms, so that what a record holds of one is a set of bits; of these sets
//! there are few again, and a column names them by their numbers. All leading fields have the same columns.

use std::ops::{Deref, Range};
use std::sync::atomic::Ordering;

use super::super::bytes::{u16_at, u32_at, u64_at};
use super::{Directory, FieldInRun, Section, lookup};
use crate::error::Fault;

/// Most columns: whoever compares them all holds a set of each for every record.
pub const COLUMNS_MAX: usize = 32;
/// Most terms of a column's field: each is a bit.
pub const COLUMN_TERMS_MAX: usize = 64;
/// Most sets of a column: the number of each has two bytes.
pub const COLUMN_SETS_MAX: usize = 1 << 16;

/// Of a column, or of a leading field, what stands before its sets, or its terms.
const HEAD_LEN: usize = 8;
pub(super) const SET_LEN: usize = 8;
/// Of a term of a leading field, where its block is, how many records it has, and its checksum.
pub(super) const TERM_LEN: usize = 12;
/// Of a record's number in the run.
pub(super) const RECORD_LEN: usize = 4;

/// How many bytes the number of one of so many sets takes.
pub(super) fn width(set_count: usize) -> usize {
    if set_count <= 1 << 8 { 1 } else { 2 }
}

/// Where a column's sets are, and its numbers in each block.
#[derive(Debug)]
pub(super) struct Column {
    /// The field, by its place among the run's.
    field: usize,
    set_count: usize,
    sets_at: usize,
    width: usize,
    /// How many bytes each record takes in a block before this column.
    before: usize,
}

/// Where the terms of a leading field are.
#[derive(Debug)]
pub(super) struct Lead {
    field: usize,
    terms_at: usize,
    term_count: usize,
    /// How many terms the leading fields before it have.
    terms_before: usize,
}

/// The composite indexes of a directory.
#[derive(Debug, Default)]
pub(super) struct Composites {
    columns: Vec<Column>,
    leads: Vec<Lead>,
    /// How many bytes each record takes in a block.
    row_len: usize,
}

impl Composites {
    /// Where a block is by what stands at `at` in the section of composite indexes, and of how many records.
    fn block(&self, heads: &[u8], at: usize) -> (Range<usize>, usize) {
        let (start, count) = (u32_at(heads, at) as usize * 8, u32_at(heads, at + 4) as usize);
        (start..start + (count * self.row_len).next_multiple_of(8), count)
    }

    /// How many terms all leading fields have.
    pub(super) fn term_count(&self) -> usize {
        self.leads.last().map_or(0, |lead| lead.terms_before + lead.term_count)
    }
}

/// A record may have one of these terms of a column's field, or none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// The column, by its place among the directory's.
    pub column: usize,
    /// Bit `n` is listed term `n` of the column's field.
    pub terms: u64,
    /// Whether the record must have one of them; else it must have none.
    pub wanted: bool,
}

/// The composite index of one leading field.
#[derive(Debug)]
pub struct Composite<'a, B: Deref<Target = [u8]>> {
    directory: &'a Directory<B>,
    lead: &'a Lead,
}

/// The records of one term of a leading field.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// The numbers of the records, then those of their sets, column by column.
    block: &'a [u8],
    count: usize,
    columns: &'a [Column],
    /// The section with the columns' sets.
    heads: &'a [u8],
}

impl<B: Deref<Target = [u8]>> Directory<B> {
    pub(super) fn read_composites(&self) -> Result<Composites, Fault> {
        let heads = self.section(Section::Composites)?;
        let wrong = |at: usize, expected: &str| self.fault(Section::Composites, at, expected, "another");
        let (column_count, lead_count) = (u32_at(heads, 0) as usize, u32_at(heads, 4) as usize);
        // What is not there is not made room for.
        let heads_fit = column_count.saturating_add(lead_count) <= heads.len() / HEAD_LEN;
        if heads.len() < HEAD_LEN || column_count > COLUMNS_MAX || !heads_fit {
            return Err(wrong(0, "columns and leading fields that fit"));
        }
        let leads_at = HEAD_LEN * (1 + column_count);
        let mut next = leads_at + HEAD_LEN * lead_count;
        let mut composites = Composites { row_len: RECORD_LEN, ..Composites::default() };
        for at in (HEAD_LEN..leads_at).step_by(HEAD_LEN) {
            let (field, set_count) = (u32_at(heads, at) as usize, u32_at(heads, at + 4) as usize);
            let fits = self.fields.get(field).is_some_and(lookup::Field::can_be_column);
            let ascends = composites.columns.last().is_none_or(|last| last.field < field);
            if !fits || !ascends || set_count == 0 || set_count > COLUMN_SETS_MAX {
                return Err(wrong(at, "a column of a field with few terms"));
            }
            let (width, before) = (width(set_count), composites.row_len);
            composites.columns.push(Column { field, set_count, sets_at: next, width, before });
            composites.row_len += width;
            next += set_count * SET_LEN;
        }
        for at in (leads_at..leads_at + HEAD_LEN * lead_count).step_by(HEAD_LEN) {
            let field = usize::try_from(u64_at(heads, at)).unwrap_or(usize::MAX);
            let terms_before = composites.term_count();
            let ascends = composites.leads.last().is_none_or(|last| last.field < field);
            let Some(term_count) =
                self.fields.get(field).filter(|_| ascends).map(lookup::Field::listed_count)
            else {
                return Err(wrong(at, "a leading field"));
            };
            composites.leads.push(Lead { field, terms_at: next, term_count, terms_before });
            next = next.saturating_add(term_count.saturating_mul(TERM_LEN));
        }
        if next != heads.len() {
            return Err(wrong(next, "the section's end"));
        }
        // No two share bytes: to check them all is to read the section once.
        let mut end = 0;
        for at in (composites.leads.first().map_or(next, |lead| lead.terms_at)..next).step_by(TERM_LEN) {
            let block = composites.block(heads, at).0;
            if block.start != end {
                return Err(wrong(at, "a block behind the one before"));
            }
            end = block.end;
        }
        let len = self.sections[Section::Blocks as usize].len;
        if end as u64 == len { Ok(composites) } else { Err(wrong(next, "blocks that fill their section")) }
    }

    /// Its composite indexes, in the order of the names of their leading fields.
    pub fn composites(&self) -> impl Iterator<Item = Composite<'_, B>> {
        self.composites.leads.iter().map(|lead| Composite { directory: self, lead })
    }

    /// The composite index that the field of this name leads.
    pub fn composite(&self, field: &str) -> Option<Composite<'_, B>> {
        self.composites().find(|composite| composite.lead_name() == field)
    }

    /// The columns of all composite indexes: the names of their fields.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.composites.columns.iter().map(|column| self.field_name(column.field))
    }

    fn field_name(&self, place: usize) -> &str {
        self.fields.get(place).map_or("", lookup::Field::name)
    }

    /// Checks every block.
    pub(super) fn check_blocks(&self) -> Result<(), Fault> {
        self.composites().try_for_each(|composite| {
            (0..composite.lead.term_count as u32).try_for_each(|term| composite.rows(term).map(drop))
        })
    }
}

impl<'a, B: Deref<Target = [u8]>> Composite<'a, B> {
    /// The name of the leading field.
    pub fn lead_name(&self) -> &'a str {
        self.directory.field_name(self.lead.field)
    }

    /// What the directory says of the leading field.
    ///
    /// # Errors
    /// Damaged.
    pub fn lead(&self) -> Result<Option<FieldInRun<'a, B>>, Fault> {
        let field = self.directory.fields.get(self.lead.field);
        field.map(|field| self.directory.open_field(field)).transpose()
    }

    /// How many records carry the listed term at `index`.
    pub fn count(&self, index: u32) -> usize {
        self.block(index).1
    }

    /// Where a term's block is, and of how many records. It may say anything.
    fn block(&self, index: u32) -> (Range<usize>, usize) {
        let heads = self.directory.section(Section::Composites).unwrap_or_default();
        self.directory.composites.block(heads, self.lead.terms_at + index as usize * TERM_LEN)
    }

    /// The records that carry the listed term at `index`. They are checked at the first call.
    ///
    /// # Errors
    /// Damaged.
    pub fn rows(&self, index: u32) -> Result<Rows<'a>, Fault> {
        let (directory, lead) = (self.directory, self.lead);
        let heads = directory.section(Section::Composites)?;
        let (range, count) = self.block(index);
        let block =
            directory.unchecked(Section::Blocks).get(range).filter(|_| index < lead.term_count as u32);
        let block = block.ok_or_else(|| self.wrong(index, "a block inside the section"))?;
        let rows = Rows { block, count, columns: &directory.composites.columns, heads };
        let number = lead.terms_before + index as usize;
        let word = directory.blocks_checked.get(number / 32);
        if word.is_none_or(|word| word.load(Ordering::Relaxed) >> (number % 32) & 1 == 0) {
            let stated = u32_at(heads, lead.terms_at + index as usize * TERM_LEN + 8);
            let record_count = directory.segments.iter().map(|segment| u64::from(segment.record_count)).sum();
            if crc32fast::hash(block) != stated || !rows.are_valid(record_count) {
                return Err(self.wrong(index, "a block of this checksum, of records and sets that there are"));
            }
            word.into_iter().for_each(|word| {
                word.fetch_or(1 << (number % 32), Ordering::Relaxed);
            });
        }
        Ok(rows)
    }

    fn wrong(&self, index: u32, expected: &str) -> Fault {
        let at = self.lead.terms_at + index as usize * TERM_LEN;
        self.directory.fault(Section::Composites, at, expected, "another")
    }
}

impl<'a> Rows<'a> {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The records, ascending, by their numbers in the run.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + use<'a> {
        let records = self.block.get(..self.count * RECORD_LEN).unwrap_or_default();
        records.as_chunks().0.iter().map(|record| u32::from_le_bytes(*record))
    }

    /// What the record at `place` among these has of a column's terms, bit `n` being listed term `n` of its field.
    pub fn terms(&self, column: usize, place: usize) -> u64 {
        let Some(column) = self.columns.get(column) else { return 0 };
        let number = match column.width {
            1 => self.numbers(column).get(place).map_or(0, |number| usize::from(*number)),
            _ => usize::from(u16_at(self.numbers(column), place * 2)),
        };
        u64_at(self.heads, column.sets_at + number * SET_LEN)
    }

    /// The places of those that have these numbers in the run.
    pub fn places(&self, records: Range<u32>) -> Range<usize> {
        let numbers = self.block.get(..self.count * RECORD_LEN).unwrap_or_default().as_chunks().0;
        let place = |end: u32| numbers.partition_point(|record| u32::from_le_bytes(*record) < end);
        place(records.start)..place(records.end)
    }

    /// Those at `places` that meet all conditions, by their numbers in the run.
    pub fn meeting(&self, places: Range<usize>, conditions: &[Condition]) -> Vec<u32> {
        let known = conditions.iter().filter_map(|condition| {
            let column = self.columns.get(condition.column)?;
            let sets = self.heads.get(column.sets_at..)?.as_chunks().0.iter().take(column.set_count);
            let passes = |set: &[u8; SET_LEN]| u64::from_le_bytes(*set) & condition.terms != 0;
            Some((column, sets.map(|set| passes(set) == condition.wanted).collect()))
        });
        let mut tests: Vec<(&Column, Vec<bool>)> = known.collect();
        // Whoever lets the fewest sets pass goes first: the others look at what it leaves.
        tests.sort_by_key(|(column, passes)| {
            (passes.iter().filter(|passes| **passes).count() << 16) / column.set_count.max(1)
        });
        let mut places: Vec<u32> = (places.start as u32..places.end.min(self.count) as u32).collect();
        for (column, passes) in &tests {
            let numbers = self.numbers(column);
            match column.width {
                1 => keep(
                    &mut places,
                    |place| numbers.get(place).map_or(0, |number| usize::from(*number)),
                    passes,
                ),
                _ => keep(&mut places, |place| usize::from(u16_at(numbers, place * 2)), passes),
            }
        }
        let record = |place: &u32| u32_at(self.block, *place as usize * RECORD_LEN);
        places.iter().map(record).collect()
    }

    /// How many bytes the number of each record's set takes in a column; or its own number, where none is given.
    pub fn width(&self, column: Option<usize>) -> usize {
        column.map_or(RECORD_LEN, |column| self.columns.get(column).map_or(0, |column| column.width))
    }

    fn numbers(&self, column: &Column) -> &'a [u8] {
        let start = column.before * self.count;
        self.block.get(start..start + column.width * self.count).unwrap_or_default()
    }

    /// Whether the records ascend, up to the run's end, and all sets are there.
    fn are_valid(&self, record_count: u64) -> bool {
        let ascend = self.records().zip(self.records().skip(1)).all(|(one, other)| one < other);
        let is_known = |column: &Column| match column.width {
            1 => self.numbers(column).iter().all(|number| usize::from(*number) < column.set_count),
            _ => {
                let numbers = self.numbers(column).as_chunks().0.iter();
                numbers
                    .map(|number| u16::from_le_bytes(*number))
                    .all(|number| usize::from(number) < column.set_count)
            }
        };
        let len = self.columns.last().map_or(RECORD_LEN, |last| last.before + last.width) * self.count;
        ascend
            && self.records().next_back().is_none_or(|last| u64::from(last) < record_count)
            && self.columns.iter().all(is_known)
            && self.block.get(len..).unwrap_or_default().iter().all(|byte| *byte == 0)
    }
}

/// Keeps the places whose sets pass.
fn keep(places: &mut Vec<u32>, number: impl Fn(usize) -> usize, passes: &[bool]) {
    let mut kept = 0;
    for at in 0..places.len() {
        let place = places[at];
        // Written in any case: whether it stays is no branch, which could not be foretold.
        places[kept] = place;
        kept += usize::from(passes.get(number(place as usize)).copied().unwrap_or_default());
    }
    places.truncate(kept);
}
