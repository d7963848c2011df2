//! Records that were disclosed, as queries see them: there is no index, and each is asked one by one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use indelible_engine::answer::{OwnedTerm, Search, Watch};
use indelible_engine::filter::{Filter, Glob, Matcher, Scratch};
use indelible_engine::format::frame::LabelBuf;
use indelible_engine::source::{Profile, Term, TermKind};
use indelible_engine::{Error as StoreError, Record, Seq};

use crate::error::Result;
use crate::event::{DisclosedRecord, Event};
use crate::ground::{Ground, Order};
use crate::run::{Row, Rows};

/// Records of a log, in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Disclosed {
    /// In the order of the log.
    records: Arc<[Arc<DisclosedRecord>]>,
    profiles: Arc<BTreeMap<Seq, Arc<Profile>>>,
}

impl Disclosed {
    /// These records, in any order, each read by the profile of its source.
    ///
    /// # Errors
    /// [`Error::NotFound`](StoreError::NotFound) where the profile of a record is not among `profiles`;
    /// [`Error::InvalidEvent`](StoreError::InvalidEvent) for labels that no record has.
    pub fn new(
        records: impl IntoIterator<Item = Record>,
        profiles: impl IntoIterator<Item = (Seq, Profile)>,
    ) -> Result<Disclosed> {
        let profiles: BTreeMap<Seq, Arc<Profile>> =
            profiles.into_iter().map(|(source, profile)| (source, Arc::new(profile))).collect();
        let missing = |source: Seq| StoreError::NotFound { what: "source", name: source.to_string() };
        let mut kept = BTreeMap::new();
        for record in records {
            let profile = match record.source {
                0 => None,
                source => Some(Arc::clone(profiles.get(&source).ok_or_else(|| missing(source))?)),
            };
            let mut labels = LabelBuf::default();
            for label in &record.labels {
                labels.push(label).map_err(|reason| StoreError::InvalidEvent { offset: 0, reason })?;
            }
            let seq = record.seq;
            let fields = OnceLock::new();
            kept.insert(seq, Arc::new(DisclosedRecord { record, labels, profile, fields }));
        }
        Ok(Disclosed { records: kept.into_values().collect(), profiles: Arc::new(profiles) })
    }

    /// How many records there are.
    pub fn count(&self) -> usize {
        self.records.len()
    }
}

impl Ground for Disclosed {
    fn rows(&self, filter: &Filter, seqs: Range<Seq>, order: Order, watch: &Arc<Watch>) -> Result<Rows> {
        let matcher = Matcher::new(filter)?;
        let mut scratch = Scratch::default();
        let place = |seq: Seq| self.records.partition_point(|kept| kept.record.seq < seq);
        let mut places = place(seqs.start)..place(seqs.end);
        let (records, watch) = (Arc::clone(&self.records), Arc::clone(watch));
        let mut next = move || -> Result<Option<Row>> {
            loop {
                watch.check()?;
                let place = match order {
                    Order::OldestFirst => places.next(),
                    Order::NewestFirst => places.next_back(),
                };
                let Some(kept) = place.and_then(|place| records.get(place)) else { return Ok(None) };
                if matcher.matches(&kept.subject()?, &mut scratch)? {
                    return Ok(Some(Row::of_event(Event::from(Arc::clone(kept)))));
                }
            }
        };
        Ok(Box::new(std::iter::from_fn(move || next().transpose())))
    }

    fn search(&self, _filter: &Filter, _seqs: Range<Seq>, _watch: &Arc<Watch>) -> Result<Option<Search>> {
        Ok(None)
    }

    fn terms(&self, field: &str, glob: &Glob) -> Result<BTreeMap<OwnedTerm, u64>> {
        let mut terms = BTreeMap::new();
        for kept in self.records.iter() {
            let subject = kept.subject()?;
            if field == "label" {
                for label in subject.labels.iter().filter(|label| glob.matches(label.as_bytes())) {
                    let term = Term { kind: TermKind::Text, bytes: label.as_bytes() };
                    *terms.entry(OwnedTerm::from(term)).or_default() += 1;
                }
            }
            let slot = subject.profile.fields().iter().position(|rule| rule.name == field);
            for (at, term) in subject.fields.terms() {
                let is_here = slot.is_some_and(|slot| slot == usize::from(at));
                if is_here && term.kind == TermKind::Text && glob.matches(term.bytes) {
                    *terms.entry(OwnedTerm::from(term)).or_default() += 1;
                }
            }
        }
        Ok(terms)
    }

    fn each_profile(&self, visit: &mut dyn FnMut(&Profile)) -> Result<()> {
        self.profiles.values().for_each(|profile| visit(profile));
        Ok(())
    }
}
