//! One slot of the `head` file: where the log stands, as the last committer left it.
//!
//! `head` is a hint for processes of the same boot: it is never synced, and recovery never reads it. The file
//! has two slots of [`HEAD_SLOT_LEN`] bytes; a commit writes the one whose turn it is, and a reader takes the
//! valid one with the greater turn.

use super::bytes::{array, hash_at, i64_at, put, u32_at, u64_at};
use super::version::READ_VERSION;
use crate::error::Fault;
use crate::hash::Hash;
use crate::{SegmentId, Seq, StoreId, Timestamp, limits};

/// Length of a slot in bytes.
pub const HEAD_SLOT_LEN: usize = 2048;
/// How many slots the file has.
pub const HEAD_SLOTS: u64 = 2;

const MAGIC: [u8; 8] = *b"INDHEAD\n";
const CRC_AT: usize = HEAD_SLOT_LEN - 4;
const FRONTIER_AT: usize = 192;

/// Where the log stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Counts the writes of `head`; the slot is `turn mod 2`.
    pub turn: u64,
    /// The store that this is the head of.
    pub store_id: StoreId,
    /// The boot in which the slot was written.
    pub boot_id: [u8; 16],
    /// Counts the changes of the catalog.
    pub generation: u64,
    /// The active segment.
    pub active: SegmentId,
    /// Length of the active log file that is known durable, in bytes.
    pub durable_len: u64,
    /// Length of the active log file that holds whole frames, in bytes; more than `durable_len` only while
    /// someone appends without syncing.
    pub written_len: u64,
    /// The next record's seq: the log's tree size.
    pub next_seq: Seq,
    /// The leaf of the last record.
    pub last_leaf: Hash,
    /// The commit's clock reading.
    pub received_at: Timestamp,
    /// The clock since boot at the commit, to tell a stepped wall clock.
    pub since_boot_ns: u64,
    /// The seq after the last record of the store's own (source 0): what the catalog must have folded.
    pub admin_end: Seq,
    /// A sync failed: nothing may be written before a recovering open.
    pub closed: bool,
    /// The next segment's log is being put in place: whoever finds this under the lock finishes it.
    pub rolling: bool,
    /// The roots of the log's perfect subtrees, largest first: one for each bit of `next_seq`.
    pub frontier: Vec<Hash>,
}

impl Head {
    /// The slot's bytes.
    pub fn encode(&self) -> [u8; HEAD_SLOT_LEN] {
        let mut bytes = [0; HEAD_SLOT_LEN];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, u32::from(READ_VERSION).to_le_bytes());
        put(&mut bytes, 12, (u32::from(self.closed) | u32::from(self.rolling) << 1).to_le_bytes());
        put(&mut bytes, 16, self.turn.to_le_bytes());
        put(&mut bytes, 24, self.store_id.0);
        put(&mut bytes, 40, self.boot_id);
        put(&mut bytes, 56, self.generation.to_le_bytes());
        put(&mut bytes, 64, self.active.0.to_le_bytes());
        put(&mut bytes, 72, self.durable_len.to_le_bytes());
        put(&mut bytes, 80, self.next_seq.to_le_bytes());
        put(&mut bytes, 88, self.last_leaf.0);
        put(&mut bytes, 120, self.received_at.0.to_le_bytes());
        put(&mut bytes, 128, self.since_boot_ns.to_le_bytes());
        put(&mut bytes, 136, self.admin_end.to_le_bytes());
        put(&mut bytes, 144, (self.frontier.len() as u32).to_le_bytes());
        put(&mut bytes, 152, self.written_len.to_le_bytes());
        for (index, hash) in self.frontier.iter().enumerate() {
            put(&mut bytes, FRONTIER_AT + 32 * index, hash.0);
        }
        let crc = crc32fast::hash(&bytes[..CRC_AT]);
        put(&mut bytes, CRC_AT, crc.to_le_bytes());
        bytes
    }

    /// Reads a slot.
    ///
    /// # Errors
    /// Damaged where the bytes are not a whole, valid slot of this version: as a hint, it is then no use.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() != HEAD_SLOT_LEN {
            return Err(Fault::damaged(0, "head slot length", HEAD_SLOT_LEN, bytes.len()));
        }
        let (expected, found) = (crc32fast::hash(&bytes[..CRC_AT]), u32_at(bytes, CRC_AT));
        if array::<8>(bytes, 0) != MAGIC || expected != found || u32_at(bytes, 8) != u32::from(READ_VERSION) {
            return Err(Fault::damaged(
                0,
                "head slot",
                format_args!("{expected:08x}"),
                format_args!("{found:08x}"),
            ));
        }
        let next_seq = u64_at(bytes, 80);
        let frontier_count = u32_at(bytes, 144);
        if next_seq > limits::TREE_SIZE_MAX || frontier_count != next_seq.count_ones() {
            return Err(Fault::damaged(144, "head frontier", next_seq.count_ones(), frontier_count));
        }
        let frontier =
            (0..frontier_count as usize).map(|index| hash_at(bytes, FRONTIER_AT + 32 * index)).collect();
        let head = Head {
            turn: u64_at(bytes, 16),
            store_id: StoreId(array(bytes, 24)),
            boot_id: array(bytes, 40),
            generation: u64_at(bytes, 56),
            active: SegmentId(u64_at(bytes, 64)),
            durable_len: u64_at(bytes, 72),
            written_len: u64_at(bytes, 152),
            next_seq,
            last_leaf: hash_at(bytes, 88),
            received_at: Timestamp(i64_at(bytes, 120)),
            since_boot_ns: u64_at(bytes, 128),
            admin_end: u64_at(bytes, 136),
            closed: u32_at(bytes, 12) & 1 != 0,
            rolling: u32_at(bytes, 12) & 2 != 0,
            frontier,
        };
        // Unknown flags and bytes that should be zeros.
        if head.encode() != *bytes {
            return Err(Fault::damaged(0, "head slot", "known flags, and zeros elsewhere", "something else"));
        }
        Ok(head)
    }
}
