//! Many overlapping questions answered together: each segment is gone through once, and each condition asked once.

use std::sync::Arc;

use hashbrown::HashMap;
use roaring::RoaringBitmap;

use super::Trouble;
use super::group::{GroupKey, OwnedTerm, each_term, keys};
use super::plan::set_of;
use super::search::Search;
use super::set::Set;
use super::stretch::Stretch;
use crate::filter::Filter;
use crate::source::{EventTime, TermKind};
use crate::{Error, Fault, Result, Timestamp, limits};

/// What there is to say of the records that match one of several conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many there are.
    pub records: u64,
    /// The time of the earliest, as [`Hit::time`](super::Hit::time) has it.
    pub first: Option<Timestamp>,
    /// The time of the latest.
    pub last: Option<Timestamp>,
    /// Of each field that was asked about, how many values they have among them; null is none.
    pub values: Vec<u64>,
}

impl Tally {
    /// Takes a span of time into account.
    fn add_span(&mut self, (first, last): (Timestamp, Timestamp)) {
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
        self.last = Some(self.last.map_or(last, |known| known.max(last)));
    }
}

/// What one piece has of each part and each group.
#[derive(Default)]
struct PieceTally {
    /// By group.
    records: Vec<u64>,
    /// By part, from the earliest to the latest.
    spans: Vec<Option<(Timestamp, Timestamp)>>,
    /// By field: its values, and the parts whose records have them.
    values: Vec<Vec<(OwnedTerm, Vec<usize>)>>,
}

/// The values of one field that were met so far.
#[derive(Default)]
struct Met {
    numbers: HashMap<OwnedTerm, u32>,
    /// By part.
    of_part: Vec<RoaringBitmap>,
}

impl Search {
    /// For each group of `parts`, named by their places, what there is to say of the records that match this search and
    /// one of the group's parts at least: how many they are, from when to when, and how many values of each of
    /// `fields` they have.
    ///
    /// # Errors
    /// As [`Search::total`]; [`Error::OverLimit`] for a field of more than [`GROUPS_MAX`](limits::GROUPS_MAX) values.
    pub fn tally(&mut self, parts: &[Filter], groups: &[Vec<usize>], fields: &[&str]) -> Result<Vec<Tally>> {
        let parts = parts.iter().map(|part| self.of_same(part)).collect::<Result<Vec<_>>>();
        let mut parts = parts?;
        let mut tallies = vec![Tally::default(); groups.len()];
        let mut spans = vec![Tally::default(); parts.len()];
        let new_met = || Met { of_part: vec![RoaringBitmap::new(); parts.len()], ..Met::default() };
        let mut met: Vec<Met> = fields.iter().map(|_| new_met()).collect();
        for piece in self.take_pieces()? {
            let seqs = self.of_piece(piece)?;
            // A piece that has to be asked twice must not count twice.
            let found = self.ask(piece, |search, stretch| {
                let within = search.matching(stretch, search.candidates(piece, stretch, &seqs))?;
                tally_piece(stretch, &within, &mut parts, groups, fields)
            })?;
            for (tally, records) in tallies.iter_mut().zip(found.records) {
                tally.records += records;
            }
            for (tally, span) in spans.iter_mut().zip(found.spans) {
                span.into_iter().for_each(|span| tally.add_span(span));
            }
            for (met, values) in met.iter_mut().zip(found.values) {
                values.into_iter().try_for_each(|(term, parts)| met.add(term, &parts))?;
            }
            self.watch.pass(seqs.end - seqs.start);
        }
        for (tally, group) in tallies.iter_mut().zip(groups) {
            for span in group.iter().filter_map(|part| spans.get(*part)) {
                span.first.zip(span.last).into_iter().for_each(|span| tally.add_span(span));
            }
            tally.values = met.iter().map(|met| met.count(group)).collect();
        }
        Ok(tallies)
    }
}

impl Met {
    fn add(&mut self, term: OwnedTerm, parts: &[usize]) -> Result<()> {
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(term).or_insert(next);
        if u64::from(number) >= limits::GROUPS_MAX {
            let (found, limit) = (u64::from(number) + 1, limits::GROUPS_MAX);
            return Err(Error::OverLimit { what: "the number of values", found, limit });
        }
        for part in parts {
            self.of_part.get_mut(*part).into_iter().for_each(|of_part| {
                of_part.insert(number);
            });
        }
        Ok(())
    }

    fn count(&self, group: &[usize]) -> u64 {
        match group {
            [part] => self.of_part.get(*part).map_or(0, RoaringBitmap::len),
            _ => {
                let of_group = group.iter().filter_map(|part| self.of_part.get(*part));
                of_group.fold(RoaringBitmap::new(), |all, of_part| all | of_part).len()
            }
        }
    }
}

fn tally_piece(
    stretch: &Arc<Stretch>,
    within: &Set,
    parts: &mut [Search],
    groups: &[Vec<usize>],
    fields: &[&str],
) -> Result<PieceTally, Trouble> {
    let mut sets = Vec::with_capacity(parts.len());
    for part in parts {
        sets.push(if within.is_empty() {
            Set::none()
        } else {
            part.matching(stretch, within.clone().into())?
        });
    }
    let mut found = PieceTally::default();
    for group in groups {
        let mut of_group = group.iter().filter_map(|part| sets.get(*part)).filter(|set| !set.is_empty());
        found.records.push(match (of_group.next(), of_group.next()) {
            (None, _) => 0,
            (Some(one), None) => one.len(),
            (Some(one), Some(other)) => {
                of_group.fold(one.clone().or(other.clone()), |all, more| all.or(more.clone())).len()
            }
        });
    }
    for set in &sets {
        found.spans.push(span(stretch, set)?);
    }
    for name in fields {
        found.values.push(values(stretch, name, &sets)?);
    }
    Ok(found)
}

/// The earliest and the latest time of records.
fn span(stretch: &Arc<Stretch>, set: &Set) -> Result<Option<(Timestamp, Timestamp)>, Trouble> {
    let mut span: Option<(Timestamp, Timestamp)> = None;
    let times = stretch.sidecar.event_times()?;
    for offset in set.clone().offsets(false) {
        let time = match times.get(offset) {
            EventTime::Known(time) => time,
            EventTime::Absent | EventTime::Unreadable => {
                let beyond = || Fault::damaged(0, "record offset", stretch.count(), offset);
                stretch.sidecar.received_at(offset)?.ok_or_else(beyond)?
            }
        };
        span = Some(span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
    }
    Ok(span)
}

/// The values of a field that some of these records have, each with the places of the sets of which some record has it.
fn values(stretch: &Arc<Stretch>, name: &str, sets: &[Set]) -> Result<Vec<(OwnedTerm, Vec<usize>)>, Trouble> {
    let sets: Vec<(usize, &Set)> = sets.iter().enumerate().filter(|(_, set)| !set.is_empty()).collect();
    let mut found = Vec::new();
    if sets.is_empty() {
        return Ok(found);
    }
    if stretch.is_untermed(name) {
        for (place, set) in sets {
            for offset in set.clone().offsets(false) {
                let terms = keys(&stretch.hit(offset)?, name)?.into_iter().filter_map(|key| match key {
                    GroupKey::Term(term) if term.kind != TermKind::Null => Some((term, vec![place])),
                    GroupKey::Term(_) | GroupKey::Absent | GroupKey::Unreadable => None,
                });
                found.extend(terms);
            }
        }
        return Ok(found);
    }
    let Some(field) = stretch.sidecar.field(name)? else { return Ok(found) };
    each_term(&field, |term, posting| {
        let carriers = set_of(posting)?;
        let met = sets.iter().filter(|(_, set)| carriers.meets(set));
        let parts: Vec<usize> = met.map(|(place, _)| *place).collect();
        if !parts.is_empty() && term.kind != TermKind::Null {
            found.push((term.into(), parts));
        }
        Ok(())
    })?;
    Ok(found)
}
