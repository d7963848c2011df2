//! What a profile finds in an event, told to a person who is writing the profile.

use super::fields::{EventTime, Fields, TermKind};
use super::profile::{FieldKind, FieldRule, Profile};
use crate::Result;

/// What was found of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected<'p> {
    /// The field.
    pub field: &'p FieldRule,
    /// Its values as they are indexed, strings without quotes; of a time, RFC 3339 in UTC. Not fit for a terminal
    /// as they are: they are the event's own bytes.
    pub values: Vec<String>,
    /// Why something that stands there can't be indexed.
    pub unreadable: Option<&'static str>,
}

impl Inspected<'_> {
    /// Whether the event has nothing at any path of the field.
    pub fn is_absent(&self) -> bool {
        self.values.is_empty() && self.unreadable.is_none()
    }
}

impl Profile {
    /// Extracts from `event` and tells of every field, in their order, what was found.
    ///
    /// # Errors
    /// As [`Profile::extract`].
    pub fn inspect(&self, event: &[u8]) -> Result<Vec<Inspected<'_>>> {
        let mut fields = Fields::default();
        let mut why = Vec::new();
        self.extract_with(event, &mut fields, |reasons| why.extend_from_slice(reasons))?;
        let mut all: Vec<_> = self
            .fields()
            .iter()
            .map(|field| Inspected { field, values: Vec::new(), unreadable: None })
            .collect();
        for (slot, term) in fields.terms() {
            if let Some(field) = all.get_mut(usize::from(slot)) {
                field.values.push(match term.kind {
                    TermKind::Null => "null".to_owned(),
                    _ => String::from_utf8_lossy(term.bytes).into_owned(),
                });
            }
        }
        for &slot in fields.unreadable() {
            // The last reason is that of the path that won.
            let reason = why.iter().rev().find(|(at, _)| *at == slot).map(|(_, reason)| *reason);
            if let Some(field) = all.get_mut(usize::from(slot)) {
                field.unreadable = Some(reason.unwrap_or("more values than a field may have"));
            }
        }
        for field in &mut all {
            match (field.field.kind, fields.time(), fields.event_id()) {
                (FieldKind::Time, EventTime::Known(time), _) => field.values.push(time.to_string()),
                (FieldKind::Id, _, Some(id)) => field.values.push(String::from_utf8_lossy(id).into_owned()),
                _ => {}
            }
        }
        Ok(all)
    }
}
