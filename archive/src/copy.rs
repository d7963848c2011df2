//! From a store to an archive: a sealed segment becomes a file, which is read back whole before it counts.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use indelible_engine::format::admin::Admin;
use indelible_engine::{Error, Fault, Result, SegmentInfo, Snapshot, Store, Timestamp};

use crate::cache::Key;
use crate::read::rebuild;
use crate::schema::{About, ArchivedSource, VERSION};
use crate::shape::{Compare, Shape};
use crate::target::{Object, Target};
use crate::write::write;

/// A segment that is in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Its file.
    pub object: Object,
    /// Whether it was there already, with the same bytes.
    pub was_there: bool,
    /// Until when it was locked, so that nobody can remove or replace it.
    pub locked_until: Option<Timestamp>,
}

/// Writes a sealed segment to an archive as a Parquet file. Where the archive has object locks, the file is locked until the
/// first of its events is due by the policies. `progress` is told how many of how many records are done; where
/// it says false the file is given up.
///
/// # Errors
/// [`Error::Refused`] for a segment that is not sealed; [`Error::AlreadyExists`] where there is another file of that name;
/// [`Error::Fault`] where what was written does not read back as the segment that its seal states; [`Error::Io`];
/// [`Error::Cancelled`].
pub fn archive_segment(
    store: &Store,
    snapshot: &Snapshot,
    segment: &SegmentInfo,
    target: &Target,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Archived> {
    let (first, end) = (segment.id.0, segment.end_seq);
    if !segment.sealed {
        return Err(Error::Refused {
            what: "archiving",
            reason: format!("segment {first} is not sealed yet"),
        });
    }
    let about = about(store, snapshot, segment)?;
    let day = snapshot.record(first)?.received_at.to_string();
    let (log, log_name) = (snapshot.segment_log(segment.id)?, segment.id.file_name("log"));
    let shape = Shape::of(io::BufReader::new(log)).map_err(Error::io("read", &log_name))?;
    let (_, header) = shape.header().map_err(|fault| fault.in_file(Path::new(&log_name)))?;
    let name = object_name(day.get(..10).unwrap_or_default(), (first, end, header.rewritten_by));
    let due = if target.has_locks() { snapshot.earliest_due(segment.id)? } else { None };
    let (object, put) =
        target.put(&name, due, &mut |path| make(snapshot, segment, (&about, &shape), path, progress))?;
    Ok(Archived { object, was_there: put.was_there, locked_until: put.locked_until })
}

/// The name of a segment's file: below the day on which its first record was received. A segment of which records were deleted
/// is another file.
fn object_name(day: &str, (first, end, rewritten_by): Key) -> String {
    match rewritten_by {
        0 => format!("day={day}/{first:020}-{end:020}.parquet"),
        _ => format!("day={day}/{first:020}-{end:020}-{rewritten_by:020}.parquet"),
    }
}

/// Which records a file has, by its name.
pub(crate) fn object_key(name: &str) -> Option<Key> {
    let mut numbers = name.rsplit_once('/')?.1.strip_suffix(".parquet")?.splitn(3, '-').map(str::parse);
    let (first, end) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some((first, end, numbers.next().unwrap_or(Ok(0)).ok()?))
}

fn about(store: &Store, snapshot: &Snapshot, segment: &SegmentInfo) -> Result<About> {
    let (first, end) = (segment.id.0, segment.end_seq);
    let stated = Admin::decode(&snapshot.record(end)?.body).ok();
    let Some(Admin::Sealed(seal)) =
        stated.filter(|admin| matches!(admin, Admin::Sealed(seal) if seal.first_seq == first))
    else {
        let reason = format!("record {end} is not the seal over segment {first}; run `indelible verify`");
        return Err(Error::Refused { what: "archiving", reason });
    };
    let first = snapshot.records_with_integrity(first..=first).next().transpose()?;
    let predecessor = first.and_then(|record| record.integrity).map(|tied| tied.predecessor.to_string());
    let sources = snapshot.sources()?;
    let sources = sources.iter().filter(|source| source.seq() < end).map(|source| ArchivedSource {
        seq: source.seq(),
        name: source.profile().name().to_owned(),
        profile: source.profile().text().to_owned(),
    });
    Ok(About {
        version: VERSION,
        origin: store.origin().to_string(),
        store_id: store.store_id().to_string(),
        seal,
        predecessor: predecessor.unwrap_or_default(),
        sources: sources.collect(),
    })
}

/// Writes a file and reads it back: its records are those of the seal, and it gives the log again, byte for byte.
fn make(
    snapshot: &Snapshot,
    segment: &SegmentInfo,
    (about, shape): (&About, &Shape),
    path: &Path,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<()> {
    let seqs = segment.id.0..segment.end_seq;
    let (first, count) = (seqs.start, seqs.end - seqs.start);
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path);
    let file = file.map_err(Error::io("make", path))?;
    write(snapshot, seqs, (about, shape), file, path, &mut |seq| progress(seq - first, count))?;
    let file = File::open(path).map_err(Error::io("read back", path))?;
    let log = snapshot.segment_log(segment.id)?;
    let mut compare = Compare::with(io::BufReader::with_capacity(1 << 20, log));
    if rebuild(file, path, &mut compare)?.about != *about {
        return Err(Fault::damaged(0, "archive metadata", "what was written", "another").in_file(path));
    }
    compare.finish().map_err(Error::io("compare", path))
}
