//! Going through the records of a log in order; and through its events, each with the fields that its profile finds and
//! the time from which it is kept.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::age::Ages;
use crate::filter::Subject;
use crate::format::frame::{self, FrameRecord};
use crate::format::head::Head;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::log::scan::FrameScan;
use crate::log::sources::SourceVersion;
use crate::log::{Catalog, Log};
use crate::source::Fields;
use crate::{Result, SegmentId, Seq, Timestamp};

/// An event that the walk comes to.
#[derive(Debug)]
pub(crate) struct Visited<'a> {
    pub(crate) subject: Subject<'a>,
    /// When it counts as stored.
    pub(crate) stored_at: Timestamp,
    pub(crate) segment: SegmentId,
    /// Whether that segment is sealed.
    pub(crate) sealed: bool,
    /// Where it lies.
    pub(crate) shelf: Shelf,
}

/// Which tier an event is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shelf {
    Hot,
    Warm,
    Archive,
}

/// A segment that the walk is in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) segment: SegmentId,
    /// Whether it is sealed.
    pub(crate) sealed: bool,
    /// Where it lies.
    pub(crate) shelf: Shelf,
}

/// Behind a frame: its segment, and the offset in that one's log.
pub(crate) type Mark = (SegmentId, u64);

/// The beginning of the log.
pub(crate) const BEGINNING: Mark = (SegmentId(0), LOG_HEADER_LEN as u64);

/// Visits all records as of `head` that stand behind `from`, in order, each with the time of its receipt, until `visit`
/// breaks off. Where it then stands: behind the last frame that it has visited.
pub(crate) fn each_record(
    log: &Log,
    head: &Head,
    catalog: &Catalog,
    from: Mark,
    mut visit: impl FnMut(&Place, Timestamp, Seq, &FrameRecord<'_>) -> Result<ControlFlow<()>>,
) -> Result<Mark> {
    let sealed = catalog.sealed.iter().map(|place| (SegmentId(place.first_seq), true));
    let segments = sealed.chain([(head.active, false)]).filter(|(segment, _)| *segment >= from.0);
    let mut mark = from;
    for (segment, sealed) in segments {
        let file = log.files.log(segment)?;
        let log_len = if sealed { file.len()? } else { head.written_len };
        let shelf = match (&file.pack, &file.archived) {
            (_, Some(_)) => Shelf::Archive,
            (Some(_), None) => Shelf::Warm,
            (None, None) => Shelf::Hot,
        };
        let place = Place { segment, sealed, shelf };
        if segment != mark.0 {
            mark = (segment, LOG_HEADER_LEN as u64);
        }
        let mut scan = FrameScan::new(&file.file, &file.path, mark.1, log_len);
        while let Some((at, header, payload)) = scan.next()? {
            let in_file = |fault: crate::Fault| fault.shifted(at).in_file(&file.path);
            let records = frame::records(payload, header.count).map_err(in_file)?;
            mark.1 = at + header.frame_len();
            for (seq, record) in (header.first_seq..head.next_seq).zip(&records) {
                if visit(&place, header.received_at, seq, record)?.is_break() {
                    return Ok(mark);
                }
            }
        }
    }
    Ok(mark)
}

/// Visits all users' events as of `head`, in order, until `visit` breaks off. An event that cannot be read ends the walk
/// in an error: nothing can be decided about a log that has one.
pub(crate) fn walk(
    log: &Log,
    head: &Head,
    catalog: &Catalog,
    ages: Ages,
    visit: impl FnMut(&Visited<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    walk_from(log, head, catalog, BEGINNING, ages, visit)
}

/// The same, of the events behind `from`.
pub(crate) fn walk_from(
    log: &Log,
    head: &Head,
    catalog: &Catalog,
    from: Mark,
    mut ages: Ages,
    mut visit: impl FnMut(&Visited<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let (mut fields, mut source) = (Fields::default(), None::<Arc<SourceVersion>>);
    each_record(log, head, catalog, from, |place, received_at, seq, record| {
        let stored_at = ages.stored_at(seq, received_at);
        let going_on = Ok(ControlFlow::Continue(()));
        let Some(body) = record.body.bytes().filter(|_| record.source != 0) else { return going_on };
        if source.as_ref().is_none_or(|known| known.seq != record.source) {
            source = Some(log.source(catalog, record.source)?);
        }
        let Some(source) = &source else { return going_on };
        let profile = &*source.profile;
        profile.extract(body, &mut fields)?;
        let (encoding, labels, source) = (record.encoding, record.labels, record.source);
        let subject = Subject { seq, received_at, source, encoding, labels, body, profile, fields: &fields };
        let Place { segment, sealed, shelf } = *place;
        visit(&Visited { subject, stored_at, segment, sealed, shelf })
    })
    .map(|_| ())
}
