//! A filter as bytes: canonical JSON, one spelling for each tree, bounded before it is believed.

use super::{Filter, Glob, Matcher, Test, Value};
use crate::{Error, Result, limits};

impl Filter {
    /// The filter's canonical bytes: JSON without spaces, keys in order.
    pub fn encode(&self) -> Vec<u8> {
        // Through a Value, whose maps are sorted.
        serde_json::to_value(self).unwrap_or_default().to_string().into_bytes()
    }

    /// Reads a filter back.
    ///
    /// # Errors
    /// [`Error::InvalidFilter`] where the bytes are none, or not in canonical form, or it is over a limit.
    pub fn decode(bytes: &[u8]) -> Result<Filter> {
        let invalid = |reason: String| Error::InvalidFilter { reason };
        if bytes.len() > limits::FILTER_LEN_MAX {
            return Err(invalid(format!("longer than {} bytes", limits::FILTER_LEN_MAX)));
        }
        let filter: Filter = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        if filter.encode() != bytes {
            return Err(invalid("not in canonical form".to_owned()));
        }
        filter.check()?;
        Ok(filter)
    }

    /// Whether the filter keeps within the limits and can be compiled.
    ///
    /// # Errors
    /// [`Error::InvalidFilter`] with what is wrong.
    pub fn check(&self) -> Result<()> {
        Matcher::new(self).map(|_| ())
    }

    /// How deep conditions are nested, and how many there are, values among them.
    pub(super) fn measure(&self) -> (usize, usize) {
        let below = |filters: &[Filter]| {
            filters
                .iter()
                .map(Filter::measure)
                .fold((0, 1), |(depth, count), (below, more)| (depth.max(below), count + more))
        };
        match self {
            Filter::All(filters) | Filter::Any(filters) => {
                let (depth, count) = below(filters);
                (depth + 1, count)
            }
            Filter::Not(filter) => {
                let (depth, count) = filter.measure();
                (depth + 1, count + 1)
            }
            Filter::Field(_, Test::Equals(values)) => (1, 1 + values.len()),
            Filter::Ids(ids) => (1, 1 + ids.len()),
            _ => (1, 1),
        }
    }
}

impl Value {
    /// The word or text itself.
    pub fn as_str(&self) -> &str {
        match self {
            Value::Word(text) | Value::Text(text) => text,
        }
    }

    /// Whether this stands for any number of values.
    pub fn is_glob(&self) -> bool {
        matches!(self, Value::Word(word) if Glob::is_glob(word))
    }
}
