//! Answers: from a filter to the records that match it, by index.
//!
//! Each segment is asked for itself. Its sidecar says of every condition which records surely match and which are
//! *open*: where the index can't decide, the record is read and the filter's [`Matcher`](crate::filter::Matcher) asked. So an answer is
//! always what the matcher would say of every record of the snapshot; the index only makes it cheap.
//!
//! A sidecar is a cache of what the log says. One that is missing or damaged is made anew from the log, in memory,
//! and the answer says so; bytes of the log itself are used only once their frame's checksum was found right.
//!
//! # What this room does not do
//! It reads no query language, sorts nothing, and writes nothing.

mod bounds;
mod explain;
mod group;
mod hit;
mod names;
mod plan;
mod search;
mod set;
mod stretch;
mod stretches;
#[cfg(test)]
mod tests;
mod text;
mod vocabulary;

use std::ops::Range;
use std::sync::Arc;

use crate::format::head::Head;
use crate::log::views::View;
use crate::log::{Catalog, Log};
use crate::{Error, Fault, Result, Seq};

pub use explain::{Explanation, PostingExplanation, SegmentExplanation};
pub use group::{GroupKey, Groups, OwnedTerm};
pub use hit::Hit;
pub use search::{Search, Warning, Watch};
pub(crate) use stretches::Stretches;
pub use vocabulary::FieldSummary;
pub(crate) use vocabulary::{field_summaries, terms};

/// The log as of one head, and the stretches of it that are open already.
#[derive(Debug, Clone)]
pub(crate) struct AsOf {
    pub(crate) log: Arc<Log>,
    pub(crate) stretches: Arc<Stretches>,
    pub(crate) head: Arc<Head>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) views: Arc<[View]>,
}

impl AsOf {
    /// The places among the views of those that hold records of `seqs`.
    fn pieces(&self, seqs: &Range<Seq>) -> Range<usize> {
        let start = self.views.partition_point(|view| view.end_seq <= seqs.start);
        let end = self.views.partition_point(|view| view.first_seq < seqs.end);
        start..end.max(start)
    }

    /// The view at `piece`.
    fn view(&self, piece: usize) -> Result<&View> {
        let missing = || Error::NotFound { what: "part of the log", name: piece.to_string() };
        self.views.get(piece).ok_or_else(missing)
    }

    /// Whether nothing is ever written to the view's log again.
    fn is_sealed(&self, view: &View) -> bool {
        view.segment != self.head.active
    }
}

/// Why a stretch gave no answer.
#[derive(Debug)]
enum Trouble {
    /// The sidecar is not what it should be, or not what the log is: the log may still be whole.
    Stretch(Fault),
    Other(Error),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Stretch(fault)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Other(error)
    }
}
