//! Filters: the predicate tree over fields, paths, text and time, and its evaluation on one record.
//!
//! Queries, label rules, holds and policies all say what they mean with a [`Filter`]. A filter is data: it is built
//! by whoever reads a language (this room reads none), written into the log as canonical JSON, and compiled into a
//! [`Matcher`] that tells whether one record matches. What the index answers must be what a matcher would say of
//! every record; so this room is the meaning of a filter.
//!
//! # What a filter means
//! - A *name* is a field that the record's profile declares, or one of `source`, `encoding`, `day` and `label`; a
//!   record whose profile does not declare it has none. A *path* is followed in the event's own JSON, whatever its
//!   profile.
//! - A field has any number of values. A test holds for a record where it holds for at least one of them. Objects and
//!   arrays that a path ends at are there ([`Test::Exists`]) and are no values; an array stands for its elements.
//! - *Missing* is nothing there; *null* is a value; *unreadable* is something there that the profile could not read.
//!   Unreadable values pass no test but [`Test::Exists`] and [`Test::Unreadable`].
//! - Numbers compare as decimals, exactly. Texts compare by their bytes, once unescaped.
//! - The time of a record is its event time; where that is missing or unreadable, the time of receipt stands in.

mod decide;
mod encode;
mod glob;
mod labels;
mod matcher;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::source::Path;
use crate::{Seq, Timestamp};

pub use decide::Decision;
pub use glob::Glob;
pub use labels::{LabelRule, LabelRules};
pub(crate) use labels::{MASKED_PREFIX, RULES_PREFIX};
pub(crate) use matcher::{Asked, Node, Place};
pub use matcher::{Matcher, Scratch, Subject, TermTest};

/// A condition on one record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Filter {
    /// All of these hold; of none, every record matches.
    All(Vec<Filter>),
    /// At least one of these holds; of none, no record matches.
    Any(Vec<Filter>),
    /// This does not hold.
    Not(Box<Filter>),
    /// A value of the field passes the test.
    Field(Field, Test),
    /// The event's bytes, as they were received, contain this text as JSON writes it in a string.
    Text(String),
    /// The record's time lies in the window.
    Time(Clock, Window),
    /// The record's seq lies in the range.
    Seqs(Range<Seq>),
    /// The event's id is one of these.
    Ids(Vec<String>),
    /// The record is one of the store's own.
    StoreRecord,
}

/// Where values are found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// A field of the record's profile.
    Name(String),
    /// A place in the event's JSON.
    Path(Path),
}

/// What is asked of a field's values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// There is something, null and the unreadable among it.
    Exists,
    /// There is something that could not be read. Nothing at the end of a path is unreadable.
    Unreadable,
    /// A value equals one of these.
    Equals(Vec<Value>),
    /// There is a value, and none equals this one.
    Differs(Value),
    /// A value stands in this order to the quantity.
    Compare(Comparison, Quantity),
    /// A text, or a number as it is written canonically, contains a match of this regular expression.
    Matches(String),
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A word: the text of this spelling, and also the number, truth value or null that it spells. `*` stands for any
    /// characters and `?` for one.
    Word(String),
    /// Exactly this text.
    Text(String),
}

/// An order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// What can be more or less.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// A JSON number. Compared with numbers alone.
    Number(String),
    /// A point in time. Compared with texts that are RFC 3339 times.
    Time(Timestamp),
}

/// Whose clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The event's own; the store's where the event has none that can be read.
    Event,
    /// The store's, at the commit.
    Received,
}

/// A span of time, from its first nanosecond up to and without `until`. An end that is missing is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Window {
    /// The first nanosecond.
    pub from: Option<Timestamp>,
    /// The nanosecond behind the last.
    pub until: Option<Timestamp>,
}

impl Window {
    /// Whether `time` lies in it.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until)
    }
}

impl Comparison {
    /// Whether something that stands in this order to the quantity passes.
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Filter {
    /// Every record.
    pub fn everything() -> Filter {
        Filter::All(Vec::new())
    }

    /// Both this and `other`; what is nested needlessly is laid flat.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        match (self, other) {
            (Filter::All(mut all), Filter::All(more)) => {
                all.extend(more);
                Filter::All(all)
            }
            (Filter::All(mut all), one) => {
                all.push(one);
                if all.len() == 1 { all.swap_remove(0) } else { Filter::All(all) }
            }
            (one, Filter::All(more)) if more.is_empty() => one,
            (one, Filter::All(more)) => Filter::All(std::iter::once(one).chain(more).collect()),
            (one, other) => Filter::All(vec![one, other]),
        }
    }

    /// Calls `visit` with this filter and all below it, each before what is below it.
    pub fn walk(&self, visit: &mut impl FnMut(&Filter)) {
        visit(self);
        match self {
            Filter::All(filters) | Filter::Any(filters) => {
                filters.iter().for_each(|filter| filter.walk(visit))
            }
            Filter::Not(filter) => filter.walk(visit),
            _ => {}
        }
    }
}
