//! Sealed segments' sidecars. (None are written yet: what is asked of one is read from the log.)

use crate::disk::{File, Mapped};
use crate::error::Fault;
use crate::hash::Hash;
use crate::{SegmentId, StoreId};

/// A sealed segment's sidecar.
#[derive(Debug)]
pub struct Sidecar;

impl Sidecar {
    /// Opens a sidecar.
    pub fn open(_: Mapped) -> Result<Self, Fault> {
        Err(Fault::damaged(0, "sidecar", "one", "none"))
    }
    /// A record's leaf.
    pub fn leaf(&self, _: u64) -> Option<Hash> {
        None
    }
    /// A record's frame.
    pub fn frame_at(&self, _: u64) -> Option<u64> {
        None
    }
    /// Candidates for an event id.
    pub fn event_ids(&self, _: &[u8]) -> Vec<u64> {
        Vec::new()
    }
}

/// What the sidecar says of its segment.
#[derive(Debug)]
pub struct SidecarFacts {
    /// The store.
    pub store_id: StoreId,
    /// The segment.
    pub segment: SegmentId,
    /// The seq after its last record.
    pub end_seq: u64,
}

/// Writes a sidecar.
pub fn write_sidecar<T>(_: &dyn File, _: &SidecarFacts, _: T) -> std::io::Result<()> {
    Ok(())
}
