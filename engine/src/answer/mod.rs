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
#[cfg(test)]
mod tests;
mod text;
mod view;
mod views;
mod vocabulary;

use std::ops::Range;
use std::sync::Arc;

use crate::format::head::Head;
use crate::log::{Catalog, Log};
use crate::{Error, Fault, SegmentId, Seq};

pub use explain::{Explanation, PostingExplanation, SegmentExplanation};
pub use group::{GroupKey, Groups, OwnedTerm};
pub use hit::Hit;
pub use search::{Search, Warning, Watch};
pub(crate) use views::Views;
pub use vocabulary::FieldSummary;
pub(crate) use vocabulary::{field_summaries, terms};

/// The log as of one head, and the views of its segments that are open already.
#[derive(Debug, Clone)]
pub(crate) struct AsOf {
    pub(crate) log: Arc<Log>,
    pub(crate) views: Arc<Views>,
    pub(crate) head: Arc<Head>,
    pub(crate) catalog: Arc<Catalog>,
}

/// A part of the log that has a view of its own.
#[derive(Debug, Clone)]
struct Piece {
    id: SegmentId,
    seqs: Range<Seq>,
    log_len: u64,
    sealed: bool,
}

impl AsOf {
    /// The pieces that hold records of `seqs`, in order.
    fn pieces(&self, seqs: &Range<Seq>) -> impl DoubleEndedIterator<Item = Piece> + use<> {
        let catalog = Arc::clone(&self.catalog);
        let first = catalog.sealed.partition_point(|place| place.end_seq <= seqs.start);
        let end = catalog.sealed.partition_point(|place| place.first_seq < seqs.end).max(first);
        let active = Piece {
            id: self.head.active,
            seqs: self.head.active.0..self.head.next_seq,
            log_len: self.head.written_len,
            sealed: false,
        };
        let has_active = active.seqs.start < seqs.end && seqs.start < active.seqs.end;
        let sealed = (first..end).filter_map(move |index| {
            let place = catalog.sealed.get(index)?;
            let seqs = place.first_seq..place.end_seq;
            Some(Piece { id: SegmentId(place.first_seq), seqs, log_len: place.log_len, sealed: true })
        });
        sealed.chain(has_active.then_some(active))
    }
}

/// Why a view gave no answer.
#[derive(Debug)]
enum Trouble {
    /// The sidecar is not what it should be, or not what the log is: the log may still be whole.
    View(Fault),
    Other(Error),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::View(fault)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Other(error)
    }
}
