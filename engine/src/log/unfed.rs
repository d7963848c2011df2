//! What this process committed and what the active segment's index has not taken in yet.
//!
//! An append answers as soon as its record is durable. Its place in the index is made later: when many wait for it, or
//! when somebody looks at the index. Many at a time cost less than one by one, each in caches that the wait for the disk
//! left cold, and nobody who commits waits for it meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

use super::indexer::Indexer;
use super::{Committed, Log, lock};
use crate::SegmentId;
use crate::format::head::Head;
use crate::store::Prepared;

/// What an event holds in memory beside its bytes, about: its fields.
const EVENT_OVERHEAD_LEN: usize = 1 << 10;
/// When events of so many bytes wait, whoever prepares the next takes them in, while the disk may be at work for another,
/// if nobody is at it.
const FEED_LEN: usize = 128 << 10;
/// So many are taken in before a commit returns: they are held in memory until then.
const FEED_LEN_MAX: usize = 8 << 20;

/// Commits that wait, in the log's order.
#[derive(Debug, Default)]
pub(super) struct Unfed {
    waiting: Mutex<Waiting>,
    /// How many bytes of events wait, overhead included. Read without the lock: it only says whether taking them in pays.
    len: AtomicUsize,
}

#[derive(Debug, Default)]
struct Waiting {
    commits: Vec<(Committed, Vec<Prepared>)>,
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
    pub(crate) fn index_later(&self, committed: Committed, events: Vec<Prepared>) {
        let mut waiting = lock(&self.unfed.waiting);
        waiting.end = Some((committed.segment, committed.end_at));
        let len: usize = events.iter().map(|event| event.len() + EVENT_OVERHEAD_LEN).sum();
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
    }
}
