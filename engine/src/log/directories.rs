//! Directories over runs of sealed segments: opened, told from others', and made where they are missing.
//!
//! The first sixteen sealed segments are one run, the next sixteen another: a long log is asked by its runs, and what
//! is behind the last whole run by its segments. A directory proves that it belongs as an index part does: it names
//! the store, the segments, and the leaf of the run's last record, which the log of the segment behind it names too.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::derived::Durable;
use super::{Catalog, Log, SealedPlace, lock};
use crate::disk::Mapped;
use crate::format::directory::{Directory, RUN_SEGMENTS_MAX};
use crate::format::head::Head;
use crate::hash;
use crate::segment::encode_directory;
use crate::{Error, Fault, Result, SegmentId, Seq};

/// A directory and which of the sealed segments it is over.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Places among the catalog's sealed segments, and so among a snapshot's views.
    pub(crate) segments: Range<usize>,
    pub(crate) directory: Arc<Directory<Mapped>>,
}

/// The directories that this process has open.
#[derive(Debug, Default)]
pub(super) struct Directories {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By first seq; nothing for one that was looked for in vain.
    by_first: HashMap<Seq, Option<Arc<Directory<Mapped>>>>,
    /// How many sealed segments there were then: once there are more, someone may have made what was missing.
    sealed_count: usize,
}

/// The whole runs of a catalog's sealed segments.
fn runs(catalog: &Catalog) -> impl Iterator<Item = (Range<usize>, &[SealedPlace])> {
    let whole = catalog.sealed.chunks_exact(RUN_SEGMENTS_MAX);
    whole.enumerate().map(|(index, places)| {
        let start = index * RUN_SEGMENTS_MAX;
        (start..start + places.len(), places)
    })
}

impl Log {
    /// The directories over the sealed segments that are there and belong, in order. What no run covers is asked
    /// segment by segment.
    pub(crate) fn directories(&self, catalog: &Catalog) -> Vec<Run> {
        let mut known = lock(&self.directories.known);
        if known.sealed_count < catalog.sealed.len() {
            known.by_first.retain(|_, directory| directory.is_some());
            known.sealed_count = catalog.sealed.len();
        }
        drop(known);
        let mut found = Vec::new();
        for (segments, places) in runs(catalog) {
            if let Some(directory) = self.directory(places) {
                found.push(Run { segments, directory });
            }
        }
        found
    }

    /// Which of the sealed segments may hold an event with this id: all others do not.
    pub(crate) fn may_hold_event(&self, catalog: &Catalog, id: &[u8]) -> Vec<bool> {
        let mut may = vec![true; catalog.sealed.len()];
        let prefix = hash::event_id_prefix(id);
        for run in self.directories(catalog) {
            let Ok(mask) = run.directory.event(prefix) else {
                self.distrust_directory(&run);
                continue;
            };
            for (bit, may) in may[run.segments].iter_mut().enumerate() {
                *may = mask >> bit & 1 == 1;
            }
        }
        may
    }

    fn directory(&self, places: &[SealedPlace]) -> Option<Arc<Directory<Mapped>>> {
        let first = SegmentId(places.first()?.first_seq);
        let mut known = lock(&self.directories.known);
        known
            .by_first
            .entry(first.0)
            .or_insert_with(|| {
                let opened = self.open_directory(first, places);
                if opened.is_none() {
                    self.directories_due.store(true, Ordering::Relaxed);
                }
                opened.map(Arc::new)
            })
            .clone()
    }

    fn open_directory(&self, first: SegmentId, places: &[SealedPlace]) -> Option<Directory<Mapped>> {
        let bytes = self.world.disk.map(&self.layout.directory(first)).ok()?;
        let directory = Directory::open(bytes).ok()?;
        let covered = directory.segments().iter().map(|segment| (segment.first_seq, segment.record_count));
        let expected = places.iter().map(|place| (place.first_seq, (place.end_seq - place.first_seq) as u32));
        let next = self.files.log(SegmentId(places.last()?.end_seq)).ok()?;
        let belongs = directory.store_id() == self.store_id
            && covered.eq(expected)
            && directory.last_leaf() == next.header.predecessor;
        belongs.then_some(directory)
    }

    /// Does without a directory that turned out to be damaged, until it is made anew.
    pub(crate) fn distrust_directory(&self, run: &Run) {
        if let Some(first) = run.directory.segments().first() {
            lock(&self.directories.known).by_first.insert(first.first_seq, None);
            if self.is_writable() {
                let _ = self.world.disk.remove(&self.layout.directory(SegmentId(first.first_seq)));
            }
            self.directories_due.store(true, Ordering::Relaxed);
        }
    }

    /// Closes what is open of a segment whose log was replaced, and the directory over it.
    pub(crate) fn forget(&self, id: SegmentId) {
        self.files.forget(id);
        let covers = |directory: &Directory<Mapped>| {
            directory.segments().iter().any(|segment| segment.first_seq == id.0)
        };
        lock(&self.directories.known)
            .by_first
            .retain(|_, directory| directory.as_ref().is_none_or(|directory| !covers(directory)));
    }

    /// Removes the directory over a segment, for good.
    pub(super) fn remove_directory(&self, catalog: &Catalog, id: SegmentId) -> Result<()> {
        for (_, places) in runs(catalog) {
            let Some(first) = places.first().filter(|_| places.iter().any(|place| place.first_seq == id.0))
            else {
                continue;
            };
            lock(&self.directories.known).by_first.remove(&first.first_seq);
            self.remove_for_good(&self.layout.directory(SegmentId(first.first_seq)))?;
        }
        Ok(())
    }

    /// Makes the directories that are missing or do not belong, of runs whose sidecars are all there.
    pub(crate) fn write_directories(&self, head: &Head) -> Result<()> {
        let catalog = self.catalog(head)?;
        if !self.is_writable() || catalog.sealed.len() < RUN_SEGMENTS_MAX {
            return Ok(());
        }
        // While events are deleted, what is open here may still have them.
        let Some(_guard) = self.try_own_tiers()? else { return Ok(()) };
        let dir = self.layout.directories_dir();
        self.world.disk.create_dir(&dir).map_err(Error::io("make directory", &dir))?;
        for (_, places) in runs(&catalog) {
            if self.directory(places).is_none() {
                self.write_directory(places)?;
            }
        }
        Ok(())
    }

    fn write_directory(&self, places: &[SealedPlace]) -> Result<()> {
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return Ok(()) };
        let mut sidecars = Vec::with_capacity(places.len());
        for place in places {
            let sidecar = self.files.sidecar(SegmentId(place.first_seq)).filter(|sidecar| {
                let meta = sidecar.meta();
                meta.store_id == self.store_id
                    && !meta.is_part()
                    && (meta.first_seq, sidecar.end_seq(), meta.log_len, meta.rewritten_by)
                        == (place.first_seq, place.end_seq, place.log_len, place.rewritten_by)
            });
            let Some(sidecar) = sidecar else { return Ok(()) };
            sidecars.push(sidecar);
        }
        let encoded = encode_directory(&sidecars);
        drop(sidecars);
        // Each run's sidecars are read once: a process that appends for long must not keep them all mapped.
        self.files.close_sidecars(SegmentId(first.first_seq)..SegmentId(last.end_seq));
        let path = self.layout.directory(SegmentId(first.first_seq));
        let Some(bytes) = encoded.map_err(|fault: Fault| fault.in_file(&path))? else { return Ok(()) };
        self.put_in_place(&path, Durable::No, |file, path| {
            file.write_all_at(&bytes, 0).map_err(Error::io("write", path))
        })?;
        lock(&self.directories.known).by_first.remove(&first.first_seq);
        Ok(())
    }
}
