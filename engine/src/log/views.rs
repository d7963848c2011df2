//! What a query sees of a snapshot: the whole log as a row of views, each a run of records with its index.
//!
//! A sealed segment is one view, its sidecar opened at its first use. The active segment's views are made from the
//! index in memory and end exactly where the snapshot does. Nothing here is evidence, and nothing is missing from
//! it: where a sidecar is gone or damaged, the log is read and the index made anew.

use std::sync::{Arc, Mutex};

use super::indexer::Indexer;
use super::{Catalog, Log, lock};
use crate::disk::Mapped;
use crate::format::head::Head;
use crate::segment::{self, SegmentFacts, Sidecar};
use crate::{Error, Result, SegmentId, Seq, StoreId};

/// A run of one segment's records, all of them in the snapshot, and the way to their index.
#[derive(Debug)]
pub(crate) struct View {
    /// The segment: its log is the file that the sidecar's places are in.
    pub(crate) segment: SegmentId,
    /// The run's first seq: that of the sidecar.
    pub(crate) first_seq: Seq,
    /// The seq after its last record: that of the sidecar.
    pub(crate) end_seq: Seq,
    /// Length of the log's frames up to there, in bytes.
    log_len: u64,
    opened: Mutex<Option<Arc<Sidecar>>>,
}

impl View {
    /// Whether a sidecar is that of just these records of this store.
    pub(crate) fn fits(&self, sidecar: &Sidecar, store_id: StoreId) -> bool {
        let meta = sidecar.meta();
        meta.store_id == store_id
            && meta.log_len == self.log_len
            && (meta.first_seq, sidecar.end_seq()) == (self.first_seq, self.end_seq)
    }
}

/// The active segment's views as they were last made.
#[derive(Debug, Default)]
pub(super) struct ActiveViews {
    last: Mutex<Option<(SegmentId, Arc<Sidecar>)>>,
}

impl Log {
    /// The views of all records of a snapshot, in order, without gap or overlap.
    ///
    /// # Errors
    /// Whatever reading the active segment's log says.
    pub(crate) fn views(&self, head: &Head, catalog: &Catalog) -> Result<Arc<[View]>> {
        let sealed = catalog.sealed.iter().map(|place| View {
            segment: SegmentId(place.first_seq),
            first_seq: place.first_seq,
            end_seq: place.end_seq,
            log_len: place.log_len,
            opened: Mutex::default(),
        });
        let mut views: Vec<View> = sealed.collect();
        if head.next_seq > head.active.0 {
            views.push(View {
                segment: head.active,
                first_seq: head.active.0,
                end_seq: head.next_seq,
                log_len: head.written_len,
                opened: Mutex::new(Some(self.active_sidecar(head, catalog)?)),
            });
        }
        Ok(views.into())
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
        let sidecar = match self.files.sidecar(view.segment).filter(fits) {
            Some(sidecar) => sidecar,
            None => self.index_anew(view, catalog)?,
        };
        *opened = Some(Arc::clone(&sidecar));
        Ok(sidecar)
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

    fn index_anew(&self, view: &View, catalog: &Catalog) -> Result<Arc<Sidecar>> {
        let mut indexer = Indexer::new(view.segment);
        indexer.read_frames(self, catalog, &*self.files.log(view.segment)?, view.log_len)?;
        let sidecar = self.in_memory(&mut indexer, view.log_len)?;
        self.files.put_sidecar(view.segment, Arc::clone(&sidecar));
        Ok(sidecar)
    }

    fn active_sidecar(&self, head: &Head, catalog: &Catalog) -> Result<Arc<Sidecar>> {
        let mut last = lock(&self.active_views.last);
        if let Some((segment, sidecar)) = &*last
            && (*segment, sidecar.end_seq()) == (head.active, head.next_seq)
        {
            return Ok(Arc::clone(sidecar));
        }
        let mut shared = lock(&self.indexer);
        shared.catch_up(self, head)?;
        let mut own;
        let indexer = if (shared.segment(), shared.next_seq()) == (head.active, head.next_seq) {
            &mut *shared
        } else {
            // The log went on since: the snapshot's own end is read anew.
            drop(shared);
            own = Indexer::new(head.active);
            own.read_frames(self, catalog, &*self.active(head)?, head.written_len)?;
            &mut own
        };
        let sidecar = self.in_memory(indexer, head.written_len)?;
        *last = Some((head.active, Arc::clone(&sidecar)));
        Ok(sidecar)
    }

    fn in_memory(&self, indexer: &mut Indexer, log_len: u64) -> Result<Arc<Sidecar>> {
        let path = self.layout.sidecar(indexer.segment());
        let mut bytes = Vec::new();
        let facts = SegmentFacts {
            store_id: self.store_id,
            log_len,
            segment_root: indexer.own.root(),
            leaves: &indexer.leaves,
            locator: &indexer.locator,
        };
        segment::encode_sidecar(&mut indexer.builder, &facts, &mut bytes)
            .map_err(Error::io("index", &path))?;
        let sidecar = Sidecar::open(Mapped::heap(bytes)).map_err(|fault| fault.in_file(&path))?;
        Ok(Arc::new(sidecar))
    }
}
