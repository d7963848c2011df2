//! Making a store, opening it, and finding the end of its log again after an unclean stop.
//!
//! A recovering open has the store to itself. It follows the active segment's frames by [`replay`], keeps what
//! stands behind the last good frame below `lost/`, and copies the good frames to a new file before anyone may
//! read them: what was never synced may be in memory only, and a sync of the old file that failed once may
//! falsely succeed now.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Recovery;
use super::commit::{Committed, FrameBuilder, NewRecord};
use super::files::LogFile;
use super::head_file::{HeadFile, Slots};
use super::layout::Layout;
use super::locks::Locks;
use super::replay::{self, Position, Replay};
use crate::disk::{File, Open, World, directory_of};
use crate::format::admin::Admin;
use crate::format::head::Head;
use crate::format::log_header::{LOG_HEADER_LEN, LogHeader};
use crate::hash::{Hash, SegmentSalt};
use crate::merkle::Frontier;
use crate::trust::{Checkpoint, Note};
use crate::{Error, Result, SegmentId, StoreId, limits};

/// What a recovering open found and did.
#[derive(Debug, Clone, Default)]
pub(super) struct Recovered {
    pub(super) unclean: bool,
    pub(super) cut_len: u64,
    pub(super) kept_records: u64,
    cut_at: u64,
    segment: Option<SegmentId>,
    lost: Option<String>,
}

impl Recovered {
    /// The record that tells of it.
    pub(super) fn record(&self) -> Admin {
        Admin::Recovered {
            cut_at: self.cut_at,
            cut_len: self.cut_len,
            file: self.segment.map(|segment| segment.file_name("log")).unwrap_or_default(),
            kept_records: self.kept_records,
            lost: self.lost.clone(),
        }
    }

    pub(super) fn summary(&self) -> Recovery {
        Recovery { unclean: self.unclean, cut_len: self.cut_len, kept_records: self.kept_records }
    }
}

/// The segments whose logs, packs or what the archive left of them are in the store's directory, in order.
pub(super) fn segments(world: &World, layout: &Layout) -> Result<Vec<SegmentId>> {
    let mut segments = logs(world, layout)?;
    segments.extend(named(world, layout.packs_dir(), "pack")?);
    segments.extend(named(world, layout.archived_dir(), "kept")?);
    segments.sort_unstable();
    segments.dedup();
    Ok(segments)
}

/// The segments whose logs are there, in order: the active one is never a pack.
fn logs(world: &World, layout: &Layout) -> Result<Vec<SegmentId>> {
    named(world, layout.log_dir(), "log")
}

fn named(world: &World, dir: PathBuf, extension: &str) -> Result<Vec<SegmentId>> {
    match world.disk.list(&dir) {
        Ok(names) => Ok(names.iter().filter_map(|name| SegmentId::from_file_name(name, extension)).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("list", dir)(error)),
    }
}

/// # Errors
/// [`Error::NotAStore`] where there is no log.
pub(super) fn require_store(world: &World, layout: &Layout) -> Result<()> {
    last_segment(world, layout).map(|_| ())
}

fn last_segment(world: &World, layout: &Layout) -> Result<SegmentId> {
    let logs = logs(world, layout);
    if let Ok([.., last]) = logs.as_deref() {
        return Ok(*last);
    }
    let root = layout.root();
    let reason = match world.disk.list(root).map_err(|error| error.kind()) {
        Err(io::ErrorKind::NotFound) => "there is no such directory; make a store with `init`",
        Err(io::ErrorKind::NotADirectory) => "it is a file and no directory",
        _ => {
            logs?;
            "it has no log; make a store with `init`"
        }
    };
    Err(Error::NotAStore { path: root.to_path_buf(), reason: reason.to_owned() })
}

/// Makes the directory and the first segment of a new store.
pub(super) fn create(world: &World, layout: &Layout, created: impl FnOnce(StoreId) -> Admin) -> Result<()> {
    let disk = &world.disk;
    let make = |path: &Path| disk.create_dir(path).map_err(Error::io("make directory", path));
    make(layout.root())?;
    let locks = Locks::open(world, layout)?;
    let _guard = locks.commit()?;
    if !segments(world, layout)?.is_empty() {
        return Err(Error::AlreadyExists {
            path: layout.root().to_path_buf(),
            reason: "there is a store here; open it, or choose another directory".to_owned(),
        });
    }
    for dir in [layout.log_dir(), layout.checkpoints_dir(), layout.lost_dir()] {
        make(&dir)?;
    }
    let store_id = StoreId(world.random()?);
    let admin = created(store_id);
    if let Admin::Created { origin, format, .. } = &admin {
        let hints = format!(
            "# What is here, for people. Indelible believes the log, not this file.\n\
             origin = \"{origin}\"\nformat = {format}\nstore_id = \"{store_id}\"\n"
        );
        disk.replace(&layout.hints(), hints.as_bytes()).map_err(Error::io("write", layout.hints()))?;
    }
    let header = LogHeader {
        store_id,
        first_seq: 0,
        created_at: world.clock.now(),
        predecessor: Hash::ZERO,
        salt: SegmentSalt(world.random()?),
        rewritten_by: 0,
        frontier: Vec::new(),
    };
    prepare_segment(world, layout, &header, &admin.encode())?;
    place_segment(world, layout, SegmentId(0))?;
    sync_root(world, layout)?;
    // All of it is durable: there is nothing for the first open to recover.
    let mut head = head_at(world, layout, SegmentId(0))?;
    head.turn = 1;
    HeadFile::open(world, layout)?.publish(&head, &mut Slots::unknown())
}

/// Makes the names in the store's directory durable, and the directory's own.
fn sync_root(world: &World, layout: &Layout) -> Result<()> {
    let sync_dir = |path: &Path| world.disk.sync_dir(path).map_err(Error::io("sync directory", path));
    sync_dir(layout.root())?;
    sync_dir(directory_of(layout.root()))
}

/// A segment's log beside its place, durable: its header and a first frame with the one record `body`.
pub(super) fn prepare_segment(
    world: &World,
    layout: &Layout,
    header: &LogHeader,
    body: &[u8],
) -> Result<(Committed, Frontier)> {
    let segment = SegmentId(header.first_seq);
    let now = world.clock.now();
    let mut frontier = Frontier::from_parts(header.first_seq, header.frontier.clone()).ok_or_else(|| {
        Error::ClosedToWriting { reason: "the tree does not fit the log's size".to_owned() }
    })?;
    let mut committed = Committed {
        segment,
        first_seq: header.first_seq,
        received_at: now,
        durable: true,
        tree_size: header.first_seq + 1,
        frontier: Arc::default(),
        leaves: Vec::new(),
        frames: Vec::new(),
        end_at: 0,
    };
    let mut bytes = header.encode().to_vec();
    let mut frames = FrameBuilder {
        buffer: &mut bytes,
        scratch: &mut Vec::new(),
        synced_len: 0,
        received_at: now,
        predecessor: header.predecessor,
    };
    frames.push(&[NewRecord::admin(body)], 0, &header.salt, &mut frontier, &mut committed);
    committed.frontier = frontier.hashes().into();
    committed.end_at = bytes.len() as u64;
    let path = layout.log(segment).with_extension("new");
    let write = || {
        let file = world.disk.open(&path, Open::Create)?;
        file.set_len(0)?;
        file.write_all_at(&bytes, 0)?;
        file.sync()
    };
    if let Err(error) = write() {
        // Another seal may write another file: this one would stay.
        let _ = world.disk.remove(&path);
        return Err(Error::io("write", &path)(error));
    }
    Ok((committed, frontier))
}

/// Puts a prepared segment's log in its place, durably.
pub(super) fn place_segment(world: &World, layout: &Layout, segment: SegmentId) -> Result<()> {
    let path = layout.log(segment);
    let beside = path.with_extension("new");
    world.disk.rename(&beside, &path).map_err(Error::io("rename", beside))?;
    let dir = layout.log_dir();
    world.disk.sync_dir(&dir).map_err(Error::io("sync directory", dir))
}

/// Opens the log for writing: by `head`, where that is of this boot and true; by recovery otherwise.
pub(super) fn open(
    world: &World,
    layout: &Layout,
    locks: &Locks,
    head_file: &HeadFile,
) -> Result<(Head, Recovered)> {
    locks.share_open()?;
    if let Some(head) = usable(world, layout, head_file)? {
        return Ok((head, Recovered::default()));
    }
    if locks.try_own_open()? {
        // Another process may have recovered the store while this one had no share.
        if let Some(head) = usable(world, layout, head_file)? {
            locks.share_open()?;
            return Ok((head, Recovered::default()));
        }
        let guard = locks.commit()?;
        let last = head_file.read();
        let (mut head, recovered) = recover(world, layout, last.as_ref())?;
        head.turn = last.map_or(0, |head| head.turn) + 1;
        head_file.publish(&head, &mut Slots::unknown())?;
        drop(guard);
        locks.share_open()?;
        return Ok((head, recovered));
    }
    // This waits for a process that recovers.
    locks.share_open()?;
    match usable(world, layout, head_file)? {
        Some(head) => Ok((head, Recovered::default())),
        None => Err(Error::Locked {
            path: layout.open(),
            reason: "the store needs recovery, and another process has it open; close it there first"
                .to_owned(),
        }),
    }
}

/// The published head, where it can be believed: of this boot and store, open to writing, and of the last log.
fn usable(world: &World, layout: &Layout, head_file: &HeadFile) -> Result<Option<Head>> {
    let Some(head) = head_file.read() else { return Ok(None) };
    if head.boot_id != world.boot_id
        || head.closed
        || head.rolling
        || last_segment(world, layout)? != head.active
    {
        return Ok(None);
    }
    let log = LogFile::open(world, layout, head.active, Open::Read)?;
    let len = log.file.len().map_err(Error::io("measure", &log.path))?;
    if log.header.store_id != head.store_id || len < head.written_len {
        return Ok(None);
    }
    refuse_rolled_back(world, layout, &log, head.next_seq, 0)?;
    Ok(Some(head))
}

/// Finds the end of the log and makes it good.
///
/// What is read may come from this boot's cache rather than from the disk, for all that the `last` head says: then even a
/// close frame proves nothing, for its sync may be the one that failed.
fn recover(world: &World, layout: &Layout, last: Option<&Head>) -> Result<(Head, Recovered)> {
    let in_cache = last.is_none_or(|head| head.boot_id == world.boot_id);
    let segment = last_segment(world, layout)?;
    let log = LogFile::open(world, layout, segment, Open::Read)?;
    log.require_writable()?;
    let found = replay_whole(&log)?;
    refuse_rolled_back(world, layout, &log, found.end.next_seq(), found.tail_len)?;
    if let Some(last) = last {
        refuse_cut(&log, &found, last)?;
    }
    remove_leftovers(world, layout)?;
    let clean = found.closed && found.tail_len == 0;
    let mut recovered = Recovered { unclean: !clean, segment: Some(segment), ..Recovered::default() };
    if !clean || in_cache {
        recovered.cut_at = found.end.at;
        recovered.cut_len = found.tail_len;
        recovered.kept_records = found.end.next_seq() - found.unsynced_seq;
        recovered.lost =
            keep_tail(world, layout, segment, &*log.file, &log.path, found.end.at, found.tail_len)?;
        copy_good(world, layout, segment, &*log.file, found.end.at)?;
        // Whoever made the store may have died, or failed, before its directory was durable.
        sync_root(world, layout)?;
    }
    Ok((head_of(world, &log, &found), recovered))
}

/// The head of a store whose newest log is `segment`, by its frames alone.
pub(super) fn head_at(world: &World, layout: &Layout, segment: SegmentId) -> Result<Head> {
    let log = LogFile::open(world, layout, segment, Open::Read)?;
    let found = replay_whole(&log)?;
    Ok(head_of(world, &log, &found))
}

/// Where the log ends, for a reader that may change nothing.
///
/// A `hint` of this boot saves the way there from the segment's start. What stands behind the place that it names is
/// followed all the same: one that was wound back costs time and hides nothing.
pub(super) fn find_end(world: &World, layout: &Layout, hint: Option<Head>) -> Result<Head> {
    let segment = last_segment(world, layout)?;
    let log = LogFile::open(world, layout, segment, Open::Read)?;
    let len = log.file.len().map_err(Error::io("measure", &log.path))?;
    let fits = |head: &Head| {
        let is_open = !head.closed && !head.rolling;
        let is_ours = head.store_id == log.header.store_id && head.boot_id == world.boot_id;
        is_open && is_ours && head.active == segment && head.written_len <= len
    };
    let start = hint.filter(fits).and_then(|head| {
        let frontier = Frontier::from_parts(head.next_seq, head.frontier.clone())?;
        Some((head, frontier))
    });
    let Some((head, frontier)) = start else {
        return Ok(head_of(world, &log, &replay_whole(&log)?));
    };
    if !is_written_behind(&log, head.written_len)? {
        return Ok(head);
    }
    let start =
        Position { at: head.written_len, frontier, last_leaf: head.last_leaf, received_at: head.received_at };
    let found = replay::replay(&log.file, &log.path, log.id, &log.header.salt, start)?;
    let admin_end = found.admin.last().map_or(head.admin_end, |place| place.seq + 1);
    Ok(Head { admin_end, generation: head.generation, ..head_of(world, &log, &found) })
}

/// Whether anything but room to grow stands at this offset.
pub(super) fn is_written_behind(log: &LogFile, at: u64) -> Result<bool> {
    let mut first = [0; 8];
    let len = log.file.read_up_to(&mut first, at).map_err(Error::io("read", &log.path))?;
    Ok(first[..len].iter().any(|&byte| byte != 0))
}

fn replay_whole(log: &LogFile) -> Result<Replay> {
    let header = &log.header;
    let frontier = Frontier::from_parts(header.first_seq, header.frontier.clone()).ok_or_else(|| {
        crate::Fault::damaged(
            112,
            "log header frontier",
            header.first_seq.count_ones(),
            header.frontier.len(),
        )
        .in_file(&log.path)
    })?;
    let start = Position {
        at: LOG_HEADER_LEN as u64,
        frontier,
        last_leaf: header.predecessor,
        received_at: header.created_at,
    };
    replay::replay(&log.file, &log.path, log.id, &header.salt, start)
}

fn head_of(world: &World, log: &LogFile, found: &Replay) -> Head {
    Head {
        turn: 0,
        store_id: log.header.store_id,
        boot_id: world.boot_id,
        generation: log.header.first_seq,
        active: log.id,
        durable_len: found.end.at,
        written_len: found.end.at,
        next_seq: found.end.next_seq(),
        last_leaf: found.end.last_leaf,
        received_at: found.end.received_at,
        since_boot_ns: 0,
        // A segment starts with a record of the store's own, so there is always one in the active segment.
        admin_end: found.admin.last().map_or(log.id.0, |place| place.seq + 1),
        closed: false,
        rolling: false,
        frontier: found.end.frontier.hashes().to_vec(),
    }
}

/// # Errors
/// [`Error::RolledBack`] where the store's own checkpoint covers more than its log holds; damage, where bytes are
/// there that cannot be read.
fn refuse_rolled_back(
    world: &World,
    layout: &Layout,
    log: &LogFile,
    next_seq: u64,
    tail_len: u64,
) -> Result<()> {
    let text = world.disk.read(&layout.checkpoint(), limits::NOTE_LEN_MAX as u64).ok().flatten();
    // What is no checkpoint says nothing; verification reports it.
    let size = text
        .and_then(|bytes| Note::decode(&bytes).ok())
        .and_then(|note| Checkpoint::decode(note.text()).ok())
        .map_or(0, |checkpoint| checkpoint.size);
    if size <= next_seq {
        return Ok(());
    }
    if tail_len > 0 {
        let expected = format!("frames up to seq {size}, which a checkpoint covers");
        let found = format!("{tail_len} bytes that are no frame behind seq {next_seq}");
        return Err(crate::Fault::damaged(0, "log", expected, found).in_file(&log.path));
    }
    Err(Error::RolledBack {
        reason: format!(
            "its last checkpoint covers {size} records and its log holds {next_seq}: this is an older copy; \
             put the newest copy back, or start a new log with `recover --fork`"
        ),
    })
}

/// # Errors
/// Damage, where the log was durable beyond its last whole frame, as its `last` head says, and had more records. A head is
/// written once a commit is durable, and never before.
fn refuse_cut(log: &LogFile, found: &Replay, last: &Head) -> Result<()> {
    let is_of_log = last.store_id == log.header.store_id && last.active == log.id;
    if !is_of_log || last.durable_len <= found.end.at || last.next_seq <= found.end.next_seq() {
        return Ok(());
    }
    let expected = format!("{} bytes of whole frames, which were durable", last.durable_len);
    Err(crate::Fault::damaged(found.end.at, "log length", expected, found.end.at).in_file(&log.path))
}

/// Removes files that were being made when the store stopped and that nothing refers to.
fn remove_leftovers(world: &World, layout: &Layout) -> Result<()> {
    // Not all of these are there before there is something to put there.
    let made =
        [layout.checkpoints_dir(), layout.directories_dir(), layout.packs_dir(), layout.archived_dir()];
    let listed = made.into_iter().filter(|dir| world.disk.list(dir).is_ok());
    for dir in [layout.log_dir(), layout.root().to_path_buf()].into_iter().chain(listed) {
        for name in world.disk.list(&dir).map_err(Error::io("list", &dir))? {
            if name.ends_with(".new") {
                let path = dir.join(name);
                world.disk.remove(&path).map_err(Error::io("remove", path))?;
            }
        }
    }
    Ok(())
}

/// Copies `tail_len` bytes at `at` to a file below `lost/`, durable; its name. Nothing where there are none.
pub(super) fn keep_tail(
    world: &World,
    layout: &Layout,
    segment: SegmentId,
    file: &dyn File,
    path: &Path,
    at: u64,
    tail_len: u64,
) -> Result<Option<String>> {
    if tail_len == 0 {
        return Ok(None);
    }
    let dir = layout.lost_dir();
    world.disk.create_dir(&dir).map_err(Error::io("make directory", &dir))?;
    let (lost, lost_path) = (0_u32..)
        .find_map(|attempt| {
            let lost_path = layout.lost(segment, at, attempt);
            match world.disk.open(&lost_path, Open::CreateNew) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                other => {
                    Some(other.map(|file| (file, lost_path.clone())).map_err(Error::io("make", lost_path)))
                }
            }
        })
        .unwrap_or_else(|| Err(Error::io("make", dir.clone())(io::ErrorKind::AlreadyExists.into())))?;
    copy(file, path, at..at + tail_len, &*lost, &lost_path, 0)?;
    lost.sync().map_err(Error::io("sync", &lost_path))?;
    world.disk.sync_dir(&dir).map_err(Error::io("sync directory", &dir))?;
    Ok(lost_path.file_name().map(|name| name.to_string_lossy().into_owned()))
}

/// Replaces a log by a copy of its first `len` bytes, synced before it takes the old one's name.
fn copy_good(world: &World, layout: &Layout, segment: SegmentId, file: &dyn File, len: u64) -> Result<()> {
    let path = layout.log(segment);
    let beside = path.with_extension("new");
    let copied = world.disk.open(&beside, Open::Create).map_err(Error::io("make", &beside))?;
    copied.set_len(0).map_err(Error::io("cut", &beside))?;
    copy(file, &path, 0..len, &*copied, &beside, 0)?;
    copied.sync().map_err(Error::io("sync", &beside))?;
    place_segment(world, layout, segment)
}

/// Writes the bytes from `from` to `to` again where they stand, so that the next sync takes them along.
pub(super) fn rewrite_in_place(file: &dyn File, path: &Path, from: u64, to: u64) -> Result<()> {
    copy(file, path, from..to, file, path, from)
}

fn copy(
    from: &dyn File,
    from_path: &Path,
    range: std::ops::Range<u64>,
    to: &dyn File,
    to_path: &Path,
    to_at: u64,
) -> Result<()> {
    const CHUNK_LEN: u64 = 1 << 20;
    let mut chunk = vec![0; CHUNK_LEN.min(range.end - range.start) as usize];
    let mut at = range.start;
    while at < range.end {
        let len = chunk.len().min((range.end - at) as usize);
        from.read_exact_at(&mut chunk[..len], at).map_err(Error::io("read", from_path))?;
        let target = to_at + (at - range.start);
        to.write_all_at(&chunk[..len], target).map_err(Error::io("write", to_path))?;
        at += len as u64;
    }
    Ok(())
}
