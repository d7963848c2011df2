//! Taking out of an archive what was deleted since it went there: the file of a segment as it was before some of its events were
//! deleted. Nothing else is ever removed.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use indelible_engine::format::log_header::{LOG_HEADER_LEN, LogHeader};
use indelible_engine::{Error, Result, SegmentInfo, Snapshot, Store};

use crate::cache::Key;
use crate::copy::object_key;
use crate::ranges::Ranges;
use crate::read::ArchiveFile;
use crate::target::{Object, Removed, Target};

/// What became of the files that still have what was deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Those that were removed, or would be.
    pub removed: Vec<Object>,
    /// Those that are there still, and why.
    pub left: Vec<(Object, String)>,
}

/// Removes each file of an archive that has events which the store deleted since; or says which these are, where it is a
/// `rehearsal`. A file stays while it is the only one: where a segment is in this archive and in no other place, its file
/// without the events must be there.
///
/// # Errors
/// [`Error::Io`]; [`Error::Fault`] for a file that cannot be read, and whatever reading the store says.
pub fn prune_archive(
    store: &Store,
    snapshot: &Snapshot,
    target: &Arc<Target>,
    rehearsal: bool,
) -> Result<Pruned> {
    let objects = target.list()?;
    let there: BTreeSet<Key> = objects.iter().filter_map(|object| object_key(&object.name)).collect();
    let mut pruned = Pruned::default();
    for object in objects {
        let Some((first, end, rewritten_by)) = object_key(&object.name) else { continue };
        let of = |segment: &SegmentInfo| segment.sealed && (segment.id.0, segment.end_seq) == (first, end);
        let Some(segment) = snapshot.segments().find(of) else { continue };
        let now = rewritten(snapshot, &segment)?;
        if rewritten_by >= now || !is_of(store, target, &object)? {
            continue;
        }
        let lies_here =
            snapshot.archived(segment.id)?.is_some_and(|there| there.archive == target.to_string());
        if lies_here && !there.contains(&(first, end, now)) {
            let why = "the file that has the rest of the segment is not in this archive".to_owned();
            pruned.left.push((object, why));
            continue;
        }
        match target.remove(&object, rehearsal)? {
            Removed::Yes => pruned.removed.push(object),
            Removed::No(why) => pruned.left.push((object, why)),
        }
    }
    Ok(pruned)
}

/// The seq of the record by which a segment was rewritten last.
fn rewritten(snapshot: &Snapshot, segment: &SegmentInfo) -> Result<u64> {
    let name = segment.id.file_name("log");
    let mut header = [0; LOG_HEADER_LEN];
    let read = snapshot.segment_log(segment.id)?.read_exact(&mut header);
    read.map_err(Error::io("read", &name))?;
    let (header, _) = LogHeader::decode(&header).map_err(|fault| fault.in_file(Path::new(&name)))?;
    Ok(header.rewritten_by)
}

/// Whether a file is of this store.
fn is_of(store: &Store, target: &Arc<Target>, object: &Object) -> Result<bool> {
    let file = ArchiveFile::open(Ranges::open(target, object)?, &target.place_of(&object.name))?;
    Ok(file.about().store_id == store.store_id().to_string())
}
