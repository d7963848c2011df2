//! A record that matches, where it lies: nothing of it is copied until somebody asks.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::stretch::{Place, Stretch};
use crate::disk::Mapped;
use crate::filter::Subject;
use crate::format::frame::{Labels, RECORD_HEADER_LEN, RecordParts};
use crate::log::Record;
use crate::source::{EventTime, Fields, Profile, text_at};
use crate::{Fault, Result, SegmentId, Seq, Timestamp, limits};

/// A record that matches a filter. Cheap to make; its fields are found when they are asked for.
#[derive(Debug)]
pub struct Hit {
    /// Its position in the log.
    pub seq: Seq,
    /// The clock's reading at its commit.
    pub received_at: Timestamp,
    /// The seq of the `store.source` record by which it is read; 0 for the store's own records.
    pub source: Seq,
    /// How the body is written: 0 is the event verbatim.
    pub encoding: u8,
    label_count: u8,
    /// The place of its source among those of the stretch.
    source_place: u32,
    stretch: Arc<Stretch>,
    /// What its place counts in, where that is not the stretch's own log.
    frame: Option<Mapped>,
    record_at: usize,
    body: Range<u32>,
    fields: OnceLock<Box<Fields>>,
}

impl Hit {
    /// The record at a place of a stretch.
    #[inline(always)] // So that it is written where it is to be, and not copied there.
    pub(super) fn new(stretch: &Arc<Stretch>, place: Place) -> Result<Hit, Fault> {
        let Place { seq, received_at, at, frame } = place;
        let bytes = frame.as_deref().unwrap_or_else(|| stretch.text.bytes());
        let record = RecordParts::decode(bytes.get(at.clone()).unwrap_or_default())?;
        if record.len != at.len() {
            return Err(Fault::damaged(0, "record length", at.len(), record.len));
        }
        let source_place = stretch.sources.binary_search_by_key(&record.source, |source| source.seq);
        let unknown = |_| Fault::damaged(8, "record source", "a source of the segment", record.source);
        Ok(Hit {
            seq,
            received_at,
            source: record.source,
            encoding: record.encoding,
            label_count: record.label_count,
            source_place: source_place.map_err(unknown)? as u32,
            record_at: at.start,
            body: record.event.start as u32..record.event.end as u32,
            fields: OnceLock::new(),
            stretch: Arc::clone(stretch),
            frame,
        })
    }

    fn bytes(&self) -> &[u8] {
        let bytes = self.frame.as_deref().unwrap_or_else(|| self.stretch.text.bytes());
        bytes.get(self.record_at..).unwrap_or_default()
    }

    /// The event, byte for byte.
    pub fn body(&self) -> &[u8] {
        self.bytes().get(self.body.start as usize..self.body.end as usize).unwrap_or_default()
    }

    /// What the store added by rule.
    pub fn labels(&self) -> Labels<'_> {
        let bytes = self.bytes().get(RECORD_HEADER_LEN..self.body.start as usize).unwrap_or_default();
        // They were read once already, when the record was found.
        Labels::decode(self.label_count, bytes).unwrap_or_default()
    }

    /// The profile by which it is read: its fields' names stand in the order of their slots.
    pub fn profile(&self) -> &Profile {
        match self.stretch.sources.get(self.source_place as usize) {
            Some(source) => &source.profile,
            None => Profile::store_records(),
        }
    }

    /// The event's id, where a look at one member of the event tells it; nothing where all of it must be read.
    pub(super) fn plain_id(&self) -> Option<&[u8]> {
        let key = self.stretch.sources.get(self.source_place as usize)?.id_key.as_ref()?;
        let id = text_at(self.body(), key.as_bytes())?;
        (1..=limits::EVENT_ID_LEN_MAX).contains(&id.len()).then_some(id)
    }

    /// The segment that holds it.
    pub fn segment(&self) -> SegmentId {
        self.stretch.id
    }

    /// Whether this is one of the store's own records, kind `store.*`, rather than a user's event.
    pub fn is_store_record(&self) -> bool {
        self.source == 0
    }

    /// What its profile finds in the event; found once.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`](crate::Error::InvalidEvent) where the body is no event, which no store takes.
    pub fn fields(&self) -> Result<&Fields> {
        if let Some(fields) = self.fields.get() {
            return Ok(fields);
        }
        let mut fields = Box::<Fields>::default();
        self.profile().extract(self.body(), &mut fields)?;
        Ok(self.fields.get_or_init(|| fields))
    }

    /// The event's own time. The index knows it, so that no field has to be found for it.
    ///
    /// # Errors
    /// As [`Hit::fields`].
    pub fn event_time(&self) -> Result<EventTime> {
        if let Some(fields) = self.fields.get() {
            return Ok(fields.time());
        }
        let sidecar = &self.stretch.sidecar;
        match sidecar.offset_of(self.seq).map(|offset| sidecar.event_time(offset)) {
            Some(Ok(Some(time))) => Ok(time),
            _ => Ok(self.fields()?.time()),
        }
    }

    /// Its time, as filters have it: the event's own, or where it has none that can be read, that of receipt.
    ///
    /// # Errors
    /// As [`Hit::fields`].
    pub fn time(&self) -> Result<Timestamp> {
        Ok(match self.event_time()? {
            EventTime::Known(time) => time,
            EventTime::Absent | EventTime::Unreadable => self.received_at,
        })
    }

    /// The record as filters see it.
    ///
    /// # Errors
    /// As [`Hit::fields`].
    pub fn subject(&self) -> Result<Subject<'_>> {
        Ok(Subject {
            seq: self.seq,
            received_at: self.received_at,
            source: self.source,
            encoding: self.encoding,
            labels: self.labels(),
            body: self.body(),
            profile: self.profile(),
            fields: self.fields()?,
        })
    }

    /// The record, copied.
    pub fn to_record(&self) -> Record {
        Record {
            seq: self.seq,
            received_at: self.received_at,
            source: self.source,
            encoding: self.encoding,
            labels: self.labels().iter().map(str::to_owned).collect(),
            body: self.body().to_vec(),
            deleted: None,
            own_salt: None,
            segment: self.segment(),
            integrity: None,
        }
    }
}
