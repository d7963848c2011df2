//! The first 2,048 bytes of a segment's log file: which store and seqs it holds, the segment's salt, and the
//! log's tree before it.
//!
//! With the tree's frontier at its first seq in the header, one segment's log is enough to go on with the log:
//! recovery reads no other file.

use super::bytes::{array, hash_at, i64_at, put, u16_at, u32_at, u64_at};
use super::version::{self, READ_VERSION, WRITE_VERSION, Writable};
use crate::error::Fault;
use crate::hash::{Hash, SegmentSalt};
use crate::{Seq, StoreId, Timestamp, limits};

/// Length of the header in bytes.
pub const LOG_HEADER_LEN: usize = 2048;

const MAGIC: [u8; 8] = *b"INDLOG\r\n";
const FRONTIER_AT: usize = 128;
const CRC_AT: usize = LOG_HEADER_LEN - 4;

/// What a log file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHeader {
    /// The store that the file belongs to.
    pub store_id: StoreId,
    /// The seq of the segment's first record; the file's name says the same.
    pub first_seq: Seq,
    /// When the file was made, by the clock of the process that made it.
    pub created_at: Timestamp,
    /// The leaf of the record before the first; zeros for the log's first segment.
    pub predecessor: Hash,
    /// What the salts of this segment's records come from; zeros where some of them were deleted, and those that stayed
    /// have salts of their own.
    pub salt: SegmentSalt,
    /// The seq of the `store.deleting` record by which records of the segment were deleted last; 0 where none were.
    pub rewritten_by: Seq,
    /// The roots of the perfect subtrees over all records before the first, largest first: one for each bit of
    /// `first_seq`.
    pub frontier: Vec<Hash>,
}

impl LogHeader {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; LOG_HEADER_LEN] {
        let mut bytes = [0; LOG_HEADER_LEN];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, READ_VERSION.to_le_bytes());
        put(&mut bytes, 10, WRITE_VERSION.to_le_bytes());
        put(&mut bytes, 12, (LOG_HEADER_LEN as u32).to_le_bytes());
        put(&mut bytes, 16, self.first_seq.to_le_bytes());
        put(&mut bytes, 24, self.store_id.0);
        put(&mut bytes, 40, self.salt.0);
        put(&mut bytes, 72, self.created_at.0.to_le_bytes());
        put(&mut bytes, 80, self.predecessor.0);
        put(&mut bytes, 112, (self.frontier.len() as u32).to_le_bytes());
        put(&mut bytes, 120, self.rewritten_by.to_le_bytes());
        for (index, hash) in self.frontier.iter().enumerate() {
            put(&mut bytes, FRONTIER_AT + 32 * index, hash.0);
        }
        let crc = crc32fast::hash(&bytes[..CRC_AT]);
        put(&mut bytes, CRC_AT, crc.to_le_bytes());
        bytes
    }

    /// What a log whose header was found to be right says of its [`LogHeader::rewritten_by`].
    pub fn rewritten_by(log: &[u8]) -> Seq {
        log.get(..LOG_HEADER_LEN).map_or(0, |header| u64_at(header, 120))
    }

    /// Reads a header.
    ///
    /// # Errors
    /// Damaged for short, torn or altered bytes; unsupported for a read version of another release.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Writable), Fault> {
        if bytes.len() < LOG_HEADER_LEN {
            return Err(Fault::damaged(0, "log header length", LOG_HEADER_LEN, bytes.len()));
        }
        let magic: [u8; 8] = array(bytes, 0);
        if magic != MAGIC {
            return Err(Fault::damaged(0, "log magic", MAGIC.escape_ascii(), magic.escape_ascii()));
        }
        let (expected, found) = (crc32fast::hash(&bytes[..CRC_AT]), u32_at(bytes, CRC_AT));
        if expected != found {
            return Err(Fault::damaged(
                CRC_AT as u64,
                "log header checksum",
                format_args!("{expected:08x}"),
                format_args!("{found:08x}"),
            ));
        }
        let writable = version::check(u16_at(bytes, 8), u16_at(bytes, 10), 8)?;
        if u32_at(bytes, 12) as usize != LOG_HEADER_LEN {
            return Err(Fault::damaged(12, "log header length", LOG_HEADER_LEN, u32_at(bytes, 12)));
        }
        let first_seq = u64_at(bytes, 16);
        let frontier_count = u32_at(bytes, 112);
        if first_seq > limits::TREE_SIZE_MAX || frontier_count != first_seq.count_ones() {
            return Err(Fault::damaged(112, "log header frontier", first_seq.count_ones(), frontier_count));
        }
        let frontier_end = FRONTIER_AT + 32 * frontier_count as usize;
        if array::<4>(bytes, 116) != [0; 4] || bytes[frontier_end..CRC_AT].iter().any(|&byte| byte != 0) {
            return Err(Fault::damaged(116, "reserved bytes", "zeros", "something else"));
        }
        let (salt, rewritten_by) = (SegmentSalt(array(bytes, 40)), u64_at(bytes, 120));
        if rewritten_by != 0 && salt.0 != [0; 32] {
            return Err(Fault::damaged(
                40,
                "segment salt",
                "zeros, for records were deleted",
                "something else",
            ));
        }
        let frontier = (FRONTIER_AT..frontier_end).step_by(32).map(|at| hash_at(bytes, at)).collect();
        let header = LogHeader {
            store_id: StoreId(array(bytes, 24)),
            first_seq,
            created_at: Timestamp(i64_at(bytes, 72)),
            predecessor: hash_at(bytes, 80),
            salt,
            rewritten_by,
            frontier,
        };
        Ok((header, writable))
    }
}
