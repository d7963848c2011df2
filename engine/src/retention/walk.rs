//! Going through the events of a log in order, each with the fields that its profile finds and the time from which it
//! is kept.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::age::Ages;
use crate::filter::Subject;
use crate::format::frame;
use crate::format::head::Head;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::log::scan::FrameScan;
use crate::log::sources::SourceVersion;
use crate::log::{Catalog, Log};
use crate::source::Fields;
use crate::{Result, SegmentId, Timestamp};

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

/// Visits all users' events as of `head`, in order, until `visit` breaks off. An event that cannot be read ends the walk
/// in an error: nothing can be decided about a log that has one.
pub(crate) fn walk(
    log: &Log,
    head: &Head,
    catalog: &Catalog,
    mut ages: Ages,
    mut visit: impl FnMut(&Visited<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let sealed = catalog.sealed.iter().map(|place| (SegmentId(place.first_seq), true));
    let segments = sealed.chain([(head.active, false)]);
    let (mut fields, mut source) = (Fields::default(), None::<Arc<SourceVersion>>);
    for (segment, sealed) in segments {
        let file = log.files.log(segment)?;
        let log_len = if sealed { file.len()? } else { head.written_len };
        let shelf = match (&file.pack, &file.archived) {
            (_, Some(_)) => Shelf::Archive,
            (Some(_), None) => Shelf::Warm,
            (None, None) => Shelf::Hot,
        };
        let mut scan = FrameScan::new(&file.file, &file.path, LOG_HEADER_LEN as u64, log_len);
        while let Some((at, header, payload)) = scan.next()? {
            let in_file = |fault: crate::Fault| fault.shifted(at).in_file(&file.path);
            let records = frame::records(payload, header.count).map_err(in_file)?;
            for (seq, record) in (header.first_seq..head.next_seq).zip(&records) {
                let stored_at = ages.stored_at(seq, header.received_at);
                let Some(body) = record.body.bytes().filter(|_| record.source != 0) else { continue };
                if source.as_ref().is_none_or(|known| known.seq != record.source) {
                    source = Some(log.source(catalog, record.source)?);
                }
                let Some(source) = &source else { continue };
                let profile = &*source.profile;
                profile.extract(body, &mut fields)?;
                let subject = Subject {
                    seq,
                    received_at: header.received_at,
                    source: record.source,
                    encoding: record.encoding,
                    labels: record.labels,
                    body,
                    profile,
                    fields: &fields,
                };
                if visit(&Visited { subject, stored_at, segment, sealed, shelf })?.is_break() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}
