//! A stretch of the log as questions see it: its sidecar and its log, opened once, and what is worth remembering of them.

use std::ops::{Deref, Range};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;

use super::hit::Hit;
use super::plan::set_of;
use super::set::Set;
use super::text::LogText;
use super::ways::{Tables, Ways};
use super::zones::Zones;
use super::{AsOf, Trouble};
use crate::disk::Mapped;
use crate::format::sidecar::NO_POSTING;
use crate::index::DELETED;
use crate::log::files::Sealed;
use crate::log::views::View;
use crate::segment::{Field, Sidecar};
use crate::source::{FieldKind, Path, Profile, Term};
use crate::{Fault, Result, SegmentId, Seq, Timestamp};

/// How often a sealed segment is opened while others replace its files: each plan of deletion does once.
const OPENED_MAX: usize = 4;

/// A sealed segment, or a part of the active one.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(super) id: SegmentId,
    /// Of all stretches that a process opens of a store no two have the same; 0 for none.
    pub(super) number: u32,
    pub(super) sidecar: Arc<Sidecar>,
    pub(super) text: LogText,
    /// The sources of its records, ascending by their seqs.
    pub(super) sources: Vec<SourceOf>,
    /// The fields that hold event ids or event times in some source's records: they have no terms there.
    pub(super) untermed: Vec<Untermed>,
    /// The records that were deleted: none of them matches anything.
    deleted: Set,
    /// Why the sidecar was made anew from the log, where it was.
    pub(super) rebuilt: Option<String>,
    /// The fields' places in the sidecar, by their names, and the ways to their terms, made at the first need.
    fields: HashMap<Box<str>, (usize, Ways)>,
    tables: Arc<Tables>,
    zones: OnceLock<Zones>,
    /// The store's own records, where somebody had to know.
    pub(super) own: OnceLock<Set>,
    /// The records with an escape by number, where somebody had to know.
    pub(super) escaped: OnceLock<Set>,
}

/// A source of some of the records.
#[derive(Debug)]
pub(super) struct SourceOf {
    pub(super) seq: Seq,
    pub(super) profile: ReadBy,
    /// The key in an event's outermost object whose value, where it is a text, is the event's id, whatever else there is.
    pub(super) id_key: Option<String>,
}

impl SourceOf {
    fn new(seq: Seq, profile: ReadBy) -> SourceOf {
        let id =
            profile.fields().iter().find(|field| field.kind == FieldKind::Id && !field.join && !field.all);
        let first = id.and_then(|id| id.paths.first()).filter(|first| first.when.is_none());
        let path = first.and_then(|first| first.path.parse::<Path>().ok());
        let id_key = path.and_then(|path| path.as_key().map(str::to_owned));
        SourceOf { seq, profile, id_key }
    }
}

/// The profile by which records are read.
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
        let log = &*as_of.log;
        let mut why = "its sidecar is missing, damaged or another segment's".to_owned();
        for _ in 0..OPENED_MAX {
            let opened = if as_of.is_sealed(view) {
                log.files.sidecar(view.segment).filter(|sidecar| view.fits(sidecar, log.store_id))
            } else {
                Some(log.open_view(view, &as_of.catalog)?)
            };
            let Some(sidecar) = opened else { break };
            match Stretch::new(as_of, view, sidecar, None) {
                Err(Trouble::Other(error)) => return Err(error),
                Err(Trouble::Stretch(fault)) => why = fault.to_string(),
                Ok(None) => continue,
                Ok(Some(stretch)) => return Ok(stretch),
            }
            break;
        }
        Stretch::from_log(as_of, view, why)
    }

    /// Opens a view by a sidecar that is made of the log, in memory; `why` it must.
    pub(super) fn from_log(as_of: &AsOf, view: &View, why: String) -> Result<Stretch> {
        let in_file = |fault: Fault| fault.in_file(&as_of.log.layout.log(view.segment));
        for _ in 0..OPENED_MAX {
            let sidecar = as_of.log.remake_view(view, &as_of.catalog)?;
            if !view.fits(&sidecar, as_of.log.store_id) {
                let (expected, found) = (view.end_seq, sidecar.end_seq());
                let (what, found) = if expected == found {
                    ("log of the segment", "one of another state".to_owned())
                } else {
                    ("end of the segment", found.to_string())
                };
                return Err(in_file(Fault::damaged(0, what, expected, found)));
            }
            match Stretch::new(as_of, view, sidecar, Some(why.clone())) {
                Ok(None) => {}
                Ok(Some(stretch)) => return Ok(stretch),
                Err(Trouble::Other(error)) => return Err(error),
                Err(Trouble::Stretch(fault)) => return Err(in_file(fault)),
            }
        }
        Err(in_file(Fault::damaged(0, "sidecar", "one of the log as it is", "one of another state")))
    }

    /// Nothing where the sidecar and the log are not of the same state, as one of them is of before some of the records
    /// were deleted: both are opened anew then.
    fn new(
        as_of: &AsOf,
        view: &View,
        sidecar: Arc<Sidecar>,
        rebuilt: Option<String>,
    ) -> Result<Option<Stretch>, Trouble> {
        let log = &*as_of.log;
        let frame_count = sidecar.meta().frame_count;
        let text = if as_of.is_sealed(view) {
            let sealed = log.files.sealed(view.segment)?;
            if sealed.version() != (sidecar.meta().log_len, sidecar.meta().rewritten_by) {
                log.files.forget(view.segment);
                return Ok(None);
            }
            match sealed {
                Sealed::Log(bytes) => LogText::sealed(bytes, frame_count),
                Sealed::Pack(pack) => LogText::Packed(pack),
                Sealed::Archived(archived) => LogText::read(archived, true, frame_count),
            }
        } else {
            LogText::read(log.files.log(view.segment)?, false, frame_count)
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
            sources.push(SourceOf::new(source, profile));
        }
        let count_before = as_of.opened.stretch_count.fetch_add(1, Ordering::Relaxed);
        let number = u32::try_from(count_before + 1).unwrap_or(0);
        let (id, mut fields) = (view.segment, HashMap::new());
        for index in 0..sidecar.field_count()? {
            let field = sidecar.field_at(index)?;
            fields.extend(field.map(|field| (field.name().into(), (index, Ways::default()))));
        }
        let deleted = match sidecar.field(DELETED)?.filter(|_| sidecar.meta().rewritten_by != 0) {
            Some(field) => set_of(field.present()?)?,
            None => Set::none(),
        };
        let tables = Arc::clone(&as_of.opened.tables);
        let (zones, own, escaped) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(Some(Stretch {
            id,
            number,
            sidecar,
            text,
            sources,
            untermed,
            deleted,
            rebuilt,
            fields,
            tables,
            zones,
            own,
            escaped,
        }))
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

    /// Those of `seqs` that are in this segment and were not deleted.
    pub(super) fn among(&self, seqs: &Range<Seq>) -> Set {
        let all = Set::Range(self.offsets(seqs));
        if self.deleted.is_empty() { all } else { all.minus(&self.deleted) }
    }

    /// Whether the record at `offset` was deleted.
    pub(super) fn is_deleted(&self, offset: u32) -> bool {
        self.deleted.contains(offset)
    }

    /// Where the records at `offsets` lie; their frames' checksums were found right.
    #[inline]
    pub(super) fn places(&self, offsets: &[u32], mut add: impl FnMut(Place)) -> Result<(), Trouble> {
        let first_seq = self.sidecar.first_seq();
        self.sidecar.locate_each(offsets, |offset, located| {
            let beyond = || Fault::damaged(0, "record offset", self.count(), offset);
            let located = located.ok_or_else(beyond)?;
            let frame_seq = first_seq + u64::from(located.frame.first_offset);
            let (frame, at) = self.text.record(offset, frame_seq, &located)?;
            let (seq, received_at) = (first_seq + u64::from(offset), located.frame.received_at);
            add(Place { seq, received_at, at, frame });
            Ok(())
        })
    }

    /// The record at `offset`.
    pub(super) fn hit(self: &Arc<Self>, offset: u32) -> Result<Hit, Trouble> {
        let mut found = None;
        self.places(&[offset], |place| found = Some(place))?;
        let none = || Fault::damaged(0, "record offset", self.count(), offset);
        Ok(Hit::new(self, found.ok_or_else(none)?)?)
    }

    /// The field of that name.
    pub(super) fn field(&self, name: &str) -> Result<Option<Field<'_>>, Fault> {
        self.fields.get(name).map_or(Ok(None), |(index, _)| self.sidecar.field_at(*index))
    }

    /// The word of a term's posting.
    pub(super) fn posting_word(&self, name: &str, term: Term<'_>) -> Result<u32, Fault> {
        let Some((index, ways)) = self.fields.get(name) else { return Ok(NO_POSTING) };
        let Some(field) = self.sidecar.field_at(*index)? else { return Ok(NO_POSTING) };
        let ordinal = ways.find(&field, term, &self.tables)?;
        Ok(ordinal.map_or(NO_POSTING, |ordinal| field.word(ordinal)))
    }

    /// Whether a field holds event ids or times in some source's records.
    pub(super) fn is_untermed(&self, name: &str) -> bool {
        self.untermed.iter().any(|untermed| untermed.name == name)
    }

    /// When the records happened.
    pub(super) fn zones(&self) -> Result<&Zones, Fault> {
        if let Some(zones) = self.zones.get() {
            return Ok(zones);
        }
        let zones = Zones::new(&self.sidecar)?;
        Ok(self.zones.get_or_init(|| zones))
    }
}

/// Where a record lies.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) seq: Seq,
    pub(super) received_at: Timestamp,
    /// In the stretch's log, or in its frame where that is by itself.
    pub(super) at: Range<usize>,
    pub(super) frame: Option<Mapped>,
}
