//! The window on archives, of which the engine knows neither the files nor the network that may lie between.

use std::fmt::Debug;
use std::path::PathBuf;

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
    /// The archive's place, as it was given when the segment went there.
    pub archive: String,
}

/// The way to archives. The engine knows neither their files nor a network: whoever embeds it hands this in, by
/// [`Options::retrieve`](crate::Options::retrieve).
pub trait Retrieve: Debug + Send + Sync {
    /// Writes a segment's log, byte for byte as it was, to a file here, and says where. What was fetched before may be
    /// used again, unless `anew`: then that was not what it should be.
    ///
    /// # Errors
    /// [`Error::Archived`](crate::Error::Archived) where the archive cannot be reached; whatever reading its file says.
    fn retrieve(&self, segment: &ArchivedSegment, anew: bool) -> Result<PathBuf>;
}
