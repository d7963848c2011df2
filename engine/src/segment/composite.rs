//! The composite indexes of a directory: which fields lead, which stand beside, and what they hold.

use std::cmp::Reverse;
use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::dictionary::Field;
use super::sidecar::Sidecar;
use crate::error::Fault;
use crate::format::directory::{
    COLUMN_SETS_MAX, COLUMN_TERMS_MAX, COLUMNS_MAX, DraftColumn, DraftComposites, DraftField, DraftLead,
    DraftTerm,
};

/// A field leads only if each of its terms is in so many segments, at the mean: what is in few is found there.
const SPREAD_MIN: usize = 4;
/// Most listed terms of a leading field: those of one with more are in few records each.
const LEAD_TERMS_MAX: usize = 1 << 16;
/// All composite indexes take no more than such a part of what the run's logs take.
const SHARE: u64 = 16;

/// The sidecars of a run, and how many records those before each have.
struct Run<'a> {
    sidecars: &'a [Arc<Sidecar>],
    bases: Vec<u32>,
    record_count: usize,
}

/// The composite indexes of a directory that says this of `fields`.
pub(super) fn composites(sidecars: &[Arc<Sidecar>], fields: &[DraftField]) -> Result<DraftComposites, Fault> {
    let none = Ok(DraftComposites::default());
    let Some(run) = Run::new(sidecars) else { return none };
    let mut budget = sidecars.iter().map(|sidecar| sidecar.meta().log_len).sum::<u64>() / SHARE;
    let mut leads: Vec<(usize, &DraftField)> =
        fields.iter().enumerate().filter(|(_, field)| can_lead(field)).collect();
    let len = |composites: &DraftComposites, field: &DraftField| {
        composites.lead_len(field.terms.len(), record_count_of(field)) as u64
    };
    leads.retain(|(_, field)| len(&DraftComposites::default(), field) <= budget);
    if leads.is_empty() {
        return none;
    }
    let few = fields.iter().enumerate().filter(|(_, field)| can_be_column(field));
    let columns = few.filter_map(|(place, field)| run.column(place, field).transpose());
    let columns: Vec<_> = columns.take(COLUMNS_MAX).collect::<Result<_, _>>()?;
    if columns.is_empty() {
        return none;
    }
    let mut composites = DraftComposites::new(columns);
    // Those first of which a question asks most postings.
    leads.sort_by_key(|(_, field)| Reverse(places_of(field)));
    budget = budget.saturating_sub(composites.sets_len() as u64);
    leads.retain(|(_, field)| {
        let left = budget.checked_sub(len(&composites, field));
        budget = left.unwrap_or(budget);
        left.is_some()
    });
    if leads.is_empty() {
        return none;
    }
    leads.sort_by_key(|(place, _)| *place);
    for (place, field) in leads {
        composites.push(run.lead(place, field)?);
    }
    Ok(composites)
}

/// Whether its terms are many, and each in many segments.
fn can_lead(field: &DraftField) -> bool {
    let count = field.terms.len();
    (COLUMN_TERMS_MAX + 1..=LEAD_TERMS_MAX).contains(&count) && places_of(field) >= count * SPREAD_MIN
}

/// Whether each of its terms can be a bit.
fn can_be_column(field: &DraftField) -> bool {
    field.unlisted_count == 0 && field.terms.len() <= COLUMN_TERMS_MAX
}

/// In how many segments its listed terms are, counted for each.
fn places_of(field: &DraftField) -> usize {
    field.terms.iter().map(|term| term.places.len()).sum()
}

/// How many records carry its listed terms, counted for each.
fn record_count_of(field: &DraftField) -> usize {
    field.terms.iter().flat_map(|term| &term.places).map(|place| place.count as usize).sum()
}

impl<'a> Run<'a> {
    /// Nothing where there are more records than can be numbered.
    fn new(sidecars: &'a [Arc<Sidecar>]) -> Option<Self> {
        let (mut bases, mut next) = (Vec::with_capacity(sidecars.len()), 0_u32);
        for sidecar in sidecars {
            bases.push(next);
            next = next.checked_add(sidecar.meta().record_count)?;
        }
        Some(Run { sidecars, bases, record_count: next as usize })
    }

    /// The column of a field, and the number of each record's set; nothing where all records hold the same, or too many
    /// different sets.
    fn column(&self, place: usize, field: &DraftField) -> Result<Option<(DraftColumn, Vec<u16>)>, Fault> {
        let mut held = vec![0_u64; self.record_count];
        let of_segments = self.of_segments(&field.name)?;
        for (bit, term) in field.terms.iter().enumerate() {
            self.each_record(&of_segments, term, |record| {
                held.get_mut(record as usize).into_iter().for_each(|held| *held |= 1 << bit);
            })?;
        }
        let mut sets = Sets::default();
        let numbers: Option<Vec<u16>> = held.into_iter().map(|set| sets.number(set)).collect();
        let numbers = numbers.filter(|_| sets.all.len() > 1);
        Ok(numbers.map(|numbers| (DraftColumn { field: place, sets: sets.all }, numbers)))
    }

    fn lead(&self, place: usize, field: &DraftField) -> Result<DraftLead, Fault> {
        let (mut ends, mut records) = (Vec::new(), Vec::with_capacity(record_count_of(field)));
        let of_segments = self.of_segments(&field.name)?;
        for term in &field.terms {
            self.each_record(&of_segments, term, |record| records.push(record))?;
            ends.push(records.len());
        }
        Ok(DraftLead { field: place, ends, records })
    }

    fn of_segments(&self, name: &str) -> Result<Vec<Option<Field<'a>>>, Fault> {
        self.sidecars.iter().map(|sidecar| sidecar.field(name)).collect()
    }

    /// Calls `visit` with the number of each record that carries a term, ascending.
    fn each_record(
        &self,
        of_segments: &[Option<Field<'a>>],
        term: &DraftTerm,
        mut visit: impl FnMut(u32),
    ) -> Result<(), Fault> {
        for place in &term.places {
            let segment = usize::from(place.segment);
            let field = of_segments.get(segment).copied().flatten();
            let Some((field, base)) = field.zip(self.bases.get(segment)) else { continue };
            let offsets = field.posting(place.ordinal)?.list(u32::MAX)?.unwrap_or_default();
            offsets.iter().for_each(|offset| visit(base + offset));
        }
        Ok(())
    }
}

/// The sets of a column, by number: in the order in which records first have them.
#[derive(Default)]
struct Sets {
    all: Vec<u64>,
    numbers: HashMap<u64, u16>,
}

impl Sets {
    /// Nothing where there are too many.
    fn number(&mut self, set: u64) -> Option<u16> {
        match self.numbers.entry(set) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(_) if self.all.len() == COLUMN_SETS_MAX => None,
            Entry::Vacant(vacant) => {
                let number = self.all.len() as u16;
                self.all.push(set);
                Some(*vacant.insert(number))
            }
        }
    }
}
