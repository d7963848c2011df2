//! How much a snapshot holds, told from its indexes: no event is read but those of the active segment that this process
//! has not indexed yet.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::Snapshot;
use crate::error::Fault;
use crate::segment::Sidecar;
use crate::source::{EventTime, Term, TermKind};
use crate::{Result, Timestamp};

/// How much a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals<const N: usize> {
    /// Users' events; the store's own records are not among them.
    pub event_count: u64,
    /// When the first and the last record were received, by the clock's reading: not always in the log's order.
    pub received: Option<(Timestamp, Timestamp)>,
    /// The earliest and the latest time that an event says it has.
    pub event_time: Option<(Timestamp, Timestamp)>,
    /// Events whose own time is missing or unreadable.
    pub without_time_count: u64,
    /// Of each field that was asked for: how many values it has. The store's own records have a `kind` alone, which
    /// counts here.
    pub value_counts: [u64; N],
}

/// The totals as they grow.
struct Sum<'a, const N: usize> {
    fields: [&'a str; N],
    hasher: RandomState,
    /// Hashes of the values of each field: 64 bits are enough to count by.
    values: [HashSet<u64>; N],
    totals: Totals<N>,
}

impl Snapshot {
    /// How much there is, and how many values these fields have.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub fn totals<const N: usize>(&self, fields: [&str; N]) -> Result<Totals<N>> {
        let totals = Totals {
            event_count: 0,
            received: None,
            event_time: None,
            without_time_count: 0,
            value_counts: [0; N],
        };
        let values = fields.map(|_| HashSet::new());
        let mut sum = Sum { fields, hasher: RandomState::new(), values, totals };
        for view in &*self.views()? {
            let sidecar = self.inner.log.open_view(view, &self.catalog)?;
            let before = sum.totals.clone();
            if sum.add(&sidecar).is_err() {
                // A damaged sidecar is made anew; the values that it gave before the damage it gives again.
                sum.totals = before;
                let sidecar = self.inner.log.remake_view(view, &self.catalog)?;
                let file = self.inner.log.layout.log(view.segment);
                sum.add(&sidecar).map_err(|fault| fault.in_file(&file))?;
            }
        }
        sum.totals.value_counts = sum.values.map(|values| values.len() as u64);
        Ok(sum.totals)
    }
}

impl<const N: usize> Sum<'_, N> {
    /// Adds the records of a sidecar.
    fn add(&mut self, sidecar: &Sidecar) -> Result<(), Fault> {
        for frame in sidecar.frames()? {
            widen(&mut self.totals.received, frame.received_at);
        }
        let mut known_count = 0;
        for offset in 0..sidecar.meta().record_count {
            if let Some(EventTime::Known(time)) = sidecar.event_time(offset)? {
                known_count += 1;
                widen(&mut self.totals.event_time, time);
            }
        }
        // The store's own records have no time of their own.
        let own = Term { kind: TermKind::Number, bytes: b"0" };
        let source = sidecar.field("source")?;
        let own = source.map(|source| source.posting_of_term(own)).transpose()?.flatten();
        let own_count = own.map_or(0, |posting| posting.count());
        let event_count = u64::from(sidecar.meta().record_count.saturating_sub(own_count));
        self.totals.event_count += event_count;
        self.totals.without_time_count += event_count.saturating_sub(known_count);
        for (name, values) in self.fields.iter().zip(&mut self.values) {
            let Some(field) = sidecar.field(name)? else { continue };
            for kind in [TermKind::Text, TermKind::Number, TermKind::Bool, TermKind::Null] {
                for ordinal in field.ordinals(kind) {
                    if let Some(term) = field.term(ordinal)? {
                        values.insert(self.hasher.hash_one(term));
                    }
                }
            }
        }
        Ok(())
    }
}

fn widen(span: &mut Option<(Timestamp, Timestamp)>, time: Timestamp) {
    let (first, last) = span.unwrap_or((time, time));
    *span = Some((first.min(time), last.max(time)));
}
