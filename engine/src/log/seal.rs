//! Ending a segment: its roots, the seal as the first record of the next, the sidecar afterwards.
//!
//! What takes long is done before the lock is taken; under it remain the few records that came meanwhile, the
//! roots, and three syncs. A crash at any point leaves either the old active segment, or the new one in place
//! with its seal.

use super::derived::Durable;
use super::indexer::Indexer;
use super::recover::{self, prepare_segment};
use super::{AdminPlace, Log, SealedPlace, Session};
use crate::format::admin::{Admin, Seal};
use crate::format::head::Head;
use crate::format::log_header::{LOG_HEADER_LEN, LogHeader};
use crate::hash::SegmentSalt;
use crate::segment::{self, SegmentFacts};
use crate::{Error, Result, SegmentId, Seq};

/// How many records may come in while the index is prepared before it is prepared once more.
const CATCH_UP_COUNT: u64 = 1000;

/// A segment that was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSegment {
    /// Its id: the seq of its first record.
    pub id: SegmentId,
    /// What its seal states.
    pub seal: Seal,
}

/// Seals the active segment. Nothing where it holds only records with which segments begin: then what an earlier seal
/// could not write is written, as where the disk was full.
pub(crate) fn seal(log: &Log) -> Result<Option<SealedSegment>> {
    let target = log.head()?.active;
    // Taken out while it works, so that commits need not wait for it: what they write meanwhile is read from
    // the log.
    let mut building = std::mem::replace(&mut *log.indexer(), Indexer::new(target));
    if !building.is_whole() {
        building = Indexer::new(target);
    }
    let done = prepare(log, &mut building).and_then(|()| {
        log.transact(|session| {
            let records = session.head().next_seq - session.head().active.0;
            if session.head().active != target || records <= 1 {
                return Ok((None, session.head().clone()));
            }
            session.sync()?;
            let log_len = session.head().written_len;
            let sealed = roll(log, session, &mut building)?;
            *log.indexer() = Indexer::new(session.head().active);
            Ok((Some((sealed, log_len)), session.head().clone()))
        })
    });
    let (rolled, head) = match done {
        Ok(done) => done,
        Err(error) => {
            put_back(log, building);
            return Err(error);
        }
    };
    let sealed = match rolled {
        Some((sealed, log_len)) => {
            write_sidecar(log, sealed.id, (log_len, 0), building)?;
            Some(sealed)
        }
        None => {
            put_back(log, building);
            // Whoever sealed it meanwhile writes what belongs to it.
            if head.active != target {
                return Ok(None);
            }
            None
        }
    };
    rebuild_sidecars(log, &head)?;
    log.extend_groups(&head)?;
    // A cache: what could not be made is made by the next seal, or by whoever misses it.
    let _ = log.write_directories(&head);
    Ok(sealed)
}

/// An index that did not come to be sealed goes on where it was.
fn put_back(log: &Log, building: Indexer) {
    let mut current = log.indexer();
    if current.segment() == building.segment() && current.next_seq() < building.next_seq() {
        *current = building;
    }
}

/// Does off the lock what takes long. Two rounds: the first may take a while, and what comes in during it is
/// little.
fn prepare(log: &Log, building: &mut Indexer) -> Result<()> {
    for _ in 0..2 {
        let head = log.head()?;
        building.catch_up(log, &head)?;
        let _ = building.builder.commitment();
        // A head that could not be read gives way to an older one.
        if log.head()?.next_seq.saturating_sub(head.next_seq) < CATCH_UP_COUNT {
            break;
        }
    }
    Ok(())
}

/// Under the lock: states the segment's roots and goes over to the next.
fn roll(log: &Log, session: &mut Session<'_>, indexer: &mut Indexer) -> Result<SealedSegment> {
    indexer.catch_up(log, session.head())?;
    let head: Head = session.head().clone();
    let commitment = indexer.builder.commitment();
    let seal = Seal {
        end_seq: head.next_seq,
        first_seq: head.active.0,
        index_root: commitment.index_root.to_string(),
        root: indexer.own.root().to_string(),
        rules: commitment.rules.to_string(),
    };
    let body = Admin::Sealed(seal.clone()).encode();
    let header = LogHeader {
        store_id: log.store_id,
        first_seq: head.next_seq,
        created_at: log.world.clock.now(),
        predecessor: head.last_leaf,
        salt: SegmentSalt(log.world.random()?),
        rewritten_by: 0,
        frontier: head.frontier.clone(),
    };
    let catalog = log.catalog(&head)?;
    let (committed, frontier) = prepare_segment(&log.world, &log.layout, &header, &body)?;
    session.trim()?;
    session.begin_roll()?;
    if let Err(error) = recover::place_segment(&log.world, &log.layout, committed.segment) {
        // Whether the new name will be there after a crash is not known: two logs may not both go on.
        return Err(session.close_to_writing(&error));
    }
    session.switch(&committed, frontier, committed.end_at)?;
    let mut catalog = (*catalog).clone();
    catalog.sealed.push(SealedPlace {
        first_seq: head.active.0,
        end_seq: head.next_seq,
        log_len: head.written_len,
        rewritten_by: 0,
    });
    let place =
        AdminPlace { seq: head.next_seq, segment: committed.segment.0, frame_at: LOG_HEADER_LEN as u64 };
    catalog.extend(&[place], head.next_seq + 1);
    // The segment is sealed, whatever becomes of the cache.
    let _ = catalog.write(&log.world, &log.layout);
    log.set_catalog(catalog);
    Ok(SealedSegment { id: head.active, seal })
}

/// Writes the sealed segment's sidecar beside its log, synced before it takes its name.
pub(super) fn write_sidecar(
    log: &Log,
    id: SegmentId,
    (log_len, rewritten_by): (u64, Seq),
    mut indexer: Indexer,
) -> Result<()> {
    let facts = SegmentFacts {
        store_id: log.store_id,
        log_len,
        rewritten_by,
        segment_root: indexer.own.root(),
        leaves: &indexer.leaves,
        locator: &indexer.locator,
    };
    log.put_in_place(&log.layout.sidecar(id), Durable::Yes, |file, path| {
        segment::write_sidecar(file, path, &mut indexer.builder, &facts).map(|_| ())
    })
}

/// Writes the sidecars that are missing: a process ended between a seal and its sidecar, or someone removed them.
pub(crate) fn rebuild_sidecars(log: &Log, head: &Head) -> Result<()> {
    let dir = log.layout.log_dir();
    let names = log.world.disk.list(&dir).map_err(Error::io("list", dir))?;
    log.remove_parts(&names, head.active);
    let catalog = log.catalog(head)?;
    let is_missing =
        |place: &&SealedPlace| names.binary_search(&SegmentId(place.first_seq).file_name("idx")).is_err();
    let missing: Vec<_> = catalog.sealed.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    // While events are deleted, what is open here may still have them. Then the next seal does it.
    let Some(_guard) = log.try_own_tiers()? else { return Ok(()) };
    for place in missing {
        let id = SegmentId(place.first_seq);
        log.forget(id);
        let mut indexer = Indexer::new(id);
        let file = log.files.log(id)?;
        let log_len = file.len()?;
        indexer.read_frames(log, &catalog, &file, log_len)?;
        write_sidecar(log, id, (log_len, file.header.rewritten_by), indexer)?;
    }
    Ok(())
}
