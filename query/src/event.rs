//! An event as a row of an answer shows it: where it lies in a store's log, or among records that were disclosed.

use std::sync::{Arc, OnceLock};

use indelible_engine::answer::Hit;
use indelible_engine::filter::Subject;
use indelible_engine::format::frame::{LabelBuf, Labels};
use indelible_engine::source::{EventTime, Fields, Profile};
use indelible_engine::{Record, Result, SegmentId, Seq, Timestamp};

/// An event, and what the store says of it. Its fields are found when they are asked for.
#[derive(Debug)]
pub struct Event(Kept);

#[derive(Debug)]
enum Kept {
    Hit(Hit),
    Disclosed(Arc<DisclosedRecord>),
}

/// A record that was disclosed, and by what it is read.
#[derive(Debug)]
pub(crate) struct DisclosedRecord {
    pub(crate) record: Record,
    pub(crate) labels: LabelBuf,
    /// That of the store's own records, where there is none.
    pub(crate) profile: Option<Arc<Profile>>,
    pub(crate) fields: OnceLock<Box<Fields>>,
}

impl DisclosedRecord {
    fn profile(&self) -> &Profile {
        self.profile.as_deref().unwrap_or_else(|| Profile::store_records())
    }

    fn fields(&self) -> Result<&Fields> {
        if let Some(fields) = self.fields.get() {
            return Ok(fields);
        }
        let mut fields = Box::<Fields>::default();
        self.profile().extract(&self.record.body, &mut fields)?;
        Ok(self.fields.get_or_init(|| fields))
    }

    /// The record as filters see it.
    pub(crate) fn subject(&self) -> Result<Subject<'_>> {
        let Record { seq, received_at, source, encoding, .. } = self.record;
        Ok(Subject {
            seq,
            received_at,
            source,
            encoding,
            labels: self.labels.as_labels(),
            body: &self.record.body,
            profile: self.profile(),
            fields: self.fields()?,
        })
    }
}

impl From<Hit> for Event {
    fn from(hit: Hit) -> Event {
        Event(Kept::Hit(hit))
    }
}

impl From<Arc<DisclosedRecord>> for Event {
    fn from(record: Arc<DisclosedRecord>) -> Event {
        Event(Kept::Disclosed(record))
    }
}

impl Event {
    /// Its position in the log.
    pub fn seq(&self) -> Seq {
        match &self.0 {
            Kept::Hit(hit) => hit.seq,
            Kept::Disclosed(kept) => kept.record.seq,
        }
    }

    /// The store's clock at its commit.
    pub fn received_at(&self) -> Timestamp {
        match &self.0 {
            Kept::Hit(hit) => hit.received_at,
            Kept::Disclosed(kept) => kept.record.received_at,
        }
    }

    /// The seq of the `store.source` record by which it is read; 0 for the store's own records.
    pub fn source(&self) -> Seq {
        match &self.0 {
            Kept::Hit(hit) => hit.source,
            Kept::Disclosed(kept) => kept.record.source,
        }
    }

    /// How the body is written: 0 is the event verbatim.
    pub fn encoding(&self) -> u8 {
        match &self.0 {
            Kept::Hit(hit) => hit.encoding,
            Kept::Disclosed(kept) => kept.record.encoding,
        }
    }

    /// The event, byte for byte.
    pub fn body(&self) -> &[u8] {
        match &self.0 {
            Kept::Hit(hit) => hit.body(),
            Kept::Disclosed(kept) => &kept.record.body,
        }
    }

    /// What the store added by rule.
    pub fn labels(&self) -> Labels<'_> {
        match &self.0 {
            Kept::Hit(hit) => hit.labels(),
            Kept::Disclosed(kept) => kept.labels.as_labels(),
        }
    }

    /// The profile by which it is read: its fields' names stand in the order of their slots.
    pub fn profile(&self) -> &Profile {
        match &self.0 {
            Kept::Hit(hit) => hit.profile(),
            Kept::Disclosed(kept) => kept.profile(),
        }
    }

    /// The segment that holds it.
    pub fn segment(&self) -> SegmentId {
        match &self.0 {
            Kept::Hit(hit) => hit.segment(),
            Kept::Disclosed(kept) => kept.record.segment,
        }
    }

    /// What its profile finds in it; found once.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`](indelible_engine::Error::InvalidEvent) where the body is no event, which no store takes.
    pub fn fields(&self) -> Result<&Fields> {
        match &self.0 {
            Kept::Hit(hit) => hit.fields(),
            Kept::Disclosed(kept) => kept.fields(),
        }
    }

    /// The event's own time.
    ///
    /// # Errors
    /// As [`Event::fields`].
    pub fn event_time(&self) -> Result<EventTime> {
        match &self.0 {
            // The index may know it.
            Kept::Hit(hit) => hit.event_time(),
            Kept::Disclosed(kept) => Ok(kept.fields()?.time()),
        }
    }

    /// Its time, as filters have it: the event's own, or where it has none that can be read, that of receipt.
    ///
    /// # Errors
    /// As [`Event::fields`].
    pub fn time(&self) -> Result<Timestamp> {
        Ok(match self.event_time()? {
            EventTime::Known(time) => time,
            EventTime::Absent | EventTime::Unreadable => self.received_at(),
        })
    }

    /// The record as filters see it.
    ///
    /// # Errors
    /// As [`Event::fields`].
    pub fn subject(&self) -> Result<Subject<'_>> {
        match &self.0 {
            Kept::Hit(hit) => hit.subject(),
            Kept::Disclosed(kept) => kept.subject(),
        }
    }
}
