//! How an answer is found: what was looked at, and what it cost.

use std::collections::BTreeMap;

use crate::segment::Posting;
use crate::{SegmentId, Seq};

/// How a filter is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The segments in the range that was asked for, in order.
    pub segments: Vec<SegmentExplanation>,
    /// The postings that were used, by field.
    pub postings: Vec<PostingExplanation>,
    /// How many records match.
    pub matches: u64,
    /// How many records had to be read to know.
    pub records_read: u64,
    /// How many bytes of postings were used, and of records read.
    pub bytes_read: u64,
}

impl Explanation {
    /// Whether the index alone says which records match.
    pub fn is_exact(&self) -> bool {
        self.segments.iter().all(|segment| segment.open == 0)
    }

    /// How many segments hold nothing that could match.
    pub fn pruned(&self) -> usize {
        self.segments.iter().filter(|segment| segment.sure == 0 && segment.open == 0).count()
    }
}

/// What became of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentExplanation {
    /// The segment.
    pub id: SegmentId,
    /// How many of its records were asked about.
    pub records: u64,
    /// How many of them match by the index alone.
    pub sure: u64,
    /// How many had to be read to know.
    pub open: u64,
    /// Why its index was made anew from its log, where it was.
    pub rebuilt: Option<String>,
}

/// The postings of one field that were used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostingExplanation {
    /// The field.
    pub field: String,
    /// How many of its postings were used, of all segments together.
    pub postings: u64,
    /// How many records they name.
    pub records: u64,
    /// How many bytes they take.
    pub len: u64,
}

/// What is noted on the way.
#[derive(Debug, Default)]
pub(super) struct Trace {
    postings: BTreeMap<String, (u64, u64, u64)>,
    pub(super) posting_len: u64,
}

impl Trace {
    pub(super) fn posting(&mut self, field: &str, posting: &Posting<'_>) {
        let known = self.postings.entry(field.to_owned()).or_default();
        known.0 += 1;
        known.1 += u64::from(posting.count());
        known.2 += posting.encoded_len();
        self.posting_len += posting.encoded_len();
    }

    pub(super) fn into_postings(self) -> Vec<PostingExplanation> {
        let sums = self.postings.into_iter();
        sums.map(|(field, (postings, records, len))| PostingExplanation { field, postings, records, len })
            .collect()
    }
}

/// The seqs of a piece that were asked about.
pub(super) fn asked(seqs: &std::ops::Range<Seq>) -> u64 {
    seqs.end.saturating_sub(seqs.start)
}
