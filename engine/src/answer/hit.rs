//! A record that matches, where it lies: nothing of it is copied until somebody asks.

use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};

use crate::disk::Mapped;
use crate::filter::Subject;
use crate::format::frame::{FrameRecord, LabelBuf, Labels};
use crate::log::Record;
use crate::source::{EventTime, Fields, Profile};
use crate::{Fault, Result, SegmentId, Seq, Timestamp};

/// The profile by which a record is read.
#[derive(Debug, Clone)]
pub(super) enum ReadBy {
    /// Part of every release: that of the store's own records.
    Release(&'static Profile),
    Registered(Arc<Profile>),
}

impl Deref for ReadBy {
    type Target = Profile;

    fn deref(&self) -> &Profile {
        match self {
            ReadBy::Release(profile) => profile,
            ReadBy::Registered(profile) => profile,
        }
    }
}

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
    /// The segment that holds it.
    pub segment: SegmentId,
    pub(super) labels: LabelBuf,
    pub(super) bytes: Mapped,
    pub(super) body: Range<usize>,
    pub(super) profile: ReadBy,
    pub(super) fields: OnceLock<Fields>,
}

/// Where and when a record was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) seq: Seq,
    pub(super) received_at: Timestamp,
    pub(super) segment: SegmentId,
}

impl Hit {
    /// The record in `record_at` of `bytes`.
    pub(super) fn new(
        found: Found,
        bytes: Mapped,
        record_at: Range<usize>,
        profile: impl FnOnce(Seq) -> Option<ReadBy>,
    ) -> Result<Hit, Fault> {
        let of_record = bytes.get(record_at.clone()).unwrap_or_default();
        let (record, body) = FrameRecord::decode(of_record)?;
        if record.encoded_len() != record_at.len() {
            return Err(Fault::damaged(0, "record length", record_at.len(), record.encoded_len()));
        }
        let (source, encoding, labels) = (record.source, record.encoding, record.labels.into());
        let profile = profile(source)
            .ok_or_else(|| Fault::damaged(8, "record source", "a source of the segment", source))?;
        let Found { seq, received_at, segment } = found;
        let body = record_at.start + body.start..record_at.start + body.end;
        let fields = OnceLock::new();
        Ok(Hit { seq, received_at, source, encoding, segment, labels, bytes, body, profile, fields })
    }

    /// The event, byte for byte.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.body.clone()).unwrap_or_default()
    }

    /// What the store added by rule.
    pub fn labels(&self) -> Labels<'_> {
        self.labels.as_labels()
    }

    /// The profile by which it is read: its fields' names stand in the order of their slots.
    pub fn profile(&self) -> &Profile {
        &self.profile
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
        let mut fields = Fields::default();
        self.profile.extract(self.body(), &mut fields)?;
        Ok(self.fields.get_or_init(|| fields))
    }

    /// Its time, as filters have it: the event's own, or where it has none that can be read, that of receipt.
    ///
    /// # Errors
    /// As [`Hit::fields`].
    pub fn time(&self) -> Result<Timestamp> {
        Ok(match self.fields()?.time() {
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
            profile: &self.profile,
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
            segment: self.segment,
            integrity: None,
        }
    }
}
