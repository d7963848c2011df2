//! What a commit is made of: records to be written, the frames that they are laid out as, and what became of them.

use std::sync::Arc;

use super::catalog::AdminPlace;
use crate::format::admin::Admin;
use crate::format::entry::Entry;
use crate::format::frame::{Body, FRAME_HEADER_LEN, FrameHeader, FrameKind, FrameRecord, Labels};
use crate::hash::{self, Hash, SegmentSalt};
use crate::merkle::Frontier;
use crate::{SegmentId, Seq, Timestamp, limits};

/// A record to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRecord<'a> {
    pub(crate) encoding: u8,
    pub(crate) source: Seq,
    pub(crate) labels: Labels<'a>,
    pub(crate) body: &'a [u8],
}

impl<'a> NewRecord<'a> {
    /// One of the store's own.
    pub(crate) fn admin(body: &'a [u8]) -> Self {
        NewRecord { encoding: 0, source: 0, labels: Labels::default(), body }
    }

    fn as_frame_record(&self) -> FrameRecord<'a> {
        FrameRecord {
            encoding: self.encoding,
            source: self.source,
            labels: self.labels,
            body: Body::Whole(self.body),
        }
    }
}

/// What a commit did.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) segment: SegmentId,
    pub(crate) first_seq: Seq,
    pub(crate) received_at: Timestamp,
    pub(crate) durable: bool,
    /// The tree after the commit, and the roots of its perfect subtrees.
    pub(crate) tree_size: u64,
    pub(crate) frontier: Arc<[Hash]>,
    /// Each record's leaf.
    pub(crate) leaves: Vec<Hash>,
    /// Its frames, in order.
    pub(crate) frames: Vec<CommittedFrame>,
    /// The offset of the end of the last frame in the log file.
    pub(crate) end_at: u64,
}

/// One frame that a commit wrote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommittedFrame {
    pub(crate) first_seq: Seq,
    /// Its offset in the log file.
    pub(crate) at: u64,
    pub(crate) payload_len: u32,
    pub(crate) count: u32,
}

/// Lays out frames one after another.
pub(super) struct FrameBuilder<'a> {
    pub(super) buffer: &'a mut Vec<u8>,
    pub(super) scratch: &'a mut Vec<u8>,
    pub(super) synced_len: u64,
    pub(super) received_at: Timestamp,
    pub(super) predecessor: Hash,
}

impl FrameBuilder<'_> {
    /// Adds one frame of `records`, for a file in which the buffer will stand at `start`.
    pub(super) fn push(
        &mut self,
        records: &[NewRecord<'_>],
        start: u64,
        salt: &SegmentSalt,
        frontier: &mut Frontier,
        committed: &mut Committed,
    ) {
        let frame_at = self.buffer.len();
        let header = FrameHeader {
            kind: FrameKind::Records,
            payload_len: 0,
            count: records.len() as u32,
            first_seq: frontier.size(),
            received_at: self.received_at,
            synced_len: self.synced_len,
            predecessor: self.predecessor,
        };
        self.buffer.resize(frame_at + FRAME_HEADER_LEN, 0);
        let bodies: Vec<&[u8]> = records.iter().map(|record| record.body).collect();
        let mut hashes = Vec::with_capacity(bodies.len());
        hash::bodies(salt, frontier.size(), &bodies, &mut hashes);
        let first_leaf = committed.leaves.len();
        for ((seq, record), body_hash) in (frontier.size()..).zip(records).zip(hashes) {
            let entry = Entry {
                encoding: record.encoding,
                source: record.source,
                seq,
                received_at: self.received_at,
                body_len: record.body.len() as u32,
                labels: record.labels,
                predecessor: self.predecessor,
                body_hash,
            };
            let leaf = entry.leaf(self.scratch);
            committed.leaves.push(leaf);
            record.as_frame_record().encode_into(self.buffer);
            self.predecessor = leaf;
        }
        frontier.extend(committed.leaves.get(first_leaf..).unwrap_or_default());
        header.seal(&mut self.buffer[frame_at..]);
        committed.frames.push(CommittedFrame {
            first_seq: header.first_seq,
            at: start + frame_at as u64,
            payload_len: (self.buffer.len() - frame_at - FRAME_HEADER_LEN) as u32,
            count: header.count,
        });
    }
}

/// How many of `records`, at least one, go into one frame.
pub(super) fn frame_count(records: &[NewRecord<'_>]) -> usize {
    let mut len = 0;
    let fits = records.iter().take(limits::FRAME_RECORDS_MAX as usize).take_while(|record| {
        len += record.as_frame_record().encoded_len();
        len <= limits::FRAME_PAYLOAD_AIM_LEN
    });
    fits.count().max(1)
}

/// Where the records among these stand that the catalog lists.
pub(super) fn admin_places(records: &[NewRecord<'_>], committed: &Committed) -> Vec<AdminPlace> {
    (committed.first_seq..)
        .zip(records)
        .filter(|(_, record)| record.source == 0 && Admin::is_state(record.body))
        .map(|(seq, _)| {
            let index = committed.frames.partition_point(|frame| frame.first_seq <= seq).saturating_sub(1);
            let frame_at = committed.frames.get(index).map_or(0, |frame| frame.at);
            AdminPlace { seq, segment: committed.segment.0, frame_at }
        })
        .collect()
}
