//! A record as it is read back.

use crate::format::entry::Entry;
use crate::format::frame::{LabelBuf, Labels, Stub};
use crate::hash::{Hash, RecordSalt, SegmentSalt};
use crate::{Error, Result, SegmentId, Seq, Timestamp};

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
    /// The event's bytes; empty where it was deleted.
    pub body: Vec<u8>,
    /// What is left of an event that was deleted; nothing where it is there.
    pub deleted: Option<Stub>,
    /// Its own salt, where it does not follow from its segment's.
    pub own_salt: Option<RecordSalt>,
    /// The segment that holds it.
    pub segment: SegmentId,
    /// What ties it into the log, where it was asked for.
    pub integrity: Option<Integrity>,
}

impl Record {
    /// Length of the event in bytes, be it there or not.
    pub fn event_len(&self) -> u32 {
        self.deleted.map_or(self.body.len() as u32, |stub| stub.body_len)
    }

    /// The salt of its body hash, in a segment of this one.
    ///
    /// # Errors
    /// [`Error::Deleted`] where the event was deleted: its salt went with it.
    pub(crate) fn salt(&self, segment: &SegmentSalt) -> Result<RecordSalt> {
        match self.deleted {
            Some(stub) => Err(Error::Deleted { seq: self.seq, plan: stub.plan }),
            None => Ok(self.own_salt.unwrap_or_else(|| segment.record(self.seq))),
        }
    }

    /// Its entry, by what is not in it.
    pub(crate) fn entry<'l>(&self, labels: Labels<'l>, predecessor: Hash, body_hash: Hash) -> Entry<'l> {
        Entry {
            encoding: self.encoding,
            source: self.source,
            seq: self.seq,
            received_at: self.received_at,
            body_len: self.event_len(),
            labels,
            predecessor,
            body_hash,
        }
    }

    /// Its labels as they stand in frames and entries.
    pub(crate) fn label_buf(&self) -> Result<LabelBuf> {
        let mut labels = LabelBuf::default();
        for label in &self.labels {
            labels.push(label).map_err(|reason| Error::InvalidEvent { offset: 0, reason })?;
        }
        Ok(labels)
    }

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
