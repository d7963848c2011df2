//! A record as it is read back.

use crate::format::entry::Entry;
use crate::hash::Hash;
use crate::{SegmentId, Seq, Timestamp};

/// A record as it is read back: the event byte for byte, and what the store added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its position in the log.
    pub seq: Seq,
    /// The clock's reading at its commit.
    pub received_at: Timestamp,
    /// The seq of the `store.source` record by which it is read; 0 for the store's own records.
    pub source: Seq,
    /// How the body is written: 0 is the event verbatim.
    pub encoding: u8,
    /// What the store added by rule.
    pub labels: Vec<String>,
    /// The event's bytes.
    pub body: Vec<u8>,
    /// The segment that holds it.
    pub segment: SegmentId,
    /// What ties it into the log, where it was asked for.
    pub integrity: Option<Integrity>,
}

impl Record {
    /// Whether this is one of the store's own records, kind `store.*`, rather than a user's event.
    pub fn is_store_record(&self) -> bool {
        self.source == 0
    }
}

/// What ties a record into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Integrity {
    /// The leaf of the record before; zeros for seq 0.
    pub predecessor: Hash,
    /// The salted hash of the body.
    pub body_hash: Hash,
    /// The record's leaf in the log's tree.
    pub leaf: Hash,
}

impl Integrity {
    pub(crate) fn of(entry: &Entry<'_>, leaf: Hash) -> Self {
        Integrity { predecessor: entry.predecessor, body_hash: entry.body_hash, leaf }
    }
}
