//! What a store keeps of a segment that is in the archive: where it went, its log's header, the frames that hold the
//! store's own records, its part of the log's tree, and the hashes of the pieces in which its log is brought back.

use wincode::{SchemaRead, SchemaWrite};

use super::codec;
use super::frame;
use super::log_header::{LOG_HEADER_LEN, LogHeader};
use crate::error::Fault;
use crate::hash::Hash;
use crate::{SegmentId, Seq, limits};

/// Longest such file in bytes.
pub const KEPT_LEN_MAX: u64 = 1 << 30;
/// Longest name of an archive's place, in bytes.
const ARCHIVE_LEN_MAX: usize = 4096;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Kept {
    /// The seq after the segment's last record.
    pub end_seq: u64,
    /// Length of its log in bytes.
    pub log_len: u64,
    /// Where its file is: the archive's place, as `archive` commands take it.
    pub archive: String,
    /// The RFC 6962 root of its own leaves, as its seal states it.
    pub root: [u8; 32],
    /// The leaf of its last record.
    pub last_leaf: [u8; 32],
    /// The log's first bytes.
    pub header: Vec<u8>,
    /// Whole frames of the log, each with its offset there, ascending: those with records of the store's own.
    pub frames: Vec<(u64, Vec<u8>)>,
    /// The perfect subtrees of the log's tree that its leaves fall into, from left to right: level and root.
    pub nodes: Vec<(u8, [u8; 32])>,
    /// What is brought back at a time: the log behind its header, piece by piece.
    pub pieces: Vec<Piece>,
}

/// A piece of an archived log: it begins where the one before ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Piece {
    /// The offset in the log behind its last byte.
    pub end_at: u64,
    /// How many bytes of the archive's file had to be fetched for it.
    pub fetched_len: u64,
    /// The BLAKE3 hash of its bytes of the log.
    pub hash: [u8; 32],
}

impl Piece {
    /// The piece of these bytes, which begin at an offset of the log.
    pub fn of(at: u64, bytes: &[u8], fetched_len: u64) -> Piece {
        Piece { end_at: at + bytes.len() as u64, fetched_len, hash: blake3::hash(bytes).into() }
    }

    /// Whether these bytes are the piece, which begins at an offset of the log.
    ///
    /// # Errors
    /// Damaged where they are more or fewer, forged where they are others.
    pub fn check(&self, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        let found = Piece::of(at, bytes, self.fetched_len);
        if found.end_at != self.end_at {
            return Err(Fault::damaged(at, "end of a piece from the archive", self.end_at, found.end_at));
        }
        if found.hash != self.hash {
            let (expected, found) = (Hash(self.hash), Hash(found.hash));
            return Err(Fault::forged(at, "hash of a piece from the archive", expected, found));
        }
        Ok(())
    }
}

impl Kept {
    /// The file's bytes.
    ///
    /// # Errors
    /// Damaged, should it be too large to encode.
    pub fn encode(&self) -> Result<Vec<u8>, Fault> {
        codec::encode(self)
    }

    /// Reads what is kept of segment `id`, and its log's header.
    ///
    /// # Errors
    /// Damaged where the bytes are short or were altered, or the parts do not fit one another; unsupported for a header
    /// of another release.
    pub fn decode(bytes: &[u8], id: SegmentId) -> Result<(Self, LogHeader), Fault> {
        let kept: Kept = codec::decode(bytes)?;
        let bad = |what, expected: &str| Fault::damaged(0, what, expected, "something else");
        let (header, _) = LogHeader::decode(&kept.header)?;
        if header.first_seq != id.0 || kept.header.len() != LOG_HEADER_LEN {
            return Err(bad("kept log header", "that of the segment by the file's name"));
        }
        let count = kept.end_seq.saturating_sub(id.0);
        if count == 0 || count > limits::SEGMENT_RECORDS_MAX.into() {
            return Err(bad("kept record count", "one of a segment"));
        }
        if kept.archive.is_empty() || kept.archive.len() > ARCHIVE_LEN_MAX {
            return Err(bad("kept archive", "the name of a place"));
        }
        let mut at = LOG_HEADER_LEN as u64;
        for (index, (frame_at, bytes)) in kept.frames.iter().enumerate() {
            let (frame, _) = frame::decode(bytes)?;
            let in_place = *frame_at >= at && (index > 0 || *frame_at == at);
            at = frame_at.saturating_add(bytes.len() as u64);
            let seqs = frame.first_seq..frame.first_seq.saturating_add(frame.count.into());
            let is_ours = seqs.start >= id.0 && seqs.end <= kept.end_seq;
            if !in_place || !is_ours || at > kept.log_len || frame.frame_len() != bytes.len() as u64 {
                return Err(bad("kept frame", "one in its place in the log"));
            }
        }
        if kept.frames.is_empty() || kept.nodes_end(id.0) != Some(kept.end_seq) {
            return Err(bad("kept tree", "the nodes over the segment's records"));
        }
        let mut at = LOG_HEADER_LEN as u64;
        let ascend = kept.pieces.iter().all(|piece| std::mem::replace(&mut at, piece.end_at) < piece.end_at);
        if !ascend || at != kept.log_len {
            return Err(bad("kept pieces", "those that the log consists of"));
        }
        Ok((kept, header))
    }

    /// The piece that holds this offset of the log, and where it begins; nothing in the header, and behind the log.
    pub fn piece_at(&self, offset: u64) -> Option<(u64, &Piece)> {
        let index = self.pieces.partition_point(|piece| piece.end_at <= offset);
        let before = index.checked_sub(1).and_then(|before| self.pieces.get(before));
        let start = before.map_or(LOG_HEADER_LEN as u64, |before| before.end_at);
        self.pieces.get(index).filter(|_| offset >= start).map(|piece| (start, piece))
    }

    /// The size of the tree behind the nodes, where each stands as its level demands.
    fn nodes_end(&self, first_seq: Seq) -> Option<Seq> {
        self.nodes.iter().try_fold(first_seq, |at, (level, _)| {
            let len = 1_u64.checked_shl((*level).into())?;
            at.is_multiple_of(len).then(|| at.checked_add(len))?
        })
    }
}
