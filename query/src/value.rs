//! Values of rows, each with its type: what is missing, null and unreadable stays apart.

use std::cmp::Ordering;
use std::fmt;

use indelible_engine::Timestamp;
use indelible_engine::source::{Term, TermKind};

use crate::decimal::Decimal;
use crate::time;

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// There is nothing.
    Missing,
    /// There is a null.
    Null,
    /// There is something that the profile could not read.
    Unreadable,
    /// A truth value.
    Bool(bool),
    /// A number, exactly.
    Decimal(Decimal),
    /// A text.
    Text(String),
    /// A point in time.
    Time(Timestamp),
    /// A duration in nanoseconds.
    Duration(i128),
    /// An object or array of the event, or a number of more than 512 digits, as it is written there.
    Json(String),
    /// Several values.
    List(Vec<Value>),
}

impl Value {
    /// A whole number.
    pub fn count(count: u64) -> Value {
        Value::Decimal(count.into())
    }

    /// What a term says.
    pub(crate) fn of_term(term: Term<'_>) -> Value {
        match term.kind {
            TermKind::Text => Value::Text(String::from_utf8_lossy(term.bytes).into_owned()),
            TermKind::Number => Value::Decimal(Decimal::from_canonical(term.bytes)),
            TermKind::Bool => Value::Bool(term.bytes == b"true"),
            TermKind::Null => Value::Null,
            TermKind::Reserved => Value::Missing,
        }
    }

    /// One value for all of these: none is missing, one is itself.
    pub(crate) fn of_all(mut values: Vec<Value>) -> Value {
        match values.len() {
            0 => Value::Missing,
            1 => values.swap_remove(0),
            _ => Value::List(values),
        }
    }

    /// The values that this stands for: those of a list, each, else itself.
    pub(crate) fn each(&self) -> &[Value] {
        match self {
            Value::List(values) => values,
            one => std::slice::from_ref(one),
        }
    }

    /// The object or array that it is, as the event writes it.
    pub(crate) fn container(&self) -> Option<&str> {
        match self {
            Value::Json(json) => Some(json.as_str()).filter(|json| json.starts_with(['{', '['])),
            _ => None,
        }
    }

    /// The number of an event that is too long for a decimal, as it is written there.
    pub(crate) fn long_number(&self) -> Option<&str> {
        match self {
            Value::Json(json) if self.container().is_none() => Some(json),
            _ => None,
        }
    }

    /// How many bytes it takes, about.
    pub(crate) fn footprint(&self) -> usize {
        // What the allocator needs for itself.
        const OF_ALLOCATION: usize = 16;
        let heap = match self {
            Value::Decimal(number) => number.as_str().len() + OF_ALLOCATION,
            Value::Text(text) | Value::Json(text) => text.capacity() + OF_ALLOCATION,
            Value::List(values) => values.iter().map(Value::footprint).sum::<usize>() + OF_ALLOCATION,
            _ => 0,
        };
        size_of::<Value>() + heap
    }

    /// The value as JSON: times as RFC 3339, durations as seconds, what is missing or unreadable as null.
    pub fn to_json(&self) -> String {
        match self {
            Value::Missing | Value::Null | Value::Unreadable => "null".to_owned(),
            Value::Bool(truth) => truth.to_string(),
            Value::Decimal(number) => number.to_string(),
            Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            Value::Time(time) => format!("\"{time}\""),
            Value::Duration(duration) => time::seconds(*duration).to_string(),
            Value::Json(json) => json.clone(),
            Value::List(values) => {
                format!("[{}]", values.iter().map(Value::to_json).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// Types stand in this order; what is unreadable or missing last.
    fn rank(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Decimal(_) => 2,
            Value::Duration(_) => 3,
            Value::Time(_) => 4,
            Value::Text(_) => 5,
            Value::Json(_) => 6,
            Value::List(_) => 7,
            Value::Unreadable => 8,
            Value::Missing => 9,
        }
    }

    /// Whether there is nothing to compare: such values stand last, whichever way is sorted.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Value::Missing | Value::Unreadable)
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Decimal(a), Value::Decimal(b)) => a.cmp(b),
            (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
            (Value::Time(a), Value::Time(b)) => a.cmp(b),
            (Value::Text(a), Value::Text(b)) | (Value::Json(a), Value::Json(b)) => a.cmp(b),
            (Value::List(a), Value::List(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

impl fmt::Display for Value {
    /// For people: nothing for what is missing, durations as `1h30m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Missing => Ok(()),
            Value::Null => f.write_str("null"),
            Value::Unreadable => f.write_str("(unreadable)"),
            Value::Bool(truth) => truth.fmt(f),
            Value::Decimal(number) => number.fmt(f),
            Value::Text(text) | Value::Json(text) => f.write_str(text),
            Value::Time(time) => time.fmt(f),
            Value::Duration(duration) => time::show_duration(*duration, f),
            Value::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    value.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}
