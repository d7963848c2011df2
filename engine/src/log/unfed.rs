//! What this process committed and what the active segment's index has not taken in yet.
//!
//! An append answers as soon as its record is durable. Its place in the index is made later: when many wait for it, or
//! when somebody looks at the index. Many at a time cost less than one by one, each in caches that the wait for the disk
//! left cold, and nobody who commits waits for it meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use super::indexer::Indexer;
use super::sources::SourceVersion;
use super::{Committed, Log, lock};
use crate::SegmentId;
use crate::format::frame::LabelBuf;
use crate::format::head::Head;
use crate::source::Fields;

/// When so many bytes wait, whoever prepares the next event takes them in, while the disk may be at work for another, if
/// nobody is at it.
const FEED_LEN: usize = 64 << 10;
/// So many are taken in before a commit returns: they are held in memory until then.
const FEED_LEN_MAX: usize = 4 << 20;
/// The buffers of so many events are kept for the next ones, where none is longer than this.
const SPARE_MAX: usize = 4096;
const SPARE_LEN_MAX: usize = 4 << 10;

/// What the index takes in of an event that was committed.
#[derive(Debug)]
pub(crate) struct ToIndex {
    pub(crate) source: Arc<SourceVersion>,
    pub(crate) labels: LabelBuf,
    /// Length of the record in its frame, in bytes.
    pub(crate) encoded_len: usize,
    pub(crate) fields: Box<Fields>,
}

impl ToIndex {
    /// How many bytes it holds in memory, about.
    fn len(&self) -> usize {
        size_of::<ToIndex>() + size_of::<Fields>() + self.fields.room()
    }
}

/// Commits that wait, in the log's order.
#[derive(Debug, Default)]
pub(super) struct Unfed {
    waiting: Mutex<Waiting>,
    /// Buffers that were taken in, for events to come: allocating them anew for each event, on one thread, and freeing
    /// them on another costs more than filling them.
    #[expect(clippy::vec_box, reason = "they come and go boxed")]
    spare: Mutex<Vec<Box<Fields>>>,
    /// How many bytes wait. Read without the lock: it only says whether taking them in pays.
    len: AtomicUsize,
}

#[derive(Debug, Default)]
struct Waiting {
    commits: Vec<(Committed, Vec<ToIndex>)>,
    /// Where the last commit ended, so that records of others behind it are seen.
    end: Option<(SegmentId, u64)>,
}

impl Log {
    /// The active segment's index, with all that this process committed to the segment and follows on what is there.
    pub(crate) fn indexer(&self) -> MutexGuard<'_, Indexer> {
        let mut indexer = lock(&self.indexer);
        self.feed(&mut indexer);
        indexer
    }

    /// Has the index take in a commit, sooner or later. Commits come in the log's order.
    pub(crate) fn index_later(&self, committed: Committed, events: Vec<ToIndex>) {
        let len: usize = events.iter().map(ToIndex::len).sum();
        let mut waiting = lock(&self.unfed.waiting);
        waiting.end = Some((committed.segment, committed.end_at));
        self.unfed.len.fetch_add(len, Ordering::Relaxed);
        waiting.commits.push((committed, events));
    }

    /// Has the index follow records that this process did not commit as events, where there are any before `head`: the
    /// store's own, or a few of another process. What cannot be read now is read, and told of, when the segment is
    /// sealed.
    pub(crate) fn follow_others(&self, head: &Head) {
        if lock(&self.unfed.waiting).end != Some((head.active, head.written_len)) {
            let _ = self.indexer().follow(self, head);
        }
    }

    /// Takes in what waits, where it is enough to pay.
    pub(crate) fn feed_if_due(&self) {
        if self.unfed.len.load(Ordering::Relaxed) < FEED_LEN {
            return;
        }
        let mut indexer = match self.indexer.try_lock() {
            Ok(indexer) => indexer,
            Err(TryLockError::WouldBlock) => return,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        self.feed(&mut indexer);
    }

    /// Takes in what waits, where it is too much to be held.
    pub(crate) fn feed_if_full(&self) {
        if self.unfed.len.load(Ordering::Relaxed) >= FEED_LEN_MAX {
            drop(self.indexer());
        }
    }

    fn feed(&self, indexer: &mut Indexer) {
        if self.unfed.len.load(Ordering::Acquire) == 0 {
            return;
        }
        let commits = {
            let mut waiting = lock(&self.unfed.waiting);
            self.unfed.len.store(0, Ordering::Relaxed);
            std::mem::take(&mut waiting.commits)
        };
        for (committed, events) in &commits {
            indexer.feed(committed, events);
        }
        let fields = commits.into_iter().flat_map(|(_, events)| events).map(|event| event.fields);
        let mut spare = lock(&self.unfed.spare);
        let room = SPARE_MAX.saturating_sub(spare.len());
        spare.extend(fields.filter(|fields| fields.room() <= SPARE_LEN_MAX).take(room));
    }

    /// Room for what a profile finds in an event; what was found in another may still be in it.
    pub(crate) fn room_for_fields(&self) -> Box<Fields> {
        let spare = lock(&self.unfed.spare).pop();
        spare.unwrap_or_else(|| Box::new(Fields::with_room()))
    }
}
