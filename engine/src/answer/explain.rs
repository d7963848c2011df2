//! How an answer is found: what was looked at, and what it cost.

use std::collections::BTreeMap;

use crate::segment::Posting;
use crate::{SegmentId, Seq};

/// How a filter is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The segments in the range that was asked for, in order.
    pub segments: Vec<SegmentExplanation>,
    /// How many of them were passed by without a plan, since a directory says that nothing in them could match, or they
    /// have none of the event ids asked for.
    pub passed_by: usize,
    /// The postings that were used, of all segments together, those that name the most records first.
    pub postings: Vec<PostingExplanation>,
    /// How many records match.
    pub matches: u64,
    /// How many records had to be read to know.
    pub records_read: u64,
    /// How many records would have to be read to know, and are in an archive.
    pub left_open: u64,
    /// How many bytes of postings were used, and of records read.
    pub bytes_read: u64,
}

impl Explanation {
    /// Whether the index alone says which records match.
    pub fn is_exact(&self) -> bool {
        self.segments.iter().all(|segment| segment.open == 0)
    }

    /// Takes in what is said of a segment that was asked; what postings it took is counted by a [`Trace`].
    pub(super) fn add(&mut self, more: Explanation) {
        self.segments.extend(more.segments);
        self.matches += more.matches;
        self.records_read += more.records_read;
        self.left_open += more.left_open;
        self.bytes_read += more.bytes_read;
    }

    /// How many segments hold nothing that could match.
    pub fn pruned(&self) -> usize {
        self.segments.iter().filter(|segment| segment.sure == 0 && segment.open == 0).count()
    }
}

/// What became of one segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

/// A posting that was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostingExplanation {
    /// The field.
    pub field: String,
    /// The term; `present` and `unreadable` are the reserved ones.
    pub term: String,
    /// In how many segments.
    pub segments: u64,
    /// How many records it names.
    pub records: u64,
    /// How many bytes it takes.
    pub len: u64,
}

/// How many postings an explanation names.
const POSTINGS_MAX: usize = 100;

/// What is noted on the way.
#[derive(Debug, Default)]
pub(super) struct Trace {
    postings: BTreeMap<(String, String), (u64, u64, u64)>,
    pub(super) posting_len: u64,
}

impl Trace {
    pub(super) fn posting(&mut self, field: &str, term: &[u8], posting: &Posting<'_>) {
        self.add_posting(field, term, 1, u64::from(posting.count()), posting.encoded_len());
    }

    /// Notes that of a term so many records of so many segments were looked at, in so many bytes.
    pub(super) fn add_posting(&mut self, field: &str, term: &[u8], segments: u64, records: u64, len: u64) {
        let name = (field.to_owned(), String::from_utf8_lossy(term).into_owned());
        let known = self.postings.entry(name).or_default();
        *known = (known.0 + segments, known.1 + records, known.2 + len);
        self.posting_len += len;
    }

    pub(super) fn add(&mut self, more: Trace) {
        for (name, (segments, records, len)) in more.postings {
            let known = self.postings.entry(name).or_default();
            *known = (known.0 + segments, known.1 + records, known.2 + len);
        }
        self.posting_len += more.posting_len;
    }

    pub(super) fn into_postings(self) -> Vec<PostingExplanation> {
        let sums = self.postings.into_iter().map(|((field, term), (segments, records, len))| {
            PostingExplanation { field, term, segments, records, len }
        });
        let mut postings: Vec<_> = sums.collect();
        postings.sort_by_key(|posting| std::cmp::Reverse(posting.records));
        postings.truncate(POSTINGS_MAX);
        postings
    }
}

/// The seqs of a piece that were asked about.
pub(super) fn asked(seqs: &std::ops::Range<Seq>) -> u64 {
    seqs.end.saturating_sub(seqs.start)
}
