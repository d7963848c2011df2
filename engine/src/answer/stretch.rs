//! A stretch of the log as questions see it: its sidecar and its log, opened once, and what is worth remembering of them.

use std::ops::Range;
use std::sync::Arc;

use super::hit::{Found, Hit, ReadBy};
use super::text::{FrameAt, LogText};
use super::{AsOf, Trouble};
use crate::disk::Mapped;
use crate::log::views::View;
use crate::segment::{Located, Sidecar};
use crate::source::{FieldKind, Profile};
use crate::{Error, Fault, Result, SegmentId, Seq};

/// A sealed segment, or a part of the active one.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(super) id: SegmentId,
    pub(super) sidecar: Arc<Sidecar>,
    pub(super) text: LogText,
    /// The sources of its records, ascending.
    pub(super) sources: Vec<(Seq, ReadBy)>,
    /// The fields that hold event ids or event times in some source's records: they have no terms there.
    pub(super) untermed: Vec<Untermed>,
    /// Why the sidecar was made anew from the log, where it was.
    pub(super) rebuilt: Option<String>,
}

/// A field, and the source in whose records it has no terms.
#[derive(Debug, Clone)]
pub(super) struct Untermed {
    pub(super) name: String,
    pub(super) source: Seq,
    pub(super) kind: FieldKind,
}

impl Stretch {
    /// Opens a view by the sidecar on disk, or where that is missing or not whole, by one that is made of the log: it
    /// costs time, and the answer is the same.
    pub(super) fn open(as_of: &AsOf, view: &View) -> Result<Stretch> {
        if !as_of.is_sealed(view) {
            let sidecar = as_of.log.open_view(view, &as_of.catalog)?;
            return Stretch::new(as_of, view, sidecar, None);
        }
        let Some(sidecar) = as_of.log.files.sidecar(view.segment) else {
            return Stretch::from_log(as_of, view, "its sidecar is missing or damaged".to_owned());
        };
        if !view.fits(&sidecar, as_of.log.store_id) {
            return Stretch::from_log(as_of, view, "its sidecar is another segment's".to_owned());
        }
        Stretch::new(as_of, view, sidecar, None)
    }

    /// Opens a view by a sidecar that is made of the log, in memory; `why` it must.
    pub(super) fn from_log(as_of: &AsOf, view: &View, why: String) -> Result<Stretch> {
        let sidecar = as_of.log.remake_view(view, &as_of.catalog)?;
        if view.fits(&sidecar, as_of.log.store_id) {
            return Stretch::new(as_of, view, sidecar, Some(why));
        }
        let fault = Fault::damaged(0, "end of the segment", view.end_seq, sidecar.end_seq());
        Err(fault.in_file(&as_of.log.layout.log(view.segment)))
    }

    fn new(as_of: &AsOf, view: &View, sidecar: Arc<Sidecar>, rebuilt: Option<String>) -> Result<Stretch> {
        let log = &*as_of.log;
        let text = if as_of.is_sealed(view) {
            let path = log.layout.log(view.segment);
            let bytes: Mapped = log.world.disk.map(&path).map_err(Error::io("map", &path))?;
            LogText::sealed(bytes, sidecar.meta().frame_count)
        } else {
            LogText::growing(log.files.log(view.segment)?)
        };
        let (mut sources, mut untermed) = (Vec::new(), Vec::new());
        for &(source, _) in &sidecar.meta().sources {
            let profile = if source == 0 {
                ReadBy::Release(Profile::store_records())
            } else {
                ReadBy::Registered(Arc::clone(&log.source(&as_of.catalog, source)?.profile))
            };
            let fields = profile.fields().iter();
            untermed.extend(
                fields
                    .filter(|field| matches!(field.kind, FieldKind::Id | FieldKind::Time))
                    .map(|field| Untermed { name: field.name.clone(), source, kind: field.kind }),
            );
            sources.push((source, profile));
        }
        Ok(Stretch { id: view.segment, sidecar, text, sources, untermed, rebuilt })
    }

    /// How many records there are.
    pub(super) fn count(&self) -> u32 {
        self.sidecar.meta().record_count
    }

    /// The offsets of those of `seqs` that are in this segment.
    pub(super) fn offsets(&self, seqs: &Range<Seq>) -> Range<u32> {
        let offset = |seq: Seq| {
            let seq = seq.clamp(self.sidecar.first_seq(), self.sidecar.end_seq());
            (seq - self.sidecar.first_seq()) as u32
        };
        offset(seqs.start)..offset(seqs.end)
    }

    /// The record at `offset`.
    pub(super) fn hit(&self, offset: u32) -> Result<Hit, Trouble> {
        let beyond = || Fault::damaged(0, "record offset", self.count(), offset);
        let Located { frame_index, frame, record_at, record_len } =
            self.sidecar.locate(offset)?.ok_or_else(beyond)?;
        let first_seq = self.sidecar.first_seq() + u64::from(frame.first_offset);
        let (bytes, range) = self.text.frame(FrameAt { index: frame_index, first_seq, place: frame })?;
        let start = range.start + (record_at - frame.position) as usize;
        let found = Found {
            seq: self.sidecar.first_seq() + u64::from(offset),
            received_at: frame.received_at,
            segment: self.id,
        };
        let by_source = |source| {
            let place = self.sources.binary_search_by_key(&source, |(known, _)| *known).ok()?;
            self.sources.get(place).map(|(_, profile)| profile.clone())
        };
        let record_at = start..start + record_len as usize;
        Ok(Hit::new(found, bytes, record_at, by_source).map_err(|fault| fault.shifted(frame.position))?)
    }
}
