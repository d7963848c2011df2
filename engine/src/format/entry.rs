//! An entry: the fixed binary statement of a record that the tree's leaf hashes.

use super::bytes::{array, hash_at, i64_at, u32_at, u64_at};
use super::frame::{FrameHeader, FrameRecord, Labels};
use crate::error::Fault;
use crate::hash::{Hash, LogTree, TreeHash};
use crate::{Class, Seq, Timestamp};

/// Length of an entry in bytes before its labels.
pub const ENTRY_FIXED_LEN: usize = 96;
/// The version of the entry's layout.
pub const ENTRY_VERSION: u8 = 1;

/// What the log states of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// How the body is written: 0 is the event verbatim.
    pub encoding: u8,
    /// The seq of the `store.source` record by which the event is read; 0 for the store's own records.
    pub source: Seq,
    /// The record's position.
    pub seq: Seq,
    /// The clock's reading at the commit.
    pub received_at: Timestamp,
    /// Length of the body in bytes.
    pub body_len: u32,
    /// What the store added by rule.
    pub labels: Labels<'a>,
    /// The leaf of the record before; zeros for seq 0.
    pub predecessor: Hash,
    /// The salted hash of the body.
    pub body_hash: Hash,
}

impl<'a> Entry<'a> {
    /// The entry of a record in a frame.
    pub fn of(
        header: &FrameHeader,
        seq: Seq,
        record: &FrameRecord<'a>,
        predecessor: Hash,
        body_hash: Hash,
    ) -> Self {
        Entry {
            encoding: record.encoding,
            source: record.source,
            seq,
            received_at: header.received_at,
            body_len: record.body.event_len(),
            labels: record.labels,
            predecessor,
            body_hash,
        }
    }

    /// The entry's bytes before its labels.
    #[inline]
    pub fn fixed(&self) -> [u8; ENTRY_FIXED_LEN] {
        let mut bytes = [0; ENTRY_FIXED_LEN];
        bytes[..3].copy_from_slice(&[ENTRY_VERSION, self.encoding, self.labels.count()]);
        bytes[4..8].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.source.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.seq.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.received_at.0.to_le_bytes());
        bytes[32..64].copy_from_slice(&self.predecessor.0);
        bytes[64..].copy_from_slice(&self.body_hash.0);
        bytes
    }

    /// Replaces what is in `out` by the entry's bytes.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.fixed());
        out.extend_from_slice(self.labels.as_bytes());
    }

    /// The record's leaf in the log's tree; `scratch` is a buffer to reuse.
    pub fn leaf(&self, scratch: &mut Vec<u8>) -> Hash {
        self.encode_into(scratch);
        LogTree::leaf(scratch)
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// Damaged where the bytes are no entry, or more than one; unsupported for another version.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Fault> {
        if bytes.len() < ENTRY_FIXED_LEN {
            return Err(Fault::damaged(
                0,
                "entry length",
                format_args!("at least {ENTRY_FIXED_LEN}"),
                bytes.len(),
            ));
        }
        let [version, encoding, label_count, reserved] = array(bytes, 0);
        if version != ENTRY_VERSION {
            return Err(Fault::new(Class::Unsupported, 0, "entry version", ENTRY_VERSION, version));
        }
        if reserved != 0 {
            return Err(Fault::damaged(3, "reserved byte", 0, reserved));
        }
        let labels = Labels::decode(label_count, &bytes[ENTRY_FIXED_LEN..])
            .map_err(|fault| fault.shifted(ENTRY_FIXED_LEN as u64))?;
        let len = ENTRY_FIXED_LEN + labels.as_bytes().len();
        if bytes.len() != len {
            return Err(Fault::damaged(len as u64, "entry length", len, bytes.len()));
        }
        Ok(Entry {
            encoding,
            source: u64_at(bytes, 8),
            seq: u64_at(bytes, 16),
            received_at: Timestamp(i64_at(bytes, 24)),
            body_len: u32_at(bytes, 4),
            labels,
            predecessor: hash_at(bytes, 32),
            body_hash: hash_at(bytes, 64),
        })
    }
}
