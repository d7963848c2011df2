//! Taking records out of a sealed segment: its log gives way to one that has stubs in their place.
//!
//! What is to go, and the root of the index of what stays, was committed to before, by a `store.deleting` record. The new
//! log is written beside the old one, synced, read back, and held against that root and the one that the seal states;
//! then it takes the old one's name, and whatever else knew the events is made anew or removed. A crash leaves the old
//! log or the new one, and whoever does it again finishes what was begun.

use std::path::Path;

use super::compact::stated_root;
use super::derived::Durable;
use super::files::LogFile;
use super::indexer::Indexer;
use super::locks::TiersGuard;
use super::scan::FrameScan;
use super::{Catalog, Log, NewRecord, SealedPlace, fold, seal};
use crate::disk::{File, Open};
use crate::error::Fault;
use crate::format::admin::Admin;
use crate::format::frame::{self, Body, FRAME_HEADER_LEN, FrameHeader, FrameRecord, Stub};
use crate::format::log_header::{LOG_HEADER_LEN, LogHeader};
use crate::format::retention::{Deleted, Deleting};
use crate::hash::SegmentSalt;
use crate::index::IndexCommitment;
use crate::{Error, Result, SegmentId, Seq};

/// How much of the new log is gathered before it is written.
const WRITE_LEN: usize = 1 << 20;

/// What goes of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gone<'a> {
    /// The seq of the `store.plan` record.
    pub(crate) plan: Seq,
    /// Ranges of seqs, ascending.
    pub(crate) seqs: &'a [(Seq, Seq)],
}

impl Gone<'_> {
    fn has(&self, seq: Seq) -> bool {
        let before = self.seqs.partition_point(|(start, _)| *start <= seq);
        before.checked_sub(1).and_then(|at| self.seqs.get(at)).is_some_and(|(_, end)| seq < *end)
    }

    /// A frame's records as they will stand.
    fn behind<'r>(
        &self,
        records: &[FrameRecord<'r>],
        first_seq: Seq,
        salt: &SegmentSalt,
    ) -> Vec<FrameRecord<'r>> {
        let of = |(seq, record): (Seq, &FrameRecord<'r>)| {
            let body = match record.body {
                Body::Deleted(stub) => Body::Deleted(stub),
                body if record.source != 0 && self.has(seq) => Body::Deleted(Stub {
                    body_len: body.event_len(),
                    body_hash: body.hash(salt, seq),
                    plan: self.plan,
                }),
                Body::Whole(bytes) => Body::Salted(salt.record(seq), bytes),
                Body::Salted(salt, bytes) => Body::Salted(salt, bytes),
            };
            FrameRecord { body, ..*record }
        };
        (first_seq..).zip(records).map(of).collect()
    }
}

/// What a seal would state of the index of what stays.
pub(crate) fn commitment(
    log: &Log,
    catalog: &Catalog,
    id: SegmentId,
    gone: Gone<'_>,
) -> Result<IndexCommitment> {
    let file = log.files.log(id)?;
    let mut indexer = Indexer::new(id);
    each_frame(&file, |at, header, records| {
        let behind = gone.behind(records, header.first_seq, &file.header.salt);
        indexer.frame(log, catalog, &file, (at, header, &behind))
    })?;
    Ok(indexer.builder.commitment())
}

/// Takes out of a segment what the record at `seq` names, and says so in the log. It takes the right to.
pub(crate) fn rewrite(
    log: &Log,
    catalog: &Catalog,
    place: &SealedPlace,
    (seq, deleting): (Seq, &Deleting),
    _guard: &TiersGuard,
) -> Result<()> {
    let id = SegmentId(place.first_seq);
    log.forget(id);
    // A directory is over the sidecars of many segments: it would keep terms of events that are gone.
    log.remove_directory(catalog, id)?;
    let file = log.files.log(id)?;
    if file.header.rewritten_by < seq {
        // So does the sidecar; and beside another log it would be a forgery.
        log.remove_for_good(&log.layout.sidecar(id))?;
        replace(log, catalog, place, &file, (seq, deleting))?;
        log.forget(id);
    }
    log.remove_for_good(&log.layout.pack(id))?;
    let file = log.files.log(id)?;
    let mut indexer = Indexer::new(id);
    let log_len = file.len()?;
    indexer.read_frames(log, catalog, &file, log_len)?;
    seal::write_sidecar(log, id, (log_len, seq), indexer)?;
    log.forget(id);
    let deleted = Deleted { deleting: seq, first_seq: place.first_seq };
    log.transact(|session| {
        let mut catalog = (*log.catalog(session.head())?).clone();
        fold::follow(log, &mut catalog, &deleted)?;
        log.set_catalog(catalog);
        session.write(&[NewRecord::admin(&Admin::Deleted(deleted).encode())])?;
        session.sync()
    })
}

/// Puts the new log in the place of the old one.
fn replace(
    log: &Log,
    catalog: &Catalog,
    place: &SealedPlace,
    old: &LogFile,
    (seq, deleting): (Seq, &Deleting),
) -> Result<()> {
    let stated = stated_root(log, catalog, place)?;
    let path = log.layout.log(old.id);
    log.put_in_place(&path, Durable::Yes, |file, beside| {
        write(old, file, beside, (seq, deleting))?;
        file.sync().map_err(Error::io("sync", beside))?;
        // Read back through a handle of its own, as whoever comes later will.
        let new = LogFile::open_at(&log.world, beside.to_path_buf(), old.id, Open::Read)?;
        let mut indexer = Indexer::new(old.id);
        indexer.read_frames(log, catalog, &new, new.len()?)?;
        let root = indexer.own.root().to_string();
        if root != stated {
            return Err(Fault::forged(0, "segment root", &stated, root).in_file(beside));
        }
        let index_root = indexer.builder.commitment().index_root.to_string();
        if index_root != deleting.index_root {
            return Err(Fault::forged(0, "index root", &deleting.index_root, index_root).in_file(beside));
        }
        Ok(())
    })
}

fn write(old: &LogFile, file: &dyn File, path: &Path, (seq, deleting): (Seq, &Deleting)) -> Result<()> {
    let header = LogHeader { salt: SegmentSalt([0; 32]), rewritten_by: seq, ..old.header.clone() };
    let mut bytes = header.encode().to_vec();
    let mut written = 0_u64;
    let gone = Gone { plan: deleting.plan, seqs: &deleting.seqs };
    each_frame(old, |_, header, records| {
        let start = bytes.len();
        // All before it is synced before the file takes its name.
        let header = FrameHeader { synced_len: written + start as u64, ..header.clone() };
        bytes.resize(start + FRAME_HEADER_LEN, 0);
        for record in gone.behind(records, header.first_seq, &old.header.salt) {
            record.encode_into(&mut bytes);
        }
        header.seal(&mut bytes[start..]);
        if bytes.len() >= WRITE_LEN {
            file.write_all_at(&bytes, written).map_err(Error::io("write", path))?;
            written += bytes.len() as u64;
            bytes.clear();
        }
        Ok(())
    })?;
    file.write_all_at(&bytes, written).map_err(Error::io("write", path))
}

/// Shows `see` each frame that has records: where it stands, its header, its records.
fn each_frame(
    file: &LogFile,
    mut see: impl FnMut(u64, &FrameHeader, &[FrameRecord<'_>]) -> Result<()>,
) -> Result<()> {
    let mut frames = FrameScan::new(&file.file, &file.path, LOG_HEADER_LEN as u64, file.len()?);
    while let Some((at, header, payload)) = frames.next()? {
        if header.count == 0 {
            continue;
        }
        let records =
            frame::records(payload, header.count).map_err(|fault| fault.shifted(at).in_file(&file.path))?;
        see(at, &header, &records)?;
    }
    Ok(())
}
