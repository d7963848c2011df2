//! A consistent copy of a live store: the log up to a snapshot, with all that belongs to it.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Store, Tier};
use crate::artifact::Artifacts;
use crate::disk::{Disk, File, Open, directory_of};
use crate::format::frame::{FRAME_HEADER_LEN, FrameHeader, FrameKind};
use crate::log::layout::Layout;
use crate::{Error, Result, SegmentId, Seq};

/// How much is copied at once, in bytes.
const CHUNK_LEN: usize = 1 << 20;

/// What a backup copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// How many records the copy has.
    pub tree_size: Seq,
    /// How many bytes were written.
    pub len: u64,
}

impl Store {
    /// Copies the store as it stands into a directory that does not exist or is empty. Appends go on meanwhile.
    /// `progress` is told how many bytes were copied, and of how many; where it says false the copy is given up. What was
    /// copied until an error stays, and is no store.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] where there is something; whatever reading and writing say; [`Error::Cancelled`].
    pub fn backup(&self, to: &Path, progress: &mut dyn FnMut(u64, u64) -> bool) -> Result<Backup> {
        let log = &self.inner.log;
        let (disk, layout) = (&log.world.disk, &log.layout);
        let target = Layout::new(to);
        if disk.list(to).is_ok_and(|names| !names.is_empty()) {
            let reason = match disk.exists(&unfinished(&target.log(FIRST))) {
                Ok(true) => "it holds a copy that was not finished: remove it, or name another directory",
                _ => "a backup needs a directory that is new or empty",
            };
            return Err(Error::AlreadyExists { path: to.to_path_buf(), reason: reason.to_owned() });
        }
        let dirs = [target.log_dir(), target.packs_dir(), target.archived_dir()];
        for dir in dirs.into_iter().chain([target.checkpoints_dir(), target.lost_dir()]) {
            disk.create_dir(&dir).map_err(Error::io("make directory", dir))?;
        }
        // Before the snapshot: it covers every checkpoint that was signed by then, and none may be ahead of the copy.
        copy_notes(&**disk, layout, &target)?;
        let snapshot = self.snapshot()?;
        let mut files = Vec::new();
        for segment in snapshot.segments() {
            files.push(match snapshot.tier(segment.id)? {
                Tier::Hot => (segment, layout.log(segment.id), target.log(segment.id), segment.log_len),
                Tier::Warm { pack_len } => {
                    (segment, layout.pack(segment.id), target.pack(segment.id), pack_len)
                }
                Tier::Archive { kept_len } => {
                    (segment, layout.kept(segment.id), target.kept(segment.id), kept_len)
                }
            });
        }
        let total: u64 = files.iter().map(|(_, _, _, len)| len).sum();
        let (mut len, mut first) = (0, None);
        for (segment, from, mut to, file_len) in files {
            // Without record 0 nothing is a store: the copy becomes one when all of it is there.
            if segment.id == FIRST {
                let beside = unfinished(&to);
                first = Some((beside.clone(), to));
                to = beside;
            }
            let copied = copy(&**disk, &from, &to, Some(file_len), &mut |chunk| {
                len += chunk;
                progress(len, total)
            })?;
            if !segment.sealed {
                close(&snapshot, &*copied, &to, segment.log_len)?;
            } else if disk.exists(&layout.sidecar(segment.id)).unwrap_or(false) {
                copy(&**disk, &layout.sidecar(segment.id), &target.sidecar(segment.id), None, &mut |_| true)?;
            }
        }
        // After the snapshot: what its events point to is there by now.
        self.copy_artifacts(&target)?;
        if self.snapshot()?.retention()?.collections.len() != snapshot.retention()?.collections.len() {
            let reason =
                "artifacts were collected meanwhile, and the copy may miss some; make another".to_owned();
            return Err(Error::Refused { what: "backup", reason });
        }
        let sync_dirs = || {
            // That the copy is there at all is written in its parent.
            let parent = directory_of(to);
            let [log_dir, packs_dir, archived_dir] =
                [target.log_dir(), target.packs_dir(), target.archived_dir()];
            let mut dirs = [&*log_dir, &*packs_dir, &*archived_dir, to, parent].into_iter();
            dirs.try_for_each(|dir| disk.sync_dir(dir).map_err(Error::io("sync directory", dir)))
        };
        sync_dirs()?;
        if let Some((beside, first)) = first {
            disk.rename(&beside, &first).map_err(Error::io("rename", &beside))?;
        }
        sync_dirs()?;
        Ok(Backup { tree_size: snapshot.tree_size(), len })
    }

    /// Copies the files of all artifacts as they are.
    fn copy_artifacts(&self, target: &Layout) -> Result<()> {
        let log = &self.inner.log;
        let (disk, from) = (&log.world.disk, self.artifacts_room());
        let to = Artifacts::new(&**disk, target.artifacts_dir());
        let mut dirs = BTreeSet::new();
        for id in from.list()? {
            let dir = to.dir_of(id);
            disk.create_dir(&dir).map_err(Error::io("make directory", &dir))?;
            match copy(&**disk, &from.path(id), &to.path(id), None, &mut |_| true) {
                // It was collected since it was listed.
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                copied => drop(copied?),
            }
            dirs.insert(dir);
        }
        if !dirs.is_empty() {
            dirs.insert(target.artifacts_dir());
        }
        dirs.iter().try_for_each(|dir| disk.sync_dir(dir).map_err(Error::io("sync directory", dir)))
    }
}

/// The segment of record 0.
const FIRST: SegmentId = SegmentId(0);

/// Copies what a store has beside its log: hints, checkpoints, and what recovery kept.
fn copy_notes(disk: &dyn Disk, layout: &Layout, target: &Layout) -> Result<()> {
    for (from, to) in [(layout.hints(), target.hints()), (layout.checkpoint(), target.checkpoint())] {
        if disk.exists(&from).unwrap_or(false) {
            copy(disk, &from, &to, None, &mut |_| true)?;
        }
    }
    for (from_dir, to_dir) in
        [(layout.checkpoints_dir(), target.checkpoints_dir()), (layout.lost_dir(), target.lost_dir())]
    {
        for name in disk.list(&from_dir).unwrap_or_default() {
            copy(disk, &from_dir.join(&name), &to_dir.join(&name), None, &mut |_| true)?;
        }
        disk.sync_dir(&to_dir).map_err(Error::io("sync directory", &to_dir))?;
    }
    Ok(())
}

/// Ends the copied log in order: the copy is whole, and says so.
fn close(snapshot: &super::Snapshot, file: &dyn File, path: &Path, len: u64) -> Result<()> {
    let head = snapshot.head();
    let mut frame = [0; FRAME_HEADER_LEN];
    FrameHeader {
        kind: FrameKind::Close,
        payload_len: 0,
        count: 0,
        first_seq: head.next_seq,
        received_at: head.received_at,
        synced_len: len,
        predecessor: head.last_leaf,
    }
    .seal(&mut frame);
    file.write_all_at(&frame, len).map_err(Error::io("write", path))?;
    file.sync().map_err(Error::io("sync", path))
}

/// What the first segment's log is called in a copy that is not whole yet.
fn unfinished(first: &Path) -> PathBuf {
    let mut beside = first.as_os_str().to_owned();
    beside.push(".new");
    beside.into()
}

/// Copies a file, or its first `len` bytes, to a new one, and syncs it. Where `progress` says false it is given up.
fn copy(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    len: Option<u64>,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<std::sync::Arc<dyn File>> {
    let source = disk.open(from, Open::Read).map_err(Error::io("open", from))?;
    let target = disk.open(to, Open::CreateNew).map_err(Error::io("make", to))?;
    let len = match len {
        Some(len) => len,
        None => source.len().map_err(Error::io("measure", from))?,
    };
    let mut chunk = vec![0; CHUNK_LEN];
    let mut at = 0;
    while at < len {
        let part = chunk.len().min((len - at) as usize);
        source.read_exact_at(&mut chunk[..part], at).map_err(Error::io("read", from))?;
        target.write_all_at(&chunk[..part], at).map_err(Error::io("write", to))?;
        at += part as u64;
        if !progress(part as u64) {
            return Err(Error::Cancelled);
        }
    }
    target.sync().map_err(Error::io("sync", to))?;
    Ok(target)
}
