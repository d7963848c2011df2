//! The catalog: which segments there are and where the store's own records stand. A cache of what the logs say,
//! replaced as a whole, rebuilt when it is missing, damaged or behind.

use std::sync::atomic::{AtomicU64, Ordering};

use wincode::{SchemaRead, SchemaWrite};

use super::layout::Layout;
use crate::disk::{Open, World};
use crate::format::codec;
use crate::{Error, Result, Seq};

/// Longest catalog that is read, in bytes.
const CATALOG_LEN_MAX: u64 = 1 << 30;

/// Where one of the store's own records stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub(crate) struct AdminPlace {
    pub(crate) seq: u64,
    /// The first seq of the segment that holds it.
    pub(crate) segment: u64,
    /// The byte offset of its frame in that segment's log.
    pub(crate) frame_at: u64,
}

/// A sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub(crate) struct SealedPlace {
    pub(crate) first_seq: u64,
    pub(crate) end_seq: u64,
    /// Length of its log in bytes.
    pub(crate) log_len: u64,
    /// The seq of the `store.deleting` record by which records of it were deleted last; 0 where none were.
    pub(crate) rewritten_by: u64,
}

/// What the catalog holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub(crate) struct Catalog {
    pub(crate) store_id: [u8; 16],
    /// All of the store's own records below this seq are listed.
    pub(crate) admin_end: u64,
    pub(crate) admin: Vec<AdminPlace>,
    pub(crate) sealed: Vec<SealedPlace>,
}

impl Catalog {
    /// The catalog on disk, if it is there, whole, and this store's.
    pub(crate) fn read(world: &World, layout: &Layout, store_id: [u8; 16]) -> Option<Catalog> {
        let bytes = world.disk.read(&layout.catalog(), CATALOG_LEN_MAX).ok()??;
        let catalog: Catalog = codec::decode(&bytes).ok()?;
        (catalog.store_id == store_id).then_some(catalog)
    }

    /// Replaces the catalog on disk. Not synced: it is a cache, and its checksum tells a torn one. Nobody's work depends on
    /// it: who misses it reads the log.
    pub(crate) fn write(&self, world: &World, layout: &Layout) -> Result<()> {
        // Readers write it too, and hold no lock: one must not rename what another is writing.
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let bytes = codec::encode(self).map_err(|fault| fault.in_file(&layout.catalog()))?;
        let (process, number) = ((world.process_id)(), WRITTEN.fetch_add(1, Ordering::Relaxed));
        let beside = layout.root().join(format!("catalog.{process}-{number}.new"));
        let write = || {
            let file = world.disk.open(&beside, Open::Create)?;
            file.set_len(0)?;
            file.write_all_at(&bytes, 0)?;
            world.disk.rename(&beside, &layout.catalog())
        };
        let written = write();
        if written.is_err() {
            let _ = world.disk.remove(&beside);
        }
        written.map_err(Error::io("write", layout.catalog()))
    }

    /// The sealed segment that holds `seq`.
    pub(crate) fn sealed_at(&self, seq: Seq) -> Option<&SealedPlace> {
        let index = self.sealed.partition_point(|segment| segment.end_seq <= seq);
        self.sealed.get(index).filter(|segment| segment.first_seq <= seq)
    }

    /// Adds what was read of the log from `admin_end` on.
    pub(crate) fn extend(&mut self, admin: &[AdminPlace], admin_end: Seq) {
        self.admin.extend(admin.iter().filter(|place| place.seq >= self.admin_end));
        self.admin_end = self.admin_end.max(admin_end);
    }
}
