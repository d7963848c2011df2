//! Bringing the catalog up to a head: from memory, from disk, or by reading the logs from where it ends.

use super::Log;
use super::catalog::{AdminPlace, Catalog, SealedPlace};
use super::files::LogFile;
use super::recover;
use super::scan::FrameScan;
use crate::format::admin::Admin;
use crate::format::frame::{self, FrameHeader};
use crate::format::head::Head;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::format::retention::Deleted;
use crate::{Error, Result, SegmentId, Seq, StoreId};

/// Whether `catalog` lists all that there is as of `head`.
pub(super) fn is_current(catalog: &Catalog, head: &Head, store_id: StoreId) -> bool {
    let sealed_end = catalog.sealed.last().map_or(0, |segment| segment.end_seq);
    catalog.store_id == store_id.0
        && catalog.admin_end == head.admin_end
        && sealed_end == head.active.0
        && catalog.admin.first().is_some_and(|place| place.seq == 0)
}

/// The catalog as of `head`.
pub(super) fn catalog(log: &Log, head: &Head, known: &Catalog) -> Result<Catalog> {
    let stored = Catalog::read(&log.world, &log.layout, log.store_id.0);
    if let Some(stored) = &stored
        && is_current(stored, head, log.store_id)
    {
        return Ok(stored.clone());
    }
    let usable = |catalog: &Catalog| {
        catalog.store_id == log.store_id.0
            && catalog.admin_end <= head.admin_end
            && catalog.sealed.last().is_none_or(|segment| segment.end_seq <= head.active.0)
    };
    let base = [stored.as_ref(), Some(known)]
        .into_iter()
        .flatten()
        .filter(|catalog| usable(catalog))
        .max_by_key(|catalog| catalog.admin_end);
    let mut catalog = base.cloned().unwrap_or_default();
    catalog.store_id = log.store_id.0;
    extend(log, head, &mut catalog)?;
    if log.is_writable() {
        // A cache: if it cannot be kept, the next reader does the work again.
        let _ = catalog.write(&log.world, &log.layout);
    }
    Ok(catalog)
}

/// Reads what the catalog does not have: segments that were sealed since, and the store's own records in them
/// and in the active segment.
fn extend(log: &Log, head: &Head, catalog: &mut Catalog) -> Result<()> {
    let segments = recover::segments(&log.world, &log.layout)?;
    let sealed_end = catalog.sealed.last().map_or(0, |segment| segment.end_seq);
    let ids: Vec<SegmentId> =
        segments.into_iter().filter(|id| id.0 >= sealed_end && *id <= head.active).collect();
    let mut rewritten = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let file = log.files.log(*id)?;
        let end = if *id == head.active {
            head.written_len
        } else {
            file.file.len().map_err(Error::io("measure", &file.path))?
        };
        let admin = own_records(&file, end, |seq, body| {
            if seq >= catalog.admin_end
                && let Ok(Admin::Deleted(deleted)) = Admin::decode(body)
            {
                rewritten.push(deleted);
            }
        })?;
        catalog.extend(&admin, admin.last().map_or(0, |place| place.seq + 1));
        if let Some(next) = ids.get(index + 1) {
            let (end_seq, rewritten_by) = (next.0, file.header.rewritten_by);
            catalog.sealed.push(SealedPlace { first_seq: id.0, end_seq, log_len: end, rewritten_by });
        }
    }
    rewritten.iter().try_for_each(|deleted| follow(log, catalog, deleted))?;
    catalog.admin_end = catalog.admin_end.max(head.admin_end);
    Ok(())
}

/// The store's own records in a segment's log, each shown to `see` on the way.
fn own_records(file: &LogFile, end: u64, mut see: impl FnMut(Seq, &[u8])) -> Result<Vec<AdminPlace>> {
    let mut own = Vec::new();
    let mut list = |frame_at, header: &FrameHeader, payload: &[u8]| -> Result<()> {
        let records = frame::records(payload, header.count)
            .map_err(|fault| fault.shifted(frame_at).in_file(&file.path))?;
        for (seq, record) in (header.first_seq..).zip(&records) {
            if let Some(body) = record.body.bytes().filter(|body| record.source == 0 && Admin::is_state(body))
            {
                see(seq, body);
                own.push(AdminPlace { seq, segment: file.id.0, frame_at });
            }
        }
        Ok(())
    };
    if let Some(archived) = &file.archived {
        for (frame_at, bytes) in &archived.kept.frames {
            let (header, payload) = frame::decode(bytes).map_err(|fault| fault.in_file(&file.path))?;
            list(*frame_at, &header, payload)?;
        }
        return Ok(own);
    }
    let mut scan = FrameScan::new(&file.file, &file.path, LOG_HEADER_LEN as u64, end);
    while let Some((frame_at, header, payload)) = scan.next()? {
        list(frame_at, &header, payload)?;
    }
    Ok(own)
}

/// Goes over to what a segment's log is since records of it were deleted: what stayed stands in other places.
pub(super) fn follow(log: &Log, catalog: &mut Catalog, deleted: &Deleted) -> Result<()> {
    let Some(place) = catalog.sealed.iter_mut().find(|place| place.first_seq == deleted.first_seq) else {
        return Ok(());
    };
    let id = SegmentId(place.first_seq);
    log.forget(id);
    let file = log.files.log(id)?;
    (place.log_len, place.rewritten_by) = (file.len()?, place.rewritten_by.max(deleted.deleting));
    let own = own_records(&file, place.log_len, |_, _| {})?;
    let mut own = own.iter();
    for known in catalog.admin.iter_mut().filter(|known| known.segment == id.0) {
        known.frame_at = own.find(|own| own.seq == known.seq).map_or(known.frame_at, |own| own.frame_at);
    }
    Ok(())
}
