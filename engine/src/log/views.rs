//! What a query sees of a snapshot: the whole log as a row of views, each a run of records with its index.
//!
//! A sealed segment is one view, its sidecar opened at its first use. The active segment's views, made by
//! [`super::active`], end exactly where the snapshot does. Nothing here is evidence, and nothing is missing from it:
//! where a sidecar or a part is gone or damaged, the log is read and the index made anew.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::indexer::Indexer;
use super::{Catalog, Log, lock};
use crate::disk::Mapped;
use crate::format::head::Head;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::segment::{self, SegmentFacts, Sidecar};
use crate::{Error, Fault, Result, SegmentId, Seq, StoreId};

/// A run of one segment's records, all of them in the snapshot, and the way to their index.
#[derive(Debug)]
pub(crate) struct View {
    /// The segment: its log is the file that the sidecar's places are in.
    pub(crate) segment: SegmentId,
    /// The run's first seq: that of the sidecar.
    pub(crate) first_seq: Seq,
    /// The seq after its last record: that of the sidecar.
    pub(crate) end_seq: Seq,
    /// Where its frames stand in the log, in bytes; of a sealed segment, up to the end of the file.
    pub(super) frames: Range<u64>,
    sealed: bool,
    /// The seq of the `store.deleting` record by which records were deleted last, as the log says; 0 where none were.
    /// Its file may be ahead of that.
    pub(crate) rewritten_by: Seq,
    opened: Mutex<Option<Arc<Sidecar>>>,
}

/// A run of the active segment's records with its index.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    /// Where its frames stand in the log, in bytes.
    pub(super) frames: Range<u64>,
    pub(super) sidecar: Arc<Sidecar>,
    /// Which part it is, where it is one.
    pub(super) part: Option<u64>,
}

impl View {
    /// The views of the sealed segments, in order.
    pub(crate) fn of_sealed(catalog: &Catalog) -> impl Iterator<Item = View> {
        catalog.sealed.iter().map(|place| View {
            segment: SegmentId(place.first_seq),
            first_seq: place.first_seq,
            end_seq: place.end_seq,
            frames: LOG_HEADER_LEN as u64..u64::MAX,
            sealed: true,
            rewritten_by: place.rewritten_by,
            opened: Mutex::default(),
        })
    }

    /// Whether a sidecar is that of just these records of this store.
    pub(crate) fn fits(&self, sidecar: &Sidecar, store_id: StoreId) -> bool {
        let meta = sidecar.meta();
        meta.store_id == store_id
            && meta.is_part() != self.sealed
            && (self.sealed || meta.log_len == self.frames.end)
            && meta.rewritten_by >= self.rewritten_by
            && (meta.first_seq, sidecar.end_seq()) == (self.first_seq, self.end_seq)
    }

    pub(super) fn of_chunk(segment: SegmentId, chunk: Chunk) -> Self {
        View {
            segment,
            first_seq: chunk.sidecar.first_seq(),
            end_seq: chunk.sidecar.end_seq(),
            frames: chunk.frames,
            sealed: false,
            rewritten_by: 0,
            opened: Mutex::new(Some(chunk.sidecar)),
        }
    }
}

impl Log {
    /// The views of all records of a snapshot, in order, without gap or overlap.
    ///
    /// # Errors
    /// Whatever reading the active segment's log says.
    pub(crate) fn views(&self, head: &Head, catalog: &Catalog) -> Result<Arc<[View]>> {
        let active = self.active_chunks(head, catalog)?;
        let active = active.into_iter().map(|chunk| View::of_chunk(head.active, chunk));
        Ok(View::of_sealed(catalog).chain(active).collect())
    }

    /// A view's sidecar; opened, or made from the log, at the first call.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub(crate) fn open_view(&self, view: &View, catalog: &Catalog) -> Result<Arc<Sidecar>> {
        let mut opened = lock(&view.opened);
        if let Some(sidecar) = &*opened {
            return Ok(Arc::clone(sidecar));
        }
        let fits = |sidecar: &Arc<Sidecar>| view.fits(sidecar, self.store_id);
        let is_now = |sidecar: &Arc<Sidecar>| {
            let meta = sidecar.meta();
            // What the log is worth is for whoever reads it to find.
            self.files
                .sealed(view.segment)
                .map_or(true, |sealed| sealed.version() == (meta.log_len, meta.rewritten_by))
        };
        let sidecar = match self.files.sidecar(view.segment).filter(fits).filter(is_now) {
            Some(sidecar) => sidecar,
            None => self.index_anew(view, catalog)?,
        };
        *opened = Some(Arc::clone(&sidecar));
        Ok(sidecar)
    }

    /// Reads something of a view. Where its sidecar turns out to be damaged it is made anew from the log, and read
    /// again.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub(crate) fn read_view<T>(
        &self,
        view: &View,
        catalog: &Catalog,
        read: impl Fn(&Sidecar) -> Result<T, Fault>,
    ) -> Result<T> {
        let sidecar = self.open_view(view, catalog)?;
        read(&sidecar).or_else(|_| {
            read(&*self.remake_view(view, catalog)?)
                .map_err(|fault| fault.in_file(&self.layout.sidecar(view.segment)))
        })
    }

    /// A view's sidecar, made from the log: for whoever found the one that was opened to be damaged.
    ///
    /// # Errors
    /// Whatever reading the log says.
    pub(crate) fn remake_view(&self, view: &View, catalog: &Catalog) -> Result<Arc<Sidecar>> {
        let sidecar = self.index_anew(view, catalog)?;
        *lock(&view.opened) = Some(Arc::clone(&sidecar));
        Ok(sidecar)
    }

    /// A view's sidecar, made from the log alone and used from now on.
    fn index_anew(&self, view: &View, catalog: &Catalog) -> Result<Arc<Sidecar>> {
        let file = self.files.log(view.segment)?;
        let end = if view.sealed { file.len()? } else { view.frames.end };
        let mut indexer = Indexer::from(view.segment, view.first_seq, view.frames.start);
        indexer.read_frames(self, catalog, &file, end)?;
        if !view.sealed {
            let chunk = self.heap_chunk(&indexer, &file, view.first_seq..view.end_seq, view.frames.start)?;
            self.replace_chunk(view, &chunk);
            return Ok(chunk.sidecar);
        }
        let mut bytes = Vec::new();
        let facts = SegmentFacts {
            store_id: self.store_id,
            log_len: end,
            rewritten_by: file.header.rewritten_by,
            segment_root: indexer.own.root(),
            leaves: &indexer.leaves,
            locator: &indexer.locator,
        };
        segment::encode_sidecar(&mut indexer.builder, &facts, &mut bytes)
            .map_err(Error::io("index", &file.path))?;
        let sidecar = Sidecar::open(Mapped::heap(bytes)).map_err(|fault| fault.in_file(&file.path))?;
        let sidecar = Arc::new(sidecar);
        self.files.put_sidecar(view.segment, Arc::clone(&sidecar));
        Ok(sidecar)
    }
}
