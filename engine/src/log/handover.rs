//! From here to the archive and back: a sealed segment's log gives way to what is kept of it, and takes its place again.
//!
//! What the archive has is brought back first, the way that a reader would, and compared with the log byte for byte; the root
//! of all leaves must be the one that the seal states. Then what is kept is put in place, durable, a record says
//! so, and only then the log goes. A crash leaves the log, or the log and what is kept, or what is kept: a log that is
//! there is read in any case, and who hands the segment over again finishes what was begun.

use std::path::Path;

use super::archived::Archived;
use super::compact::{Watch, go_on, stated_root};
use super::derived::Durable;
use super::files::LogFile;
use super::scan::{self, FrameScan};
use super::{Catalog, Log, NewRecord, SealedPlace};
use crate::disk::{ArchivedSegment, File};
use crate::error::Fault;
use crate::format::admin::{Admin, Tiered};
use crate::format::frame;
use crate::format::kept::{Kept, Piece};
use crate::format::log_header::LOG_HEADER_LEN;
use crate::hash::{Hash, LogTree, TreeHash};
use crate::merkle::Frontier;
use crate::{Error, Result, SegmentId, Seq, Timestamp};

/// How much of a log is copied at once, in bytes.
const CHUNK_LEN: usize = 1 << 20;

/// Drops a sealed segment's log, or pack, of which `archive` has a file; nothing where that was done.
pub(crate) fn hand_over(
    log: &Log,
    catalog: &Catalog,
    place: &SealedPlace,
    (archive, locked_until): (&str, Option<Timestamp>),
    watch: Watch<'_>,
) -> Result<Option<ArchivedSegment>> {
    let _guard = log.own_tiers()?;
    let id = SegmentId(place.first_seq);
    // What another process did with the segment meanwhile.
    log.files.forget(id);
    let file = log.files.log(id)?;
    if file.archived.is_some() {
        return Ok(None);
    }
    let mut kept = keep(&file, place, archive, watch)?;
    let (root, stated) = (Hash(kept.root).to_string(), stated_root(log, catalog, place)?);
    if root != stated {
        return Err(Fault::forged(0, "segment root", stated, root).in_file(&file.path));
    }
    let archived = log.files.archived_of(kept.clone(), file.header.clone());
    kept.pieces = bring_back(&file, &archived, watch)?;
    let bytes = kept.encode().map_err(|fault| fault.in_file(&file.path))?;
    let dir = log.layout.archived_dir();
    log.world.disk.create_dir(&dir).map_err(Error::io("make directory", &dir))?;
    let root = log.layout.root();
    log.world.disk.sync_dir(root).map_err(Error::io("sync directory", root))?;
    log.put_in_place(&log.layout.kept(id), Durable::Yes, |file, path| {
        file.write_all_at(&bytes, 0).map_err(Error::io("write", path))
    })?;
    let body = Admin::Tier(Tiered {
        archive: archive.to_owned(),
        end_seq: place.end_seq,
        first_seq: place.first_seq,
        locked_until,
        log_len: place.log_len,
        pack_len: file.pack.as_ref().map_or(0, |pack| pack.file_len()),
        tier: "archive".to_owned(),
    });
    log.transact(|session| {
        session.write(&[NewRecord::admin(&body.encode())])?;
        session.sync()
    })?;
    for path in [log.layout.log(id), log.layout.pack(id)] {
        log.remove_for_good(&path)?;
    }
    log.files.forget(id);
    Ok(Some(archived.segment))
}

/// What is to be kept of a log.
fn keep(file: &LogFile, place: &SealedPlace, archive: &str, watch: Watch<'_>) -> Result<Kept> {
    let (mut own, mut nodes) =
        (Frontier::<LogTree>::new(), Nodes { end: place.first_seq, nodes: Vec::new() });
    let (mut frames, mut leaves, mut last_leaf) = (Vec::new(), Vec::new(), file.header.predecessor);
    let mut scan = FrameScan::new(&file.file, &file.path, LOG_HEADER_LEN as u64, place.log_len);
    while let Some((at, header, payload)) = scan.next()? {
        let in_file = |fault: Fault| fault.shifted(at).in_file(&file.path);
        let records = frame::records(payload, header.count).map_err(in_file)?;
        if records.iter().any(|record| record.source == 0) {
            let mut bytes = vec![0; usize::try_from(header.frame_len()).unwrap_or(usize::MAX)];
            file.file.read_exact_at(&mut bytes, at).map_err(Error::io("read", &file.path))?;
            frames.push((at, bytes));
        }
        scan::leaves(&header, &records, &file.header.salt, &mut leaves);
        for leaf in leaves.drain(..) {
            own.push(leaf);
            nodes.push(leaf);
            last_leaf = leaf;
        }
        go_on(watch, at / 2, place.log_len)?;
    }
    if nodes.end != place.end_seq {
        return Err(Fault::damaged(0, "end of the segment", place.end_seq, nodes.end).in_file(&file.path));
    }
    Ok(Kept {
        end_seq: place.end_seq,
        log_len: place.log_len,
        archive: archive.to_owned(),
        root: own.root().0,
        last_leaf: last_leaf.0,
        header: file.header.encode().to_vec(),
        frames,
        nodes: nodes.nodes.into_iter().map(|(level, root)| (level, root.0)).collect(),
        pieces: Vec::new(),
    })
}

/// The perfect subtrees of the log's tree over a run of leaves.
struct Nodes {
    end: Seq,
    nodes: Vec<(u8, Hash)>,
}

impl Nodes {
    fn push(&mut self, leaf: Hash) {
        let (mut level, mut root, mut index) = (0, leaf, self.end);
        self.end += 1;
        // A right child whose sibling stands before it: the two become one.
        while index & 1 == 1
            && let Some((_, left)) = self.nodes.pop_if(|(left_level, _)| *left_level == level)
        {
            root = LogTree::node(&left, &root);
            level += 1;
            index >>= 1;
        }
        self.nodes.push((level, root));
    }
}

/// Brings all of a log back, piece by piece, and compares it with the log.
fn bring_back(file: &LogFile, archived: &Archived, watch: Watch<'_>) -> Result<Vec<Piece>> {
    let (mut at, mut pieces, mut log) = (LOG_HEADER_LEN as u64, Vec::new(), Vec::new());
    let total = archived.segment.log_len;
    while at < total {
        let back = archived.retrieve(at, true)?;
        log.resize(back.bytes.len(), 0);
        let read = file.file.read_up_to(&mut log, at).map_err(Error::io("read", &file.path))?;
        if read == 0 || log.get(..read) != Some(&back.bytes) {
            return Err(Fault::damaged(at, "log", "what came back from the archive", "other bytes")
                .in_file(&file.path));
        }
        pieces.push(Piece::of(at, &back.bytes, back.fetched_len));
        at += read as u64;
        go_on(watch, (total + at) / 2, total)?;
    }
    Ok(pieces)
}

/// Puts an archived segment's log in its place again; nothing where it is there.
pub(crate) fn take_back(log: &Log, place: &SealedPlace) -> Result<Option<ArchivedSegment>> {
    let _guard = log.own_tiers()?;
    let id = SegmentId(place.first_seq);
    log.files.forget(id);
    let file = log.files.log(id)?;
    let Some(archived) = &file.archived else { return Ok(None) };
    log.put_in_place(&log.layout.log(id), Durable::Yes, |out, path| copy(&file, archived, place, out, path))?;
    let body = Admin::Tier(Tiered {
        archive: archived.segment.archive.clone(),
        end_seq: place.end_seq,
        first_seq: place.first_seq,
        locked_until: None,
        log_len: place.log_len,
        pack_len: 0,
        tier: "hot".to_owned(),
    });
    log.transact(|session| {
        session.write(&[NewRecord::admin(&body.encode())])?;
        session.sync()
    })?;
    log.remove_for_good(&log.layout.kept(id))?;
    log.files.forget(id);
    Ok(Some(archived.segment.clone()))
}

/// Writes an archived log's bytes as they come back, and sees that they are what was kept of them.
fn copy(from: &LogFile, archived: &Archived, place: &SealedPlace, out: &dyn File, path: &Path) -> Result<()> {
    let (mut chunk, mut at) = (vec![0; CHUNK_LEN], 0);
    loop {
        let read = from.file.read_up_to(&mut chunk, at).map_err(Error::io("read", &from.path))?;
        if read == 0 {
            break;
        }
        out.write_all_at(chunk.get(..read).unwrap_or_default(), at).map_err(Error::io("write", path))?;
        at += read as u64;
    }
    let found = keep(from, place, &archived.segment.archive, &mut |_, _| true)?;
    let expected = Kept { pieces: Vec::new(), ..archived.kept.clone() };
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (Hash(expected.root), Hash(found.root));
    Err(Fault::forged(0, "segment root", expected, found).in_file(path))
}
