//! From hot to warm: a sealed segment's log gives way to its pack.
//!
//! The pack is written beside its place, synced, and read back: every byte of the log must come out of it, and the root
//! of all leaves on the way must be the one that the segment's seal states. Then it takes its name, a record says so,
//! and only then the log goes. A crash leaves the log, or the log and its pack, or the pack: a log that is there is read
//! in any case, and who packs the segment again finishes what was begun.

use std::io;
use std::ops::Range;
use std::path::Path;

use super::derived::Durable;
use super::files::Sealed;
use super::locks::TiersGuard;
use super::views::View;
use super::{Catalog, Log, NewRecord, SealedPlace};
use crate::disk::File;
use crate::error::Fault;
use crate::format::admin::{Admin, Tiered};
use crate::format::frame;
use crate::format::log_header::LOG_HEADER_LEN;
use crate::format::pack::{Directory, PACK_HEADER_LEN, PACK_TAIL_LEN, Tail};
use crate::hash::{Hash, LogTree};
use crate::merkle::Frontier;
use crate::segment::{self, FileWriter, PackWriter};
use crate::{Error, Result, SegmentId};

/// A segment that was moved to the warm tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Its id: the seq of its first record.
    pub id: SegmentId,
    /// Length of the log that was dropped, in bytes.
    pub log_len: u64,
    /// Length of the pack in its place, in bytes.
    pub pack_len: u64,
}

/// Told how many bytes of the log are done, of how many; false stops.
pub(crate) type Watch<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// Moves a sealed segment to the warm tier; nothing where it is there already. It takes the right to.
pub(crate) fn compact(
    log: &Log,
    catalog: &Catalog,
    place: &SealedPlace,
    _guard: &TiersGuard,
    watch: Watch<'_>,
) -> Result<Option<Compacted>> {
    let id = SegmentId(place.first_seq);
    let bytes = match log.files.sealed(id)? {
        Sealed::Log(bytes) => bytes,
        Sealed::Pack(_) => {
            drop_leaves(log, id)?;
            return Ok(None);
        }
        Sealed::Archived(_) => return Ok(None),
    };
    let view = View::of_sealed(catalog).find(|view| view.segment == id);
    let view = view.ok_or_else(|| Error::NotFound { what: "sealed segment", name: id.to_string() })?;
    let runs = log.read_view(&view, catalog, segment::runs_of)?;
    let stated = stated_root(log, catalog, place)?;
    let dir = log.layout.packs_dir();
    log.world.disk.create_dir(&dir).map_err(Error::io("make directory", &dir))?;
    let root = log.layout.root();
    log.world.disk.sync_dir(root).map_err(Error::io("sync directory", root))?;
    let mut pack_len = 0;
    let path = log.layout.pack(id);
    log.put_in_place(&path, Durable::Yes, |file, path| {
        pack_len = write(log, id, &bytes, &runs, file, watch)?;
        file.sync().map_err(Error::io("sync", path))?;
        let found = read_back(file, path, &bytes, watch)?;
        if found.to_string() == stated {
            Ok(())
        } else {
            Err(Fault::forged(0, "segment root", &stated, found).in_file(&log.layout.log(id)))
        }
    })?;
    let compacted = Compacted { id, log_len: place.log_len, pack_len };
    let body = Admin::Tier(Tiered {
        archive: String::new(),
        end_seq: place.end_seq,
        first_seq: place.first_seq,
        locked_until: None,
        log_len: place.log_len,
        pack_len,
        tier: "warm".to_owned(),
    });
    log.transact(|session| {
        session.write(&[NewRecord::admin(&body.encode())])?;
        session.sync()
    })?;
    // Where another process packed it too, it may be gone.
    log.remove_for_good(&log.layout.log(id))?;
    log.files.forget(id);
    drop_leaves(log, id)?;
    Ok(Some(compacted))
}

/// The root that the seal over a segment states.
pub(super) fn stated_root(log: &Log, catalog: &Catalog, place: &SealedPlace) -> Result<String> {
    let seal = catalog.admin.iter().find(|admin| admin.seq == place.end_seq);
    match seal.map(|seal| log.admin(seal)).transpose()? {
        Some(Admin::Sealed(seal)) => Ok(seal.root),
        _ => {
            let file = log.layout.log(SegmentId(place.end_seq));
            Err(Fault::forged(
                LOG_HEADER_LEN as u64,
                "first record",
                "the seal of the segment before",
                "another",
            )
            .in_file(&file))
        }
    }
}

/// Writes the pack of a log; its length in bytes.
fn write(
    log: &Log,
    id: SegmentId,
    bytes: &[u8],
    runs: &[u32],
    file: &dyn File,
    watch: Watch<'_>,
) -> Result<u64> {
    let path = log.layout.log(id);
    let damaged = |what, at: usize| Fault::damaged(at as u64, what, "a whole one", "less").in_file(&path);
    let header = *bytes.first_chunk::<LOG_HEADER_LEN>().ok_or_else(|| damaged("log header", 0))?;
    let io = |action| Error::io(action, log.layout.pack(id));
    let mut out = io::BufWriter::with_capacity(1 << 20, FileWriter::new(file));
    let mut pack = PackWriter::new(&mut out, header, runs).map_err(io("write"))?;
    let (mut at, mut told) = (LOG_HEADER_LEN, 0);
    while at < bytes.len() {
        let (header, payload) =
            frame::decode(&bytes[at..]).map_err(|fault| fault.shifted(at as u64).in_file(&path))?;
        pack.push(at as u64, &header, payload).map_err(io("write"))?;
        at += usize::try_from(header.frame_len()).unwrap_or(usize::MAX);
        if at - told > 1 << 20 {
            told = at;
            go_on(watch, at as u64 / 2, bytes.len() as u64)?;
        }
    }
    pack.finish(bytes.len() as u64).map_err(io("write"))
}

pub(super) fn go_on(watch: Watch<'_>, done: u64, total: u64) -> Result<()> {
    if watch(done, total) { Ok(()) } else { Err(Error::Cancelled) }
}

/// Unpacks all of a pack and compares it with the log; the root of the leaves.
fn read_back(file: &dyn File, path: &Path, log: &[u8], watch: Watch<'_>) -> Result<Hash> {
    let in_file = |fault: Fault| fault.in_file(path);
    let file_len = file.len().map_err(Error::io("measure", path))?;
    let read = |range: Range<u64>| {
        let mut bytes = vec![0; usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0)];
        file.read_exact_at(&mut bytes, range.start).map_err(Error::io("read back", path))?;
        Ok::<_, Error>(bytes)
    };
    let tail = read(file_len.saturating_sub(PACK_TAIL_LEN as u64)..file_len)?;
    let tail = Tail::decode(&tail, file_len).map_err(in_file)?;
    let (head, end) = (read(0..PACK_HEADER_LEN as u64)?, read(tail.directory_at..file_len)?);
    let directory = Directory::decode(&head, &end, file_len).map_err(in_file)?;
    let compare = |at: u64, unpacked: &[u8]| {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        if log.get(start..).and_then(|log| log.get(..unpacked.len())) == Some(unpacked) {
            Ok(())
        } else {
            Err(in_file(Fault::damaged(at, "pack", "the bytes of the log", "others")))
        }
    };
    compare(0, &directory.log_header)?;
    let (mut frontier, mut leaves) = (Frontier::<LogTree>::new(), Vec::new());
    let mut end = LOG_HEADER_LEN as u64;
    for (index, stripe) in directory.stripes.iter().enumerate() {
        let unpacked = directory.unpack(index, &read(stripe.file_range())?, &mut leaves).map_err(in_file)?;
        compare(stripe.log.start, &unpacked)?;
        leaves.drain(..).for_each(|leaf| frontier.push(leaf));
        end = stripe.log.end;
        go_on(watch, (log.len() as u64 + end) / 2, log.len() as u64)?;
    }
    if end != log.len() as u64 {
        return Err(in_file(Fault::damaged(0, "pack log length", log.len(), end)));
    }
    Ok(frontier.root())
}

/// Puts a sidecar without its leaves in the place of one that has them: a pack gives them anew.
fn drop_leaves(log: &Log, id: SegmentId) -> Result<()> {
    let Some(sidecar) = log.files.sidecar(id).filter(|sidecar| sidecar.has_leaves()) else { return Ok(()) };
    let path = log.layout.sidecar(id);
    log.put_in_place(&path, Durable::Yes, |file, path| {
        let mut out = io::BufWriter::with_capacity(1 << 20, FileWriter::new(file));
        segment::encode_without_leaves(&sidecar, &mut out).map_err(Error::io("write", path)).map(|_| ())
    })?;
    log.files.forget(id);
    Ok(())
}
