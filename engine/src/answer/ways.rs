//! The ways to the terms of a field: between fences at first, and once the field is asked for often, by a table.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use hashbrown::DefaultHashBuilder;

use super::fences::Fences;
use crate::Fault;
use crate::segment::Field;
use crate::source::Term;

/// From so many questions on a table is worth while: to make one all of the dictionary is read.
const QUESTIONS_MIN: u32 = 16;
/// The bits of a slot that have an ordinal, one more than it is; the others are some of the term's hash.
const ORDINAL_BITS: u32 = 16;
/// Larger dictionaries get no table.
const TERMS_MAX: u32 = (1 << ORDINAL_BITS) - 1;
/// Most bytes of all tables of a store.
const TABLES_LEN_MAX: usize = 8 << 20;

/// What the tables of a store share: how many bytes they may still take, and how terms are hashed.
#[derive(Debug)]
pub(super) struct Tables {
    left: AtomicUsize,
    hasher: DefaultHashBuilder,
}

impl Default for Tables {
    fn default() -> Self {
        Tables { left: AtomicUsize::new(TABLES_LEN_MAX), hasher: DefaultHashBuilder::default() }
    }
}

impl Tables {
    fn hash(&self, term: Term<'_>) -> u64 {
        use std::hash::BuildHasher;

        self.hasher.hash_one((term.kind as u8, term.bytes))
    }

    /// The upper half of what a slot for the term has: none other than equal terms, and few others, have the same.
    fn tag(hash: u64) -> u32 {
        (hash >> 32) as u32 & !TERMS_MAX
    }
}

/// The ways to one field's terms in one stretch.
#[derive(Debug, Default)]
pub(super) struct Ways {
    question_count: AtomicU32,
    fences: OnceLock<Fences>,
    table: OnceLock<Table>,
}

impl Ways {
    /// The ordinal of a term, if a record carries it.
    pub(super) fn find(
        &self,
        field: &Field<'_>,
        wanted: Term<'_>,
        tables: &Arc<Tables>,
    ) -> Result<Option<u32>, Fault> {
        if let Some(table) = self.table.get() {
            return table.find(field, wanted);
        }
        if self.question_count.fetch_add(1, Ordering::Relaxed) == QUESTIONS_MIN
            && let Some(table) = Table::new(field, tables)?
        {
            return self.table.get_or_init(|| table).find(field, wanted);
        }
        let fences = match self.fences.get() {
            Some(fences) => fences,
            None => {
                let made = Fences::new(field)?;
                self.fences.get_or_init(|| made)
            }
        };
        fences.find(field, wanted)
    }
}

/// All terms of a dictionary by their hashes, at least a third of the slots being empty: to see that a term is not there
/// takes mostly one look at memory, where to halve takes one for each step, and for each a wait.
#[derive(Debug)]
struct Table {
    slots: Box<[u32]>,
    tables: Arc<Tables>,
}

impl Table {
    /// None where the dictionary is too large, or all tables are.
    fn new(field: &Field<'_>, tables: &Arc<Tables>) -> Result<Option<Table>, Fault> {
        let count = field.term_count();
        let slot_count = (count as usize * 3 / 2 + 1).next_power_of_two();
        let len = slot_count * size_of::<u32>();
        let take = |left: usize| left.checked_sub(len);
        let is_small = count <= TERMS_MAX;
        if !is_small || tables.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Ok(None);
        }
        let mut table = Table { slots: vec![0; slot_count].into(), tables: Arc::clone(tables) };
        for ordinal in 0..count {
            let Some(term) = field.term(ordinal)? else { continue };
            let hash = tables.hash(term);
            let empty = table.walk(hash).find(|at| table.slots[*at] == 0);
            if let Some(at) = empty {
                table.slots[at] = Tables::tag(hash) | (ordinal + 1);
            }
        }
        Ok(Some(table))
    }

    /// The slots in which a term of that hash may be, the likeliest first.
    fn walk(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len() - 1;
        (0..=mask).map(move |step| (hash as usize).wrapping_add(step) & mask)
    }

    fn find(&self, field: &Field<'_>, wanted: Term<'_>) -> Result<Option<u32>, Fault> {
        let hash = self.tables.hash(wanted);
        for at in self.walk(hash) {
            let slot = self.slots[at];
            let Some(ordinal) = (slot & TERMS_MAX).checked_sub(1) else { break };
            if slot & !TERMS_MAX == Tables::tag(hash) && field.term(ordinal)? == Some(wanted) {
                return Ok(Some(ordinal));
            }
        }
        Ok(None)
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.tables.left.fetch_add(size_of_val(&*self.slots), Ordering::Relaxed);
    }
}
