//! Rows: an event with what was added to it, or the values of a table's columns.

use indelible_engine::source::{EventTime, FieldKind, Paths};
use indelible_engine::{Seq, Timestamp};

use super::eval;
use crate::error::Result;
use crate::event::Event;
use crate::value::Value;

/// A row of an answer.
#[derive(Debug)]
pub struct Row {
    pub(crate) event: Option<Event>,
    pub(crate) values: Vec<Value>,
}

impl Row {
    pub(crate) fn of_event(event: impl Into<Event>) -> Row {
        Row { event: Some(event.into()), values: Vec::new() }
    }

    /// A row of a table, of these values.
    pub fn of_values(values: Vec<Value>) -> Row {
        Row { event: None, values }
    }

    /// The values of the answer's columns, in their order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The event that this row is; rows of tables are none.
    pub fn event(&self) -> Option<&Event> {
        self.event.as_ref()
    }

    /// A field of the event: one that its profile names, else what stands at this path in its JSON.
    ///
    /// # Errors
    /// Where the name is no path, or the event no JSON.
    pub fn field(&self, name: &str) -> Result<Value> {
        let Some(event) = &self.event else { return Ok(Value::Missing) };
        if event.profile().fields().iter().any(|field| field.name == name) {
            return Ok(eval::of_name(event, eval::place(event, name))?.shown());
        }
        let (mut paths, mut found, mut buffer) = (Paths::default(), Vec::new(), Vec::new());
        let path = paths.add(&name.parse()?);
        paths.find(event.body(), &mut found)?;
        Ok(eval::of_path(event.body(), &found, path, &mut buffer).shown())
    }

    /// Sets the value of a column, which may be new.
    pub(crate) fn set(&mut self, column: usize, value: Value) {
        if self.values.len() <= column {
            self.values.resize(column + 1, Value::Missing);
        }
        if let Some(place) = self.values.get_mut(column) {
            *place = value;
        }
    }

    /// The event's time, its place in the log, and whether the time is its own.
    pub(crate) fn moment(&self) -> Result<Moment> {
        self.event.as_ref().map_or(Ok(Moment::default()), Moment::of)
    }

    /// How many bytes it takes to hold it, about. The event's own bytes are mapped.
    pub(crate) fn footprint(&self) -> usize {
        let fields = self.event.as_ref().map_or(0, |event| 256 + event.body().len() / 2);
        self.bare_footprint() + fields
    }

    /// The same, where none of the event's fields was asked for yet.
    pub(crate) fn bare_footprint(&self) -> usize {
        size_of::<Row>() + self.values.iter().map(Value::footprint).sum::<usize>()
    }
}

/// When and where in the log an event is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) time: Timestamp,
    pub(crate) seq: Seq,
    /// Whether the event says its time itself, and not the store for it.
    pub(crate) is_known: bool,
}

impl Moment {
    pub(crate) fn of(event: &Event) -> Result<Moment> {
        let is_known = matches!(event.event_time()?, EventTime::Known(_));
        Ok(Moment { time: event.time()?, seq: event.seq(), is_known })
    }
}

/// What a name means in the records of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Nowhere,
    OfRecord(OfRecord),
    Slot(indelible_engine::source::Slot, FieldKind),
}

/// Named fields that the store has of every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfRecord {
    Source,
    Encoding,
    Day,
    Label,
}
