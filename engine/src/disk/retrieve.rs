//! The window on archives, of which the engine knows neither the files nor the network that may lie between.

use std::fmt::Debug;

use crate::{Result, SegmentId, Seq, StoreId};

/// A segment that is in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedSegment {
    /// The store that it is of.
    pub store_id: StoreId,
    /// Its id: the seq of its first record.
    pub id: SegmentId,
    /// The seq after its last record.
    pub end_seq: Seq,
    /// Length of its log in bytes.
    pub log_len: u64,
    /// The seq of the `store.deleting` record by which the log was rewritten last; 0 where it never was.
    pub rewritten_by: Seq,
    /// The archive's place, as it was given when the segment went there.
    pub archive: String,
}

/// The way to archives. The engine knows neither their files nor a network: whoever embeds it hands this in, by
/// [`Options::retrieve`](crate::Options::retrieve).
///
/// A log comes back in pieces, as small as the archive can give them. Nothing that comes is believed: the store kept a hash
/// of each piece.
pub trait Retrieve: Debug + Send + Sync {
    /// The piece of a segment's log that begins at the offset `at`, byte for byte as it was. What was fetched before may be
    /// used again, unless `anew`: then that was not what it should be.
    ///
    /// # Errors
    /// [`Error::Archived`](crate::Error::Archived) where the archive cannot be reached; whatever reading its file says.
    fn retrieve(&self, segment: &ArchivedSegment, at: u64, anew: bool) -> Result<Retrieved>;

    /// Whether that piece is here since it was fetched before.
    fn is_here(&self, segment: &ArchivedSegment, at: u64) -> bool;
}

/// A piece of a log that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrieved {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many bytes had to be fetched for it; none where it was here.
    pub fetched_len: u64,
}
