//! The log: the active segment that grows, the sealed ones behind it, and the way from one to the other.
//!
//! A commit is a walk through this room: [`group`] gathers what threads append, [`Log::transact`] takes the
//! store's lock and reads `head`, [`takeover`] deals with what a dead process left, [`session`] lays records out as
//! frames ([`commit`]), writes them, syncs and publishes; [`seal`] ends a segment; [`recover`] finds the end of the log
//! again after an unclean stop, by [`replay`].
//!
//! Nothing here edits a byte that was acknowledged: the log grows, is cut only above what was ever durable, and
//! what is cut is kept below `lost/`.

mod active;
pub(crate) mod archived;
mod catalog;
mod commit;
pub(crate) mod compact;
mod derived;
pub(crate) mod directories;
pub(crate) mod files;
mod fold;
pub(crate) mod group;
pub(crate) mod handover;
mod head_file;
pub(crate) mod indexer;
pub(crate) mod layout;
pub(crate) mod locks;
pub(crate) mod pack;
mod parts;
mod record;
mod recover;
mod replay;
pub(crate) mod rewrite;
pub(crate) mod rules;
pub(crate) mod scan;
pub(crate) mod seal;
mod session;
pub(crate) mod sources;
mod takeover;
pub(crate) mod tree;
pub(crate) mod unfed;
pub(crate) mod views;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use catalog::{AdminPlace, Catalog, SealedPlace};
pub(crate) use commit::{Committed, NewRecord};
pub use record::{Integrity, Record};
pub(crate) use session::Session;

use crate::disk::{Retrieve, World};
use crate::format::admin::Admin;
use crate::format::failures::{FailureClass, Failures};
use crate::format::head::Head;
use crate::{Error, Result, SegmentId, StoreId};
use files::{LogFile, LogFiles};
use head_file::HeadFile;
use indexer::Indexer;
use layout::Layout;
use locks::Locks;
use session::Writer;

/// When an append is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// Before it returns.
    #[default]
    Always,
    /// By the first commit that comes this long after the last sync, and by every seal, checkpoint and close.
    /// Receipts say `durable: false`; after a crash such events may be gone and their seqs given again.
    Interval(Duration),
    /// By the next seal, checkpoint or close.
    Buffered,
}

/// How a log is written; the parts of the store's options that this room needs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) sync: Sync,
    /// A segment is sealed when its log is this long, in bytes.
    pub(crate) segment_len: u64,
    /// A segment is sealed when it has this many records.
    pub(crate) segment_records: u32,
    /// A segment is sealed when it is this old, in seconds.
    pub(crate) segment_age_s: u64,
    /// How many bytes the active log is made longer by, ahead of need.
    pub(crate) allocate_len: u64,
    /// The way to segments in archives.
    pub(crate) retrieve: Option<Arc<dyn Retrieve>>,
}

/// What opening a store found that is not as a clean stop leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The store had not been closed in order.
    pub unclean: bool,
    /// How many bytes were cut, and kept below `lost/`.
    pub cut_len: u64,
    /// How many records that were never known durable were kept.
    pub kept_records: u64,
}

/// One open log.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) world: World,
    pub(crate) layout: Layout,
    pub(crate) settings: Settings,
    pub(crate) store_id: StoreId,
    opened_by: u32,
    access: Access,
    pub(crate) files: LogFiles,
    catalog: Mutex<Arc<Catalog>>,
    sources: sources::Sources,
    registered: rules::Registered,
    /// The index of the active segment, as far as this process has it.
    indexer: Mutex<Indexer>,
    unfed: unfed::Unfed,
    /// What queries see of the active segment.
    active_chunks: active::ActiveChunks,
    directories: directories::Directories,
    /// A run of sealed segments was found to be without its directory.
    pub(crate) directories_due: AtomicBool,
    /// Stretches of the active segment's log may be without their index parts.
    pub(crate) parts_due: AtomicBool,
    /// A seal is under way in this process.
    sealing: AtomicBool,
}

#[derive(Debug)]
enum Access {
    Write(Box<WriteAccess>),
    Read {
        head_file: Option<HeadFile>,
        /// Where the log stood when it was opened, for a store whose `head` says nothing.
        found: Box<Head>,
        /// What an append is told.
        refusal: Error,
    },
}

#[derive(Debug)]
struct WriteAccess {
    locks: Locks,
    head_file: HeadFile,
    writer: Mutex<Writer>,
}

impl Log {
    /// Makes the log of a new store, whose first record is `created`.
    pub(crate) fn create(
        world: &World,
        root: &Path,
        settings: Settings,
        created: impl FnOnce(StoreId) -> Admin,
    ) -> Result<Log> {
        let layout = Layout::new(root);
        recover::create(world, &layout, created)?;
        Log::open(world, root, settings).map(|(log, _)| log)
    }

    /// Opens a log to append to it, recovering it first where it must be.
    pub(crate) fn open(world: &World, root: &Path, settings: Settings) -> Result<(Log, Recovery)> {
        let layout = Layout::new(root);
        recover::require_store(world, &layout)?;
        let locks = Locks::open(world, &layout)?;
        let head_file = HeadFile::open(world, &layout)?;
        let (head, recovery) = recover::open(world, &layout, &locks, &head_file)?;
        let files = LogFiles::new(world.clone(), layout.clone(), settings.retrieve.clone());
        let active = files.log(head.active)?;
        active.require_writable()?;
        let store_id = active.header.store_id;
        let indexer = Mutex::new(Indexer::new(head.active));
        let writer = Writer::new(world, &layout, head)?;
        let log = Log {
            world: world.clone(),
            layout,
            settings,
            store_id,
            opened_by: (world.process_id)(),
            access: Access::Write(Box::new(WriteAccess { locks, head_file, writer: Mutex::new(writer) })),
            files,
            catalog: Mutex::default(),
            sources: sources::Sources::default(),
            registered: rules::Registered::default(),
            indexer,
            unfed: unfed::Unfed::default(),
            active_chunks: active::ActiveChunks::default(),
            directories: directories::Directories::default(),
            directories_due: AtomicBool::new(false),
            parts_due: AtomicBool::new(false),
            sealing: AtomicBool::new(false),
        };
        if recovery.unclean && (recovery.cut_len > 0 || recovery.kept_records > 0) {
            log.note_recovery(&recovery)?;
        }
        Ok((log, recovery.summary()))
    }

    /// Opens a log to read it. Nothing is written, not even a lock; an append is told
    /// `refusal`.
    pub(crate) fn open_read(world: &World, root: &Path, settings: Settings, refusal: Error) -> Result<Log> {
        let layout = Layout::new(root);
        recover::require_store(world, &layout)?;
        let head_file = HeadFile::open_read(world, &layout);
        let found = recover::find_end(world, &layout, head_file.as_ref().and_then(HeadFile::read))?;
        let files = LogFiles::new(world.clone(), layout.clone(), settings.retrieve.clone());
        Ok(Log {
            world: world.clone(),
            store_id: found.store_id,
            indexer: Mutex::new(Indexer::new(found.active)),
            unfed: unfed::Unfed::default(),
            active_chunks: active::ActiveChunks::default(),
            opened_by: (world.process_id)(),
            access: Access::Read { head_file, found: Box::new(found), refusal },
            layout,
            settings,
            files,
            catalog: Mutex::default(),
            sources: sources::Sources::default(),
            registered: rules::Registered::default(),
            directories: directories::Directories::default(),
            directories_due: AtomicBool::new(false),
            parts_due: AtomicBool::new(false),
            sealing: AtomicBool::new(false),
        })
    }

    fn note_recovery(&self, recovery: &recover::Recovered) -> Result<()> {
        let body = recovery.record().encode();
        self.transact(|session| session.write(&[NewRecord::admin(&body)]).map(|_| ()))
    }

    fn write_access(&self) -> Result<&WriteAccess> {
        match &self.access {
            Access::Write(access) => Ok(access),
            Access::Read { refusal, .. } => Err(refusal.clone()),
        }
    }

    fn check_process(&self) -> Result<()> {
        let current = (self.world.process_id)();
        if current == self.opened_by {
            Ok(())
        } else {
            Err(Error::Forked { opened_by: self.opened_by, current })
        }
    }

    /// Runs `work` with the right to commit: alone among all threads and processes, and knowing where the log
    /// stands.
    pub(crate) fn transact<T>(&self, work: impl FnOnce(&mut Session<'_>) -> Result<T>) -> Result<T> {
        self.check_process()?;
        let access = self.write_access()?;
        let mut writer = lock(&access.writer);
        let guard = access.locks.commit()?;
        let begun = Session::begin(self, &access.head_file, &mut writer);
        let was_open = begun.is_ok();
        let done = begun.and_then(|mut session| work(&mut session));
        if let Some(class) = done.as_ref().err().and_then(|error| failure_class(error, was_open)) {
            access.head_file.count_failure(class, self.world.clock.now());
        }
        drop(guard);
        done
    }

    /// How many commits failed, by what this store's processes counted. A hint.
    pub(crate) fn failures(&self) -> Failures {
        match &self.access {
            Access::Write(access) => access.head_file.failures(),
            Access::Read { head_file, .. } => head_file.as_ref().map(HeadFile::failures).unwrap_or_default(),
        }
    }

    /// Where the log stands for readers: no lock is taken, and nothing waits.
    pub(crate) fn head(&self) -> Result<Head> {
        self.check_process()?;
        let known = |head: &Head| head.store_id == self.store_id && head.boot_id == self.world.boot_id;
        match &self.access {
            Access::Write(access) => match access.head_file.read().filter(known) {
                Some(head) => Ok(head),
                // A damaged hint: what this process wrote last is still true, if perhaps not the latest.
                None => Ok(lock(&access.writer).head().clone()),
            },
            Access::Read { head_file, found, .. } => {
                let fresh = head_file.as_ref().and_then(HeadFile::read).filter(known);
                Ok(match fresh {
                    Some(head) if head.next_seq >= found.next_seq => head,
                    _ => (**found).clone(),
                })
            }
        }
    }

    /// Whether this handle may append.
    pub(crate) fn is_writable(&self) -> bool {
        matches!(self.access, Access::Write(_))
    }

    /// The catalog that belongs to `head`.
    pub(crate) fn catalog(&self, head: &Head) -> Result<Arc<Catalog>> {
        let known = Arc::clone(&lock(&self.catalog));
        if fold::is_current(&known, head, self.store_id) {
            return Ok(known);
        }
        let fresh = Arc::new(fold::catalog(self, head, &known)?);
        for (before, now) in known.sealed.iter().zip(&fresh.sealed) {
            if before.rewritten_by != now.rewritten_by {
                // Records of it were deleted meanwhile: what is open of it still has them.
                self.forget(SegmentId(now.first_seq));
            }
        }
        *lock(&self.catalog) = Arc::clone(&fresh);
        Ok(fresh)
    }

    fn set_catalog(&self, catalog: Catalog) {
        *lock(&self.catalog) = Arc::new(catalog);
    }

    /// The active segment's log, as of `head`.
    pub(crate) fn active(&self, head: &Head) -> Result<Arc<LogFile>> {
        self.files.log(head.active)
    }

    /// Ends the session of writing in order, if no other process has the store open.
    pub(crate) fn close(&self) -> Result<()> {
        let Access::Write(access) = &self.access else { return Ok(()) };
        self.check_process()?;
        if !access.locks.try_own_open()? {
            return Ok(());
        }
        let closed = self.transact(|session| session.write_close_frame());
        // Snapshots may outlive the store's handle; they must not keep others out.
        access.locks.release_open()?;
        closed
    }

    /// Marks a seal as under way; false if one is already.
    pub(crate) fn begin_seal(&self) -> bool {
        !self.sealing.swap(true, Ordering::AcqRel)
    }

    /// Whether a seal is under way in this process.
    pub(crate) fn is_sealing(&self) -> bool {
        self.sealing.load(Ordering::Acquire)
    }

    pub(crate) fn end_seal(&self) {
        self.sealing.store(false, Ordering::Release);
    }

    /// Whether the segment that `head` says is active should be sealed.
    pub(crate) fn is_due(&self, head: &Head) -> bool {
        let records = head.next_seq - head.active.0;
        let long = head.written_len >= self.settings.segment_len;
        long || records >= u64::from(self.settings.segment_records)
    }

    /// Whether the active segment is older than a segment may get.
    pub(crate) fn is_overdue(&self, head: &Head) -> Result<bool> {
        let made = self.active(head)?.header.created_at;
        let age_ns = self.world.clock.now().0.saturating_sub(made.0);
        Ok(age_ns / 1_000_000_000 >= i64::try_from(self.settings.segment_age_s).unwrap_or(i64::MAX))
    }
}

/// What kind of failure of a commit an error is, if it is one: what the disk says, and not what was asked. `was_open`
/// where the store took commits until then.
fn failure_class(error: &Error, was_open: bool) -> Option<FailureClass> {
    match error {
        Error::ClosedToWriting { .. } if was_open => Some(FailureClass::Closing),
        Error::ClosedToWriting { .. } => Some(FailureClass::Closed),
        Error::Io { source, .. } => Some(match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::WriteZero => {
                FailureClass::DiskFull
            }
            _ => FailureClass::Io,
        }),
        _ => None,
    }
}

/// A mutex whose holder panicked still guards plain data that is whole: every change of it is the last step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
