//! What a bundle is about: the filters that a question puts to the log, and the seqs that it asks about.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Challenge, SCOPE};
use crate::filter::{Clock, Field, Filter};
use crate::{Error, Fault, Result, Seq, limits};

/// The version of the bundle's layout.
const FORMAT: u16 = 1;

/// What a bundle is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The records that the question asks about. Ends at the checkpoint's size or before.
    pub seqs: Range<Seq>,
    /// All that the question asks of the log: its own filter, and of each condition on what stands beside an event,
    /// the filter of what is looked for.
    pub filters: Vec<Filter>,
    /// Which of the records that may match are in the bundle.
    pub candidates: Candidates,
    /// What draws records by which the index is put to the test.
    pub challenge: Option<Challenge>,
}

/// Which of the records that may match are in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Candidates {
    /// All: whoever checks the bundle filters them.
    All,
    /// Those alone that match, where the index does not say which: the operator filtered them, and that can't be
    /// checked. What the index does say is checked all the same.
    Matches,
}

/// How a scope is written; the names in their order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    candidates: Candidates,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    challenge: Option<Challenge>,
    end_seq: Seq,
    filters: Vec<Filter>,
    first_seq: Seq,
    format: u16,
}

impl Scope {
    /// The scope's canonical bytes: JSON without spaces, keys in order.
    pub fn encode(&self) -> Vec<u8> {
        let written = Written {
            candidates: self.candidates,
            challenge: self.challenge.clone(),
            end_seq: self.seqs.end,
            filters: self.filters.clone(),
            first_seq: self.seqs.start,
            format: FORMAT,
        };
        // Through a Value, whose maps are sorted, those of the filters too.
        serde_json::to_value(&written).unwrap_or_default().to_string().into_bytes()
    }

    /// Reads a scope.
    ///
    /// # Errors
    /// [`Error::Fault`] where the bytes are none, or not in canonical form, or of another version;
    /// [`Error::InvalidFilter`] and [`Error::OverLimit`] as [`Scope::check`], but for what takes compiling: that is left
    /// until a signature was found on what the scope stands beside.
    pub fn decode(bytes: &[u8]) -> Result<Scope> {
        over("scope length", bytes.len(), limits::BUNDLE_FILTERS_MAX * limits::FILTER_LEN_MAX)?;
        let refuse = |fault: Fault| Err(fault.in_file(Path::new(SCOPE)));
        let written: Written = match serde_json::from_slice(bytes) {
            Ok(written) => written,
            Err(error) => {
                return refuse(Fault::damaged(error.column() as u64, "scope", "a bundle's scope", error));
            }
        };
        if written.format != FORMAT {
            return refuse(Fault::new(crate::Class::Unsupported, 0, "bundle format", FORMAT, written.format));
        }
        let Written { candidates, challenge, end_seq, filters, first_seq, .. } = written;
        let scope = Scope { seqs: first_seq..end_seq, filters, candidates, challenge };
        if scope.encode() != bytes {
            return refuse(Fault::damaged(0, "scope", "canonical JSON", "another spelling"));
        }
        scope.check_limits()?;
        Ok(scope)
    }

    /// The fields that the filters name; a span of event time is one of days.
    pub(crate) fn fields_named(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for filter in &self.filters {
            filter.walk(&mut |filter| match filter {
                Filter::Field(Field::Name(name), _) => {
                    names.insert(name.clone());
                }
                Filter::Time(Clock::Event, _) => {
                    names.insert("day".to_owned());
                }
                _ => {}
            });
        }
        names
    }

    /// Whether the scope keeps within the limits and all filters can be compiled.
    ///
    /// # Errors
    /// [`Error::OverLimit`]; [`Error::InvalidFilter`] with what is wrong.
    pub fn check(&self) -> Result<()> {
        self.check_limits()?;
        self.filters.iter().try_for_each(Filter::check)
    }

    fn check_limits(&self) -> Result<()> {
        over("number of filters in a bundle", self.filters.len(), limits::BUNDLE_FILTERS_MAX)?;
        if self.filters.is_empty() || self.seqs.start > self.seqs.end {
            let reason = "a bundle has at least one filter, and its seqs do not end before they begin";
            return Err(Error::InvalidFilter { reason: reason.to_owned() });
        }
        self.challenge.iter().try_for_each(Challenge::check)?;
        let is_short = |filter: &Filter| over("filter length", filter.encode().len(), limits::FILTER_LEN_MAX);
        self.filters.iter().try_for_each(is_short)
    }
}

fn over(what: &'static str, found: usize, limit: usize) -> Result<()> {
    if found > limit {
        return Err(Error::OverLimit { what, found: found as u64, limit: limit as u64 });
    }
    Ok(())
}
